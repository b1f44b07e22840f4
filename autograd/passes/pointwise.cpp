// Which steps are pointwise, and how they read their operands.
#include <unroll/autograd/passes/pointwise.h>

#include <algorithm>

#include <unroll/autograd/leaves.h>

namespace unroll::passes {

std::optional<FusedFormula::Layout> layout_of(const Type& from, const Shape& to) {
  const Matrix matrix(to), own(from.shape);
  if (from.shape.size() == 1) return FusedFormula::Layout{from.dtype, 0, 0};
  if (own.rows == matrix.rows && own.columns == matrix.columns) {
    return FusedFormula::Layout{from.dtype, matrix.columns, 1};
  }
  if (own.rows == 1 && own.columns == matrix.columns) return FusedFormula::Layout{from.dtype, 0, 1};
  const bool is_column = from.shape.rank() == to.rank() && own.columns == 1 &&
                         from.shape.with(to.rank() - 1, matrix.columns) == to;
  if (is_column) return FusedFormula::Layout{from.dtype, 1, 0};
  return std::nullopt;
}

namespace {

/// Longer sums are better added up in place.
constexpr std::size_t kMaxTerms = 4;

/// Where two or more terms can add themselves to the sum, that needs less memory.
bool is_short_sum(const Program& program, const Program::Step& step) {
  if (step.input_count > kMaxTerms) return false;
  const auto adds_itself = [&](std::uint32_t input) {
    const Program::Value& v = program.values[input];
    return v.step != Program::kNone && v.uses == 1 && !v.keep &&
           program.steps[v.step].kind == Program::Kind::op &&
           program.steps[v.step].op->formula() == nullptr &&
           program.steps[v.step].op->traits().accumulates;
  };
  return std::ranges::count_if(program.inputs_of(step), adds_itself) <= 1;
}

}  // namespace

std::optional<Dtype> pointwise_dtype(const Program& program, const Program::Step& step) {
  const Type& output = *program.values[step.output].type;
  std::optional<Dtype> dtype;
  if (is_floating(output.dtype)) dtype = output.dtype;
  if (!dtype && output.dtype != Dtype::bool_) return std::nullopt;
  for (const std::uint32_t input : program.inputs_of(step)) {
    const Type& type = *program.values[input].type;
    const bool floating = is_floating(type.dtype);
    if (type.dtype == Dtype::int32 || (floating && dtype && type.dtype != *dtype)) {
      return std::nullopt;
    }
    if (floating) dtype = type.dtype;
    if (!layout_of(type, output.shape)) return std::nullopt;
  }
  return dtype ? dtype : Dtype::float32;
}

bool is_pointwise(const Program& program, const Program::Step& step) {
  if (step.kind != Program::Kind::op) return false;
  if (program.values[step.output].type->shape.size() == 0) return false;
  const Formula* const formula = step.op->formula();
  const bool computes = formula != nullptr
                            ? formula->result >= formula->arguments()
                            : step.op == &accumulate_op() && is_short_sum(program, step);
  return computes && pointwise_dtype(program, step).has_value();
}

}  // namespace unroll::passes
