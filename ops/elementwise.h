// The pointwise ops. All broadcast by NumPy's rule; floating operands must share one dtype, and
// the result has it. A number beside a tensor takes the tensor's dtype. Special values follow
// IEEE 754: NaN in gives NaN out unless said otherwise.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

// **** arithmetic ****

Variable add(const Operand& a, const Operand& b);  ///< a + b
Variable sub(const Operand& a, const Operand& b);  ///< a - b
Variable mul(const Operand& a, const Operand& b);  ///< a b
Variable div(const Operand& a, const Operand& b);  ///< a / b
Variable neg(const Operand& x);                    ///< -x

inline Variable operator+(const Operand& a, const Operand& b) { return add(a, b); }
inline Variable operator-(const Operand& a, const Operand& b) { return sub(a, b); }
inline Variable operator*(const Operand& a, const Operand& b) { return mul(a, b); }
inline Variable operator/(const Operand& a, const Operand& b) { return div(a, b); }
inline Variable operator-(const Operand& x) { return neg(x); }

// **** powers, exponentials, trigonometry ****

Variable square(const Operand& x);  ///< x^2
Variable sqrt(const Operand& x);    ///< NaN below 0; infinite derivative at 0
Variable rsqrt(const Operand& x);   ///< 1 / sqrt(x)
/// a^b. The derivative by b is taken as 0 where a is 0.
Variable pow(const Operand& a, const Operand& b);
Variable exp(const Operand& x);
Variable expm1(const Operand& x);  ///< exp(x) - 1, exact near 0
Variable log(const Operand& x);    ///< natural; -inf at 0, NaN below
Variable log1p(const Operand& x);  ///< log(1 + x), exact near 0
Variable sin(const Operand& x);    ///< x in radians
Variable cos(const Operand& x);    ///< x in radians
Variable erf(const Operand& x);    ///< 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x

// **** size and sign ****

Variable abs(const Operand& x);   ///< derivative 0 at 0
Variable sign(const Operand& x);  ///< -1, 0 or 1; derivative 0
/// The smaller (larger) operand, NaN if one is NaN. Where they are equal, each gets half the
/// gradient.
Variable min(const Operand& a, const Operand& b);
Variable max(const Operand& a, const Operand& b);
/// x limited to [low, high]; gradient 1 inside and at the bounds, 0 outside.
/// Throws ValueError unless low <= high.
Variable clamp(const Operand& x, double low, double high);

// **** activations ****

Variable tanh(const Operand& x);
Variable sigmoid(const Operand& x);                          ///< 1 / (1 + exp(-x))
Variable relu(const Operand& x);                             ///< max(x, 0); derivative 0 at 0
Variable leaky_relu(const Operand& x, double slope = 0.01);  ///< x if x > 0, else slope x
Variable elu(const Operand& x, double alpha = 1.0);          ///< x if x > 0, else alpha (e^x - 1)
/// x Phi(x) with the normal distribution Phi, by erf (Hendrycks and Gimpel 2016).
Variable gelu(const Operand& x);
Variable silu(const Operand& x);      ///< x sigmoid(x)
Variable softplus(const Operand& x);  ///< log(1 + exp(x)) without overflow
Variable softsign(const Operand& x);  ///< x / (1 + |x|)

// **** comparison and choice: bool results, no gradient through the condition ****

Variable less(const Operand& a, const Operand& b);
Variable less_equal(const Operand& a, const Operand& b);
Variable greater(const Operand& a, const Operand& b);
Variable greater_equal(const Operand& a, const Operand& b);
Variable equal(const Operand& a, const Operand& b);
Variable not_equal(const Operand& a, const Operand& b);

inline Variable operator<(const Operand& a, const Operand& b) { return less(a, b); }
inline Variable operator<=(const Operand& a, const Operand& b) { return less_equal(a, b); }
inline Variable operator>(const Operand& a, const Operand& b) { return greater(a, b); }
inline Variable operator>=(const Operand& a, const Operand& b) { return greater_equal(a, b); }

/// condition ? a : b. What is not chosen has no influence, not even as NaN or infinity; its
/// gradient is exactly 0.
Variable where(const Operand& condition, const Operand& a, const Operand& b);

}  // namespace unroll
