// Single ops, for those who work on kernels: products and one formula over an array, forward only.
#include <unroll/bench/training.h>
#include <unroll/ops/ops.h>

namespace unroll::bench {

namespace {

/// `f` of fixed tensors.
class Forward final : public Workload {
 public:
  using Function = std::function<Variable(std::span<const Variable>)>;
  Forward(Function f, const std::vector<Shape>& shapes, const Cost& cost, const Setting& setting)
      : f_(std::move(f)), tape_({.bf16 = setting.bf16}) {
    cost_ = cost;
    for (const Shape& shape : shapes) inputs_.push_back(random_numbers(shape, inputs_.size()));
  }
  void step() override {
    tape_.reset();
    std::vector<Variable> x;
    for (const Tensor& input : inputs_) x.push_back(tape_.input(input));
    evaluate({f_(x)});
  }
  std::size_t tape_bytes() override { return tape_.memory_bytes(); }

 private:
  Function f_;
  std::vector<Tensor> inputs_;
  Tape tape_;
};

}  // namespace

void add_micro(std::vector<Entry>& entries) {
  struct Product {
    std::int64_t m, k, n;
  };
  for (const auto& [m, k, n] : {Product{1, 256, 1024},
                                {32, 256, 1024},
                                {256, 1600, 1024},
                                {1024, 1024, 1024},
                                {700, 200, 10'000}}) {
    Entry entry;
    entry.name =
        "micro/product/" + std::to_string(m) + '/' + std::to_string(k) + '/' + std::to_string(n);
    entry.what = "matmul of [m, k] and [k, n], named m/k/n";
    const Cost cost{.flop = 2.0 * static_cast<double>(m * k * n)};
    const std::vector<Shape> shapes = {{m, k}, {k, n}};
    entry.make = [shapes, cost](const Setting& setting) {
      const auto f = [](std::span<const Variable> x) { return matmul(x[0], x[1]); };
      return std::make_unique<Forward>(f, shapes, cost, setting);
    };
    entries.push_back(entry);
  }
  for (const std::int64_t size : {64, 4'096, 262'144}) {
    Entry entry;
    entry.name = "micro/gelu/" + std::to_string(size);
    entry.what = "one formula over an array";
    const Cost cost{.tokens = static_cast<double>(size)};
    entry.make = [size, cost](const Setting& setting) {
      const auto f = [](std::span<const Variable> x) { return gelu(x[0]); };
      return std::make_unique<Forward>(f, std::vector<Shape>{{size}}, cost, setting);
    };
    entries.push_back(entry);
  }
}

}  // namespace unroll::bench
