// The matrix product with explicit transposition flags. Internal to ops/.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

/// Which operands are stored with their last two axes exchanged.
struct Transposed {
  bool a = false, b = false;
};

/// The tape of two operands of `op`, of which one may be a parameter. Throws StateError if neither
/// is on a tape.
TapeState& tape_of(const Operand& a, const Operand& b, std::string_view op);

/// a [..., m, k] b [..., k, n]; an operand that is flagged is stored as [..., k, m] ([..., n, k]).
Variable matmul(const Operand& a, const Operand& b, Transposed transposed);

}  // namespace unroll
