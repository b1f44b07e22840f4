// Optimisers, clipping, learning-rate schedules.
#pragma once

#include <unroll/optim/adam.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/plateau.h>
#include <unroll/optim/schedule.h>
#include <unroll/optim/sgd.h>
