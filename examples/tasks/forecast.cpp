// forecast: what comes next in series of numbers? Many-to-many, or many-to-one with --last.
//   forecast train --data ETTh1.csv.gz --rows 8640,2880,2880
//   tail -n 400 ETTh1.csv | forecast run
// Data are CSV with a header, of which the first column, a date, is left out. Without, the program
// makes a Mackey-Glass series by itself.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/forecaster.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/ops/ops.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

struct Ends {
  std::size_t training, validation, test;  ///< where each part ends
};

/// "a,b,c" rows, or 60, 20 and 20 per cent.
Ends split(const std::string& text, std::size_t rows) {
  const std::size_t fifth = rows / 5;
  if (text.empty()) return {rows - 2 * fifth, rows - fifth, rows};
  const auto parts = numbers_of(text, 3);
  const float least = std::ranges::min(parts), sum = parts[0] + parts[1] + parts[2];
  if (least < 1 || sum > static_cast<float>(rows)) {
    throw ValueError(fmt::format(
        "--rows: got {}; expected three numbers above 0 with a sum of at most {}", text, rows));
  }
  const auto a = static_cast<std::size_t>(parts[0]), b = static_cast<std::size_t>(parts[1]);
  return {a, a + b, a + b + static_cast<std::size_t>(parts[2])};
}

void expect_windows(const std::string& part, const std::vector<std::size_t>& windows,
                    const Plan& plan) {
  if (windows.empty()) {
    throw ValueError(fmt::format("the {} rows have no window; expected more than {} rows", part,
                                 plan.input + plan.horizon));
  }
}

/// The last `count` of the fields between commas.
std::string_view last_fields(std::string_view line, std::size_t count) {
  std::size_t begin = line.size();
  for (; count > 0; --count) {
    begin = line.substr(0, begin).rfind(',');
    if (begin == std::string_view::npos) return line;
  }
  return line.substr(begin + 1);
}

/// The last columns of standard input; a first line that is a header is passed over.
Series read_input(std::size_t channels) {
  Series series{std::vector<std::vector<float>>(channels)};
  std::size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    try {
      const auto numbers = numbers_of(last_fields(line, channels), channels);
      for (std::size_t c = 0; c < channels; ++c) series.values[c].push_back(numbers[c]);
    } catch (const ValueError& e) {
      if (number > 1) throw ValueError(fmt::format("line {}: {}", number, e.what()));
    }
  }
  return series;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "forecast", .epochs = 20, .learning_rate = 1e-3, .hidden = 128};
  Plan plan;
  bool only_last = false;
  std::string rows;
  std::int64_t stride = 1;

  const auto data = [&] {
    return settings.data.empty() ? mackey_glass(10000, 17) : read_csv(settings.data);
  };
  const auto evaluate = [&] {
    const Forecaster model = Forecaster::load(settings);
    const Windows from = model.windows(data());
    const Ends ends = split(rows, from.series.rows());
    const auto windows = from.within(ends.validation, ends.test);
    expect_windows("test", windows, model.plan);
    fmt::print("test: {}\n", model.errors(from, windows, settings.threads).text());
  };
  const auto train = [&] {
    const Series series = data();
    const Ends ends = split(rows, series.rows());
    plan.channels = static_cast<std::int64_t>(series.channels());
    const Forecaster model(plan, scale_of(series, ends.training), settings);
    const Windows from = model.windows(series);
    const auto windows = from.within(0, ends.training, static_cast<std::size_t>(stride));
    const auto held_out = from.within(ends.training, ends.validation);
    expect_windows("training", windows, plan);
    expect_windows("validation", held_out, plan);
    const auto batches = [&](int epoch) {
      auto chosen = train::shuffled_batches(windows.size(), settings.batch, settings.seed, epoch);
      for (auto& batch : chosen) {
        for (std::size_t& i : batch) i = windows[i];
      }
      return chosen;
    };
    const auto loss = [&](Tape& tape, train::Examples part) {
      const Variable forecast = model(tape, from, part);
      const auto count = static_cast<double>(part.size());
      if (!only_last) return mse_loss(forecast, tape.input(from.targets(part))) * count;
      return mse_loss(select(forecast, 1, plan.horizon - 1), tape.input(from.last_targets(part))) *
             count;
    };
    const auto validate = [&] {
      const ForecastErrors found = model.errors(from, held_out, settings.threads);
      return train::Score{only_last ? found.last.mse() : found.all.mse(), found.text()};
    };
    train_model(settings, model.parameters,
                {.batches = batches, .loss = loss, .validate = validate}, model.metadata(settings));
    evaluate();
  };
  const auto run = [&] {
    const Forecaster model = Forecaster::load(settings);
    const auto future = model.continuation(read_input(model.scale.mean.size()));
    for (std::size_t t = 0; t < future[0].size(); ++t) {
      for (std::size_t c = 0; c < future.size(); ++c) {
        fmt::print("{}{:.4f}", c == 0 ? "" : ",", future[c][t]);
      }
      fmt::print("\n");
    }
  };
  const Option parts{"--rows", "training, validation and test rows: a,b,c; default: 3/5, 1/5, 1/5",
                     &rows};
  return run_program({.what = "Forecasts series of numbers.",
                      .settings = settings,
                      .files = Files::one,
                      .train = {train,
                                {parts,
                                 {"--input", "values that are looked at", &plan.input, 1},
                                 {"--horizon", "values that are forecast", &plan.horizon, 1},
                                 {"--segment", "values per step", &plan.segment, 1},
                                 {"--stride", "from one training window to the next", &stride, 1},
                                 {"--last", "learn the last value alone", &only_last}}},
                      .evaluate = {evaluate, {parts}},
                      .run = {run}},
                     argc, argv);
}
