// RecordedAt: nodes that a function records for its caller carry the caller's line. Internal.
#pragma once

#include <unroll/autograd/tape_state.h>

namespace unroll {

/// While it lives, what is recorded on a tape is attributed to `where`, unless a derivative rule
/// or an outer function has already named a place.
class RecordedAt {
 public:
  RecordedAt(TapeState& state, const Location& where)
      : state_(state), where_(where), outer_(state.rule_location) {
    if (outer_ == nullptr) state_.rule_location = &where_;
  }
  RecordedAt(const Variable& on_tape_of, const Location& where)
      : RecordedAt(on_tape_of.state(), where) {}
  ~RecordedAt() { state_.rule_location = outer_; }
  RecordedAt(const RecordedAt&) = delete;
  RecordedAt& operator=(const RecordedAt&) = delete;

 private:
  TapeState& state_;
  Location where_;
  const Location* outer_;
};

}  // namespace unroll
