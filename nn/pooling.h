// What a sequence comes to: its last output, or the mean or maximum of its outputs over time.
#pragma once

#include <unroll/nn/lengths.h>

namespace unroll::nn {

struct PoolOptions {
  Lengths lengths = {};      ///< real steps per sequence
  bool batch_first = false;  ///< outputs are [B, T, ...] instead of [T, B, ...]
};

// Of outputs [T, B, ...], or [B, T, ...], over the real steps of each sequence: [B, ...]. What
// padded steps hold, NaN included, has no influence, and gets exactly 0 gradient. A sequence of no
// steps gives zeros. Throws as Lengths::check, with the caller's line in front, and ShapeError
// unless there are two axes or more.

/// The output of the last step.
Variable pool_last(const Variable& outputs, const PoolOptions& options = {},
                   Location at = Location::current());
/// The sum of the outputs divided by the number of steps.
Variable pool_mean(const Variable& outputs, const PoolOptions& options = {},
                   Location at = Location::current());
/// The largest of each element over the steps, NaN if there is one; equal ones share the gradient.
Variable pool_max(const Variable& outputs, const PoolOptions& options = {},
                  Location at = Location::current());

}  // namespace unroll::nn
