// event_stream: is the machine normal, slipping or jamming? Many-to-one over sensor readings that
// come one at a time: motor current, belt speed, vibration.
//   event_stream train
//   event_stream run < readings.txt      three numbers a line; a verdict after each
// The readings are made by the program itself, 30 to 120 a sequence. The network that learns from
// whole sequences is the one that answers step by step.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <numbers>
#include <sstream>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/program.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/train/checkpoint.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

constexpr std::array kVerdicts{"normal", "slipping", "jamming"};
constexpr std::size_t kSensors = 3;

struct Recording {
  std::vector<std::array<float, kSensors>> readings;
  std::int32_t verdict = 0;
};

/// Load and noise vary from machine to machine; the fault begins somewhere in the first half.
/// Slipping: the speed dips now and then while the current stays. Jamming: the current climbs, the
/// speed sinks. Both can be faint.
Recording record(Random& random) {
  Recording result;
  result.verdict = static_cast<std::int32_t>(random.below(kVerdicts.size()));
  const int steps = 30 + static_cast<int>(random.below(91));
  const int onset = static_cast<int>(random.below(static_cast<std::uint32_t>(steps / 2)));
  const double load = 0.6 + 0.8 * random.uniform(), strength = 0.5 + random.uniform();
  const double phase = 2 * std::numbers::pi * random.uniform(),
               noise = 0.05 + 0.1 * random.uniform();
  int dip = 0;
  for (int t = 0; t < steps; ++t) {
    const bool fault = t >= onset && result.verdict != 0;
    const double swing = 0.2 * std::sin(phase + 0.3 * t);
    double current = load + swing, speed = 1 - 0.3 * (load + swing - 1), vibration = 0.1;
    if (fault && kVerdicts[static_cast<std::size_t>(result.verdict)] == std::string("slipping")) {
      if (dip == 0 && random.below(6) == 0) dip = 2;
      if (dip > 0) {
        speed -= 0.45 * strength;
        vibration += 0.2 * strength;
        --dip;
      }
    } else if (fault) {
      const double progress = static_cast<double>(t - onset) / (steps - onset);
      current += 0.8 * strength * progress;
      speed -= 0.4 * strength * progress;
      vibration += 0.1 * strength * progress;
    }
    std::array<float, kSensors> reading{};
    double values[] = {current, speed, vibration};
    for (std::size_t k = 0; k < kSensors; ++k) {
      reading[k] = static_cast<float>(values[k] + noise * random.normal());
    }
    result.readings.push_back(reading);
  }
  return result;
}

std::vector<Recording> recordings(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Recording> result(count);
  std::ranges::generate(result, [&] { return record(random); });
  return result;
}

struct Detector {
  ParameterSet parameters;
  nn::GRUCell cell;
  nn::Linear scores;

  explicit Detector(const Settings& s)
      : parameters(s.seed),
        cell(parameters.scope("cell"), kSensors, s.hidden),
        scores(parameters.scope("scores"), s.hidden, kVerdicts.size()) {}

  /// Scores [B, 3] after the last reading of each.
  Variable operator()(Tape& tape, const std::vector<Recording>& all,
                      train::Examples examples) const {
    std::vector<std::int32_t> lengths;
    for (const std::size_t i : examples)
      lengths.push_back(static_cast<std::int32_t>(all[i].readings.size()));
    const auto batch = static_cast<std::int64_t>(examples.size());
    Tensor x({*std::ranges::max_element(lengths), batch, kSensors}, Dtype::float32);
    const auto values = x.mutable_data<float>();
    for (std::size_t b = 0; b < examples.size(); ++b) {
      const auto& readings = all[examples[b]].readings;
      for (std::size_t t = 0; t < readings.size(); ++t) {
        std::ranges::copy(readings[t], values.begin() + static_cast<std::ptrdiff_t>(
                                                            (t * examples.size() + b) * kSensors));
      }
    }
    return scores(nn::unroll(cell, tape.input(x), {.lengths = lengths}).last);
  }
};

/// The same detector for readings that come one at a time.
class Stream {
 public:
  explicit Stream(const Detector& detector) : detector_(detector) {}

  /// The probabilities after one more reading.
  std::array<float, 3> operator()(const std::array<float, kSensors>& reading) {
    Tape tape({.training = false});
    const auto constant = tape.no_gradient();
    const Variable x = tape.input(Tensor({1, kSensors}, std::span<const float>(reading)));
    const Variable before = begun_ ? state_.on(tape) : detector_.cell.initial_state(x, 1);
    const Variable h = detector_.cell.step(x, before);
    const Variable probabilities = softmax(detector_.scores(h), -1);
    evaluate({h, probabilities});
    state_ = nn::Carried<Variable>(h);
    begun_ = true;
    std::array<float, 3> result{};
    std::ranges::copy(probabilities.value().data<float>(), result.begin());
    return result;
  }

 private:
  const Detector& detector_;
  nn::Carried<Variable> state_;
  bool begun_ = false;
};

/// The probabilities of each verdict, per recording.
std::vector<std::array<float, 3>> judge(const Detector& detector, const std::vector<Recording>& all,
                                        int threads) {
  std::vector<std::array<float, 3>> result(all.size());
  train::for_each_batch(
      train::shuffled_batches(all.size(), 64, 0, 0),
      [&](Tape& tape, train::Examples examples) {
        const Tensor value = softmax(detector(tape, all, examples), -1).value();
        for (std::size_t k = 0; k < examples.size(); ++k) {
          std::ranges::copy(value.data<float>().subspan(3 * k, 3), result[examples[k]].begin());
        }
      },
      threads);
  return result;
}

double accuracy(const Detector& detector, const std::vector<Recording>& all, int threads) {
  const auto judged = judge(detector, all, threads);
  double right = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto guess = std::ranges::max_element(judged[i]) - judged[i].begin();
    right += guess == all[i].verdict ? 1 : 0;
  }
  return right / static_cast<double>(all.size());
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{
      .model = "event_stream.safetensors", .epochs = 12, .learning_rate = 5e-3, .hidden = 48};
  const auto load = [&] {
    const train::TensorFile file = train::load_safetensors(settings.model);
    settings.hidden = std::stoll(train::metadata_of(file, "hidden", settings.model));
    Detector detector(settings);
    train::assign_model(detector.parameters, file, settings.model);
    return detector;
  };
  const auto evaluate_model = [&] {
    const Detector detector = load();
    const auto test = recordings(2000, 77);
    fmt::print("test: accuracy {:.2f} %\n", 100 * accuracy(detector, test, settings.threads));
    const auto whole = judge(detector, test, settings.threads);
    float apart = 0;
    for (std::size_t i = 0; i < 200; ++i) {
      Stream stream(detector);
      std::array<float, 3> last{};
      for (const auto& reading : test[i].readings) last = stream(reading);
      for (std::size_t k = 0; k < 3; ++k) apart = std::max(apart, std::abs(last[k] - whole[i][k]));
    }
    fmt::print("step by step against whole sequences: probabilities differ by {:.1e} at most\n",
               apart);
  };
  const auto train = [&] {
    const auto training = recordings(6000, mix(settings.seed, 1)),
               held_out = recordings(1000, mix(settings.seed, 2));
    Detector detector(settings);
    train_model(settings, detector.parameters,
                {.batches =
                     [&](int epoch) {
                       return train::shuffled_batches(training.size(), settings.batch,
                                                      settings.seed, epoch);
                     },
                 .loss =
                     [&](Tape& tape, train::Examples part) {
                       std::vector<std::int32_t> verdicts;
                       for (const std::size_t i : part) verdicts.push_back(training[i].verdict);
                       const auto count = static_cast<std::int64_t>(part.size());
                       return cross_entropy(
                           detector(tape, training, part),
                           tape.input(Tensor({count}, std::span<const std::int32_t>(verdicts))),
                           {.reduction = Reduction::sum});
                     },
                 .validate =
                     [&] {
                       const double right = accuracy(detector, held_out, settings.threads);
                       return train::Score{
                           1 - right, fmt::format("validation accuracy {:.2f} %", 100 * right)};
                     }},
                {{"hidden", std::to_string(settings.hidden)}});
    evaluate_model();
  };
  const auto run = [&] {
    const Detector detector = load();
    Stream stream(detector);
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream in(line);
      std::array<float, kSensors> reading{};
      for (float& value : reading) in >> value;
      if (!in) throw std::invalid_argument("got \"" + line + "\"; expected three numbers");
      const auto p = stream(reading);
      for (std::size_t k = 0; k < p.size(); ++k)
        fmt::print("{} {:5.1f} %  ", kVerdicts[k], 100 * p[k]);
      fmt::print("\n");
    }
  };
  return run_program({.name = "event_stream",
                      .what = "Watches a machine: normal, slipping or jamming?",
                      .settings = settings,
                      .train = train,
                      .evaluate = evaluate_model,
                      .run = run},
                     argc, argv);
}
