// Truncated back-propagation through time (Williams and Peng 1990): long sequences in chunks, each
// of which begins with the state that the one before it ended with. No gradient flows through that
// state.
//
//   nn::TruncatedBPTT bptt(lstm);
//   for (...) {
//     auto [loss, gradients] = bptt.gradients(
//         parallel, parameters, [&](Tape& tape, int shard, const auto& state) {
//           const auto run = lstm(embedding(tape.input(ids(shard))), {.initial_state = state});
//           return nn::Truncated{cross_entropy(output(run.outputs), ...), run.last};
//         },
//         step);  // the seed of what is random in this step
//     ...
//   }
//
// Evaluation over chunks is the same with `loss` instead of `gradients` and an object of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/parallel.h>
#include <unroll/nn/carried.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/parameter.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

/// What a chunk comes to: its loss, and the state that the next one begins with.
template <State S>
struct Truncated {
  Variable loss;
  S state;
};
template <class S>
Truncated(Variable, S) -> Truncated<S>;

namespace detail {

/// The values of several shards by name: "<shard>.<variable>", and "<shard>.anew" for the rows that
/// begin anew.
struct ShardValues {
  std::map<std::size_t, Tensor> variables;
  std::vector<bool> anew;
};
/// Throws ValueError for any other name.
std::map<std::size_t, ShardValues> values_of_shards(const std::map<std::string, Tensor>& named);

Tensor to_tensor(const std::vector<bool>& flags);

}  // namespace detail

/// Carries a state, any struct that is a State, from chunk to chunk: one per shard, in a list of
/// one if there is a single tape. A call that throws leaves it as it was.
template <State S>
class TruncatedBPTT {
 public:
  /// How sequences begin is known only to what is called with the state.
  TruncatedBPTT() = default;
  /// `cell` is anything with `S initial_state(like, batch)`: a cell or a StackedRNN, of which a
  /// copy is kept. Single rows can then begin anew.
  template <HasState Cell>
  requires std::is_same_v<StateOf<Cell>, S>
  explicit TruncatedBPTT(const Cell& cell)
      : begin_([cell](const Variable& like, std::int64_t batch) {
          return cell.initial_state(like, batch);
        }) {}

  /// Loss and gradients of a chunk, as Parallel::gradients. `chunk(tape, shard, state)` records it
  /// and returns a Truncated; `state` is a std::optional<S>, empty where the sequences begin. An
  /// undefined loss means an empty shard, which keeps its state. Throws ValueError if the number of
  /// shards has changed since the last reset.
  template <class Chunk>
  LossAndGradients gradients(Parallel& parallel, const ParameterSet& parameters, const Chunk& chunk,
                             std::uint64_t seed = 0) {
    Next next = room_for(parallel.shards());
    RecycledVector<std::optional<S>> last(next.size());
    LossAndGradients result = parallel.gradients(
        parameters,
        [&](Tape& tape, int shard) -> ShardOutput {
          Truncated<S> found = chunk(tape, shard, state(tape, shard));
          if (!found.loss.defined()) return found.loss;
          const S& kept = last[static_cast<std::size_t>(shard)].emplace(std::move(found.state));
          return {found.loss, defined_variables(kept)};
        },
        seed);
    for (std::size_t i = 0; i < next.size(); ++i) {
      if (last[i]) next[i].emplace(*last[i]);
    }
    carry(std::move(next));
    return result;
  }
  /// The same on one tape, which the caller resets; `chunk(state)`.
  template <class Chunk>
  LossAndGradients gradients(Tape& tape, const ParameterSet& parameters, const Chunk& chunk) {
    Next next = room_for(1);
    const Truncated<S> found = chunk(state(tape));
    LossAndGradients result{
        0, unroll::gradients(found.loss, parameters, defined_variables(found.state))};
    result.loss = found.loss.item();
    next[0].emplace(found.state);
    carry(std::move(next));
    return result;
  }

  /// The loss alone, for evaluation.
  template <class Chunk>
  double loss(Parallel& parallel, const Chunk& chunk, std::uint64_t seed = 0) {
    Next next = room_for(parallel.shards());
    std::vector<double> losses(next.size(), 0);
    parallel.run(
        [&](Tape& tape, int shard) {
          const auto i = static_cast<std::size_t>(shard);
          const Truncated<S> found = chunk(tape, shard, state(tape, shard));
          if (found.loss.defined()) losses[i] = computed(found, next[i]);
        },
        seed);
    carry(std::move(next));
    double total = 0;
    for (const double part : losses) total += part;
    return total;
  }
  template <class Chunk>
  double loss(Tape& tape, const Chunk& chunk) {
    Next next = room_for(1);
    const double result = computed(Truncated<S>(chunk(state(tape))), next[0]);
    carry(std::move(next));
    return result;
  }

  /// What the next chunk of a shard begins with, on `tape`: empty where the sequences begin. With a
  /// cell, what is no memory (an Auxiliary, such as the mask of RecurrentDropout) is not carried
  /// but made anew for every chunk.
  std::optional<S> state(Tape& tape, int shard = 0) const {
    const auto i = static_cast<std::size_t>(shard);
    if (i >= shards_.size() || !shards_[i].carried) return std::nullopt;
    const S carried = shards_[i].carried->on(tape);
    const Variables old = memory_variables(carried);
    const std::vector<bool>& anew = shards_[i].anew;
    const std::size_t variables = state_variables(carried).size();
    if (anew.empty() && (!begin_ || old.size() == variables)) return carried;
    const auto batch = static_cast<std::int64_t>(rows_of(*shards_[i].carried));
    S next = begin_(floating(carried), batch);
    if (state_variables(next).size() != variables) {
      throw StateError("TruncatedBPTT: the cell begins with another number of Variables");
    }
    const Variable mask = anew.empty() ? Variable() : tape.input(detail::to_tensor(anew));
    std::size_t k = 0;
    for_each_memory(next, [&](Variable& v) {
      const Variable& before = old[k++];
      v = mask.defined() && before.defined() ? where(mask_for(mask, before), v, before) : before;
    });
    return next;
  }

  /// All sequences begin anew.
  void reset() {
    shards_.clear();
    restored_ = false;
  }
  /// The sequences in these rows of a shard begin anew, as the cell says; the others go on. Throws
  /// StateError if this was made without a cell, ValueError for a row or shard that there is not.
  void reset(std::span<const std::int32_t> rows, int shard = 0) {
    const auto i = static_cast<std::size_t>(shard);
    if (!begin_)
      throw StateError("TruncatedBPTT: resetting rows takes a cell to construct it from");
    if (shard < 0 || (i >= shards_.size() && !shards_.empty() && !restored_)) {
      throw ValueError("TruncatedBPTT: got shard " + std::to_string(shard) + "; expected 0 to " +
                       std::to_string(shards_.size()) + ", exclusive");
    }
    if (i >= shards_.size() || !shards_[i].carried) return;
    blame_memory("TruncatedBPTT", [&] {
      std::vector<bool> anew = shards_[i].anew;
      anew.resize(rows_of(*shards_[i].carried), false);
      for (const std::int32_t row : rows) {
        if (row < 0 || static_cast<std::size_t>(row) >= anew.size()) {
          throw ValueError("TruncatedBPTT: got row " + std::to_string(row) + "; expected 0 to " +
                           std::to_string(anew.size()) + ", exclusive");
        }
        anew[static_cast<std::size_t>(row)] = true;
      }
      shards_[i].anew = std::move(anew);
    });
  }

  /// Everything that is carried, by name, for a checkpoint.
  std::map<std::string, Tensor> values() const {
    return blame_memory("TruncatedBPTT", [&] {
      std::map<std::string, Tensor> named;
      for (std::size_t i = 0; i < shards_.size(); ++i) {
        const std::string shard = std::to_string(i) + ".";
        if (!shards_[i].carried) continue;
        for (std::size_t k = 0; k < shards_[i].carried->values().size(); ++k) {
          const std::optional<Tensor>& value = shards_[i].carried->values()[k];
          if (value) named.emplace(shard + std::to_string(k), *value);
        }
        if (!shards_[i].anew.empty()) {
          named.emplace(shard + "anew", detail::to_tensor(shards_[i].anew));
        }
      }
      return named;
    });
  }
  /// Puts back what values() gave. A state with lists in it needs a cell that tells how long they
  /// are. Throws ValueError for values that do not fit.
  void set_values(const std::map<std::string, Tensor>& named) {
    blame_memory("TruncatedBPTT", [&] {
      RecycledVector<Shard> shards;
      for (auto& [index, values] : detail::values_of_shards(named)) {
        const S form = begin_ ? begin_(Tape().constant(0, Dtype::float32, {1, 1}), 1) : S{};
        std::vector<std::optional<Tensor>> of_form(state_variables(form).size());
        for (auto& [variable, value] : values.variables) {
          if (variable >= of_form.size()) {
            throw ValueError("TruncatedBPTT: got a value for Variable " + std::to_string(variable) +
                             " of a state that has " + std::to_string(of_form.size()));
          }
          of_form[variable] = value;
        }
        const Carried<S> carried(form, of_form);
        if (!values.anew.empty() && (!begin_ || values.anew.size() != rows_of(carried))) {
          throw ValueError("TruncatedBPTT: got " + std::to_string(values.anew.size()) +
                           " rows that may begin anew; expected " +
                           std::to_string(begin_ ? rows_of(carried) : 0));
        }
        if (shards.size() <= index) shards.resize(index + 1);
        shards[index] = {carried, values.anew};
      }
      shards_ = std::move(shards);
      restored_ = true;
    });
  }

 private:
  struct Shard {
    std::optional<Carried<S>> carried;
    std::vector<bool> anew;  ///< per row, or empty: none
  };
  using Next = RecycledVector<std::optional<Carried<S>>>;

  /// Places for what the shards will carry.
  Next room_for(int shards) const {
    const auto count = static_cast<std::size_t>(shards);
    const bool fits = restored_ ? shards_.size() <= count : shards_.size() == count;
    if (!shards_.empty() && !fits) {
      throw ValueError("TruncatedBPTT: got " + std::to_string(count) + " shards; expected " +
                       std::to_string(shards_.size()) + ", or a reset");
    }
    return Next(count);
  }
  void carry(Next next) {
    restored_ = false;
    shards_.resize(next.size());
    for (std::size_t i = 0; i < next.size(); ++i) {
      if (next[i]) shards_[i] = {std::move(next[i]), {}};
    }
  }
  static double computed(const Truncated<S>& found, std::optional<Carried<S>>& next) {
    auto roots = defined_variables(found.state);
    roots.push_back(found.loss);
    evaluate(roots);
    next.emplace(found.state);
    return found.loss.item();
  }
  static std::size_t rows_of(const Carried<S>& carried) {
    for (const std::optional<Tensor>& value : carried.values()) {
      if (value) return static_cast<std::size_t>(value->shape().extent(0));
    }
    return 0;
  }
  static Variable floating(const S& state) {
    for (const Variable& v : defined_variables(state)) {
      if (is_floating(v.dtype())) return v;
    }
    throw StateError("TruncatedBPTT: the state holds nothing but integers");
  }

  std::function<S(const Variable& like, std::int64_t batch)> begin_;
  RecycledVector<Shard> shards_;
  bool restored_ = false;  ///< shards behind these may have been empty
};
template <HasState Cell>
TruncatedBPTT(const Cell&) -> TruncatedBPTT<StateOf<Cell>>;

}  // namespace unroll::nn
