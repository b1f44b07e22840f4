// SequenceMask: the real steps of a padded batch as masks on a tape. Internal to nn/.
#pragma once

#include <cstdint>

#include <unroll/nn/lengths.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

class SequenceMask {
 public:
  /// Of x [T, B, ...], or [B, T, ...] if batch_first. Throws as Lengths::check.
  SequenceMask(const Variable& x, const Lengths& lengths, bool batch_first)
      : batch_first_(batch_first) {
    const Shape shape = x.shape();
    const std::int64_t batch = shape.extent(batch_first ? 0 : 1);
    const std::int64_t steps = shape.extent(batch_first ? 1 : 0);
    lengths.check(batch, steps);
    if (!lengths.all_are(steps)) mask_ = input_like(x, length_mask(lengths, steps));
  }

  /// x with `pad` beyond the lengths, whatever stood there.
  Variable operator()(const Variable& x, double pad = 0) const {
    if (!mask_.defined()) return x;
    return where(mask_for(batch_first_ ? mask_ : transpose(mask_, 0, 1), x), x, pad);
  }
  /// bool [B, 1, 1, T]; undefined if all steps are real.
  Variable of_keys() const {
    if (!mask_.defined()) return {};
    return reshape(mask_, {mask_.shape()[0], 1, 1, mask_.shape()[1]});
  }

 private:
  bool batch_first_;
  Variable mask_;  ///< bool [B, T]
};

}  // namespace unroll::nn
