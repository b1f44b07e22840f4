// The public functions on top of the reverse sweep.
#include <unroll/autograd/gradients.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/plan.h>
#include <unroll/autograd/reverse.h>

namespace unroll {

namespace {

/// A copy of what a plan computed.
Tensor copied(const void* data, const Type& type) {
  Tensor result = Tensor::uninitialized(type.shape, type.dtype);
  std::memcpy(result.mutable_raw(), data, result.bytes());
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

RecycledVector<std::uint32_t> indices_of(std::span<const Variable> variables,
                                         const TapeState& expected) {
  RecycledVector<std::uint32_t> result;
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
Variables sweep(std::span<const Variable> outputs, std::span<const Variable> cotangents,
                std::span<const Variable> wrt) {
  if (wrt.empty()) return {};
  TapeState& state = outputs.front().state();
  const auto out = indices_of(outputs, state), seeds = indices_of(cotangents, state);
  const auto inputs = indices_of(wrt, state);
  const std::uint32_t first = std::ranges::min(inputs);
  detail::Reverse reverse(outputs.front().shared_state(), first,
                          std::max(std::ranges::max(out), first), inputs);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!(*state.nodes[out[i]].type == *state.nodes[seeds[i]].type)) {
      throw ShapeError(fmt::format("cotangent {} is {}; expected {}", i,
                                   to_string(*state.nodes[seeds[i]].type),
                                   to_string(*state.nodes[out[i]].type)));
    }
    reverse.add(out[i], seeds[i]);
  }
  reverse.sweep();
  Variables result;
  for (std::size_t k = 0; k < wrt.size(); ++k) {
    const std::uint32_t total = reverse.total(k);
    result.push_back(total == TapeState::kNone
                         ? Variable()
                         : Variable(wrt[k].shared_state(), total, state.generation));
  }
  return result;
}

/// What the gradients of a loss by some leaves take: nodes to compute, the loss first.
struct Targets {
  std::vector<std::uint32_t> roots;
  GradientPlan plan;
};

/// Records the derivatives. Row-sparse contributions stay apart: their dense sum would cost the
/// whole table.
Targets record_gradients(const Variable& loss, std::span<const std::uint32_t> leaves,
                         std::span<const std::size_t> positions) {
  TapeState& state = loss.state();
  const std::uint32_t first = std::ranges::min(leaves);
  const Variable seed = one(loss);
  detail::Reverse reverse(loss.shared_state(), first, std::max(loss.index(), first), leaves);
  reverse.add(loss.index(), seed.index());
  reverse.sweep();

  Targets targets{{loss.index()}, {}};
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    std::vector<std::uint32_t> nodes = reverse.contributions(k);
    if (nodes.empty()) continue;
    const bool sparse = std::ranges::all_of(
        nodes, [&](std::uint32_t node) { return state.nodes[node].op->traits().row_sparse; });
    if (!sparse) nodes = {reverse.total(k)};
    const std::size_t first_root = targets.roots.size();
    for (const std::uint32_t node : nodes) {
      if (sparse) {
        const auto inputs = state.inputs_of(state.nodes[node]);
        targets.roots.insert(targets.roots.end(), inputs.begin(), inputs.begin() + 2);
      } else {
        targets.roots.push_back(node);
      }
    }
    targets.plan.parts.push_back(
        {positions[k], first_root, targets.roots.size() - first_root, sparse});
  }
  return targets;
}

/// A root of a plan that has run, as a tensor.
Tensor root_tensor(const Plan& plan, const Results& results, std::size_t root) {
  const auto& [at, type] = plan.roots[root];
  if (at.result != TapeState::kNone) return results.tensors[at.result].reshaped(type->shape);
  return copied(results.roots[root], *type);
}

/// Joins the (ids, rows) of one table: the roots of `part`.
SparseRows joined_rows(const Plan& plan, const Results& results, const GradientPlan::Part& part) {
  SparseRows joined;
  const std::size_t end = part.first_root + part.root_count;
  for (std::size_t k = part.first_root; k < end; k += 2) {
    const auto* const ids = static_cast<const std::int32_t*>(results.roots[k]);
    joined.ids.insert(joined.ids.end(), ids, ids + plan.roots[k].type->shape.size());
  }
  const Type& first = *plan.roots[part.first_root + 1].type;
  const Shape shape{static_cast<std::int64_t>(joined.ids.size()), first.shape.extent(-1)};
  if (part.root_count == 2) {
    joined.rows = root_tensor(plan, results, part.first_root + 1).reshaped(shape);
    return joined;
  }
  joined.rows = Tensor::uninitialized(shape, first.dtype);
  auto* out = static_cast<std::byte*>(joined.rows.mutable_raw());
  for (std::size_t k = part.first_root + 1; k < end; k += 2) {
    const std::size_t bytes = plan.roots[k].type->bytes();
    std::memcpy(out, results.roots[k], bytes);
    out += bytes;
  }
  return joined;
}

/// The gradients at the roots of a plan that has run.
Gradients collect(const ParameterSet& parameters, const PlanCache::Entry& entry,
                  const Results& results) {
  Gradients found(parameters);
  for (const GradientPlan::Part& part : entry.gradients.parts) {
    if (part.sparse) {
      found.set(part.parameter, {std::nullopt, joined_rows(*entry.plan, results, part)});
    } else {
      found.set(part.parameter, {root_tensor(*entry.plan, results, part.first_root), {}});
    }
  }
  return found;
}

}  // namespace

Variables vector_jacobian_product(std::span<const Variable> outputs,
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

Variables gradients(const Operand& loss, std::span<const Variable> wrt) {
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
                        k, node.op->name(), to_string(*node.type), to_string(node.where)));
      }
      return result;
    });
  });
}

namespace {

Gradients computed_gradients(const Operand& loss, const ParameterSet& parameters,
                             std::span<const Variable> also) {
  const Variable& root = *blame(loss.where(), "gradients", [&] { return &checked(loss); });
  TapeState& state = root.state();
  const auto others = blame(loss.where(), "gradients", [&] { return indices_of(also, state); });
  RecycledVector<std::uint32_t> leaves;
  RecycledVector<std::size_t> positions;
  constexpr std::uint64_t kGradients = 2;  // evaluate has keys of its own
  std::uint64_t key = hash_with(hash_with(state.structure, kGradients), root.index());
  for (const TapeState::ParameterUse& use : state.parameters) {
    const std::size_t i = use.parameter.index();
    if (i >= parameters.size() || !(parameters[i] == use.parameter)) continue;
    leaves.push_back(use.node);
    positions.push_back(i);
    key = hash_with(hash_with(key, use.node), i);
  }
  for (const std::uint32_t other : others) key = hash_with(key, other);
  key = hash_with(key, others.size());
  Results results;
  if (const auto entry = state.options.passes.cache ? state.plans.find(key) : nullptr) {
    run_plan(state, *entry->plan, &results);
    return collect(parameters, *entry, results);
  }
  // The derivatives need the tape only while they are planned; their values need it longer if it
  // computes eagerly.
  const TapeState::Mark before = state.mark();
  const auto end = static_cast<std::uint32_t>(before.nodes);
  std::shared_ptr<const Plan> plan;
  Gradients result = all_or_nothing(state, [&] {
    Targets targets = blame(loss.where(), "gradients", [&] {
      Targets found = leaves.empty() ? Targets{} : record_gradients(root, leaves, positions);
      if (found.roots.size() < 2) {
        throw StateError("the loss depends on no parameter of the set");
      }
      found.roots.insert(found.roots.end(), others.begin(), others.end());
      return found;
    });
    plan = std::make_shared<const Plan>(make_plan(state, targets.roots, Keep::roots, end));
    PlanCache::Entry entry{key, plan, std::move(targets.plan)};
    run_plan(state, *plan, &results);
    Gradients computed = collect(parameters, entry, results);
    const auto lasts = [&](const Plan::Operand& operand) {
      return operand.at.node == TapeState::kNone || operand.at.node < end;
    };
    if (state.options.passes.cache && plan->reusable &&
        std::ranges::all_of(plan->operands, lasts) && std::ranges::all_of(plan->roots, lasts)) {
      state.plans.add(std::move(entry));
    }
    return computed;
  });
  state.roll_back(before);
  hash_published(state, *plan);
  return result;
}

}  // namespace

Gradients gradients(const Operand& loss, const ParameterSet& parameters,
                    std::span<const Variable> also) {
  return blame_memory(loss.where(), "gradients",
                      [&] { return computed_gradients(loss, parameters, also); });
}

}  // namespace unroll
