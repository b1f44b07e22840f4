// Fits a line with the installed library: the smallest program that trains.
#include <cstdio>

#include <unroll/unroll.h>

int main() {
  using namespace unroll;
  ParameterSet parameters(1);
  const nn::Linear line(parameters.scope("line"), 1, 1);
  optim::SGD sgd(parameters, {.lr = 0.1});
  const Tensor x({4, 1}, {0.0f, 1.0f, 2.0f, 3.0f});
  const Tensor y({4, 1}, {1.0f, 3.0f, 5.0f, 7.0f});

  double loss = 0;
  for (int step = 0; step < 300; ++step) {
    Tape tape;
    const Variable error = mse_loss(line(tape.input(x)), tape.input(y));
    loss = error.item();
    sgd.step(gradients(error, parameters));
  }
  std::printf("loss %.2g\n", loss);
  return loss < 1e-4 ? 0 : 1;
}
