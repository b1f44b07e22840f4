// Vectors and sentences that describe them.
#include <unroll/examples/tasks/parts/pictures.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/text/corpus.h>

namespace unroll::tasks {

namespace {

constexpr std::int64_t kMadeFeatures = 20;
constexpr std::array kColours{"red", "green", "blue", "yellow"};
constexpr std::array kShapes{"circle", "square", "triangle", "star"};

Picture picture(Random& random) {
  struct Thing {
    std::uint32_t colour, shape;
    double x, size;
  };
  const auto thing = [&] {
    return Thing{random.below(4), random.below(4), random.uniform(), random.uniform()};
  };
  const auto name = [](const Thing& t) {
    return fmt::format("a {} {} {}", t.size > 0.5 ? "big" : "small", kColours[t.colour],
                       kShapes[t.shape]);
  };
  Thing a = thing(), b = thing();
  // No border cases, where one number decides and noise could turn it.
  for (Thing* t : {&a, &b}) t->size += t->size > 0.5 ? 0.2 : -0.2;
  const bool two = random.below(4) != 0, left = random.below(2) == 0;
  a.x = left ? 0.3 * a.x : 0.7 + 0.3 * a.x;
  b.x = 1 - a.x;

  std::array<double, 22> seen{};
  const auto show = [&](const Thing& t, std::size_t at) {
    seen[at + t.colour] = seen[at + 4 + t.shape] = 1;
    seen[at + 8] = t.size;
    seen[at + 9] = t.x;
    seen[at + 10] = 1;
  };
  show(a, 0);
  if (two) show(b, 11);
  Picture result;
  static const Tensor projection = random_normal({kMadeFeatures, 22}, 4711, 0, 0.5);
  const auto weights = projection.data<double>();
  for (std::size_t f = 0; f < kMadeFeatures; ++f) {
    double sum = 0.02 * random.normal();
    for (std::size_t k = 0; k < seen.size(); ++k) sum += weights[f * seen.size() + k] * seen[k];
    result.features.push_back(static_cast<float>(sum));
  }
  result.caption = two ? fmt::format("{} {} of {}", name(a), left ? "left" : "right", name(b))
                       : fmt::format("{} on the {}", name(a), left ? "left" : "right");
  return result;
}

}  // namespace

std::vector<Picture> make_pictures(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Picture> result(count);
  std::ranges::generate(result, [&] { return picture(random); });
  return result;
}

std::vector<Picture> read_pictures(const std::string& path) {
  std::vector<Picture> result;
  for (text::SentencePair& pair :
       text::read_corpus(path, {.bad_line = text::BadLine::stop}).pairs) {
    try {
      auto features = result.empty() ? numbers_of(pair.source)
                                     : numbers_of(pair.source, result[0].features.size());
      result.push_back({std::move(features), std::move(pair.target)});
    } catch (const ValueError& e) {
      throw IoError(fmt::format("{}:{}: {}", path, result.size() + 1, e.what()));
    }
  }
  return result;
}

}  // namespace unroll::tasks
