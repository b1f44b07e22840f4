// Sequences of calls: bytes become recordings, evaluations and gradients on two tapes. Each call
// gives a result or a typed error that leaves the tapes as they were (else the error is shown).
#include <unroll/autograd/tape.h>

#include <functional>
#include <optional>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/fuzz/arguments.h>
#include <unroll/tests/fuzz/memory_file.h>

using namespace unroll;

namespace {

constexpr std::int64_t kMostElements = 4096;
constexpr std::size_t kMostCalls = 100;

TapeOptions options_of(std::size_t byte) {
  const auto bit = [&](int i) { return (byte >> i & 1) == 0; };
  return {.eager = byte == 255,
          .training = bit(7),
          .memory_budget = byte % 5 == 4 ? std::size_t{256} : 0,
          .passes = {.batch = bit(0),
                     .fuse = bit(1),
                     .place = bit(2),
                     .accumulate = bit(3),
                     .pack = bit(4),
                     .cache = bit(5),
                     .reuse = bit(6)}};
}

class Session {
 public:
  Session(std::size_t options, std::span<const unsigned char> bytes)
      : from_(bytes, options == 255),
        tapes_{Tape(options_of(options)), Tape(options_of(options / 2))} {
    for (const Shape& shape : {Shape{2, 3}, Shape{3}, Shape{}, Shape{0, 3}, Shape{4, 4}}) {
      weights_.push_back(parameters_.create("w" + std::to_string(weights_.size()),
                                            random_uniform(shape, weights_.size() + 1, -1, 1)));
    }
  }

  void run() {
    for (std::size_t i = 0; i < kMostCalls && !from_.empty(); ++i) {
      const std::size_t first = tapes_[0].size(), second = tapes_[1].size();
      try {
        call();
      } catch (const Error& error) {
        fuzz::expect(tapes_[0].size() == first && tapes_[1].size() == second, error.what());
      }
    }
  }

 private:
  using Call = std::function<Variable(Session&)>;
  static const std::vector<Call>& calls();

  const Variable& any() {
    static const Variable kNone;
    return pool_.empty() ? kNone : pool_[pool_.size() - 1 - from_.byte() % pool_.size()];
  }
  Tape& tape() { return tapes_[from_.byte() % 8 == 7 ? 1 : 0]; }
  Reduction reduction() { return static_cast<Reduction>(from_.byte() % 3); }
  Variables some() {
    Variables parts;
    for (std::size_t n = from_.byte() % 4; n > 0; --n) parts.push_back(any());
    return parts;
  }
  Variable keep(const Variable& result) {
    if (result.defined() && result.shape().size() <= kMostElements) pool_.push_back(result);
    return result;
  }

  Variable leaf() {
    const Shape shape = from_.shape();
    if (shape.size() > kMostElements) return {};
    const Dtype dtype = from_.dtype();
    Tensor value = random_uniform(shape, from_.byte(), -2, 3, Dtype::float64).to(dtype);
    return tape().input(value);
  }

  /// Calls of other kinds than ops.
  Variable look() {
    switch (from_.byte() % 8) {
      case 0: any().value(); break;
      case 1: evaluate(some()); break;
      case 2: {
        const Variable loss = any();
        for (const Variable& g : gradients(loss, some())) keep(g);
        break;
      }
      case 3: {
        const Gradients found = gradients(any(), parameters_);
        if (from_.flag()) weights_[0].assign(random_uniform({2, 3}, from_.byte(), -1, 1));
        break;
      }
      case 4: {
        const Variables outputs = some(), cotangents = some(), wrt = some();
        for (const Variable& g : vector_jacobian_product(outputs, cotangents, wrt)) keep(g);
        break;
      }
      case 5: tape().reset(from_.byte()); break;
      case 6: {
        const auto constant = tapes_[0].no_gradient();
        keep(tanh(any()));
        break;
      }
      default: any().item();
    }
    return {};
  }

  void call() {
    const std::size_t which = from_.byte();
    if (which % 4 == 3) {
      look();
    } else {
      keep(calls()[which % calls().size()](*this));
    }
  }

  fuzz::Arguments from_;
  ParameterSet parameters_{1};
  std::vector<Parameter> weights_;
  std::array<Tape, 2> tapes_;
  Variables pool_;
};

const std::vector<Session::Call>& Session::calls() {
  using S = Session;
  static const std::vector<Call> kCalls = {
      [](S& s) { return s.leaf(); },
      [](S& s) { return s.tape().use(s.weights_[s.from_.byte() % s.weights_.size()]); },
      [](S& s) { return s.tape().constant(s.from_.number(), s.from_.dtype(), s.from_.shape()); },
      [](S& s) { return s.any() + s.any(); },
      [](S& s) { return s.any() - s.from_.number(); },
      [](S& s) { return s.any() * s.any(); },
      [](S& s) { return s.from_.number() / s.any(); },
      [](S& s) { return pow(s.any(), s.any()); },
      [](S& s) { return tanh(s.any()); },
      [](S& s) { return exp(s.any()); },
      [](S& s) { return log(s.any()); },
      [](S& s) { return abs(sqrt(s.any())); },
      [](S& s) { return max(s.any(), s.any()); },
      [](S& s) { return clamp(s.any(), s.from_.number(), s.from_.number()); },
      [](S& s) { return leaky_relu(s.any(), s.from_.number()); },
      [](S& s) { return s.any() < s.any(); },
      [](S& s) { return where(s.any(), s.any(), s.any()); },
      [](S& s) { return sum(s.any(), s.from_.axes(), s.from_.flag()); },
      [](S& s) { return mean(s.any(), s.from_.axes(), s.from_.flag()); },
      [](S& s) { return max(s.any(), s.from_.axes(), s.from_.flag()); },
      [](S& s) { return argmax(s.any(), s.from_.axis(), s.from_.flag()); },
      [](S& s) { return logsumexp(s.any(), s.from_.axes(), s.from_.flag()); },
      [](S& s) { return var(s.any(), s.from_.axes(), s.from_.number(), s.from_.flag()); },
      [](S& s) { return norm(s.any(), s.from_.axes(), s.from_.flag()); },
      [](S& s) { return cumsum(s.any(), s.from_.axis()); },
      [](S& s) { return sum_to(s.any(), s.from_.shape()); },
      [](S& s) { return reshape(s.any(), s.from_.shape()); },
      [](S& s) { return permute(s.any(), s.from_.order()); },
      [](S& s) { return transpose(s.any(), s.from_.axis(), s.from_.axis()); },
      [](S& s) {
        return slice(s.any(), s.from_.axis(), s.from_.extent(), s.from_.extent(), s.from_.extent());
      },
      [](S& s) { return select(s.any(), s.from_.axis(), s.from_.extent()); },
      [](S& s) { return concat(s.some(), s.from_.axis()); },
      [](S& s) { return stack(s.some(), s.from_.axis()); },
      [](S& s) {
        const Variables parts = split(s.any(), static_cast<int>(s.from_.extent()), s.from_.axis());
        return parts.empty() ? Variable() : parts.back();
      },
      [](S& s) { return expand(s.any(), s.from_.shape()); },
      [](S& s) {
        return pad(s.any(), s.from_.axis(), s.from_.extent(), s.from_.extent(), s.from_.number());
      },
      [](S& s) { return flip(s.any(), s.from_.axis()); },
      [](S& s) { return matmul(s.any(), s.any()); },
      [](S& s) { return affine(s.any(), s.any(), s.any()); },
      [](S& s) { return linear(s.any(), s.any()); },
      [](S& s) { return dot(s.any(), s.any()); },
      [](S& s) { return outer(s.any(), s.any()); },
      [](S& s) { return softmax(s.any(), s.from_.axis()); },
      [](S& s) { return log_softmax(s.any(), s.from_.axis()); },
      [](S& s) { return masked_softmax(s.any(), s.any()); },
      [](S& s) { return layer_norm(s.any(), s.any(), s.any(), s.from_.number()); },
      [](S& s) { return rows(s.any(), s.any()); },
      [](S& s) { return take_rows(s.any(), s.any()); },
      [](S& s) { return gather(s.any(), s.from_.axis(), s.any()); },
      [](S& s) { return scatter_add(s.any(), s.from_.axis(), s.any(), s.any()); },
      [](S& s) { return one_hot(s.any(), s.from_.extent(), s.from_.dtype()); },
      [](S& s) {
        return cross_entropy(s.any(), s.any(),
                             {.ignore_index = static_cast<std::int32_t>(s.from_.extent()),
                              .label_smoothing = s.from_.number(),
                              .reduction = s.reduction()});
      },
      [](S& s) { return huber_loss(s.any(), s.any(), s.from_.number(), s.reduction()); },
      [](S& s) { return binary_cross_entropy(s.any(), s.any(), s.reduction()); },
      [](S& s) { return kl_divergence(s.any(), s.any(), s.reduction()); },
      [](S& s) { return dropout(s.any(), s.from_.number()); },
      [](S& s) { return detach(s.any()); },
  };
  return kCalls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size > 0) Session(data[0], std::span(data, size).subspan(1)).run();
  return 0;
}
