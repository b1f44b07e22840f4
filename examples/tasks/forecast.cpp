// forecast: what comes next in series of numbers? Many-to-many, or many-to-one with --last.
//   forecast train --data ETTh1.csv.gz --rows 8640,2880,2880
//   tail -n 400 ETTh1.csv | forecast run
// Without data it makes a Mackey-Glass series. A GRU walks over segments of the past; from its last
// state, one more step for every segment of the future gives them all at once, as in SegRNN (Lin et
// al. 2023). The last value is taken off first and put back last; channels share all weights.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/program.h>
#include <unroll/examples/tasks/series.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/train/checkpoint.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

struct Plan {
  std::int64_t input = 168, horizon = 84, segment = 12, channels = 1;
  bool last = false;
};

struct Network {
  Plan plan;
  nn::Linear segment;
  nn::GRUCell cell;
  nn::Embedding place, channel;
  nn::Linear output;
  double dropout_rate;

  Network(const Scope& scope, const Plan& p, const Settings& s)
      : plan(p),
        segment(scope / "segment", p.segment, s.hidden),
        cell(scope / "cell", s.hidden, s.hidden),
        place(scope / "place", p.horizon / p.segment, s.hidden / 2),
        channel(scope / "channel", p.channels, s.hidden / 2),
        output(scope / "output", s.hidden, p.segment),
        dropout_rate(s.dropout) {}

  /// past [B, input], channels int32 [B] -> [B, horizon]
  Variable operator()(const Variable& past, const Variable& channels) const {
    const std::int64_t batch = past.shape()[0], parts = plan.horizon / plan.segment;
    const Variable last = slice(past, 1, plan.input - 1, plan.input);
    const Variable segments =
        reshape(past - last, {batch, plan.input / plan.segment, plan.segment});
    const Variable h = nn::unroll(cell, relu(segment(segments)), {.batch_first = true}).last;

    const std::int64_t width = place.weight.shape()[1];
    const Variable places =
        expand(reshape(nn::use_like(past, place.weight), {1, parts, width}), {batch, parts, width});
    const Variable whose =
        expand(reshape(channel(channels), {batch, 1, width}), {batch, parts, width});
    const Variable asked = reshape(concat({places, whose}, -1), {batch * parts, 2 * width});
    const Variable states =
        reshape(expand(reshape(h, {batch, 1, 2 * width}), {batch, parts, 2 * width}),
                {batch * parts, 2 * width});
    const Variable future = output(dropout(cell.step(asked, states), dropout_rate));
    return reshape(future, {batch, plan.horizon}) + last;
  }
};

/// Errors of forecasts, in units of the standardised series.
struct Errors {
  double squares = 0, absolute = 0, last_squares = 0, variance = 0;
  std::string text() const {
    return fmt::format("MSE {:.4f}  MAE {:.4f}  NRMSE of the last value {:.4f}", squares, absolute,
                       std::sqrt(last_squares / variance));
  }
};

struct Forecaster {
  Plan plan;
  Scale scale;
  ParameterSet parameters;
  Network network;

  Forecaster(const Plan& p, Scale own, const Settings& s)
      : plan(p), scale(std::move(own)), parameters(s.seed), network(parameters.scope(), p, s) {}

  std::map<std::string, std::string> metadata(const Settings& s) const {
    return {{"input", std::to_string(plan.input)},
            {"horizon", std::to_string(plan.horizon)},
            {"segment", std::to_string(plan.segment)},
            {"hidden", std::to_string(s.hidden)},
            {"mean", fmt::format("{}", fmt::join(scale.mean, " "))},
            {"deviation", fmt::format("{}", fmt::join(scale.deviation, " "))}};
  }

  static Forecaster load(Settings s) {
    const train::TensorFile file = train::load_safetensors(s.model);
    const auto number = [&](const char* key) {
      return std::stoll(train::metadata_of(file, key, s.model));
    };
    Scale scale;
    for (auto [key, values] : {std::pair{"mean", &scale.mean}, {"deviation", &scale.deviation}}) {
      std::istringstream text(train::metadata_of(file, key, s.model));
      for (float value; text >> value;) values->push_back(value);
    }
    s.hidden = number("hidden");
    const auto channels = static_cast<std::int64_t>(scale.mean.size());
    Forecaster result({number("input"), number("horizon"), number("segment"), channels}, scale, s);
    train::assign_model(result.parameters, file, s.model);
    return result;
  }

  Windows windows(const Series& series) const {
    return {series, static_cast<std::size_t>(plan.input), static_cast<std::size_t>(plan.horizon)};
  }

  Variable operator()(Tape& tape, const Windows& from, train::Examples examples) const {
    return network(tape.input(from.inputs(examples)), tape.input(from.channels(examples)));
  }

  Errors errors(const Windows& from, const std::vector<std::size_t>& chosen, int threads) const {
    train::Batches batches;
    for (std::size_t i = 0; i < chosen.size(); i += 256) {
      const auto first = chosen.begin() + static_cast<std::ptrdiff_t>(i);
      batches.emplace_back(first, first + static_cast<std::ptrdiff_t>(
                                              std::min<std::size_t>(256, chosen.size() - i)));
    }
    std::map<std::size_t, Errors> parts;
    for (const auto& batch : batches) parts[batch.front()];
    train::for_each_batch(
        batches,
        [&](Tape& tape, train::Examples examples) {
          const Tensor forecast = (*this)(tape, from, examples).value();
          const Tensor truth = from.targets(examples);
          const auto guesses = forecast.data<float>(), values = truth.data<float>();
          Errors& part = parts.at(examples.front());
          for (std::size_t k = 0; k < guesses.size(); ++k) {
            const double error = guesses[k] - values[k];
            part.squares += error * error;
            part.absolute += std::abs(error);
            if ((k + 1) % from.horizon == 0) part.last_squares += error * error;
          }
        },
        threads);
    Errors total;
    const auto windows_count = static_cast<double>(chosen.size());
    const double values = windows_count * static_cast<double>(from.horizon);
    for (const auto& [first, part] : parts) {
      total.squares += part.squares / values;
      total.absolute += part.absolute / values;
      total.last_squares += part.last_squares / windows_count;
    }
    double sum = 0, squares = 0;
    for (const std::size_t w : chosen) {
      const std::size_t row = w / from.series.channels() + from.input + from.horizon - 1;
      const double value = from.series.values[w % from.series.channels()][row];
      sum += value / windows_count;
      squares += value * value / windows_count;
    }
    total.variance = squares - sum * sum;
    return total;
  }
};

/// The ends of the training, validation and test rows: "a,b,c" rows, or 60, 20 and 20 per cent.
std::array<std::size_t, 3> split(const std::string& text, std::size_t rows) {
  std::array<std::size_t, 3> parts{rows * 6 / 10, rows * 2 / 10,
                                   rows - rows * 6 / 10 - rows * 2 / 10};
  if (!text.empty()) {
    std::istringstream in(text);
    char comma = 0;
    in >> parts[0] >> comma >> parts[1] >> comma >> parts[2];
    if (!in || parts[0] + parts[1] + parts[2] > rows) {
      throw ValueError(
          fmt::format("--rows: got {}; expected three numbers a,b,c with a sum of at "
                      "most {}",
                      text, rows));
    }
  }
  return {parts[0], parts[0] + parts[1], parts[0] + parts[1] + parts[2]};
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "forecast.safetensors",
                    .epochs = 20,
                    .learning_rate = 1e-3,
                    .dropout = 0,
                    .hidden = 128};
  Plan plan;
  std::string rows;
  std::int64_t stride = 1;

  const auto data = [&] {
    return settings.data.empty() ? mackey_glass(10000, 17) : read_csv(settings.data);
  };
  const auto score = [&] {
    const Forecaster model = Forecaster::load(settings);
    const Series series = standardised(data(), model.scale);
    const auto [train, valid, test] = split(rows, series.rows());
    const Windows from = model.windows(series);
    fmt::print("test: {}\n", model.errors(from, from.within(valid, test), settings.threads).text());
  };
  const auto train = [&] {
    const Series raw = data();
    plan.channels = static_cast<std::int64_t>(raw.channels());
    if (plan.input % plan.segment != 0 || plan.horizon % plan.segment != 0 ||
        settings.hidden % 2 != 0) {
      throw ValueError("--input and --horizon must be multiples of --segment, and --hidden even");
    }
    const auto [train_end, valid_end, test_end] = split(rows, raw.rows());
    Forecaster model(plan, scale_of(raw, train_end), settings);
    const Series series = standardised(raw, model.scale);
    const Windows from = model.windows(series);
    const auto training = from.within(0, train_end, static_cast<std::size_t>(stride));
    const auto validation = from.within(train_end, valid_end);
    train_model(settings, model.parameters,
                {.batches =
                     [&](int epoch) {
                       auto batches = train::shuffled_batches(training.size(), settings.batch,
                                                              settings.seed, epoch);
                       for (auto& batch : batches) {
                         for (std::size_t& i : batch) i = training[i];
                       }
                       return batches;
                     },
                 .loss =
                     [&](Tape& tape, train::Examples part) {
                       Variable forecast = model(tape, from, part);
                       Variable truth = tape.input(from.targets(part));
                       if (plan.last) {
                         forecast = select(forecast, 1, plan.horizon - 1);
                         truth = select(truth, 1, plan.horizon - 1);
                       }
                       return mse_loss(forecast, truth) * static_cast<double>(part.size());
                     },
                 .validate =
                     [&] {
                       const Errors e = model.errors(from, validation, settings.threads);
                       return train::Score{plan.last ? e.last_squares : e.squares, e.text()};
                     }},
                model.metadata(settings));
    score();
  };
  const auto run = [&] {  // the last columns of each line of standard input are the channels
    const Forecaster model = Forecaster::load(settings);
    const std::size_t channels = model.scale.mean.size();
    Series series{{}, std::vector<std::vector<float>>(channels)};
    for (std::string line; std::getline(std::cin, line);) {
      std::ranges::replace(line, ',', ' ');
      std::istringstream in(line);
      std::vector<float> numbers;
      for (std::string word; in >> word;) numbers.push_back(std::strtof(word.c_str(), nullptr));
      if (numbers.size() < channels) continue;
      for (std::size_t c = 0; c < channels; ++c) {
        series.values[c].push_back(numbers[numbers.size() - channels + c]);
      }
    }
    if (series.rows() < static_cast<std::size_t>(model.plan.input)) {
      throw ValueError(
          fmt::format("got {} lines; expected at least {}", series.rows(), model.plan.input));
    }
    const Series scaled = standardised(series, model.scale);
    const Windows from = model.windows(scaled);
    std::vector<std::size_t> last;
    for (std::size_t c = 0; c < channels; ++c) {
      last.push_back((scaled.rows() - from.input) * channels + c);
    }
    Tape tape({.training = false});
    const Tensor forecast = model(tape, from, last).value();
    for (std::int64_t t = 0; t < model.plan.horizon; ++t) {
      for (std::size_t c = 0; c < channels; ++c) {
        const float z = forecast.data<float>()[c * from.horizon + static_cast<std::size_t>(t)];
        fmt::print("{}{:.4f}", c == 0 ? "" : ",",
                   z * model.scale.deviation[c] + model.scale.mean[c]);
      }
      fmt::print("\n");
    }
  };
  return run_program({.name = "forecast",
                      .what = "Forecasts series of numbers.",
                      .settings = settings,
                      .options = {{"--rows", "training, validation and test rows: a,b,c", &rows},
                                  {"--input", "values that are looked at", &plan.input},
                                  {"--horizon", "values that are forecast", &plan.horizon},
                                  {"--segment", "values per step", &plan.segment},
                                  {"--stride", "from one training window to the next", &stride},
                                  {"--last", "learn the last value alone", &plan.last}},
                      .train = train,
                      .evaluate = score,
                      .run = run},
                     argc, argv);
}
