// Lesson 2: a new operation, and the check that its derivative is right.
//
// There are three ways to get one. Take the first that will do.
#include <algorithm>
#include <cstdio>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

// 1. A function of existing operations. Its derivative is found by itself.
Variable mish(const Variable& x) { return x * tanh(softplus(x)); }

// 2. A formula: for everything that works element by element. The formula and its derivative are
// compiled into one fast loop each. The derivative is a function of the input x, the result y and
// the incoming gradient dy = dL/dy, and returns dL/dx.
//
//   y = (sqrt(x^2 + 1) - 1) / 2 + x        dy/dx = x / (2 sqrt(x^2 + 1)) + 1
const Pointwise bent_identity{
    "bent_identity", [](Expr x) { return (sqrt(square(x) + 1) - 1) / 2 + x; },
    [](Expr x, Expr, Expr dy) { return dy * (x / (2 * sqrt(square(x) + 1)) + 1); }};

// With two inputs there are two derivatives. Here both are short because they use y.
const Pointwise hypotenuse{"hypotenuse", [](Expr a, Expr b) { return sqrt(square(a) + square(b)); },
                           [](Expr a, Expr, Expr y, Expr dy) { return dy * a / y; },
                           [](Expr, Expr b, Expr y, Expr dy) { return dy * b / y; }};

// The bent identity again, by somebody who forgot the "+ 1" of the derivative.
const Pointwise mistaken{"mistaken", [](Expr x) { return (sqrt(square(x) + 1) - 1) / 2 + x; },
                         [](Expr x, Expr, Expr dy) { return dy * x / (2 * sqrt(square(x) + 1)); }};

// 3. A class: for everything else. It says which type comes out, how to compute it, and what the
// derivative is. This one turns the two halves of the last axis by a quarter: [a, b] -> [-b, a].
Variable quarter_turn(const Operand& x);

class QuarterTurn final : public Op {
 public:
  QuarterTurn() : Op("quarter_turn") {}

  Type infer(const Signature& call) const override {
    const Shape& shape = call.input(0).shape;
    if (shape.rank() < 1 || shape.extent(-1) % 2 != 0) {
      throw ShapeError("got " + to_string(shape) + "; expected an even last extent");
    }
    if (!is_floating(call.input(0).dtype)) throw DtypeError("got whole numbers; expected floats");
    return call.input(0);
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float64) {
      turn(call.input(0).as<double>(), call.output.as<double>(), call.output.shape());
    } else {
      turn(call.input(0).as<float>(), call.output.as<float>(), call.output.shape());
    }
  }

  // Written in operations, so that it can be differentiated again: turn dy back.
  void derive(Derivation& d) const override { d.add(0, -quarter_turn(d.cotangent())); }

 private:
  template <class T>
  static void turn(const T* x, T* y, const Shape& shape) {
    const std::int64_t half = shape.extent(-1) / 2;
    for (std::int64_t row = 0; row < shape.size(); row += 2 * half) {
      std::transform(x + row + half, x + row + 2 * half, y + row, [](T b) { return -b; });
      std::copy_n(x + row, half, y + row + half);
    }
  }
};

const QuarterTurn kQuarterTurn;
Variable quarter_turn(const Operand& x) { return record(kQuarterTurn, {x}); }

/// Compares the derivative with difference quotients, at random points, in float64; then does the
/// same with the derivative of the derivative. Prints what gradcheck says.
bool check(const char* name, const Function& f, const std::vector<Tensor>& inputs) {
  const GradcheckReport first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
  std::printf("%-14s first order: %-6s second order: %s\n", name, first ? "right" : "WRONG",
              second ? "right" : "WRONG");
  if (!first) std::printf("  %s\n", first.message.c_str());
  return first && second;
}

}  // namespace

int main() {
  const Tensor a = random_normal({3, 4}, 1), b = random_normal({3, 4}, 2);

  bool ok = check("mish", [](auto x) { return mish(x[0]); }, {a});
  ok &= check("bent_identity", [](auto x) { return bent_identity(x[0]); }, {a});
  ok &= check("hypotenuse", [](auto x) { return hypotenuse(x[0], x[1]); }, {a, b});
  ok &= check("quarter_turn", [](auto x) { return quarter_turn(x[0]); }, {a});

  // Inputs of different shapes broadcast as everywhere, and so do the gradients: [3, 4] and [4].
  const Tensor row = random_normal({4}, 3);
  ok &= check("  broadcasting", [](auto x) { return hypotenuse(x[0], x[1]); }, {a, row});

  // The check is not a formality: it finds the forgotten "+ 1" and says where.
  ok &= !check("mistaken", [](auto x) { return mistaken(x[0]); }, {a});
  return ok ? 0 : 1;
}
