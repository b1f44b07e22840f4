// Formula: a pointwise function as a short program, and what the fuse pass makes of several.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <unroll/autograd/formula_codes.h>
#include <unroll/autograd/op.h>

namespace unroll {

/// Straight-line code. Values are numbered: arguments (inputs, then parameters) from 0, then the
/// results of the instructions; constant k is -1 - k.
struct Formula {
  struct Instruction {
    Code code;
    std::array<std::int16_t, 3> operands{};
    std::int16_t target = 0;  ///< tile register of the result
  };
  int inputs = 0;      ///< tensor arguments
  int parameters = 0;  ///< scalar arguments
  std::vector<double> constants;
  std::vector<Instruction> instructions;
  std::int16_t result = 0;  ///< value number
  int registers = 0;        ///< tile registers needed at once

  int arguments() const { return inputs + parameters; }
  bool uses(int argument) const;
  /// True if the formula is the constant 0.
  bool is_zero() const;
  /// True if whole numbers give whole numbers.
  bool is_whole() const;
  /// True if the result is a comparison.
  bool is_predicate() const;
};

/// How many operands a primitive takes: the first ones.
constexpr int operand_count(Code code) { return code < Code::add ? 1 : code < Code::where ? 2 : 3; }

/// Several formulas over the same rows x columns elements as one program with any number of
/// results. Values are places in a table: inputs, then constants, then results, then tile
/// registers.
struct FusedFormula {
  struct Instruction {
    Code code;
    std::array<std::uint16_t, 3> operands{};
    std::uint16_t target = 0;
  };
  /// Where an array lies: element (i, j) is i row_stride + j column_stride elements in.
  struct Layout {
    Dtype dtype = Dtype::float32;
    std::int64_t row_stride = 0;
    std::int64_t column_stride = 1;  ///< 1, or 0: one number for the whole row
    bool aside = false;  ///< a result that overwrites an operand which is read after it is known
  };
  Dtype dtype = Dtype::float32;  ///< computed in
  std::int64_t rows = 1, columns = 1;
  std::vector<Layout> inputs, results;
  std::vector<double> constants;
  std::vector<Instruction> instructions;
  std::size_t registers = 0;
};

/// Runs the program. A result may lie where an input lies, layout and all, and overlaps no other
/// input; unless it is `aside`, nothing reads that input after it. Inputs and results are in the
/// order of `formula`.
void run_fused(const FusedFormula& formula, std::span<const void* const> inputs,
               std::span<void* const> results);

}  // namespace unroll
