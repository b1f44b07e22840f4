// event_stream: is the machine normal, slipping or jamming? Many-to-one over sensor readings that
// come one at a time: motor current, belt speed, vibration.
//   event_stream train --data recordings.txt    (see parts/recordings.h)
//   event_stream run < readings.txt             three numbers a line; a verdict after each
// The network that learns from whole sequences is the one that answers step by step. Without data
// the program makes recordings by itself.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <unroll/examples/tasks/parts/examples.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/examples/tasks/parts/recordings.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/train/metrics.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;
using Recordings = std::vector<Recording>;

struct Detector {
  ParameterSet parameters;
  nn::GRUCell cell;
  nn::Linear scores;
  double dropout_rate;

  explicit Detector(const Settings& s)
      : parameters(s.seed),
        cell(parameters.scope("cell"), kSensors, s.hidden),
        scores(parameters.scope("scores"), s.hidden, kVerdicts.size()),
        dropout_rate(s.dropout) {}

  static Detector load(const Settings& s) {
    const ModelFile file(s.model);
    Detector detector(file.with_sizes(s));
    file.assign_to(detector.parameters);
    return detector;
  }

  /// Scores [B, 3] after the last reading of each.
  Variable operator()(Tape& tape, const Recordings& all, train::Examples examples) const {
    std::vector<std::int32_t> lengths;
    for (const std::size_t i : examples) {
      lengths.push_back(static_cast<std::int32_t>(all[i].readings.size()));
    }
    const auto batch = static_cast<std::int64_t>(examples.size());
    Tensor x({std::ranges::max(lengths), batch, kSensors}, Dtype::float32);
    const auto values = x.mutable_data<float>();
    for (std::size_t b = 0; b < examples.size(); ++b) {
      const auto& readings = all[examples[b]].readings;
      for (std::size_t t = 0; t < readings.size(); ++t) {
        const std::size_t at = (t * examples.size() + b) * kSensors;
        std::ranges::copy(readings[t], values.subspan(at).begin());
      }
    }
    const Variable last = nn::unroll(cell, tape.input(x), {.lengths = lengths}).last;
    return scores(dropout(last, dropout_rate));
  }
};

/// The same detector for readings that come one at a time.
class Stream {
 public:
  explicit Stream(const Detector& detector) : detector_(detector) {}

  /// The probabilities after one more reading.
  std::array<float, 3> operator()(const Reading& reading) {
    Tape tape({.training = false});
    const auto constant = tape.no_gradient();
    const Variable x = tape.input(Tensor({1, kSensors}, std::span<const float>(reading)));
    const Variable before = state_ ? state_->on(tape) : detector_.cell.initial_state(x, 1);
    const Variable h = detector_.cell.step(x, before);
    const Variable probabilities = softmax(detector_.scores(h));
    evaluate({h, probabilities});
    state_.emplace(h);
    std::array<float, 3> result{};
    std::ranges::copy(probabilities.value().data<float>(), result.begin());
    return result;
  }
  /// The next reading begins a new sequence.
  void restart() { state_.reset(); }

 private:
  const Detector& detector_;
  std::optional<nn::Carried<Variable>> state_;
};

std::vector<std::int32_t> verdicts_of(const Recordings& all) {
  std::vector<std::int32_t> verdicts;
  for (const Recording& recording : all) verdicts.push_back(recording.verdict);
  return verdicts;
}

double accuracy(const Detector& detector, const Recordings& all, int threads) {
  const auto verdicts = verdicts_of(all);
  const auto batches = train::shuffled_batches(all.size(), 64, 0, 0);
  const auto scores = train::map_batches(
      batches, [&](Tape& tape, train::Examples part) { return detector(tape, all, part).value(); },
      threads);
  train::Accuracy result;
  for (std::size_t k = 0; k < batches.size(); ++k) {
    result.add(scores[k], labels_of(verdicts, batches[k]));
  }
  return result.value();
}

void print(const std::string& what, double accuracy) {
  fmt::print("{}: accuracy {:.2f} %\n", what, 100 * accuracy);
}

/// How far the stream's last probabilities are from those of the whole sequences, at most.
double difference(const Detector& detector, const Recordings& all) {
  double most = 0;
  Stream stream(detector);
  for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), 100); ++i) {
    Tape tape({.training = false});
    const Tensor whole = softmax(detector(tape, all, {&i, 1})).value();
    std::array<float, 3> last{};
    for (const Reading& reading : all[i].readings) last = stream(reading);
    stream.restart();
    for (std::size_t k = 0; k < last.size(); ++k) {
      most = std::max<double>(most, std::abs(last[k] - whole.data<float>()[k]));
    }
  }
  return most;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "event_stream", .epochs = 12, .learning_rate = 5e-3, .hidden = 48};
  const Source<Recording> source{
      .read = read_recordings, .generate = make_recordings, .generated = 6600};
  const auto evaluate = [&] {
    const Detector detector = Detector::load(settings);
    const Recordings test = source.test(settings);
    print("test", accuracy(detector, test, settings.threads));
    fmt::print("step by step: probabilities differ by {:.1e} at most\n",
               difference(detector, test));
  };
  const auto train = [&] {
    const Split<Recording> recordings = source.training(settings);
    const auto verdicts = verdicts_of(recordings.training);
    const Detector detector(settings);
    const train::Task task{
        .batches = shuffled(settings, recordings.training.size()),
        .loss =
            [&](Tape& tape, train::Examples part) {
              return cross_entropy(detector(tape, recordings.training, part),
                                   tape.input(labels_of(verdicts, part)),
                                   {.reduction = Reduction::sum});
            },
        .validate =
            [&] {
              return score_of_accuracy(accuracy(detector, recordings.validation, settings.threads));
            }};
    train_model(settings, detector.parameters, task, sizes_of(settings));
    print("validation", accuracy(detector, recordings.validation, settings.threads));
    if (source.has_test(settings)) evaluate();
  };
  const auto run = [&] {
    const Detector detector = Detector::load(settings);
    Stream stream(detector);
    answer_lines([&](const std::string& line) {
      if (line.empty()) {
        stream.restart();
        return std::string();
      }
      const auto p = stream(reading_of(line));
      return fmt::format("{} {:.1f} %  {} {:.1f} %  {} {:.1f} %", kVerdicts[0], 100 * p[0],
                         kVerdicts[1], 100 * p[1], kVerdicts[2], 100 * p[2]);
    });
  };
  return run_program({.what = "Watches a machine: normal, slipping or jamming?",
                      .settings = settings,
                      .train = {train},
                      .evaluate = {evaluate},
                      .run = {run}},
                     argc, argv);
}
