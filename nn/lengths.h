// Lengths of the sequences of a padded batch, and the masks that follow from them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include <unroll/autograd/tape.h>

namespace unroll::nn {

/// How many steps of each sequence of a batch are real. Made from a list or from int32 [batch];
/// made from nothing it means that all sequences are full.
class Lengths {
 public:
  Lengths() = default;
  Lengths(std::vector<std::int32_t> lengths) : values_(std::move(lengths)) {}  // NOLINT
  Lengths(std::initializer_list<std::int32_t> lengths);
  /// Throws DtypeError unless int32, ShapeError unless [batch].
  Lengths(const Tensor& lengths);  // NOLINT(google-explicit-constructor)
  /// Reads the value now. Throws as above.
  Lengths(const Variable& lengths) : Lengths(lengths.value()) {}  // NOLINT

  bool given() const { return values_.has_value(); }
  /// Empty if not given.
  std::vector<std::int32_t> values() const { return values_.value_or(std::vector<std::int32_t>()); }
  /// Those given, or `steps` for each of `batch` sequences.
  std::vector<std::int32_t> or_full(std::int64_t batch, std::int64_t steps) const;
  /// Is every sequence `steps` long?
  bool all_are(std::int64_t steps) const;
  /// Throws ShapeError unless there is one per sequence, ValueError unless all are in [0, steps].
  void check(std::int64_t batch, std::int64_t steps) const;

 private:
  std::optional<std::vector<std::int32_t>> values_;
};

/// bool [batch, steps]: true at the real steps. Throws ValueError for a length outside [0, steps].
Tensor length_mask(const Lengths& lengths, std::int64_t steps);

/// ids int32 [B, T] as [T, B]. Throws DtypeError or ShapeError for anything else.
Tensor time_first(const Tensor& ids);
/// Columns [begin, end) of ids int32 [B, T]. Throws as above, and ShapeError unless
/// 0 <= begin <= end <= T.
Tensor columns(const Tensor& ids, std::int64_t begin, std::int64_t end);
/// Where each row of ids int32 [B, T] ends: after its last id that is not `pad`. Throws as above.
Lengths lengths_of(const Tensor& ids, std::int32_t pad);

}  // namespace unroll::nn
