// The catalogue of ops.
#pragma once

#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>
