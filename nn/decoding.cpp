// Greedy choice and sampling: one row per hypothesis, from begin to end.
#include <unroll/nn/decoding.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/decoding_history.h>

namespace unroll::nn {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A hypothesis on its way.
struct Path {
  std::size_t sentence = 0;
  std::size_t number = 0;  ///< among all hypotheses
  double log_probability = 0;
};

/// What follows: a token and its log-probability.
struct Choice {
  double log_probability = -kInfinity;
  std::int32_t token = 0;
};

/// Of equal ones the later token is less probable.
bool is_less_probable(const Choice& a, const Choice& b) {
  if (a.log_probability != b.log_probability) return a.log_probability < b.log_probability;
  return a.token > b.token;
}

/// Follows `per_sentence` hypotheses for each sentence, one token at a time:
/// choose(history, row, path) says which.
template <class Choose>
std::vector<Hypothesis> follow(const StepFunction& step, std::int64_t sentences, int per_sentence,
                               const DecodingOptions& options, Choose choose) {
  std::vector<Path> paths;
  std::vector<std::int32_t> first;
  const auto copies = static_cast<std::size_t>(per_sentence);
  for (std::size_t s = 0; s < static_cast<std::size_t>(sentences); ++s) {
    if (limit_of(options, s) == 0) continue;
    for (std::size_t k = 0; k < copies; ++k) {
      paths.push_back({s, s * copies + k, 0});
      first.push_back(static_cast<std::int32_t>(s));
    }
  }
  std::vector<Hypothesis> result(static_cast<std::size_t>(sentences) * copies);
  DecodingHistory history(step, options, std::move(first));
  while (!paths.empty()) {
    history.advance();
    std::vector<Path> going_on;
    for (std::size_t k = 0; k < paths.size(); ++k) {
      Path path = paths[k];
      const auto row = static_cast<std::int32_t>(k);
      const Choice choice = choose(history, row, path);
      path.log_probability += choice.log_probability;
      const Candidate next{path.log_probability, choice.log_probability, row, choice.token};
      if (choice.token == options.end || history.length() == limit_of(options, path.sentence)) {
        result[path.number] = history.read(next);
      } else {
        history.add(next);
        going_on.push_back(path);
      }
    }
    paths = std::move(going_on);
  }
  return result;
}

Choice most_probable(DecodingHistory& history, std::int32_t row, const DecodingOptions& options) {
  Choice best{-kInfinity, options.end};  // the end, if nothing is possible
  history.for_each_next(row, [&](std::int32_t token, double log_probability) {
    if (log_probability > best.log_probability) best = {log_probability, token};
  });
  return best;
}

/// The weights that choices have in a draw, not normalised.
class Weights {
 public:
  Weights(const std::vector<Choice>& choices, const DecodingOptions& options)
      : largest_(std::ranges::max_element(choices, is_less_probable)->log_probability),
        temperature_(options.temperature) {
    for (const Choice& choice : choices) sum_ += (*this)(choice);
  }
  double operator()(const Choice& choice) const {
    return std::exp((choice.log_probability - largest_) / temperature_);
  }
  double sum() const { return sum_; }

 private:
  double largest_, temperature_, sum_ = 0;
};

/// Leaves what top_k and top_p say, in order of tokens.
void truncate(std::vector<Choice>& choices, const DecodingOptions& options) {
  const auto most = static_cast<std::size_t>(options.top_k);
  if (most > 0 && most < choices.size()) {
    std::ranges::nth_element(
        choices, choices.begin() + options.top_k,
        [](const Choice& a, const Choice& b) { return is_less_probable(b, a); });
    choices.resize(most);
  }
  if (options.top_p < 1) {
    const Weights weight(choices, options);
    std::ranges::make_heap(choices, is_less_probable);
    auto kept = choices.end();
    for (double sum = 0; sum < options.top_p * weight.sum() && kept != choices.begin();) {
      std::ranges::pop_heap(choices.begin(), kept, is_less_probable);
      sum += weight(*--kept);
    }
    choices.erase(choices.begin(), kept);
  }
  std::ranges::sort(choices, {}, &Choice::token);
}

/// The choice at `place`, in [0, 1), of the cumulative distribution.
Choice drawn(const std::vector<Choice>& choices, double place, const DecodingOptions& options) {
  const Weights weight(choices, options);
  Choice last;
  double sum = 0;
  for (const Choice& choice : choices) {
    const double own = weight(choice);
    if (own == 0) continue;
    last = choice;
    sum += own;
    if (place * weight.sum() < sum) break;
  }
  return last;
}

void check_sampling(const DecodingOptions& options) {
  if (options.n_best < 1) {
    throw ValueError(fmt::format("sample: got n_best {}; expected 1 or more", options.n_best));
  }
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature) || options.top_k < 0 ||
      !(options.top_p > 0) || options.top_p > 1) {
    throw ValueError(
        fmt::format("sample: got temperature {}, top_k {} and top_p {}; expected "
                    "0 <= temperature, 0 <= top_k and 0 < top_p <= 1",
                    options.temperature, options.top_k, options.top_p));
  }
}

}  // namespace

double length_normalizer(std::int64_t n, double exponent) {
  return std::pow((5.0 + static_cast<double>(n)) / 6.0, exponent);
}

std::vector<Hypothesis> greedy(const StepFunction& step, std::int64_t sentences,
                               const DecodingOptions& options) {
  return blame_memory("greedy", [&] {
    check_decoding(options, sentences);
    return follow(step, sentences, 1, options,
                  [&](DecodingHistory& history, std::int32_t row, const Path&) {
                    return most_probable(history, row, options);
                  });
  });
}

std::vector<std::vector<Hypothesis>> sample(const StepFunction& step, std::int64_t sentences,
                                            const DecodingOptions& options) {
  return blame_memory("sample", [&] {
    check_decoding(options, sentences);
    check_sampling(options);
    const auto copies = static_cast<std::size_t>(options.n_best);
    const auto choose = [&](DecodingHistory& history, std::int32_t row, const Path& path) {
      if (options.temperature == 0) return most_probable(history, row, options);
      std::vector<Choice> choices;
      history.for_each_next(row, [&](std::int32_t token, double log_probability) {
        if (log_probability > -kInfinity) choices.push_back({log_probability, token});
      });
      if (choices.empty()) return Choice{-kInfinity, options.end};
      truncate(choices, options);
      const std::uint64_t of_sentence =
          options.seeds.empty() ? mix(options.seed, path.sentence) : options.seeds[path.sentence];
      const std::uint64_t key = mix(of_sentence, path.number % copies);
      Random random(mix(key, static_cast<std::uint64_t>(history.length())));
      return drawn(choices, random.uniform(), options);
    };
    auto all = follow(step, sentences, options.n_best, options, choose);
    std::vector<std::vector<Hypothesis>> result(static_cast<std::size_t>(sentences));
    for (std::size_t i = 0; i < all.size(); ++i) result[i / copies].push_back(std::move(all[i]));
    return result;
  });
}

}  // namespace unroll::nn
