// States of recurrent cells. A state is a Variable, a std::vector of states, or a plain struct of
// up to eight states: `struct State { Variable h, c; };` needs nothing else. The functions here
// see the Variables inside of any of them, in order of declaration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tape.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

namespace detail {

inline constexpr int kMaxMembers = 8;

/// Stands for a member of any type in an aggregate's braces.
struct AnyMember {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): never called
};

template <class T, std::size_t... I>
constexpr bool has_members(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember{})...}; };
}

/// The number of members of the aggregate T: the most initialisers that it takes.
template <class T, std::size_t N = kMaxMembers + 1>
constexpr std::size_t member_count() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (has_members<T>(std::make_index_sequence<N>())) {
    return N;
  } else {
    return member_count<T, N - 1>();
  }
}

/// References to the members of an aggregate, as a tuple.
template <class S>
constexpr auto members(S& s) {
  constexpr std::size_t kCount = member_count<std::remove_const_t<S>>();
  if constexpr (kCount == 1) {
    auto& [a] = s;
    return std::tie(a);
  } else if constexpr (kCount == 2) {
    auto& [a, b] = s;
    return std::tie(a, b);
  } else if constexpr (kCount == 3) {
    auto& [a, b, c] = s;
    return std::tie(a, b, c);
  } else if constexpr (kCount == 4) {
    auto& [a, b, c, d] = s;
    return std::tie(a, b, c, d);
  } else if constexpr (kCount == 5) {
    auto& [a, b, c, d, e] = s;
    return std::tie(a, b, c, d, e);
  } else if constexpr (kCount == 6) {
    auto& [a, b, c, d, e, f] = s;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (kCount == 7) {
    auto& [a, b, c, d, e, f, g] = s;
    return std::tie(a, b, c, d, e, f, g);
  } else {
    auto& [a, b, c, d, e, f, g, h] = s;
    return std::tie(a, b, c, d, e, f, g, h);
  }
}

template <class T>
inline constexpr bool is_vector = false;
template <class T, class Allocator>
inline constexpr bool is_vector<std::vector<T, Allocator>> = true;

template <class S>
constexpr bool is_state();

template <class... Members>
constexpr bool are_states(std::type_identity<std::tuple<Members...>>) {
  return (is_state<std::remove_cvref_t<Members>>() && ...);
}

template <class S>
constexpr bool is_state() {
  if constexpr (std::is_same_v<S, Variable>) {
    return true;
  } else if constexpr (is_vector<S>) {
    return is_state<typename S::value_type>();
  } else if constexpr (std::is_class_v<S> && std::is_aggregate_v<S>) {
    constexpr std::size_t kCount = member_count<S>();
    if constexpr (kCount >= 1 && kCount <= kMaxMembers) {
      return are_states(std::type_identity<decltype(members(std::declval<S&>()))>());
    }
    return false;
  } else {
    return false;
  }
}

}  // namespace detail

/// A Variable, a std::vector of states or a plain struct of one to eight states.
template <class S>
concept State = detail::is_state<S>();

/// A member of a state that is no memory, but has a row per sequence all the same: the mask of a
/// RecurrentDropout, say.
struct Auxiliary {
  Variable value;  ///< [batch, ...]
};

namespace detail {

template <bool kAuxiliary, class S, class F>
void visit_variables(S& state, F& f) {
  using Bare = std::remove_const_t<S>;
  if constexpr (std::is_same_v<Bare, Variable>) {
    f(state);
  } else if constexpr (std::is_same_v<Bare, Auxiliary>) {
    if constexpr (kAuxiliary) f(state.value);
  } else if constexpr (is_vector<Bare>) {
    for (auto& element : state) visit_variables<kAuxiliary>(element, f);
  } else {
    std::apply([&](auto&... member) { (visit_variables<kAuxiliary>(member, f), ...); },
               members(state));
  }
}

}  // namespace detail

/// Calls f(variable) for every Variable of the state.
template <class S, class F>
requires State<std::remove_const_t<S>>
void for_each_variable(S& state, F&& f) { detail::visit_variables<true>(state, f); }

/// The same without those in an Auxiliary: what a cell remembers, and could begin with.
template <class S, class F>
requires State<std::remove_const_t<S>>
void for_each_memory(S& state, F&& f) { detail::visit_variables<false>(state, f); }

/// The state with f(variable) in place of every Variable.
template <State S, class F>
S map_state(S state, F&& f) {
  for_each_variable(state, [&](Variable& variable) { variable = f(std::as_const(variable)); });
  return state;
}

/// The Variables of the state, as a list.
template <State S>
Variables state_variables(const S& state) {
  Variables variables;
  for_each_variable(state, [&](const Variable& variable) { variables.push_back(variable); });
  return variables;
}

/// The same without those in an Auxiliary.
template <State S>
Variables memory_variables(const S& state) {
  Variables variables;
  for_each_memory(state, [&](const Variable& variable) { variables.push_back(variable); });
  return variables;
}

/// Those of a state that are something.
template <State S>
Variables defined_variables(const S& state) {
  Variables variables = state_variables(state);
  std::erase_if(variables, [](const Variable& variable) { return !variable.defined(); });
  return variables;
}

/// f(a, b) for every Variable of one state and its counterpart in another of the same form.
template <State S, class F>
S map_states(S a, const S& b, F&& f) {
  const Variables others = state_variables(b);
  std::size_t i = 0;
  return map_state(std::move(a),
                   [&](const Variable& variable) { return f(variable, others[i++]); });
}

/// The same values, through which no gradient flows: where back-propagation is to be cut.
template <State S>
S detached(const S& state) {
  return map_state(state, [](const Variable& variable) { return detach(variable); });
}

/// `mask` [batch, ...] with axes of extent 1 appended until it has the rank of `like`: every row
/// of the batch is chosen as a whole.
inline Variable mask_for(const Variable& mask, const Variable& like) {
  Shape shape = mask.shape();
  while (shape.rank() < like.shape().rank()) shape = shape.inserted(shape.rank(), 1);
  return reshape(mask, shape);
}

/// Throws ShapeError, naming `what`, unless `value` is [batch, ...].
void expect_rows(std::string_view what, const Variable& value, std::int64_t batch);

/// Rows [begin, end) of every Variable of a state of `batch` rows; costs nothing. Throws ShapeError
/// for a Variable that is not [batch, ...].
template <State S>
S state_rows(const S& state, std::int64_t batch, std::int64_t begin, std::int64_t end) {
  return map_state(state, [&](const Variable& variable) {
    expect_rows("the state", variable, batch);
    return slice(variable, 0, begin, end);
  });
}

/// The rows of several states, one or more, one after another. Throws StateError unless they have
/// the same number of Variables, ShapeError unless their rows fit.
template <State S>
S joined_rows(std::span<const S> parts) {
  if (parts.size() == 1) return parts[0];
  RecycledVector<Variables> variables;
  for (const S& part : parts) {
    variables.push_back(state_variables(part));
    if (variables.back().size() != variables.front().size()) {
      throw StateError("the state has " + std::to_string(variables.back().size()) +
                       " Variables; expected " + std::to_string(variables.front().size()) +
                       ", as many as at another step");
    }
  }
  return map_state(parts[0], [&, i = std::size_t{0}](const Variable&) mutable {
    Variables rows;
    for (const auto& of_part : variables) rows.push_back(of_part[i]);
    ++i;
    return concat(rows, 0);
  });
}

/// What a cell in this state tells the outside: state.output() if there is such a function, else
/// the first Variable; of a std::vector, which holds the layers of a stack, that of the last one.
template <State S>
Variable output_of(const S& state) {
  if constexpr (std::is_same_v<S, Variable>) {
    return state;
  } else if constexpr (requires { Variable(state.output()); }) {
    return state.output();
  } else if constexpr (detail::is_vector<S>) {
    return output_of(state.back());
  } else {
    return output_of(std::get<0>(detail::members(state)));
  }
}

/// The state with another first Variable, which is what it tells the outside.
template <State S>
S with_output(S state, const Variable& output) {
  static_assert(
      !detail::is_vector<S> && !requires { state.output(); },
      "the output of this state is none of its members; a wrapper that changes what a "
      "cell reads of its output belongs around each cell itself");
  if constexpr (std::is_same_v<S, Variable>) {
    return output;
  } else {
    auto& first = std::get<0>(detail::members(state));
    first = with_output(std::move(first), output);
    return state;
  }
}

}  // namespace unroll::nn
