// Rows of all steps, what may not be chosen, and reading off hypotheses.
#include <unroll/nn/decoding_history.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace unroll::nn {

namespace {

void expect_per_sentence(std::size_t count, std::int64_t sentences, const char* what) {
  if (count != 0 && static_cast<std::int64_t>(count) != sentences) {
    throw ValueError(fmt::format("decoding: got {} {} for {} sentences; expected one each, or none",
                                 count, what, sentences));
  }
}

}  // namespace

void check_decoding(const DecodingOptions& options, std::int64_t sentences) {
  const bool lengths_fit =
      std::ranges::all_of(options.max_lengths, [](std::int64_t n) { return n >= 0; });
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (sentences < 0 || sentences > kMost || options.max_length < 0 || options.min_length < 0 ||
      !lengths_fit) {
    throw ValueError(
        fmt::format("decoding: got {} sentences, min_length {} and max_length {}; expected 0 or "
                    "more of each, and fewer than 2^31 sentences",
                    sentences, options.min_length,
                    lengths_fit ? options.max_length : std::ranges::min(options.max_lengths)));
  }
  if (options.no_repeat_ngram < 0) {
    throw ValueError(fmt::format("decoding: got no_repeat_ngram {}; expected 0 or more",
                                 options.no_repeat_ngram));
  }
  expect_per_sentence(options.max_lengths.size(), sentences, "maximal lengths");
  expect_per_sentence(options.seeds.size(), sentences, "seeds");
}

DecodingHistory::DecodingHistory(const StepFunction& step, const DecodingOptions& options,
                                 std::vector<std::int32_t> sentences)
    : step_(step),
      options_(options),
      ids_(sentences.size(), options.begin),
      parents_(std::move(sentences)),
      of_token_(ids_.size(), 0) {}

void DecodingHistory::advance() {
  StepScores scores = step_(ids_, parents_);
  const Shape& shape = scores.log_probabilities.shape();
  const auto rows = static_cast<std::int64_t>(ids_.size());
  const bool is_first = steps_.empty();
  const auto vocabulary = static_cast<std::int64_t>(blocked_.size());
  if (shape.rank() != 2 || shape[0] != rows || (!is_first && shape[1] != vocabulary)) {
    throw ValueError(
        fmt::format("decoding: the step function returned scores of shape {}; expected [{}, {}]",
                    to_string(shape), rows, is_first ? "vocabulary" : std::to_string(vocabulary)));
  }
  const Shape& looked = scores.attention.shape();
  const bool looks = scores.attention.size() > 0;
  const std::int64_t width = looks ? scores.attention.size() / rows : 0;
  if ((looks && (looked.rank() == 0 || looked[0] != rows)) ||
      (!is_first && width != attention_width_)) {
    throw ValueError(
        fmt::format("decoding: the step function returned attention of shape {}; expected {} rows "
                    "as wide as at every step",
                    to_string(looked), rows));
  }
  attention_width_ = width;
  scores_ = scores.log_probabilities.to(Dtype::float64);
  if (is_first) {
    blocked_.resize(static_cast<std::size_t>(shape[1]));
    for (const std::int32_t token : options_.forbidden) block(token, false);
  }
  steps_.push_back({std::exchange(ids_, {}), std::exchange(parents_, {}),
                    std::exchange(of_token_, {}), scores.attention.to(Dtype::float32)});
}

std::int32_t DecodingHistory::add(const Candidate& candidate) {
  ids_.push_back(candidate.token);
  parents_.push_back(candidate.row);
  of_token_.push_back(candidate.of_token);
  return static_cast<std::int32_t>(ids_.size()) - 1;
}

void DecodingHistory::block(std::int32_t token, bool only_now) {
  if (token < 0 || static_cast<std::size_t>(token) >= blocked_.size()) return;
  char& blocked = blocked_[static_cast<std::size_t>(token)];
  if (blocked == 0 && only_now) blocked_now_.push_back(token);
  blocked = 1;
}

void DecodingHistory::unblock() {
  for (const std::int32_t token : blocked_now_) blocked_[static_cast<std::size_t>(token)] = 0;
  blocked_now_.clear();
}

void DecodingHistory::block(std::int32_t row) {
  unblock();
  if (length() <= options_.min_length) block(options_.end, true);
  if (options_.no_repeat_ngram == 0) return;
  const std::vector<std::int32_t> tokens = tokens_of(row);
  const auto context = static_cast<std::ptrdiff_t>(options_.no_repeat_ngram) - 1;
  const auto count = static_cast<std::ptrdiff_t>(tokens.size());
  for (std::ptrdiff_t i = 0; i + context < count; ++i) {
    if (std::equal(tokens.begin() + i, tokens.begin() + i + context, tokens.end() - context)) {
      block(tokens[static_cast<std::size_t>(i + context)], true);
    }
  }
}

std::vector<std::int32_t> DecodingHistory::tokens_of(std::int32_t row) const {
  std::vector<std::int32_t> tokens;
  for (std::size_t s = steps_.size(); s-- > 1;) {
    tokens.push_back(steps_[s].ids[static_cast<std::size_t>(row)]);
    row = steps_[s].parents[static_cast<std::size_t>(row)];
  }
  std::ranges::reverse(tokens);
  return tokens;
}

Hypothesis DecodingHistory::read(const Candidate& last) const {
  Hypothesis result;
  result.ended = last.token == options_.end;
  result.log_probability = last.log_probability;
  result.score = last.log_probability / length_normalizer(length(), options_.length_penalty);
  result.tokens = tokens_of(last.row);
  if (!result.ended) result.tokens.push_back(last.token);
  const std::int64_t width = attention_width_;
  result.attention = Tensor(width == 0 ? Shape{0} : Shape{length(), width});
  const auto attention = result.attention.mutable_data<float>();
  result.log_probabilities.assign(1, last.of_token);
  std::int32_t row = last.row;
  for (std::size_t s = steps_.size(); s-- > 0;) {
    const auto r = static_cast<std::size_t>(row), w = static_cast<std::size_t>(width);
    std::ranges::copy(steps_[s].attention.data<float>().subspan(r * w, w),
                      attention.begin() + static_cast<std::ptrdiff_t>(s * w));
    if (s > 0) result.log_probabilities.push_back(steps_[s].of_token[r]);
    row = steps_[s].parents[r];
  }
  std::ranges::reverse(result.log_probabilities);
  return result;
}

}  // namespace unroll::nn
