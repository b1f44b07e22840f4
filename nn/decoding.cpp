// Search keeps, per step, which tokens were fed to which rows and where the rows came from;
// a hypothesis is read off backwards when it is over.
#include <unroll/nn/decoding.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include <unroll/autograd/error.h>

namespace unroll::nn {

namespace {

void check(const DecodingOptions& options, std::int64_t sentences) {
  if (sentences < 0 || options.max_length < 0) {
    throw ValueError(fmt::format("decoding: got {} sentences and max_length {}; expected 0 or more",
                                 sentences, options.max_length));
  }
  if (options.beam_size < 1 || options.n_best < 1 || options.n_best > options.beam_size) {
    throw ValueError(
        fmt::format("decoding: got beam_size {} and n_best {}; expected "
                    "1 <= n_best <= beam_size",
                    options.beam_size, options.n_best));
  }
}

class History {
 public:
  History(const StepFunction& step, std::int64_t sentences, const DecodingOptions& options)
      : step_(step), options_(options) {
    ids.assign(static_cast<std::size_t>(sentences), options.begin);
    parents.resize(ids.size());
    std::iota(parents.begin(), parents.end(), 0);
  }

  /// Feeds `ids` and `parents` to the model and remembers them.
  void advance() {
    StepScores scores = step_(ids, parents);
    const Shape& shape = scores.log_probabilities.shape();
    if (shape.rank() != 2 || shape[0] != static_cast<std::int64_t>(ids.size())) {
      throw ValueError(
          fmt::format("decoding: the step function returned scores of shape {}; "
                      "expected [{}, vocabulary]",
                      to_string(shape), ids.size()));
    }
    scores_ = scores.log_probabilities.to(Dtype::float64);
    steps_.push_back({ids, parents, scores.attention.to(Dtype::float32)});
  }

  /// Calls f(token, log-probability) for every token that may follow row `row`.
  template <class F>
  void for_each_next(std::size_t row, F f) const {
    const auto width = static_cast<std::size_t>(scores_.shape()[1]);
    const auto scores = scores_.data<double>().subspan(row * width, width);
    for (std::size_t token = 0; token < width; ++token) {
      if (std::isnan(scores[token])) {
        throw NumericError(fmt::format("decoding: the log-probability of token {} is NaN", token));
      }
      const auto id = static_cast<std::int32_t>(token);
      if (std::ranges::find(options_.forbidden, id) == options_.forbidden.end()) {
        f(id, scores[token]);
      }
    }
  }

  /// The hypothesis that ends in row `row` of the step before, after which `last` was chosen.
  Hypothesis read(std::int32_t row, std::int32_t last, double log_probability) const {
    Hypothesis result;
    result.ended = last == options_.end;
    result.log_probability = log_probability;
    const auto count = static_cast<std::int64_t>(steps_.size());
    result.score = log_probability / length_normalizer(count, options_.length_penalty);
    const std::int64_t width =
        steps_.back().attention.size() /
        std::max<std::int64_t>(1, static_cast<std::int64_t>(steps_.back().ids.size()));
    result.attention = Tensor(width == 0 ? Shape{0} : Shape{count, width});
    const auto attention = result.attention.mutable_data<float>();
    if (!result.ended) result.tokens.push_back(last);
    for (std::size_t s = steps_.size(); s-- > 0;) {
      const auto r = static_cast<std::size_t>(row), w = static_cast<std::size_t>(width);
      std::ranges::copy(steps_[s].attention.data<float>().subspan(r * w, w),
                        attention.begin() + static_cast<std::ptrdiff_t>(s * w));
      if (s > 0) result.tokens.push_back(steps_[s].ids[r]);
      row = steps_[s].parents[r];
    }
    std::ranges::reverse(result.tokens);
    return result;
  }

  std::vector<std::int32_t> ids, parents;  ///< what the next step is fed

 private:
  struct Step {
    std::vector<std::int32_t> ids, parents;
    Tensor attention;
  };
  const StepFunction& step_;
  const DecodingOptions& options_;
  Tensor scores_;
  std::vector<Step> steps_;
};

struct Candidate {
  double log_probability = 0;
  std::int32_t row = 0, token = 0;
  /// Better ones first; equal ones in order of row and token.
  bool operator<(const Candidate& other) const {
    if (log_probability != other.log_probability) return log_probability > other.log_probability;
    return std::pair(row, token) < std::pair(other.row, other.token);
  }
};

/// The hypotheses of one sentence.
struct Beam {
  std::vector<Candidate> live;    ///< their rows are those of the step to come
  std::vector<Hypothesis> found;  ///< the best first

  /// Adds a hypothesis and keeps the `count` best; those that ended come first.
  void add(Hypothesis hypothesis, std::size_t count) {
    const auto worse = [&](const Hypothesis& other) {
      return hypothesis.ended != other.ended ? hypothesis.ended : hypothesis.score > other.score;
    };
    found.insert(std::ranges::find_if(found, worse), std::move(hypothesis));
    if (found.size() > count) found.pop_back();
  }
};

/// The `count` best continuations of the live hypotheses, the best first.
std::vector<Candidate> best_continuations(const History& history, const Beam& beam,
                                          std::size_t count) {
  std::vector<Candidate> best;  // a heap with the worst on top
  for (const Candidate& live : beam.live) {
    history.for_each_next(static_cast<std::size_t>(live.row), [&](std::int32_t id, double score) {
      const Candidate candidate{live.log_probability + score, live.row, id};
      if (best.size() == count) {
        if (!(candidate < best.front())) return;
        std::ranges::pop_heap(best, std::less<>());
        best.pop_back();
      }
      best.push_back(candidate);
      std::ranges::push_heap(best, std::less<>());
    });
  }
  std::ranges::sort_heap(best, std::less<>());
  return best;
}

}  // namespace

double length_normalizer(std::int64_t n, double exponent) {
  return std::pow((5.0 + static_cast<double>(n)) / 6.0, exponent);
}

std::vector<Hypothesis> greedy(const StepFunction& step, std::int64_t sentences,
                               const DecodingOptions& options) {
  check(options, sentences);
  std::vector<Hypothesis> result(static_cast<std::size_t>(sentences));
  History history(step, sentences, options);
  std::vector<std::size_t> sentence_of(result.size());
  std::iota(sentence_of.begin(), sentence_of.end(), std::size_t{0});
  std::vector<double> log_probability(result.size(), 0);
  for (std::int64_t length = 1; length <= options.max_length && !sentence_of.empty(); ++length) {
    history.advance();
    history.ids.clear();
    history.parents.clear();
    std::vector<std::size_t> going_on;
    for (std::size_t row = 0; row < sentence_of.size(); ++row) {
      Candidate best{-std::numeric_limits<double>::infinity(), 0, options.end};
      history.for_each_next(row, [&](std::int32_t id, double score) {
        if (score > best.log_probability) best = {score, 0, id};
      });
      const std::size_t sentence = sentence_of[row];
      log_probability[sentence] += best.log_probability;
      if (best.token == options.end || length == options.max_length) {
        result[sentence] =
            history.read(static_cast<std::int32_t>(row), best.token, log_probability[sentence]);
      } else {
        history.ids.push_back(best.token);
        history.parents.push_back(static_cast<std::int32_t>(row));
        going_on.push_back(sentence);
      }
    }
    sentence_of = std::move(going_on);
  }
  return result;
}

std::vector<std::vector<Hypothesis>> beam_search(const StepFunction& step, std::int64_t sentences,
                                                 const DecodingOptions& options) {
  check(options, sentences);
  const auto width = static_cast<std::size_t>(options.beam_size);
  std::vector<Beam> beams(static_cast<std::size_t>(sentences));
  History history(step, sentences, options);
  for (std::size_t s = 0; s < beams.size(); ++s) {
    beams[s].live.push_back({0, static_cast<std::int32_t>(s), options.begin});
  }
  for (std::int64_t length = 1; length <= options.max_length && !history.ids.empty(); ++length) {
    history.advance();
    history.ids.clear();
    history.parents.clear();
    for (Beam& beam : beams) {
      std::vector<Candidate> going_on;
      const auto candidates = best_continuations(history, beam, 2 * width);
      for (std::size_t rank = 0; rank < candidates.size(); ++rank) {
        const Candidate& c = candidates[rank];
        if (c.token != options.end) {
          if (going_on.size() < width) going_on.push_back(c);
        } else if (rank < width) {
          beam.add(history.read(c.row, c.token, c.log_probability), width);
        }
      }
      beam.live.clear();
      if (going_on.empty()) continue;
      const double best_score =
          going_on.front().log_probability / length_normalizer(length, options.length_penalty);
      if (beam.found.size() == width && best_score <= beam.found.back().score) continue;
      for (const Candidate& c : going_on) {
        if (length == options.max_length) {
          if (beam.found.size() >= static_cast<std::size_t>(options.n_best)) break;
          beam.add(history.read(c.row, c.token, c.log_probability), width);
          continue;
        }
        beam.live.push_back(
            {c.log_probability, static_cast<std::int32_t>(history.ids.size()), c.token});
        history.ids.push_back(c.token);
        history.parents.push_back(c.row);
      }
    }
  }
  std::vector<std::vector<Hypothesis>> result;
  for (Beam& beam : beams) {
    if (beam.found.empty()) beam.found.emplace_back();
    beam.found.resize(std::min(beam.found.size(), static_cast<std::size_t>(options.n_best)));
    result.push_back(std::move(beam.found));
  }
  return result;
}

}  // namespace unroll::nn
