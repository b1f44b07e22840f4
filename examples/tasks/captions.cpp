// captions: from one vector to a sentence, as in captioning of images (Vinyals et al. 2015).
//   captions train
//   captions run        one line of 20 numbers in, a sentence out; or --sample 5
// The vectors are made by the program itself: two things with shape, size, colour and place, seen
// through a fixed random projection with noise, as a vision network would.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <sstream>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/program.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/batches.h>
#include <unroll/text/utf8.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/checkpoint.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

constexpr std::int64_t kFeatures = 20;
constexpr std::array kColours{"red", "green", "blue", "yellow"};
constexpr std::array kShapes{"circle", "square", "triangle", "star"};

struct Picture {
  std::array<float, kFeatures> features{};
  std::string caption;
};

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
  static const Tensor projection = random_normal({kFeatures, 22}, 4711, 0, 0.5);
  const auto weights = projection.data<double>();
  for (std::size_t f = 0; f < kFeatures; ++f) {
    double sum = 0.02 * random.normal();
    for (std::size_t k = 0; k < seen.size(); ++k) sum += weights[f * seen.size() + k] * seen[k];
    result.features[f] = static_cast<float>(sum);
  }
  result.caption = two ? fmt::format("{} {} of {}", name(a), left ? "left" : "right", name(b))
                       : fmt::format("{} on the {}", name(a), left ? "left" : "right");
  return result;
}

std::vector<Picture> pictures(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Picture> result(count);
  std::ranges::generate(result, [&] { return picture(random); });
  return result;
}

text::Vocabulary all_words() {
  std::vector<std::string> words{"a", "big", "small", "left", "right", "of", "on", "the"};
  words.insert(words.end(), kColours.begin(), kColours.end());
  words.insert(words.end(), kShapes.begin(), kShapes.end());
  return text::Vocabulary(words);
}

struct Captioner {
  ParameterSet parameters;
  text::Vocabulary words = all_words();
  nn::Linear look;
  nn::Embedding embedding;
  nn::GRUCell cell;
  nn::Linear output;

  explicit Captioner(const Settings& s)
      : parameters(s.seed),
        look(parameters.scope("look"), kFeatures, s.hidden),
        embedding(parameters.scope("embedding"), static_cast<std::int64_t>(words.size()),
                  s.embedding),
        cell(parameters.scope("cell"), s.embedding, s.hidden),
        output(parameters.scope("output"), s.hidden, static_cast<std::int64_t>(words.size())) {}

  /// The state before the first word, [B, hidden].
  Variable begin(Tape& tape, const std::vector<Picture>& all, train::Examples examples) const {
    Tensor features({static_cast<std::int64_t>(examples.size()), kFeatures}, Dtype::float32);
    auto out = features.mutable_data<float>().begin();
    for (const std::size_t i : examples) out = std::ranges::copy(all[i].features, out).out;
    return tanh(look(tape.input(features)));
  }

  Variable loss(Tape& tape, const std::vector<Picture>& all, train::Examples examples) const {
    std::vector<std::vector<std::int32_t>> read, said;
    for (const std::size_t i : examples) {
      const auto tokens = text::split_on_space(all[i].caption);
      read.push_back(words.encode(tokens, {.bos = true}));
      said.push_back(words.encode(tokens, {.eos = true}));
    }
    const text::PaddedIds inputs = text::padded(read);
    const auto walked =
        nn::unroll(cell, embedding(tape.input(inputs.ids)),
                   {.lengths = inputs.lengths, .initial_state = begin(tape, all, examples)});
    return cross_entropy(output(walked.outputs), tape.input(text::padded(said).ids),
                         {.ignore_index = text::kPad, .reduction = Reduction::sum});
  }

  std::vector<std::string> describe(const std::vector<Picture>& all, int threads) const {
    std::vector<std::string> captions(all.size());
    train::for_each_batch(
        train::shuffled_batches(all.size(), 64, 0, 0),
        [&](Tape& tape, train::Examples examples) {
          nn::Carried<Variable> state(begin(tape, all, examples));
          const auto step = [&](std::span<const std::int32_t> ids,
                                std::span<const std::int32_t> parents) {
            tape.reset();
            const auto count = static_cast<std::int64_t>(ids.size());
            const Variable word = embedding(tape.input(Tensor({count}, ids)));
            const Variable next = cell.step(word, state.rows(parents).on(tape));
            const Variable scores = log_softmax(output(next), -1);
            evaluate({next, scores});
            state = nn::Carried<Variable>(next);
            return nn::StepScores{scores.value(), {}};
          };
          const auto found = nn::greedy(step, static_cast<std::int64_t>(examples.size()),
                                        {.begin = text::kBos, .end = text::kEos, .max_length = 20});
          for (std::size_t k = 0; k < examples.size(); ++k) {
            captions[examples[k]] =
                fmt::format("{}", fmt::join(words.decode(found[k].tokens), " "));
          }
        },
        threads);
    return captions;
  }

  double exact(const std::vector<Picture>& all, int threads) const {
    const auto captions = describe(all, threads);
    double right = 0;
    for (std::size_t i = 0; i < all.size(); ++i) right += captions[i] == all[i].caption ? 1 : 0;
    return right / static_cast<double>(all.size());
  }
};

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "captions.safetensors",
                    .epochs = 15,
                    .learning_rate = 5e-3,
                    .embedding = 32,
                    .hidden = 128};
  std::int64_t samples = 0;
  const auto load = [&] {
    const train::TensorFile file = train::load_safetensors(settings.model);
    settings.hidden = std::stoll(train::metadata_of(file, "hidden", settings.model));
    settings.embedding = std::stoll(train::metadata_of(file, "embedding", settings.model));
    Captioner model(settings);
    train::assign_model(model.parameters, file, settings.model);
    return model;
  };
  const auto evaluate_model = [&] {
    fmt::print("test: {:.2f} % of the captions exact\n",
               100 * load().exact(pictures(2000, 77), settings.threads));
  };
  const auto train = [&] {
    const auto training = pictures(10000, mix(settings.seed, 1)),
               held_out = pictures(500, mix(settings.seed, 2));
    Captioner model(settings);
    train_model(
        settings, model.parameters,
        {.batches =
             [&](int epoch) {
               return train::shuffled_batches(training.size(), settings.batch, settings.seed,
                                              epoch);
             },
         .loss = [&](Tape& tape, train::Examples part) { return model.loss(tape, training, part); },
         .validate =
             [&] {
               const double right = model.exact(held_out, settings.threads);
               return train::Score{1 - right, fmt::format("{:.2f} % exact", 100 * right)};
             }},
        {{"hidden", std::to_string(settings.hidden)},
         {"embedding", std::to_string(settings.embedding)}});
    evaluate_model();
  };
  const auto run = [&] {
    const Captioner model = load();
    std::vector<Picture> seen = pictures(static_cast<std::size_t>(samples), settings.seed);
    for (std::string line; samples == 0 && std::getline(std::cin, line);) {
      std::istringstream in(line);
      Picture& one = seen.emplace_back();
      for (float& feature : one.features) in >> feature;
      if (!in) throw ValueError(fmt::format("got \"{}\"; expected {} numbers", line, kFeatures));
    }
    const auto captions = model.describe(seen, settings.threads);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      fmt::print("{}{}\n", captions[i],
                 seen[i].caption.empty() ? "" : "   (is: " + seen[i].caption + ")");
    }
  };
  return run_program({.name = "captions",
                      .what = "Describes a vector in a sentence.",
                      .settings = settings,
                      .options = {{"--sample", "describe so many made-up vectors", &samples}},
                      .train = train,
                      .evaluate = evaluate_model,
                      .run = run},
                     argc, argv);
}
