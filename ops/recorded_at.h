// RecordedAt lives with the engine.
#pragma once

#include <unroll/autograd/recorded_at.h>
