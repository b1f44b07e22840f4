// The forward recursion as a cell, the score by lookups, and Viterbi's recursion on values.
#include <unroll/nn/crf.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/unroll.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>

namespace unroll::nn {

namespace {

/// alpha [B, tags]: log of the sum of exp(score) over all tags so far, by the last one.
struct ForwardCell {
  Variable first;
  Variable into;  ///< transitions [to, from]
  Variable initial_state(const Variable&, std::int64_t) const { return first; }
  Variable step(const Variable& x, const Variable& alpha) const {
    return x + logsumexp(reshape(alpha, alpha.shape().inserted(1, 1)) + into, 2);
  }
};

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// The largest elements along `axis`, or 0 where all are -inf; as numbers only, for a logarithm of
/// a sum does not depend on what is taken out of it.
Variable largest(const Variable& x, int axis) {
  const Variable m = detach(max(x, axis, true));
  return where(equal(m, kNever), 0.0, m);
}

/// log(x), and -inf without a derivative where x is 0.
Variable log_or_never(const Variable& x) {
  const Variable never = equal(x, 0.0);
  return where(never, kNever, log(where(never, 1.0, x)));
}

/// The same recursion as a product: exp(alpha - a) times exp(transitions - m), for the largest
/// alpha of each sequence and the largest transition into each tag.
struct ProductCell {
  Variable first;
  Variable into;     ///< m [1, tags]
  Variable factors;  ///< exp(transitions - m) [from, to]
  ProductCell(const Variable& alpha, const Variable& transitions)
      : first(alpha), into(largest(transitions, 0)), factors(exp(transitions - into)) {}
  Variable initial_state(const Variable&, std::int64_t) const { return first; }
  Variable step(const Variable& x, const Variable& alpha) const {
    const Variable a = largest(alpha, 1);
    return x + into + log_or_never(matmul(exp(alpha - a), factors)) + a;
  }
};

void check_emissions(Dtype dtype, const Shape& shape, std::int64_t tags, const Lengths& lengths) {
  if (!is_floating(dtype)) {
    throw DtypeError(fmt::format("got {} emissions; expected floating ones", name_of(dtype)));
  }
  if (shape.rank() != 3 || shape[2] != tags) {
    throw ShapeError(
        fmt::format("got emissions {}; expected [time, batch, {}]", to_string(shape), tags));
  }
  lengths.check(shape[1], shape[0]);
}

/// bool [B]: has the sequence a step?
Tensor any_step(const std::vector<std::int32_t>& lengths) {
  Tensor result(Shape{static_cast<std::int64_t>(lengths.size())}, Dtype::bool_);
  std::ranges::transform(lengths, result.mutable_data<bool>().begin(),
                         [](std::int32_t n) { return n > 0; });
  return result;
}

/// Where the parts of the scores of tags are; -1 for no part.
struct Places {
  Tensor tags;         ///< [T, B, 1], 0 where padded
  Tensor real;         ///< bool, the same shape
  Tensor first, last;  ///< [B]
  Tensor pairs;        ///< [T - 1, B]: from * tags + to
};

Places places_of(const Tensor& tags, const std::vector<std::int32_t>& lengths, std::int64_t count) {
  const Shape shape = tags.shape(), column = shape.inserted(2, 1);
  const std::int64_t steps = shape[0], batch = shape[1];
  const Shape pairs{std::max<std::int64_t>(steps - 1, 0), batch};
  Places p{Tensor(column, Dtype::int32), Tensor(column, Dtype::bool_),
           Tensor::full({batch}, -1, Dtype::int32), Tensor::full({batch}, -1, Dtype::int32),
           Tensor::full(pairs, -1, Dtype::int32)};
  const auto given = tags.data<std::int32_t>();
  const auto kept = p.tags.mutable_data<std::int32_t>();
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (std::int32_t t = 0; t < lengths[b]; ++t) {
      const std::size_t k = static_cast<std::size_t>(t) * lengths.size() + b;
      const std::int32_t tag = given[k];
      if (tag < 0 || tag >= count) {
        throw ValueError(fmt::format("tag of step {} of sequence {} is {}; expected 0 to {}", t, b,
                                     tag, count - 1));
      }
      kept[k] = tag;
      p.real.mutable_data<bool>()[k] = true;
      if (t == 0) p.first.mutable_data<std::int32_t>()[b] = tag;
      p.last.mutable_data<std::int32_t>()[b] = tag;
      if (t > 0) {
        const std::size_t before = k - lengths.size();
        p.pairs.mutable_data<std::int32_t>()[before] =
            kept[before] * static_cast<std::int32_t>(count) + tag;
      }
    }
  }
  return p;
}

/// Viterbi's recursion over one sequence after the other, in double.
class Viterbi {
 public:
  explicit Viterbi(const Crf& crf)
      : start_(crf.start.value().to(Dtype::float64)),
        end_(crf.end.value().to(Dtype::float64)),
        transitions_(crf.transitions.value().to(Dtype::float64)),
        tags_(static_cast<std::size_t>(start_.size())) {}

  /// The best path through emissions, whose steps are `stride` elements apart.
  TagPath operator()(const double* emissions, std::size_t stride, std::size_t steps) const {
    if (steps == 0) return {};
    std::vector<double> best(tags_), next(tags_);
    std::vector<std::size_t> from(tags_ * steps);  // the tag before the tag of a step
    for (std::size_t k = 0; k < tags_; ++k) best[k] = start_.data<double>()[k] + emissions[k];
    for (std::size_t t = 1; t < steps; ++t) {
      expect_numbers(best);  // a NaN wins no comparison and would disappear
      for (std::size_t k = 0; k < tags_; ++k) {
        const std::size_t before = from[t * tags_ + k] = best_before(best, k);
        next[k] = best[before] + transition(before, k) + emissions[t * stride + k];
      }
      std::swap(best, next);
    }
    std::ranges::transform(best, end_.data<double>(), best.begin(), std::plus<>());
    expect_numbers(best);
    const auto largest = std::ranges::max_element(best);
    TagPath path{std::vector<std::int32_t>(steps), *largest};
    auto tag = static_cast<std::size_t>(largest - best.begin());
    for (std::size_t t = steps; t-- > 0; tag = from[t * tags_ + tag]) {
      path.tags[t] = static_cast<std::int32_t>(tag);
    }
    return path;
  }

 private:
  static void expect_numbers(const std::vector<double>& scores) {
    if (std::ranges::any_of(scores, [](double score) { return std::isnan(score); })) {
      throw NumericError("a score is NaN; expected numbers");
    }
  }
  double transition(std::size_t from, std::size_t to) const {
    return transitions_.data<double>()[from * tags_ + to];
  }
  std::size_t best_before(const std::vector<double>& scores, std::size_t tag) const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < tags_; ++i) {
      if (scores[i] + transition(i, tag) > scores[best] + transition(best, tag)) best = i;
    }
    return best;
  }

  Tensor start_, end_, transitions_;
  std::size_t tags_;
};

}  // namespace

Crf::Crf(const LayerScope& scope, std::int64_t tags, const CrfOptions& options)
    : products(options.products) {
  constexpr std::int64_t kMost = 32768;  // pairs of tags are numbered in int32
  if (tags < 1 || tags > kMost) {
    throw ValueError(fmt::format("Crf: got {} tags; expected 1 to {}", tags, kMost));
  }
  start = scope.parameter("start", {tags}, options.initializer);
  end = scope.parameter("end", {tags}, options.initializer);
  transitions = scope.parameter("transitions", {tags, tags}, options.initializer);
}

Variable Crf::log_partition(const Variable& emissions, const Lengths& lengths, Location at) const {
  return recorded(emissions, at, "Crf::log_partition", [&] {
    check_emissions(emissions.dtype(), emissions.shape(), start.shape()[0], lengths);
    const std::int64_t steps = emissions.shape()[0], batch = emissions.shape()[1];
    if (steps == 0) return zeros_like(emissions, {batch});
    std::vector<std::int32_t> left = lengths.or_full(batch, steps);
    const Variable any = input_like(emissions, any_step(left));
    for (std::int32_t& n : left) n = std::max(n - 1, 0);
    const Variable first = where(reshape(any, {batch, 1}), select(emissions, 0, 0), 0.0) + start;
    const Variable rest = slice(emissions, 0, 1, steps);
    const Variable matrix = use_like(emissions, transitions);
    const Variable alpha =
        products ? unroll(ProductCell(first, matrix), rest, {.lengths = left}).last
                 : unroll(ForwardCell{first, transpose(matrix)}, rest, {.lengths = left}).last;
    return where(any, logsumexp(alpha + end, 1), 0.0);
  });
}

Variable Crf::score(const Variable& emissions, const Tensor& tags, const Lengths& lengths,
                    Location at) const {
  return recorded(emissions, at, "Crf::score", [&] {
    const Shape shape = emissions.shape();
    check_emissions(emissions.dtype(), shape, start.shape()[0], lengths);
    if (tags.dtype() != Dtype::int32) {
      throw DtypeError(fmt::format("got {} tags; expected int32", name_of(tags.dtype())));
    }
    if (tags.shape() != shape.without(2)) {
      throw ShapeError(fmt::format("got tags {} for emissions {}; expected [time, batch]",
                                   to_string(tags.shape()), to_string(shape)));
    }
    const Places places = places_of(tags, lengths.or_full(shape[1], shape[0]), shape[2]);
    const auto data = [&](const Tensor& value) { return input_like(emissions, value); };
    const Variable emitted = where(data(places.real), gather(emissions, 2, data(places.tags)), 0.0);
    const Variable pairs = reshape(use_like(emissions, transitions), {shape[2] * shape[2]});
    return sum(emitted, {0, 2}) + sum(take_rows(pairs, data(places.pairs)), 0) +
           take_rows(start, data(places.first)) + take_rows(end, data(places.last));
  });
}

Variable Crf::loss(const Variable& emissions, const Tensor& tags, const CrfLossOptions& options,
                   Location at) const {
  return recorded(emissions, at, "Crf::loss", [&] {
    const Variable of_tags = score(emissions, tags, options.lengths, at);
    const Variable difference = log_partition(emissions, options.lengths, at) - of_tags;
    const Variable losses = where(equal(of_tags, kNever), -kNever, difference);
    switch (options.reduction) {
      case Reduction::mean: return mean(losses);
      case Reduction::sum: return sum(losses);
      case Reduction::none: break;
    }
    return losses;
  });
}

Variable Crf::marginals(const Variable& emissions, const Lengths& lengths, Location at) const {
  return recorded(emissions, at, "Crf::marginals", [&] {
    const Variable total = sum(log_partition(emissions, lengths, at));
    if (emissions.shape()[0] == 0) return zeros_like(emissions, emissions.shape());
    return gradients(Operand(total, at), {emissions})[0];
  });
}

std::vector<TagPath> Crf::decode(const Tensor& emissions, const Lengths& lengths,
                                 Location at) const {
  return blame(at, "Crf::decode", [&] {
    const Shape& shape = emissions.shape();
    check_emissions(emissions.dtype(), shape, start.shape()[0], lengths);
    const Tensor values = emissions.to(Dtype::float64);
    const Viterbi viterbi(*this);
    std::vector<TagPath> result;
    for (const std::int32_t steps : lengths.or_full(shape[1], shape[0])) {
      const auto width = static_cast<std::size_t>(shape[2]);
      const double* first = values.data<double>().data() + result.size() * width;
      result.push_back(viterbi(first, static_cast<std::size_t>(shape[1]) * width,
                               static_cast<std::size_t>(steps)));
    }
    return result;
  });
}

}  // namespace unroll::nn
