// recorded: what a function does that records several ops for its caller.
#pragma once

#include <functional>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/tape.h>

namespace unroll {

namespace detail {

/// Throws StateError.
[[noreturn]] void refuse_two_tapes();
void expect_one_tape(std::initializer_list<std::reference_wrapper<const Variable>> operands);

/// Forgets what was recorded since it was made if it dies of an exception.
class Recording {
 public:
  /// Until it dies, new nodes are attributed to `where`, unless that is null or a derivative rule
  /// or an outer function has already named a place. Throws StateError for a stale variable.
  Recording(TapeState& state, const Location* where);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  TapeState& state_;
  TapeMark before_;
  std::uint32_t generation_;
  int exceptions_;
  bool attributes_;
};

}  // namespace detail

/// Runs `f`, which records on the tape of `x`, in the name of `function` and for the caller's line:
/// nodes and errors carry it. If `f` throws, the tape is as it was.
template <class F>
auto recorded(const Variable& x, const Location& where, std::string_view function, F&& f) {
  return blame(where, function, [&] {
    const detail::Recording recording(x.state(), &where);
    return f();
  });
}

/// The same for several operands. Throws StateError unless all that are defined are on the tape of
/// the first.
template <class F>
auto recorded(std::initializer_list<std::reference_wrapper<const Variable>> operands,
              const Location& where, std::string_view function, F&& f) {
  return blame(where, function, [&] {
    detail::expect_one_tape(operands);
    const detail::Recording recording(operands.begin()->get().state(), &where);
    return f();
  });
}

/// The same for what has no Variable at hand.
template <class F>
auto recorded(TapeState& state, const Location& where, std::string_view function, F&& f) {
  return blame(where, function, [&] {
    const detail::Recording recording(state, &where);
    return f();
  });
}

/// The same for what begins a tape.
template <class F>
auto recorded(Tape& tape, const Location& where, std::string_view function, F&& f) {
  return recorded(tape.state(), where, function, std::forward<F>(f));
}

/// The same around a user's code, whose nodes keep their own lines.
template <class F>
auto recorded_by_user(const Variable& x, const Location& where, std::string_view function, F&& f) {
  return blame(where, function, [&] {
    const detail::Recording recording(x.state(), nullptr);
    return f();
  });
}

}  // namespace unroll
