// The chain of W4: 10,000 ops on one number, which costs nothing but the engine's overhead.
#include <unroll/bench/training.h>
#include <unroll/ops/ops.h>

namespace unroll::bench {

namespace {

class Chain final : public Training {
 public:
  explicit Chain(const Setting& setting)
      : Training(setting, 1), x_(parameters_.create("x", Tensor::scalar(0.5))) {}

 protected:
  Variable loss(Tape& tape, int) override {
    Variable y = tape.use(x_);
    for (int i = 0; i < 10000; ++i) y = tanh(y);
    return y;
  }

 private:
  Parameter x_;
};

}  // namespace

void add_chain(std::vector<Entry>& entries) {
  Entry entry;
  entry.name = "W4/chain";
  entry.what = "10,000 tanh of one number";
  entry.make = [](const Setting& setting) { return std::make_unique<Chain>(setting); };
  entries.push_back(entry);
}

}  // namespace unroll::bench
