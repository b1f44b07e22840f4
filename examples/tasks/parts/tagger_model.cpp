// The model of the program `tagger`.
#include <unroll/examples/tasks/parts/tagger_model.h>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/ops/ops.h>
#include <unroll/text/utf8.h>

namespace unroll::tasks {

namespace {

using Ids = std::vector<std::int32_t>;
using Sentences = std::vector<text::TaggedSentence>;

constexpr std::int64_t kCharacterWidth = 48, kSpellingWidth = 64;

std::int64_t size(const text::Vocabulary& of) { return static_cast<std::int64_t>(of.size()); }

}  // namespace

Tagger::Tagger(const Settings& s, text::Vocabulary w, text::Vocabulary c, text::Vocabulary t)
    : words(std::move(w)),
      characters(std::move(c)),
      tags(std::move(t)),
      parameters(s.seed),
      word_vectors(parameters.scope("words"), size(words), s.embedding,
                   {.padding_idx = text::kPad, .initializer = nn::init::normal(0, 0.1)}),
      character_vectors(parameters.scope("characters"), size(characters), kCharacterWidth,
                        {.padding_idx = text::kPad}),
      spelling(parameters.scope("spelling"), kCharacterWidth, kSpellingWidth,
               {.bidirectional = true}),
      sentence(parameters.scope("sentence"), s.embedding + 2 * kSpellingWidth, s.hidden,
               {.layers = s.layers, .bidirectional = true, .dropout = s.dropout}),
      scores(parameters.scope("scores"), 2 * s.hidden, size(tags)),
      dropout_rate(s.dropout) {}

Tagger Tagger::learn(const Settings& s, const Sentences& sentences) {
  text::TokenCounts words, characters, tags;
  for (const text::TaggedSentence& sentence : sentences) {
    for (const std::string& word : sentence.words) {
      ++words[text::lower_case(word)];
      for (const std::string& character : text::split_characters(word)) ++characters[character];
    }
    for (const std::string& tag : sentence.tags) ++tags[tag];
  }
  return Tagger(s, text::Vocabulary::build(words), text::Vocabulary::build(characters),
                text::Vocabulary::build(tags));
}

Tagger Tagger::load(const Settings& s) {
  const ModelFile file(s.model);
  Tagger model(file.with_sizes(s), file.vocabulary("words"), file.vocabulary("characters"),
               file.vocabulary("tags"));
  file.assign_to(model.parameters);
  return model;
}

std::map<std::string, std::string> Tagger::metadata(const Settings& s) const {
  auto entries = sizes_of(s);
  entries["words"] = words.to_json();
  entries["characters"] = characters.to_json();
  entries["tags"] = tags.to_json();
  return entries;
}

/// Word ids [T, B]; spellings [L, W] of the W different words of the batch, and which of them
/// stands at each place, [T, B], -1 for none -> [T, B, tags]
Variable Tagger::read(Tape& tape, const text::PaddedIds& ids, const text::PaddedIds& spellings,
                      const Tensor& which) const {
  const auto spelt =
      spelling(character_vectors(tape.input(spellings.ids)), {.lengths = spellings.lengths});
  const Variable forms = concat({spelt.last[0], spelt.last[1]}, -1);
  const Variable x =
      concat({word_vectors(tape.input(ids.ids)), take_rows(forms, tape.input(which))}, -1);
  const auto run = sentence(dropout(x, dropout_rate), {.lengths = ids.lengths});
  return scores(dropout(run.outputs, dropout_rate));
}

Variable Tagger::operator()(Tape& tape, const Sentences& sentences, train::Examples examples,
                            double word_dropout) const {
  Random random(mix(tape.options().seed, 5));
  std::vector<Ids> ids, spellings, places;
  std::map<std::string, std::int32_t> different;
  for (const std::size_t i : examples) {
    Ids& of_words = ids.emplace_back();
    Ids& of_places = places.emplace_back();
    for (const std::string& word : sentences[i].words) {
      const bool hidden = word_dropout > 0 && random.uniform() < word_dropout;
      of_words.push_back(hidden ? text::kUnk : words.id(text::lower_case(word)));
      const auto [entry, fresh] =
          different.emplace(word, static_cast<std::int32_t>(different.size()));
      if (fresh) spellings.push_back(characters.encode(text::split_characters(word)));
      of_places.push_back(entry->second);
    }
  }
  return read(tape, text::padded(ids), text::padded(spellings),
              text::padded(places, {.pad = -1}).ids);
}

Variable Tagger::loss(Tape& tape, const Sentences& sentences, train::Examples examples,
                      double word_dropout) const {
  std::vector<Ids> wanted;
  for (const std::size_t i : examples) wanted.push_back(tags.encode(sentences[i].tags));
  return cross_entropy((*this)(tape, sentences, examples, word_dropout),
                       tape.input(text::padded(wanted, {.pad = -100}).ids),
                       {.label_smoothing = 0.05, .reduction = Reduction::sum});
}

std::vector<Ids> Tagger::tag(const Sentences& sentences, int threads) const {
  std::vector<Ids> result(sentences.size());
  std::vector<text::ExampleLength> lengths;
  for (const auto& one : sentences) {
    lengths.push_back({static_cast<std::int32_t>(one.words.size()), 0});
  }
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

double Tagger::accuracy(const Sentences& sentences, int threads) const {
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

}  // namespace unroll::tasks
