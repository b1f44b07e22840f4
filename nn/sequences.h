// Batches of sequences of different lengths without their padding: the work of a step is that of
// the sequences that have it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <unroll/nn/lengths.h>
#include <unroll/nn/state.h>

namespace unroll::nn {

/// A batch of sequences ready to be walked over. Its rows are the real steps of all sequences,
/// step 0 first, and within a step the longest sequence first. So the sequences that have a step
/// are always the first ones, and their rows are next to each other. Nothing reads the pads.
class Sequences {
 public:
  /// x [T, B, ...], or [B, T, ...] if `batch_first`. Throws as Lengths::check, and ShapeError
  /// unless there are two axes or more. If no sequence is short, no row is moved.
  Sequences(const Variable& x, const Lengths& lengths, bool batch_first);

  /// [sum of the lengths, ...]
  const Variable& rows() const { return rows_; }
  std::int64_t batch() const { return batch_; }
  /// Is a sequence short?
  bool ragged() const { return row_of_.defined(); }
  /// The length of the longest sequence; T if there is no sequence.
  std::int64_t step_count() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  /// How many sequences have a step t < step_count().
  std::int64_t active_at(std::int64_t t) const { return begin_of(t + 1) - begin_of(t); }

  /// The rows of step t, [active_at(t), ...], of these or other rows; costs nothing.
  Variable step(const Variable& rows, std::int64_t t) const;
  /// Rows as [T, B, ...], or [B, T, ...] if batch_first, with zeros where padded.
  Variable padded(const Variable& rows) const;

  /// Rows times the factors [batch, ...] of their sequence, which come longest first.
  Variable scaled(const Variable& rows, const Variable& factors) const;

  /// One row per sequence, [batch, ...] or one for all [1, ...], in the order of the rows. Throws
  /// ShapeError for anything else; if no sequence is short, returns what it got.
  Variable longest_first(const Variable& value) const;
  /// The same backwards: [batch, ...] in the caller's order. Throws as longest_first.
  Variable as_given(const Variable& value) const;

  /// The same lengths over other rows.
  Sequences with(const Variable& rows) const;

 private:
  void record_order(const Variable& x, const std::vector<std::int32_t>& lengths);
  std::int64_t begin_of(std::int64_t t) const { return begins_[static_cast<std::size_t>(t)]; }

  Variable rows_;
  std::int64_t batch_, steps_;
  bool batch_first_;
  RecycledVector<std::int64_t>
      begins_;  ///< the first row of each step, and the end of the last one
  // int32, undefined if no sequence is short:
  Variable sequence_of_;  ///< [batch]: k-th longest -> sequence
  Variable rank_of_;      ///< [batch]: the inverse
  Variable row_of_;       ///< [T, B] or [B, T]: the row of a step, or -1 where padded
};

/// The states of such a batch during a walk: of the sequences that have the step at hand, and, set
/// aside, of those behind them that ended before it or begin after it.
template <State S>
class ActiveState {
 public:
  /// All `batch` sequences, longest first.
  ActiveState(S all, std::int64_t batch) : state_(std::move(all)), count_(batch) {}

  /// Of the active sequences.
  const S& get() const { return state_; }
  void set(S next) { state_ = std::move(next); }

  /// Makes the first `count` sequences the active ones. More than before may come back only from
  /// those set aside last. Throws ShapeError if a part of the state has no row per sequence.
  void resize(std::int64_t count) {
    if (count < count_) {
      aside_.push_back({state_rows(state_, count_, count, count_), count_ - count});
      state_ = state_rows(state_, count_, 0, count);
    } else if (count > count_) {
      Part& part = aside_.back();
      const std::int64_t more = count - count_;
      const std::array<S, 2> both{state_rows(state_, count_, 0, count_),
                                  state_rows(part.state, part.count, 0, more)};
      state_ = joined_rows<S>(both);
      part.state = state_rows(part.state, part.count, more, part.count);
      part.count -= more;
      if (part.count == 0) aside_.pop_back();
    }
    count_ = count;
  }

  /// Of all sequences. Throws as resize.
  S all() const {
    if (aside_.empty()) return state_;
    RecycledVector<S> parts{state_rows(state_, count_, 0, count_)};
    for (std::size_t i = aside_.size(); i-- > 0;) parts.push_back(aside_[i].state);
    return joined_rows<S>(parts);
  }

 private:
  struct Part {
    S state;
    std::int64_t count;
  };
  S state_;
  std::int64_t count_;
  RecycledVector<Part> aside_;  ///< the last one's rows follow those of state_, and so on
};

}  // namespace unroll::nn
