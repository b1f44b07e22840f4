// Pointwise ops: types, kernels by formula, derivatives.
#include <unroll/ops/pointwise.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>

namespace unroll {

Pointwise::Pointwise(std::string name, Formula formula, Traits traits)
    : Op(std::move(name), {.elementwise = true, .accumulates = true, .internal = traits.internal}),
      formula_(std::move(formula)) {
  if (formula_.inputs + formula_.parameters > 8 || formula_.parameters > 4) {
    throw ValueError(
        fmt::format("{}: a pointwise op takes at most 8 arguments, 4 of them "
                    "parameters",
                    this->name()));
  }
  if (formula_.parameters + formula_.constants.size() > kMaxScalars) {
    throw ValueError(fmt::format("{}: a formula has at most {} parameters and constants",
                                 this->name(), kMaxScalars));
  }
}

bool Pointwise::stays_whole(const Scalars& parameters) const {
  return formula_.is_whole() &&
         std::all_of(parameters.begin(), parameters.begin() + formula_.parameters,
                     [](double p) { return p == std::trunc(p); });
}

Type Pointwise::infer(const Signature& call) const {
  if (call.inputs.size() != static_cast<std::size_t>(formula_.inputs)) {
    throw ValueError(
        fmt::format("got {} operands; expected {}", call.inputs.size(), formula_.inputs));
  }
  Type result{Dtype::bool_, call.inputs.empty() ? Shape{} : call.input(0).shape};
  for (const Type* input : call.inputs) {
    if (!(input->shape == result.shape)) result.shape = broadcast(result.shape, input->shape);
    if (input->dtype == Dtype::bool_ || input->dtype == result.dtype) continue;
    if (result.dtype != Dtype::bool_) {
      throw DtypeError(fmt::format("operands are {} and {}; expected one dtype",
                                   name_of(result.dtype), name_of(input->dtype)));
    }
    result.dtype = input->dtype;
  }
  if (result.dtype == Dtype::int32 && !stays_whole(scalars(call.attributes))) {
    throw DtypeError("got int32, which would drop fractions; expected float32 or float64");
  }
  if (formula_.is_predicate()) {
    result.dtype = Dtype::bool_;
  } else if (result.dtype == Dtype::bool_) {
    result.dtype = Dtype::float32;
  }
  return result;
}

void Pointwise::run(const KernelCall& call) const {
  const Scalars parameters = scalars(call.attributes);
  run_formula(formula_, call.inputs,
              std::span(parameters).first(static_cast<std::size_t>(formula_.parameters)),
              call.output, call.accumulate);
}

Formula Pointwise::tensors_first(Formula formula) const {
  const int inputs = formula_.inputs, parameters = formula_.parameters;
  if (formula.inputs != inputs + parameters + 2) {
    throw ValueError(
        fmt::format("{}: a derivative takes {} arguments; expected {}: inputs, "
                    "parameters, y, dy",
                    name(), formula.inputs, inputs + parameters + 2));
  }
  const auto moved = [&](std::int16_t value) {
    if (value < inputs || value >= inputs + parameters + 2) return value;
    const bool is_parameter = value < inputs + parameters;
    return static_cast<std::int16_t>(is_parameter ? value + 2 : value - parameters);
  };
  for (auto& instruction : formula.instructions) {
    for (auto& operand : instruction.operands) operand = moved(operand);
  }
  formula.result = moved(formula.result);
  formula.inputs = inputs + 2;
  formula.parameters = parameters;
  return formula;
}

void Pointwise::add_contribution(const Formula& formula) {
  Contribution& contribution = contributions_.emplace_back();
  if (formula.is_zero()) return;
  Formula compact = without_unused_inputs(formula, contribution.sources);
  const auto label = fmt::format("{}.d{}", name(), contributions_.size());
  contribution.op.reset(new Pointwise(label, std::move(compact), {.internal = true}));
}

void Pointwise::derive(Derivation& d) const {
  const Scalars parameters = formula_.parameters == 0 ? Scalars{} : d.attributes<Scalars>();
  if (contributions_.empty()) {  // a derivative formula: differentiate the primitives it is made of
    Variables inputs;
    for (std::size_t i = 0; i < d.input_count(); ++i) inputs.push_back(d.input(i));
    derive_through(d, [&] { return replay(formula_, inputs, parameters); });
    return;
  }
  for (std::size_t i = 0; i < contributions_.size(); ++i) {
    const Contribution& contribution = contributions_[i];
    if (!d.wanted(i) || contribution.op == nullptr) continue;
    Variables sources;
    for (const int source : contribution.sources) {
      sources.push_back(source < formula_.inputs    ? d.input(static_cast<std::size_t>(source))
                        : source == formula_.inputs ? d.output()
                                                    : d.cotangent());
    }
    const Formula& formula = *contribution.op->formula();
    const bool passes_through = formula.instructions.empty() && sources.size() == 1;
    const std::vector<Operand> operands(sources.begin(), sources.end());
    const Variable dx =
        passes_through ? sources.front() : contribution.op->apply(operands, parameters);
    d.add(i, sum_to(dx, d.input(i).shape()));
  }
}

}  // namespace unroll
