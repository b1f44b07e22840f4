// The table of everything that reads ragged batches, for the laws that hold for all of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/nn/parameter.h>
#include <unroll/tests/nn/ragged.h>

namespace unroll::testing {

/// Width of the inputs of every model.
inline constexpr std::int64_t kWidth = 4;

/// One call of a model: x [T, B, kWidth] and y [S, B, kWidth] hold the values of the batch.
struct SequenceCall {
  Tape& tape;
  Variable x, y;
  const RaggedPair& batch;

  const Ragged& in() const { return batch.in; }
  const Ragged& out() const { return batch.out; }
  /// [B, width], of the sequences.
  Variable rows(std::int64_t width, std::uint64_t purpose) const;
  /// bool [B, T], true at the real steps of x.
  Variable mask() const;
};

/// What a model gives: `value` is [T, B, ...] over the steps of a side, or [B, ...] if there is
/// none. What was `decoded` has no gradient.
struct SequenceResult {
  Variable value;
  const Ragged* side = nullptr;
  bool decoded = false;
};
using SequenceResults = std::vector<SequenceResult>;
using SequenceFunction = std::function<SequenceResults(const SequenceCall&)>;

/// A model, its parameters made in a scope. A `random` one draws numbers that depend on the place
/// in the batch; it runs in training mode, the others do not.
struct SequenceModel {
  std::string name;
  std::function<SequenceFunction(const nn::Scope&)> make;
  bool random = false;
};

/// All of them: recurrent layers, cells and wrappers; attention; losses, pooling and decoding.
const std::vector<SequenceModel>& sequence_models();

namespace detail {
std::vector<SequenceModel> recurrent_models();
std::vector<SequenceModel> attention_models();
std::vector<SequenceModel> output_models();
}  // namespace detail

}  // namespace unroll::testing
