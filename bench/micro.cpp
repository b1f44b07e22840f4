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
      : f_(std::move(f)), tape_(setting.tape) {
    cost_ = cost;
    for (const Shape& shape : shapes) inputs_.push_back(random_numbers(shape, inputs_.size()));
  }
  void step() override {
    tape_.reset();
    Variables x;
    for (const Tensor& input : inputs_) x.push_back(tape_.input(input));
    evaluate({f_(x)});
  }
  std::size_t tape_bytes() override { return tape_.memory_bytes(); }
  std::size_t tape_nodes() override { return tape_.size(); }

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
  struct Elementwise {
    const char* name;
    std::int64_t size;
    Variable (*function)(const Variable& x);
  };
  const auto gelu_of = [](const Variable& x) { return gelu(x); };
  const auto relu_of = [](const Variable& x) { return relu(x); };
  for (const Elementwise& formula : {Elementwise{"gelu", 64, gelu_of},
                                     {"gelu", 4'096, gelu_of},
                                     {"gelu", 262'144, gelu_of},
                                     {"relu", 8'192, relu_of},
                                     {"relu", 262'144, relu_of},
                                     {"relu", 8'388'608, relu_of}}) {
    Entry entry;
    entry.name = std::string("micro/") + formula.name + '/' + std::to_string(formula.size);
    entry.what = "one formula over an array";
    const Cost cost{.tokens = static_cast<double>(formula.size)};
    entry.make = [formula, cost](const Setting& setting) {
      const auto f = [formula](std::span<const Variable> x) { return formula.function(x[0]); };
      return std::make_unique<Forward>(f, std::vector<Shape>{{formula.size}}, cost, setting);
    };
    entries.push_back(entry);
  }
}

}  // namespace unroll::bench
