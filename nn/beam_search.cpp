// Beam search: the best few hypotheses of each sentence side by side.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/nn/decoding.h>
#include <unroll/nn/decoding_history.h>

namespace unroll::nn {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// Better ones first; equal ones in order of row and token.
bool is_better(const Candidate& a, const Candidate& b) {
  if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
  return std::pair(a.row, a.token) < std::pair(b.row, b.token);
}

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

/// The `count` best possible continuations of the live hypotheses, the best first.
std::vector<Candidate> best_continuations(DecodingHistory& history, const Beam& beam,
                                          std::size_t count) {
  std::vector<Candidate> best;  // a heap with the worst on top
  for (const Candidate& live : beam.live) {
    history.for_each_next(live.row, [&](std::int32_t token, double of_token) {
      const Candidate candidate{live.log_probability + of_token, of_token, live.row, token};
      if (candidate.log_probability == kNever) return;
      if (best.size() == count) {
        if (!is_better(candidate, best.front())) return;
        std::ranges::pop_heap(best, is_better);
        best.pop_back();
      }
      best.push_back(candidate);
      std::ranges::push_heap(best, is_better);
    });
  }
  std::ranges::sort_heap(best, is_better);
  return best;
}

/// Goes one step further with a beam, for which the history has just made one.
void advance(Beam& beam, std::int64_t limit, DecodingHistory& history,
             const DecodingOptions& options) {
  const auto width = static_cast<std::size_t>(options.beam_size);
  std::vector<Candidate> going_on;
  const auto candidates = best_continuations(history, beam, 2 * width);
  if (candidates.empty() && beam.found.empty()) {
    beam.add(history.read({kNever, kNever, beam.live.front().row, options.end}), width);
  }
  for (std::size_t rank = 0; rank < candidates.size(); ++rank) {
    const Candidate& c = candidates[rank];
    if (c.token != options.end) {
      if (going_on.size() < width) going_on.push_back(c);
    } else if (rank < width) {
      beam.add(history.read(c), width);
    }
  }
  beam.live.clear();
  if (going_on.empty()) return;
  const double best_score = going_on.front().log_probability /
                            length_normalizer(history.length(), options.length_penalty);
  if (beam.found.size() == width && best_score <= beam.found.back().score) return;
  for (const Candidate& c : going_on) {
    if (history.length() == limit) {
      if (beam.found.size() >= static_cast<std::size_t>(options.n_best)) break;
      beam.add(history.read(c), width);
    } else {
      beam.live.push_back({c.log_probability, c.of_token, history.add(c), c.token});
    }
  }
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const StepFunction& step, std::int64_t sentences,
                                                 const DecodingOptions& options) {
  return blame_memory("beam_search", [&] {
    check_decoding(options, sentences);
    if (options.beam_size < 1 || options.n_best < 1 || options.n_best > options.beam_size) {
      throw ValueError(
          fmt::format("beam_search: got beam_size {} and n_best {}; expected "
                      "1 <= n_best <= beam_size",
                      options.beam_size, options.n_best));
    }
    std::vector<Beam> beams(static_cast<std::size_t>(sentences));
    std::vector<std::int32_t> first;
    for (std::size_t s = 0; s < beams.size(); ++s) {
      if (limit_of(options, s) == 0) continue;
      const auto row = static_cast<std::int32_t>(first.size());
      beams[s].live.push_back({0, 0, row, options.begin});
      first.push_back(static_cast<std::int32_t>(s));
    }
    DecodingHistory history(step, options, std::move(first));
    while (history.rows() > 0) {
      history.advance();
      for (std::size_t s = 0; s < beams.size(); ++s) {
        if (!beams[s].live.empty()) advance(beams[s], limit_of(options, s), history, options);
      }
    }
    std::vector<std::vector<Hypothesis>> result;
    for (Beam& beam : beams) {
      if (beam.found.empty()) beam.found.emplace_back();
      beam.found.resize(std::min(beam.found.size(), static_cast<std::size_t>(options.n_best)));
      result.push_back(std::move(beam.found));
    }
    return result;
  });
}

}  // namespace unroll::nn
