// captions: what does a vector show? From one vector to a sentence (Vinyals et al. 2015).
//   captions train --data features.tsv    numbers<TAB>caption lines, the numbers with spaces
//   between captions run < vectors.txt            the numbers of a vector in, a sentence out
//   captions run --sample 5
// Without data it makes vectors of things with shape, size, colour and place by itself.
#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/examples.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/examples/tasks/parts/pictures.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/batches.h>
#include <unroll/text/error_rate.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

struct Captioner {
  text::Vocabulary words;
  std::int64_t features;
  ParameterSet parameters;
  nn::Linear look;
  nn::Embedding embedding;
  nn::GRUCell cell;
  nn::Linear output;
  double dropout_rate;

  Captioner(const Settings& s, text::Vocabulary all_words, std::int64_t feature_count)
      : words(std::move(all_words)),
        features(feature_count),
        parameters(s.seed),
        look(parameters.scope("look"), features, s.hidden),
        embedding(parameters.scope("embedding"), static_cast<std::int64_t>(words.size()),
                  s.embedding),
        cell(parameters.scope("cell"), s.embedding, s.hidden),
        output(parameters.scope("output"), s.hidden, static_cast<std::int64_t>(words.size())),
        dropout_rate(s.dropout) {}

  static Captioner learn(const Settings& s, const std::vector<Picture>& pictures) {
    text::TokenCounts counts;
    for (const Picture& picture : pictures) {
      for (const std::string& word : text::split_on_space(picture.caption)) ++counts[word];
    }
    return Captioner(s, text::Vocabulary::build(counts),
                     static_cast<std::int64_t>(pictures.front().features.size()));
  }
  static Captioner load(const Settings& s) {
    const ModelFile file(s.model);
    Captioner model(file.with_sizes(s), file.vocabulary("words"), file.number("features"));
    file.assign_to(model.parameters);
    return model;
  }
  std::map<std::string, std::string> metadata(const Settings& s) const {
    auto entries = sizes_of(s);
    entries["words"] = words.to_json();
    entries["features"] = std::to_string(features);
    return entries;
  }

  /// The state before the first word, [B, hidden].
  Variable begin(Tape& tape, const std::vector<Picture>& all, train::Examples examples) const {
    Tensor seen({static_cast<std::int64_t>(examples.size()), features}, Dtype::float32);
    auto out = seen.mutable_data<float>().begin();
    for (const std::size_t i : examples) {
      if (static_cast<std::int64_t>(all[i].features.size()) != features) {
        throw ValueError(fmt::format("got a vector of {} numbers; expected {}, as in training",
                                     all[i].features.size(), features));
      }
      out = std::ranges::copy(all[i].features, out).out;
    }
    return tanh(look(tape.input(seen)));
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
        nn::unroll(cell, dropout(embedding(tape.input(inputs.ids)), dropout_rate),
                   {.lengths = inputs.lengths, .initial_state = begin(tape, all, examples)});
    return cross_entropy(output(dropout(walked.outputs, dropout_rate)),
                         tape.input(text::padded(said).ids),
                         {.ignore_index = text::kPad, .reduction = Reduction::sum});
  }

  /// The words for each vector.
  std::vector<std::vector<std::string>> describe(const std::vector<Picture>& all,
                                                 int threads) const {
    std::vector<std::vector<std::string>> captions(all.size());
    train::for_each_batch(
        train::shuffled_batches(all.size(), 64, 0, 0),
        [&](Tape& tape, train::Examples examples) {
          auto steps = nn::decoder(
              [&](Tape&, const Variable& last, const Variable& h) {
                const Variable next = cell.step(embedding(last), h);
                return nn::DecoderStep<Variable>{output(next), next};
              },
              begin(tape, all, examples));
          const auto found = nn::greedy(steps, {.begin = text::kBos, .end = text::kEos});
          for (std::size_t k = 0; k < examples.size(); ++k) {
            captions[examples[k]] = words.decode(found[k].tokens);
          }
        },
        threads);
    return captions;
  }

  /// The share of captions that are right to the last word.
  double exact(const std::vector<Picture>& all, int threads) const {
    const auto captions = describe(all, threads);
    text::ErrorRate errors;
    for (std::size_t i = 0; i < all.size(); ++i) {
      errors.add(captions[i], text::split_on_space(all[i].caption));
    }
    return 1 - errors.sequence_error_rate();
  }
};

void print(const std::string& what, double exact) {
  fmt::print("{}: {:.2f} % of the captions exact\n", what, 100 * exact);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{
      .name = "captions", .epochs = 15, .learning_rate = 5e-3, .embedding = 32, .hidden = 128};
  int samples = 0;
  const Source<Picture> source{
      .read = read_pictures, .generate = make_pictures, .generated = 10500, .held_out = 20};
  const auto evaluate = [&] {
    print("test", Captioner::load(settings).exact(source.test(settings), settings.threads));
  };
  const auto train = [&] {
    const Split<Picture> pictures = source.training(settings);
    const Captioner model = Captioner::learn(settings, pictures.training);
    const train::Task task{
        .batches = shuffled(settings, pictures.training.size()),
        .loss = [&](Tape& tape,
                    train::Examples part) { return model.loss(tape, pictures.training, part); },
        .validate =
            [&] { return score_of_accuracy(model.exact(pictures.validation, settings.threads)); }};
    train_model(settings, model.parameters, task, model.metadata(settings));
    print("validation", model.exact(pictures.validation, settings.threads));
    if (source.has_test(settings)) evaluate();
  };
  const auto run = [&] {
    const Captioner model = Captioner::load(settings);
    const auto caption = [&](const Picture& picture) {
      return fmt::format("{}", fmt::join(model.describe({picture}, 1).front(), " "));
    };
    for (const Picture& one : make_pictures(static_cast<std::size_t>(samples), settings.seed)) {
      fmt::print("{}   (is: {})\n", caption(one), one.caption);
    }
    if (samples > 0) return;
    answer_lines("numbers", [&](const std::string& line) {
      return caption({numbers_of(line), {}});
    });
  };
  return run_program({.what = "Describes a vector in a sentence.",
                      .settings = settings,
                      .train = {train},
                      .evaluate = {evaluate},
                      .run = {run, {{"--sample", "describe so many made-up vectors", &samples}}}},
                     argc, argv);
}
