// The matrix product with explicit transposition flags. Internal to ops/.
#pragma once

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape.h>

namespace unroll {

/// Which operands are stored with their last two axes exchanged.
struct Transposed {
  bool a = false, b = false;
};

/// An operand of a product: what the kernel reads, and whether that is the operand's transpose.
/// Refers to its argument and to itself: for the duration of a call.
class Factor {
 public:
  explicit Factor(const Operand& x);
  Factor(const Factor&) = delete;
  Factor& operator=(const Factor&) = delete;

  Operand operand;
  bool transposed = false;

 private:
  Variable source_;
};

/// Where a product sends the gradient of an operand that may be recorded twice: as it is stored,
/// input `stored_input`, and as the transpose that the user wrote, input `link` (the same number if
/// there is none).
struct GradientTarget {
  GradientTarget(const Derivation& d, std::size_t stored_input, std::size_t link);
  bool wanted;        ///< false: the transpose cuts the gradient, or nobody asks
  bool stored;        ///< the contribution has the layout of the stored operand
  std::size_t input;  ///< where to add it
};

/// The tape of two operands of `op`, of which one may be a parameter. Throws StateError if neither
/// is on a tape.
TapeState& tape_of(const Operand& a, const Operand& b, std::string_view op);

/// a [..., m, k] b [..., k, n]; an operand that is flagged is stored as [..., k, m] ([..., n, k]).
Variable matmul(const Operand& a, const Operand& b, Transposed transposed);

}  // namespace unroll
