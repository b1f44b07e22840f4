// Lesson 1: gradients of a formula.
//
// A Tape takes down the operations of your program in the order in which they happen. From that
// list the library works out values, derivatives, and derivatives of derivatives.
#include <cmath>
#include <cstdio>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

bool all_right = true;

/// Prints a result beside what it should be, and remembers whether they agree.
void show(const char* what, double got, double expected) {
  std::printf("%-28s %10.6f   expected %10.6f\n", what, got, expected);
  all_right = all_right && std::abs(got - expected) < 1e-9;
}

}  // namespace

int main() {
  // Numbers live in tensors. These have no axes: one number each. Tensors are float32 unless told
  // otherwise; float64 is slower and lets us compare many digits.
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(2.0, Dtype::float64));
  const Variable y = tape.input(Tensor::scalar(0.5, Dtype::float64));

  // This line is recorded, not computed: the tape now knows that f is x sin(y) + x^2.
  const Variable f = x * sin(y) + square(x);

  // Asking for the value computes it.
  show("f = x sin(y) + x^2", f.item(), 2.0 * std::sin(0.5) + 4.0);

  // gradients(f, {x, y}) walks the list backwards once and returns df/dx and df/dy.
  const auto df = gradients(f, {x, y});
  show("df/dx = sin(y) + 2x", df[0].item(), std::sin(0.5) + 4.0);
  show("df/dy = x cos(y)", df[1].item(), 2.0 * std::cos(0.5));

  // A gradient is a Variable like any other, so it has gradients too.
  const auto d2f = gradients(df[1], {x, y});
  show("d2f/dydx = cos(y)", d2f[0].item(), std::cos(0.5));
  show("d2f/dydy = -x sin(y)", d2f[1].item(), -2.0 * std::sin(0.5));

  // The same with a vector. `gradients` wants one number to differentiate, so we sum up; the
  // gradient has the shape of the vector.
  const Variable v = tape.input(Tensor({3}, {1.0, -2.0, 3.0}));
  const auto dv = gradients(sum(v * v), {v});
  std::printf("\ngradient of sum(v * v): %s\n", to_string(dv[0].value()).c_str());
  show("its middle element, 2 v", dv[0].value().at(1), -4.0);

  // A loop is nothing special: this is a recurrent net in one line, h' = tanh(w h + 1), five
  // steps long. The gradient by w collects a contribution from each step.
  const Variable w = tape.input(Tensor::scalar(0.7, Dtype::float64));
  Variable h = tape.constant(0.0, Dtype::float64);
  for (int t = 0; t < 5; ++t) h = tanh(w * h + 1.0);
  const double dh = gradients(h, {w})[0].item();

  // Every derivative can be checked against a difference quotient, and should be.
  const auto run = [](double weight) {
    double state = 0.0;
    for (int t = 0; t < 5; ++t) state = std::tanh(weight * state + 1.0);
    return state;
  };
  std::printf("\n");
  show("dh/dw after five steps", dh, (run(0.7 + 1e-5) - run(0.7 - 1e-5)) / 2e-5);

  // Mistakes are reported where you made them: file and line, operation, shapes.
  try {
    const Variable matrix = tape.input(Tensor({2, 2}, {1.0, 2.0, 3.0, 4.0}));
    matmul(matrix, v);
    all_right = false;
  } catch (const ShapeError& error) {
    std::printf("\na mistake on purpose:\n  %s\n", error.what());
  }

  // A tape can be read. Here is the one of x sin(y) + x^2, with the place of each line in this
  // file; the number of a node is how others refer to it.
  Tape small;
  const Variable a = small.input(Tensor::scalar(2.0)), b = small.input(Tensor::scalar(0.5));
  const Variable c = a * sin(b) + square(a);
  std::printf("\nthe tape of f, %zu nodes:\n%s", small.size(), to_string(small).c_str());
  all_right = all_right && std::abs(c.item() - 4.958851) < 1e-5;

  return all_right ? 0 : 1;
}
