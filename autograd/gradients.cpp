// The public functions on top of the reverse sweep.
#include <unroll/autograd/gradients.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/reverse.h>

namespace unroll {

namespace {

/// Joins the computed (ids, rows) operands of row-sparse nodes.
SparseRows joined_rows(const std::shared_ptr<TapeState>& state,
                       std::span<const std::uint32_t> nodes) {
  SparseRows result;
  std::vector<Tensor> parts;
  std::int64_t width = 0;
  for (const std::uint32_t node : nodes) {
    const auto inputs = state->inputs_of(state->nodes[node]);
    const Tensor ids = Variable(state, inputs[0], state->generation).value();
    result.ids.insert(result.ids.end(), ids.data<std::int32_t>().begin(),
                      ids.data<std::int32_t>().end());
    parts.push_back(Variable(state, inputs[1], state->generation).value());
    width = state->nodes[node].type.shape.extent(-1);
  }
  const auto count = static_cast<std::int64_t>(result.ids.size());
  result.rows = Tensor::uninitialized(Shape{count, width}, parts.front().dtype());
  auto* out = static_cast<std::byte*>(result.rows.mutable_raw());
  for (const Tensor& part : parts) {
    std::memcpy(out, part.raw(), part.bytes());
    out += part.bytes();
  }
  return result;
}

/// The loss, which must be one floating number.
const Variable& checked(const Operand& loss) {
  if (loss.variable() == nullptr) throw StateError("the loss is not on a tape");
  const Type type = loss.variable()->type();
  if (type.shape.size() != 1) {
    throw ShapeError(
        fmt::format("the loss has shape {}; expected one element, reduce it by sum "
                    "or mean",
                    to_string(type.shape)));
  }
  if (!is_floating(type.dtype)) {
    throw DtypeError(
        fmt::format("the loss is {}; expected float32 or float64", name_of(type.dtype)));
  }
  return *loss.variable();
}

std::vector<std::uint32_t> indices_of(std::span<const Variable> variables,
                                      const TapeState& expected) {
  std::vector<std::uint32_t> result;
  for (const Variable& variable : variables) {
    if (&variable.state() != &expected) {
      throw StateError("the variables are on different tapes; expected one");
    }
    result.push_back(variable.index());
  }
  return result;
}

/// dL/dL
Variable one(const Variable& loss) { return constant_like(loss, 1, loss.dtype(), loss.shape()); }

/// vector_jacobian_product without undoing and naming the caller.
std::vector<Variable> sweep(std::span<const Variable> outputs, std::span<const Variable> cotangents,
                            std::span<const Variable> wrt) {
  if (wrt.empty()) return {};
  TapeState& state = outputs.front().state();
  const auto out = indices_of(outputs, state), seeds = indices_of(cotangents, state);
  const auto inputs = indices_of(wrt, state);
  const std::uint32_t first = std::ranges::min(inputs);
  detail::Reverse reverse(outputs.front().shared_state(), first,
                          std::max(std::ranges::max(out), first), inputs);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!(state.nodes[out[i]].type == state.nodes[seeds[i]].type)) {
      throw ShapeError(fmt::format("cotangent {} is {}; expected {}", i,
                                   to_string(state.nodes[seeds[i]].type),
                                   to_string(state.nodes[out[i]].type)));
    }
    reverse.add(out[i], seeds[i]);
  }
  reverse.sweep();
  std::vector<Variable> result;
  for (std::size_t k = 0; k < wrt.size(); ++k) {
    const std::uint32_t total = reverse.total(k);
    result.push_back(total == TapeState::kNone
                         ? Variable()
                         : Variable(wrt[k].shared_state(), total, state.generation));
  }
  return result;
}

/// The nodes to compute for the gradients of some parameters.
struct Plan {
  std::vector<std::uint32_t> roots;
  /// For each leaf: its gradient, or its row-sparse contributions.
  std::vector<std::vector<std::uint32_t>> found;
};

/// Row-sparse contributions stay apart: their dense sum would cost the whole table.
Plan plan_of(const Variable& loss, const std::vector<std::uint32_t>& leaves) {
  TapeState& state = loss.state();
  const std::uint32_t first = std::ranges::min(leaves);
  const Variable seed = one(loss);
  detail::Reverse reverse(loss.shared_state(), first, std::max(loss.index(), first), leaves);
  reverse.add(loss.index(), seed.index());
  reverse.sweep();

  Plan plan{{loss.index()}, {}};
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    std::vector<std::uint32_t> nodes = reverse.contributions(k);
    const bool sparse = std::ranges::all_of(
        nodes, [&](std::uint32_t node) { return state.nodes[node].op->traits().row_sparse; });
    if (!sparse) nodes = {reverse.total(k)};
    for (const std::uint32_t node : nodes) {
      if (sparse) {
        const auto inputs = state.inputs_of(state.nodes[node]);
        plan.roots.insert(plan.roots.end(), inputs.begin(), inputs.begin() + 2);
      } else {
        plan.roots.push_back(node);
      }
    }
    plan.found.push_back(std::move(nodes));
  }
  return plan;
}

}  // namespace

std::vector<Variable> vector_jacobian_product(std::span<const Variable> outputs,
                                              std::span<const Variable> cotangents,
                                              std::span<const Variable> wrt, Location at) {
  return blame(at, "vector_jacobian_product", [&] {
    if (outputs.empty() || outputs.size() != cotangents.size()) {
      throw ValueError(
          fmt::format("got {} outputs and {} cotangents; expected as many, at least "
                      "one",
                      outputs.size(), cotangents.size()));
    }
    return all_or_nothing(outputs.front().state(), [&] { return sweep(outputs, cotangents, wrt); });
  });
}

std::vector<Variable> gradients(const Operand& loss, std::span<const Variable> wrt) {
  return blame(loss.where(), "gradients", [&] {
    const Variable& root = checked(loss);
    TapeState& state = root.state();
    return all_or_nothing(state, [&] {
      const Variable seed = one(root);
      auto result = sweep(std::span(&root, 1), std::span(&seed, 1), wrt);
      for (std::size_t k = 0; k < wrt.size(); ++k) {
        if (result[k].defined()) continue;
        const Node& node = state.nodes[wrt[k].index()];
        throw StateError(
            fmt::format("the loss does not depend on variable {} ({} {}, recorded at {}) through "
                        "differentiable ops",
                        k, node.op->name(), to_string(node.type), to_string(node.where)));
      }
      return result;
    });
  });
}

Gradients gradients(const Operand& loss, const ParameterSet& parameters) {
  const Variable& root = *blame(loss.where(), "gradients", [&] { return &checked(loss); });
  TapeState& state = root.state();
  std::vector<std::uint32_t> leaves;
  std::vector<std::size_t> positions;
  for (const TapeState::ParameterUse& use : state.parameters) {
    const std::size_t i = use.parameter.index();
    if (i >= parameters.size() || !(parameters[i] == use.parameter)) continue;
    leaves.push_back(use.node);
    positions.push_back(i);
  }
  return all_or_nothing(state, [&] {
    const Plan plan = blame(loss.where(), "gradients", [&] {
      Plan result = leaves.empty() ? Plan{} : plan_of(root, leaves);
      if (result.roots.size() < 2) {
        throw StateError("the loss depends on no parameter of the set");
      }
      return result;
    });
    evaluate(state, plan.roots, Keep::roots);
    Gradients result(parameters);
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      if (plan.found[k].empty()) continue;
      const std::uint32_t node = plan.found[k].front();
      if (state.nodes[node].op->traits().row_sparse) {
        result.set(positions[k], {std::nullopt, joined_rows(root.shared_state(), plan.found[k])});
      } else {
        const Variable gradient(root.shared_state(), node, state.generation);
        result.set(positions[k], {gradient.value(), {}});
      }
    }
    return result;
  });
}

}  // namespace unroll
