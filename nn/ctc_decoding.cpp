// Best path and prefix beam search, one sequence after the other.
#include <unroll/nn/ctc_decoding.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>

namespace unroll::nn {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// The real steps of the sequences of a checked call.
class Steps {
 public:
  Steps(const char* function, const Tensor& x, const CtcDecodingOptions& options)
      : values_(checked(function, x, options).to(Dtype::float64)),
        batch_(x.shape()[1]),
        classes_(x.shape()[2]),
        lengths_(options.lengths.or_full(batch_, x.shape()[0])) {
    for (std::int64_t b = 0; b < batch_; ++b) {
      for (std::int64_t t = 0; t < count(b); ++t) {
        if (std::ranges::any_of(at(t, b), [](double value) { return std::isnan(value); })) {
          throw NumericError(fmt::format(
              "{}: a log-probability of step {} of sequence {} is NaN; expected numbers", function,
              t, b));
        }
      }
    }
  }

  std::int64_t batch() const { return batch_; }
  std::int64_t count(std::int64_t b) const { return lengths_[static_cast<std::size_t>(b)]; }
  std::span<const double> at(std::int64_t t, std::int64_t b) const {
    return values_.data<double>().subspan(static_cast<std::size_t>((t * batch_ + b) * classes_),
                                          static_cast<std::size_t>(classes_));
  }

 private:
  static const Tensor& checked(const char* function, const Tensor& x,
                               const CtcDecodingOptions& options) {
    if (!is_floating(x.dtype())) {
      throw DtypeError(
          fmt::format("{}: got {}; expected float32 or float64", function, name_of(x.dtype())));
    }
    const Shape& shape = x.shape();
    if (shape.rank() != 3) {
      throw ShapeError(fmt::format("{}: got shape {}; expected [time, batch, classes]", function,
                                   to_string(shape)));
    }
    if (options.blank < 0 || options.blank >= shape[2]) {
      throw ValueError(fmt::format("{}: the blank is {}; expected 0 to {}", function, options.blank,
                                   shape[2] - 1));
    }
    if (options.n_best < 1 || options.n_best > options.beam_size) {
      throw ValueError(
          fmt::format("{}: got beam_size {} and n_best {}; expected 1 <= n_best <= "
                      "beam_size",
                      function, options.beam_size, options.n_best));
    }
    try {
      options.lengths.check(shape[1], shape[0]);
    } catch (const ShapeError& error) {
      throw ShapeError(fmt::format("{}: {}", function, error.what()));
    } catch (const ValueError& error) {
      throw ValueError(fmt::format("{}: {}", function, error.what()));
    }
    return x;
  }

  Tensor values_;
  std::int64_t batch_, classes_;
  std::vector<std::int32_t> lengths_;
};

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

/// Beginnings as a tree: a node is the labels on the way from node 0 to it.
class Beginnings {
 public:
  Beginnings() : nodes_(1) {}

  std::int32_t label(std::size_t node) const { return nodes_[node].label; }
  std::optional<std::size_t> find(std::size_t node, std::int32_t label) const {
    const auto found = nodes_[node].children.find(label);
    if (found == nodes_[node].children.end()) return std::nullopt;
    return found->second;
  }
  std::size_t child(std::size_t node, std::int32_t label) {
    if (const auto found = find(node, label)) return *found;
    nodes_.push_back({label, node, {}});
    nodes_[node].children[label] = nodes_.size() - 1;
    return nodes_.size() - 1;
  }
  std::vector<std::int32_t> labels(std::size_t node) const {
    std::vector<std::int32_t> result;
    for (; node != 0; node = nodes_[node].parent) result.push_back(nodes_[node].label);
    std::ranges::reverse(result);
    return result;
  }

 private:
  struct Node {
    std::int32_t label = -1;
    std::size_t parent = 0;
    std::map<std::int32_t, std::size_t> children;
  };
  std::vector<Node> nodes_;
};

/// A beginning, and the log-probability of its alignments that end in a blank, and in its label.
struct Candidate {
  std::size_t node = 0;
  std::optional<std::int32_t> next;  ///< one label more than the node, which is not in the tree yet
  double blank = kNever, label = kNever;
  double total() const { return log_add(blank, label); }
};

/// All possible beginnings after a step that follows those of `beam`.
std::vector<Candidate> continued(const std::vector<Candidate>& beam, const Beginnings& beginnings,
                                 std::span<const double> step, std::int32_t blank) {
  std::vector<Candidate> result;
  std::unordered_map<std::size_t, std::size_t> place_of;  // of the beam's nodes, in result
  for (const Candidate& c : beam) {
    const std::int32_t last = beginnings.label(c.node);
    const double repeated = last < 0 ? kNever : c.label + step[static_cast<std::size_t>(last)];
    place_of[c.node] = result.size();
    result.push_back(
        {c.node, std::nullopt, c.total() + step[static_cast<std::size_t>(blank)], repeated});
  }
  for (const Candidate& c : beam) {
    const double total = c.total();
    const std::int32_t last = beginnings.label(c.node);
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(step.size()); ++id) {
      const double score = (id == last ? c.blank : total) + step[static_cast<std::size_t>(id)];
      if (id == blank || score == kNever) continue;
      const auto node = beginnings.find(c.node, id);
      const auto place = node ? place_of.find(*node) : place_of.end();
      if (place != place_of.end()) {
        result[place->second].label = log_add(result[place->second].label, score);
      } else {
        result.push_back({c.node, id, kNever, score});
      }
    }
  }
  std::erase_if(result, [](const Candidate& c) { return c.total() == kNever; });
  return result;
}

std::vector<CtcHypothesis> searched(const Steps& steps, std::int64_t b,
                                    const CtcDecodingOptions& options) {
  Beginnings beginnings;
  std::vector<Candidate> beam{{0, std::nullopt, 0, kNever}};
  for (std::int64_t t = 0; t < steps.count(b); ++t) {
    std::vector<Candidate> all = continued(beam, beginnings, steps.at(t, b), options.blank);
    std::ranges::stable_sort(all, std::greater<>(), &Candidate::total);
    all.resize(std::min(all.size(), static_cast<std::size_t>(options.beam_size)));
    for (Candidate& c : all) {
      if (c.next) c.node = beginnings.child(c.node, *c.next);
      c.next.reset();
    }
    beam = std::move(all);
  }
  beam.resize(std::min(beam.size(), static_cast<std::size_t>(options.n_best)));
  std::vector<CtcHypothesis> result;
  for (const Candidate& c : beam) result.push_back({beginnings.labels(c.node), c.total()});
  return result;
}

}  // namespace

std::vector<CtcHypothesis> ctc_greedy(const Tensor& log_probabilities,
                                      const CtcDecodingOptions& options) {
  const Steps steps("ctc_greedy", log_probabilities, options);
  return blame_memory("ctc_greedy", [&] {
    std::vector<CtcHypothesis> result(static_cast<std::size_t>(steps.batch()));
    for (std::int64_t b = 0; b < steps.batch(); ++b) {
      CtcHypothesis& best = result[static_cast<std::size_t>(b)];
      std::int32_t before = options.blank;
      for (std::int64_t t = 0; t < steps.count(b); ++t) {
        const auto step = steps.at(t, b);
        const auto largest = std::ranges::max_element(step);
        const auto id = static_cast<std::int32_t>(largest - step.begin());
        best.log_probability += *largest;
        if (id != options.blank && id != before) best.labels.push_back(id);
        before = id;
      }
    }
    return result;
  });
}

std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor& log_probabilities,
                                                        const CtcDecodingOptions& options) {
  const Steps steps("ctc_beam_search", log_probabilities, options);
  return blame_memory("ctc_beam_search", [&] {
    std::vector<std::vector<CtcHypothesis>> result;
    for (std::int64_t b = 0; b < steps.batch(); ++b) result.push_back(searched(steps, b, options));
    return result;
  });
}

}  // namespace unroll::nn
