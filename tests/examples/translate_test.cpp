// The program translate, without its command line: languages, training, search, the model file.
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <unroll/autograd/error.h>
#include <unroll/examples/translate/commands.h>
#include <unroll/examples/translate/scoring.h>
#include <unroll/examples/translate/trainer.h>
#include <unroll/examples/translate/translator.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

namespace unroll::translate {

namespace {

std::vector<text::SentencePair> number_pairs() {
  const std::vector<std::pair<std::string, std::string>> words{
      {"one", "un"}, {"two", "deux"}, {"three", "trois"}, {"four", "quatre"}, {"five", "cinq"}};
  std::vector<text::SentencePair> pairs;
  for (const auto& a : words) {
    for (const auto& b : words) {
      pairs.push_back({a.first + " and " + b.first, a.second + " et " + b.second});
    }
  }
  return pairs;
}

Translator small_translator(const std::vector<text::SentencePair>& pairs, std::uint64_t seed = 3) {
  return Translator(Languages::learn(pairs, {.tokenizer = {}, .vocabulary = {}}),
                    {.embedding = 16, .hidden = 24, .dropout = 0.1}, seed);
}

TrainerOptions quick(int epochs) {
  return {.epochs = epochs,
          .batch_tokens = 40,
          .learning_rate = 2e-2,
          .warmup_steps = 5,
          .label_smoothing = 0,
          .patience = epochs,
          .shards = 3,
          .quiet = true};
}

bool same_values(const Translator& a, const Translator& b) {
  const auto x = a.values(), y = b.values();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!x[i].identical(y[i])) return false;
  }
  return x.size() == y.size();
}

}  // namespace

TEST_CASE("a small translator learns, is saved, and translates the same after loading",
          "[translate]") {
  const train::ScratchDirectory directory;
  const std::string path = (directory.path() / "model.safetensors").string();
  const auto pairs = number_pairs();
  Translator translator = small_translator(pairs);
  const auto examples = translator.languages().encode(pairs);
  const train::FitSummary summary = train(translator, examples, examples, quick(40), path);
  CHECK(summary.best_loss < 0.05);
  CHECK(summary.steps > 100);
  CHECK_FALSE(summary.interrupted);

  std::vector<std::string> sources, references;
  for (const text::SentencePair& pair : pairs) {
    sources.push_back(pair.source);
    references.push_back(pair.target);
  }
  const auto greedy = translator.translate_all(sources, {});
  CHECK(score(greedy, references).exact_match == Approx(100));
  // It writes the true tokens, so that it makes no difference which of the two it is fed.
  CHECK(loss_of(translator, examples) == Approx(summary.best_loss).epsilon(1e-5));
  CHECK(loss_of(translator, examples, true) == Approx(summary.best_loss).epsilon(1e-5));
  const Translator untrained = small_translator(pairs);
  CHECK(std::abs(loss_of(untrained, examples, true) - loss_of(untrained, examples)) > 1e-4);
  CHECK_THROWS_AS(loss_of(translator, {}), ValueError);

  const Translator loaded = Translator::load(path);
  CHECK(same_values(translator, loaded));
  CHECK(loaded.translate_all(sources, {.beam = 4}) ==
        translator.translate_all(sources, {.beam = 4}));

  const auto best = loaded.translate("two and five", {.beam = 4}, 3);
  REQUIRE(best.size() == 3);
  CHECK(best[0].text == "deux et cinq");
  CHECK(best[0].score >= best[1].score);
  CHECK(best[1].score >= best[2].score);
  CHECK(best[0].source_tokens.size() == 4);  // three words and <eos>
  REQUIRE(best[0].attention.size() == best[0].tokens.size());
  for (const auto& row : best[0].attention) {
    float sum = 0;
    for (const float weight : row) sum += weight;
    CHECK(sum == Approx(1).margin(1e-4));
  }
}

TEST_CASE("training gives the same bits for any number of threads", "[translate]") {
  const train::ScratchDirectory directory;
  const auto pairs = number_pairs();
  const auto trained = [&](int threads) {
    Translator translator = small_translator(pairs);
    const auto examples = translator.languages().encode(pairs);
    TrainerOptions options = quick(3);
    options.threads = threads;
    train(translator, examples, examples, options, (directory.path() / "m.safetensors").string());
    return translator;
  };
  const Translator one = trained(1);
  CHECK(same_values(one, trained(2)));
  CHECK(same_values(one, trained(4)));
}

TEST_CASE("an interrupt ends the training with a saved model", "[translate]") {
  const train::ScratchDirectory directory;
  const std::filesystem::path path = directory.path() / "model.safetensors";
  const auto pairs = number_pairs();
  Translator translator = small_translator(pairs);
  const auto examples = translator.languages().encode(pairs);
  // A signal of this process to itself while the first epochs run.
  std::signal(SIGALRM, [](int) { std::raise(SIGINT); });
  alarm(1);
  const train::FitSummary summary =
      train(translator, examples, examples, quick(1000000), path.string());
  CHECK(summary.interrupted);
  CHECK(same_values(Translator::load(path.string()), translator));
}

TEST_CASE("what is no model is refused with the reason", "[translate]") {
  const train::ScratchDirectory directory;
  const std::filesystem::path path = directory.path() / "model.safetensors";
  CHECK_THROWS_AS(Translator::load(path.string()), IoError);
  const Translator translator = small_translator(number_pairs());
  translator.save(path.string());
  CHECK_NOTHROW(Translator::load(path.string()));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK_THROWS_AS(Translator::load(path.string()), IoError);
  std::ofstream(path) << "not a model";
  CHECK(contains(thrown_message([&] { Translator::load(path.string()); }), "model.safetensors"));
}

TEST_CASE("the trainer names what it lacks", "[translate]") {
  Translator translator = small_translator(number_pairs());
  const auto examples = translator.languages().encode(number_pairs());
  CHECK_THROWS_AS(train(translator, examples, examples, quick(0), "x"), ValueError);
  CHECK(contains(
      thrown_message([&] { train(translator, examples, examples, quick(1), "/no/such/x"); }),
      "/no/such"));
  CHECK(contains(thrown_message([&] { train(translator, {}, {}, quick(1), "x"); }),
                 "0 training and 0 validation"));
}

TEST_CASE("a result is not written over what it is made from", "[translate]") {
  const train::ScratchDirectory directory;
  const std::string data = (directory / "pairs.tsv").string();
  const std::string pairs = "one\tun\ntwo\tdeux\nthree\ttrois\n";
  train::put(data, pairs);
  TrainCommand training;
  training.data = training.model = data;
  CHECK(contains(thrown_message([&] { run(training); }), "would be overwritten"));
  training.model = (directory / "m.safetensors").string();
  training.valid = training.model;
  train::put(training.valid, "one\tun\n");
  CHECK_THROWS_AS(run(training), ValueError);
  EvaluateCommand evaluation;
  evaluation.data = evaluation.output = data;
  CHECK_THROWS_AS(run(evaluation), ValueError);
  CHECK(train::content_of(data) == pairs);
}

TEST_CASE("no languages, no sentence", "[translate]") {
  const Translator translator = small_translator(number_pairs());
  CHECK(translator.translate_all({}, {}).empty());
  CHECK(translator.translate("", {}).size() == 1);
  CHECK(translator.translate("unknown words here", {.max_length = 3}).size() == 1);
}

}  // namespace unroll::translate
