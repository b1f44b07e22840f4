// The search for the origin: all values one by one, then back from what is not finite.
#include <unroll/autograd/non_finite.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

namespace {

/// Puts a tape back as it was: nodes, and which values have been computed.
class Restored {
 public:
  explicit Restored(TapeState& state)
      : state_(state), before_(state.mark()), kept_(state.kept.mark()), values_(state.values) {}
  ~Restored() {
    state_.roll_back(before_);
    state_.values = std::move(values_);
    state_.kept.roll_back(kept_);
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  TapeState& state_;
  TapeState::Mark before_;
  Arena::Mark kept_;
  std::vector<void*> values_;
};

struct Bad {
  std::int64_t position;
  double value;
};

/// The first element that is NaN or, if there is none, infinite.
std::optional<Bad> bad_element(const TapeState& state, std::uint32_t index) {
  const Node& node = state.nodes[index];
  if (!is_floating(node.type->dtype) || state.values[index] == nullptr) return std::nullopt;
  std::optional<Bad> found;
  const auto search = [&]<class T>(const T* x) {
    for (std::int64_t i = 0; i < node.type->shape.size(); ++i) {
      if (std::isnan(x[i])) {
        found = {i, x[i]};
        return;
      }
      if (std::isinf(x[i]) && !found) found = {i, x[i]};
    }
  };
  if (node.type->dtype == Dtype::float32) {
    search(static_cast<const float*>(state.values[index]));
  } else {
    search(static_cast<const double*>(state.values[index]));
  }
  return found;
}

void compute_all_before(TapeState& state, std::span<const std::uint32_t> roots) {
  std::vector<bool> needed(state.nodes.size(), false);
  for (const std::uint32_t root : roots) needed[root] = true;
  for (std::size_t n = state.nodes.size(); n-- > 0;) {
    if (!needed[n]) continue;
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[n])) needed[input] = true;
  }
  for (std::uint32_t n = 0; n < needed.size(); ++n) {
    if (needed[n] && state.values[n] == nullptr && state.nodes[n].input_count > 0) {
      run_now(state, n);
    }
  }
}

std::uint32_t origin_of(const TapeState& state, std::uint32_t node) {
  for (;;) {
    std::optional<std::uint32_t> next;
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[node])) {
      const std::optional<Bad> bad = bad_element(state, input);
      if (!bad) continue;
      if (std::isnan(bad->value)) {
        next = input;
        break;
      }
      // A constant infinity is meant: it stands for what is masked.
      if (!next && state.nodes[input].op != &constant_op()) next = input;
    }
    if (!next) return node;
    node = *next;
  }
}

std::string position_in(const Shape& shape, std::int64_t at) {
  std::string text;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    text = fmt::format("{}{}{}", at % shape[axis], text.empty() ? "" : ", ", text);
    at /= shape[axis];
  }
  return "[" + text + "]";
}

std::string described(const TapeState& state, std::uint32_t index) {
  const Node& node = state.nodes[index];
  const Bad bad = bad_element(state, index).value_or(Bad{0, 0});
  std::string text =
      fmt::format("{}: {}: {} holds {} at {}", to_string(node.where), node.op->name(),
                  to_string(*node.type), bad.value, position_in(node.type->shape, bad.position));
  std::string separator = "; computed from ";
  for (const std::uint32_t input : state.read_inputs_of(node)) {
    text += separator + to_string(*state.nodes[input].type);
    separator = ", ";
  }
  if (node.op == &parameter_op()) {
    for (const TapeState::ParameterUse& use : state.parameters) {
      if (use.node == index) text += " of parameter " + use.parameter.name();
    }
  }
  return text;
}

std::string found_from(const Variable& loss, const ParameterSet& parameters) {
  TapeState& state = loss.state();
  const Restored restored(state);
  const std::uint32_t forward = loss.index();
  compute_all_before(state, {&forward, 1});
  if (bad_element(state, forward)) return described(state, origin_of(state, forward));

  Variables leaves;
  for (const TapeState::ParameterUse& use : state.parameters) {
    const std::size_t i = use.parameter.index();
    if (i >= parameters.size() || !(parameters[i] == use.parameter)) continue;
    leaves.emplace_back(loss.shared_state(), use.node, state.generation);
  }
  const auto end = static_cast<std::uint32_t>(state.nodes.size());
  const Variables outputs{loss}, seeds{constant_like(loss, 1, loss.dtype(), loss.shape())};
  RecycledVector<std::uint32_t> roots;
  for (const Variable& gradient : vector_jacobian_product(outputs, seeds, leaves)) {
    if (gradient.defined()) roots.push_back(gradient.index());
  }
  compute_all_before(state, roots);
  for (const std::uint32_t root : roots) {
    if (!bad_element(state, root)) continue;
    const std::uint32_t origin = origin_of(state, root);
    return described(state, origin) +
           (origin < end ? "" : "; in the derivative of what is recorded there");
  }
  return "";
}

}  // namespace

std::string find_non_finite(const Variable& loss, const ParameterSet& parameters) {
  return blame_memory("find_non_finite", [&] { return found_from(loss, parameters); });
}

}  // namespace unroll
