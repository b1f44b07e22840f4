// tagger: which part of speech is each word? Many-to-many of the same length, over words and the
// characters that they are written with (Plank, Sogaard, Goldberg 2016).
//   tagger train --data en_ewt-ud-train.conllu.gz --valid ...-dev.conllu.gz --test
//   ...-test.conllu.gz echo 'The old man the boats .' | tagger run
// Without data it makes sentences of a small invented language by itself.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/program.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/batches.h>
#include <unroll/text/conllu.h>
#include <unroll/text/utf8.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/checkpoint.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;
using text::TaggedSentence;

constexpr std::int64_t kCharacterWidth = 48, kSpellingWidth = 64;

/// Words whose endings tell their tag, but for the homonyms.
std::vector<TaggedSentence> generate(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  const auto pick = [&](std::initializer_list<const char*> of) {
    return std::string(of.begin()[random.below(static_cast<std::uint32_t>(of.size()))]);
  };
  const auto stem = [&] {
    return pick({"b", "tr", "k", "sl", "m"}) + pick({"a", "o", "i", "e"}) +
           pick({"n", "rt", "ll", "s"});
  };
  std::vector<TaggedSentence> result(count);
  for (TaggedSentence& sentence : result) {
    const auto add = [&](const std::string& word, const char* tag) {
      sentence.words.push_back(word);
      sentence.tags.emplace_back(tag);
    };
    const auto noun_phrase = [&] {
      add(pick({"the", "a"}), "DET");
      if (random.below(2) == 0) add(stem() + "ish", "ADJ");
      add(stem() + pick({"er", "tion", ""}), "NOUN");
    };
    noun_phrase();
    if (random.below(3) == 0) add(stem() + "ly", "ADV");
    add(stem() + pick({"es", ""}), "VERB");
    noun_phrase();
    add(".", "PUNCT");
  }
  return result;
}

std::vector<std::string> characters(const std::string& word) {
  std::vector<std::string> result;
  for (const char32_t c : text::decode_utf8(word)) result.push_back(text::encode_utf8({&c, 1}));
  return result;
}

struct Network {
  nn::Embedding words, characters;
  nn::GRU spelling;
  nn::LSTM sentence;
  nn::Linear scores;
  double dropout_rate;

  Network(const Scope& scope, const Settings& s, std::size_t word_count,
          std::size_t character_count, std::size_t tags)
      : words(scope / "words", static_cast<std::int64_t>(word_count), s.embedding,
              {.padding_idx = text::kPad, .initializer = nn::init::normal(0, 0.1)}),
        characters(scope / "characters", static_cast<std::int64_t>(character_count),
                   kCharacterWidth, {.padding_idx = text::kPad}),
        spelling(scope / "spelling", kCharacterWidth, kSpellingWidth, {.bidirectional = true}),
        sentence(scope / "sentence", s.embedding + 2 * kSpellingWidth, s.hidden,
                 {.layers = s.layers, .bidirectional = true, .dropout = s.dropout}),
        scores(scope / "scores", 2 * s.hidden, static_cast<std::int64_t>(tags)),
        dropout_rate(s.dropout) {}

  /// word ids [T, B]; spellings [L, W] of the W different words of the batch, and which of them
  /// stands at each place, [T, B], -1 for none -> [T, B, tags]
  Variable operator()(Tape& tape, const text::PaddedIds& ids, const text::PaddedIds& spellings,
                      const Tensor& which) const {
    const auto spelt =
        spelling(characters(tape.input(spellings.ids)), {.lengths = spellings.lengths});
    const Variable forms = concat({spelt.last[0], spelt.last[1]}, -1);
    const Variable x =
        concat({words(tape.input(ids.ids)), take_rows(forms, tape.input(which))}, -1);
    const auto read = sentence(dropout(x, dropout_rate), {.lengths = ids.lengths});
    return scores(dropout(read.outputs, dropout_rate));
  }
};

struct Tagger {
  text::Vocabulary words, characters_, tags;
  ParameterSet parameters;
  Network network;

  Tagger(const Settings& s, text::Vocabulary w, text::Vocabulary c, text::Vocabulary t)
      : words(std::move(w)),
        characters_(std::move(c)),
        tags(std::move(t)),
        parameters(s.seed),
        network(parameters.scope(), s, words.size(), characters_.size(), tags.size()) {}

  static Tagger load(Settings s) {
    const train::TensorFile file = train::load_safetensors(s.model);
    const auto entry = [&](const char* key) { return train::metadata_of(file, key, s.model); };
    s.embedding = std::stoll(entry("embedding"));
    s.hidden = std::stoll(entry("hidden"));
    s.layers = std::stoi(entry("layers"));
    const auto vocabulary = [&](const char* key) {
      return text::Vocabulary::from_json(entry(key));
    };
    Tagger result(s, vocabulary("words"), vocabulary("characters"), vocabulary("tags"));
    train::assign_model(result.parameters, file, s.model);
    return result;
  }

  std::map<std::string, std::string> metadata(const Settings& s) const {
    return {{"words", words.to_json()},
            {"characters", characters_.to_json()},
            {"tags", tags.to_json()},
            {"embedding", std::to_string(s.embedding)},
            {"hidden", std::to_string(s.hidden)},
            {"layers", std::to_string(s.layers)}};
  }

  /// Scores [T, B, tags]. While training, words become unknown with probability `word_dropout`.
  Variable operator()(Tape& tape, const std::vector<TaggedSentence>& sentences,
                      train::Examples examples, double word_dropout = 0) const {
    Random random(mix(tape.options().seed, 5));
    std::vector<std::vector<std::int32_t>> ids, spellings, places;
    std::map<std::string, std::int32_t> different;
    for (const std::size_t i : examples) {
      auto& of_words = ids.emplace_back();
      auto& of_places = places.emplace_back();
      for (const std::string& word : sentences[i].words) {
        const bool hidden = word_dropout > 0 && random.uniform() < word_dropout;
        of_words.push_back(hidden ? text::kUnk : words.id(text::lower_case(word)));
        const auto [entry, fresh] =
            different.emplace(word, static_cast<std::int32_t>(different.size()));
        if (fresh) spellings.push_back(characters_.encode(characters(word)));
        of_places.push_back(entry->second);
      }
    }
    return network(tape, text::padded(ids), text::padded(spellings),
                   text::padded(places, {.pad = -1}).ids);
  }

  std::vector<std::vector<std::int32_t>> tag(const std::vector<TaggedSentence>& sentences,
                                             int threads) const {
    std::vector<std::vector<std::int32_t>> result(sentences.size());
    std::vector<text::ExampleLength> lengths;
    for (const auto& one : sentences)
      lengths.push_back({static_cast<std::int32_t>(one.words.size()), 0});
    train::for_each_batch(
        text::make_batches(lengths, {.max_tokens = 1024}, 0),
        [&](Tape& tape, train::Examples examples) {
          const Tensor best = argmax((*this)(tape, sentences, examples), -1).value();
          const auto ids = best.data<std::int32_t>();
          for (std::size_t b = 0; b < examples.size(); ++b) {
            for (std::size_t t = 0; t < sentences[examples[b]].words.size(); ++t) {
              result[examples[b]].push_back(ids[t * examples.size() + b]);
            }
          }
        },
        threads);
    return result;
  }

  double accuracy(const std::vector<TaggedSentence>& sentences, int threads) const {
    double right = 0, all = 0;
    const auto guesses = tag(sentences, threads);
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      for (std::size_t t = 0; t < guesses[i].size(); ++t) {
        right += tags.token(guesses[i][t]) == sentences[i].tags[t] ? 1 : 0;
        all += 1;
      }
    }
    return right / all;
  }
};

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "tagger.safetensors",
                    .epochs = 10,
                    .batch = 32,
                    .dropout = 0.4,
                    .embedding = 128,
                    .hidden = 160,
                    .layers = 2};
  double word_dropout = 0.15;
  const auto read = [&](const std::string& path, std::size_t count, std::uint64_t seed) {
    return path.empty() ? generate(count, seed) : text::read_conllu(path);
  };
  const auto evaluate = [&] {
    const Tagger model = Tagger::load(settings);
    const auto sentences = read(settings.test, 500, 77);
    fmt::print("test: accuracy {:.2f} %\n", 100 * model.accuracy(sentences, settings.threads));
  };
  const auto train = [&] {
    const auto sentences = read(settings.data, 2000, 1), held_out = read(settings.valid, 300, 2);
    text::TokenCounts words, letters, tags;
    for (const TaggedSentence& sentence : sentences) {
      for (const std::string& word : sentence.words) {
        ++words[text::lower_case(word)];
        for (const std::string& letter : characters(word)) ++letters[letter];
      }
      for (const std::string& tag : sentence.tags) ++tags[tag];
    }
    Tagger model(settings, text::Vocabulary::build(words), text::Vocabulary::build(letters),
                 text::Vocabulary::build(tags));
    const auto tokens = [&](train::Examples examples) {
      double total = 0;
      for (const std::size_t i : examples) total += static_cast<double>(sentences[i].words.size());
      return total;
    };
    train_model(settings, model.parameters,
                {.batches =
                     [&](int epoch) {
                       return train::shuffled_batches(sentences.size(), settings.batch,
                                                      settings.seed, epoch);
                     },
                 .loss =
                     [&](Tape& tape, train::Examples part) {
                       std::vector<std::vector<std::int32_t>> wanted;
                       for (const std::size_t i : part)
                         wanted.push_back(model.tags.encode(sentences[i].tags));
                       return cross_entropy(model(tape, sentences, part, word_dropout),
                                            tape.input(text::padded(wanted, {.pad = -100}).ids),
                                            {.label_smoothing = 0.05, .reduction = Reduction::sum});
                     },
                 .weight = tokens,
                 .validate =
                     [&] {
                       const double right = model.accuracy(held_out, settings.threads);
                       return train::Score{
                           1 - right, fmt::format("validation accuracy {:.2f} %", 100 * right)};
                     }},
                model.metadata(settings));
    evaluate();
  };
  const auto run = [&] {
    const Tagger model = Tagger::load(settings);
    for (std::string line; std::getline(std::cin, line);) {
      const TaggedSentence sentence{text::split_on_space(line), {}};
      if (sentence.words.empty()) continue;
      const auto tags = model.tag({sentence}, 1).front();
      for (std::size_t t = 0; t < tags.size(); ++t) {
        fmt::print("{}{}/{}", t == 0 ? "" : " ", sentence.words[t], model.tags.token(tags[t]));
      }
      fmt::print("\n");
    }
  };
  return run_program(
      {.name = "tagger",
       .what = "Tags the words of sentences with their parts of speech.",
       .settings = settings,
       .options = {{"--word-dropout", "words become unknown so often", &word_dropout}},
       .train = train,
       .evaluate = evaluate,
       .run = run},
      argc, argv);
}
