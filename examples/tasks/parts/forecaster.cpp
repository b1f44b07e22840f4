// The model of the program `forecast`.
#include <unroll/examples/tasks/parts/forecaster.h>

#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/ops/ops.h>

namespace unroll::tasks {

namespace {

const Plan& checked(const Plan& plan, const Settings& s) {
  if (plan.input % plan.segment != 0 || plan.horizon % plan.segment != 0 || s.hidden % 2 != 0) {
    throw ValueError(
        fmt::format("got input {}, horizon {}, segment {}, hidden {}; expected multiples of the "
                    "segment, and an even hidden",
                    plan.input, plan.horizon, plan.segment, s.hidden));
  }
  return plan;
}

}  // namespace

std::string ForecastErrors::text() const {
  return fmt::format("MSE {:.4f}  MAE {:.4f}  NRMSE of the last value {:.4f}", all.mse(), all.mae(),
                     last.nrmse());
}

Forecaster::Forecaster(const Plan& p, Scale own, const Settings& s)
    : plan(checked(p, s)),
      scale(std::move(own)),
      parameters(s.seed),
      segment(parameters.scope("segment"), p.segment, s.hidden),
      cell(parameters.scope("cell"), s.hidden, s.hidden),
      place(parameters.scope("place"), p.horizon / p.segment, s.hidden / 2),
      channel(parameters.scope("channel"), p.channels, s.hidden / 2),
      output(parameters.scope("output"), s.hidden, p.segment),
      dropout_rate(s.dropout) {}

Forecaster Forecaster::load(const Settings& s) {
  const ModelFile file(s.model);
  const Scale scale{numbers_of(file.text("mean")), numbers_of(file.text("deviation"))};
  if (scale.mean.size() != scale.deviation.size()) {
    throw IoError(fmt::format("{}: got {} means and {} deviations; expected one of each a channel",
                              s.model, scale.mean.size(), scale.deviation.size()));
  }
  Forecaster model({.input = file.number("input"),
                    .horizon = file.number("horizon"),
                    .segment = file.number("segment"),
                    .channels = static_cast<std::int64_t>(scale.mean.size())},
                   scale, file.with_sizes(s));
  file.assign_to(model.parameters);
  return model;
}

std::map<std::string, std::string> Forecaster::metadata(const Settings& s) const {
  auto entries = sizes_of(s);
  entries["input"] = std::to_string(plan.input);
  entries["horizon"] = std::to_string(plan.horizon);
  entries["segment"] = std::to_string(plan.segment);
  entries["mean"] = fmt::format("{}", fmt::join(scale.mean, " "));
  entries["deviation"] = fmt::format("{}", fmt::join(scale.deviation, " "));
  return entries;
}

Windows Forecaster::windows(const Series& series) const {
  if (series.channels() != scale.mean.size()) {
    throw ValueError(fmt::format("got a series of {} channels; expected {}, as in training",
                                 series.channels(), scale.mean.size()));
  }
  return {standardised(series, scale), static_cast<std::size_t>(plan.input),
          static_cast<std::size_t>(plan.horizon)};
}

Variable Forecaster::operator()(Tape& tape, const Windows& from, train::Examples examples) const {
  const Variable past = tape.input(from.inputs(examples));  // [B, input]
  const std::int64_t batch = past.shape()[0], parts = plan.horizon / plan.segment;
  const Variable last = slice(past, 1, plan.input - 1, plan.input);
  const Variable segments = reshape(past - last, {batch, plan.input / plan.segment, plan.segment});
  const Variable h = nn::unroll(cell, relu(segment(segments)), {.batch_first = true}).last;

  const std::int64_t width = place.weight.shape()[1];
  const Variable places =
      expand(reshape(nn::use_like(past, place.weight), {1, parts, width}), {batch, parts, width});
  const Variable of_channel = channel(tape.input(from.channels(examples)));
  const Variable whose = expand(reshape(of_channel, {batch, 1, width}), {batch, parts, width});
  const Variable asked = reshape(concat({places, whose}, -1), {batch * parts, 2 * width});
  const Variable states =
      reshape(expand(reshape(h, {batch, 1, 2 * width}), {batch, parts, 2 * width}),
              {batch * parts, 2 * width});
  const Variable future = output(dropout(cell.step(asked, states), dropout_rate));
  return reshape(future, {batch, plan.horizon}) + last;
}

ForecastErrors Forecaster::errors(const Windows& from, const std::vector<std::size_t>& chosen,
                                  int threads) const {
  constexpr std::size_t kBatch = 256;
  train::Batches batches;
  for (std::size_t i = 0; i < chosen.size(); i += kBatch) {
    const auto first = chosen.begin() + static_cast<std::ptrdiff_t>(i);
    batches.emplace_back(first,
                         first + static_cast<std::ptrdiff_t>(std::min(kBatch, chosen.size() - i)));
  }
  struct Forecast {
    Tensor all, last;
  };
  const auto forecasts = train::map_batches(
      batches,
      [&](Tape& tape, train::Examples examples) {
        const Variable all = (*this)(tape, from, examples);
        const Variable last = select(all, 1, plan.horizon - 1);
        evaluate({all, last});
        return Forecast{all.value(), last.value()};
      },
      threads);
  ForecastErrors errors;
  for (std::size_t k = 0; k < batches.size(); ++k) {
    errors.all.add(forecasts[k].all, from.targets(batches[k]));
    errors.last.add(forecasts[k].last, from.last_targets(batches[k]));
  }
  return errors;
}

std::vector<std::vector<float>> Forecaster::continuation(const Series& series) const {
  const Windows from = windows(series);
  if (series.rows() < from.input) {
    throw ValueError(fmt::format("got {} rows; expected {} at least", series.rows(), from.input));
  }
  std::vector<std::size_t> last;
  for (std::size_t c = 0; c < series.channels(); ++c) {
    last.push_back((series.rows() - from.input) * series.channels() + c);
  }
  Tape tape({.training = false});
  const Tensor forecast = (*this)(tape, from, last).value();
  std::vector<std::vector<float>> result(series.channels());
  for (std::size_t c = 0; c < series.channels(); ++c) {
    for (const float z : forecast.data<float>().subspan(c * from.horizon, from.horizon)) {
      result[c].push_back(z * scale.deviation[c] + scale.mean[c]);
    }
  }
  return result;
}

}  // namespace unroll::tasks
