// What the passes ask of pointwise steps: views, groups and their formulas. Internal.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <unroll/autograd/program.h>

namespace unroll::passes {

/// The elements of a shape as rows and columns.
struct Matrix {
  explicit Matrix(const Shape& shape)
      : columns(shape.rank() == 0 ? 1 : shape.extent(-1)),
        rows(columns == 0 ? 0 : shape.size() / columns) {}
  std::int64_t columns, rows;
};

/// How an operand of type `from` is read along the rows and columns of `to`, if it can be.
std::optional<FusedFormula::Layout> layout_of(const Type& from, const Shape& to);

/// The floating dtype that a step computes in, if its operands can be read along the rows and
/// columns of its result.
std::optional<Dtype> pointwise_dtype(const Program& program, const Program::Step& step);

/// Is the step a formula, or a sum that is better computed like one? Needs Value::uses.
bool is_pointwise(const Program& program, const Program::Step& step);

/// Joins the members of a group into one formula. Returns the values that it reads, in the order
/// of its inputs. `numbers` has kUnnumbered for every value, also afterwards.
inline constexpr int kUnnumbered = 1 << 30;
std::vector<std::uint32_t> join_formulas(const Program& program, Program::Fused& group,
                                         const Shape& shape, Dtype dtype,
                                         std::vector<int>& numbers);

}  // namespace unroll::passes
