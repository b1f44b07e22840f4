// The model of the program `tagger`: a GRU reads the characters of each word in both directions;
// the words with their spellings, an LSTM in both directions; of each place, the tag.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <unroll/examples/tasks/parts/program.h>
#include <unroll/nn/nn.h>
#include <unroll/text/batches.h>
#include <unroll/text/conllu.h>
#include <unroll/text/vocabulary.h>

namespace unroll::tasks {

struct Tagger {
  text::Vocabulary words, characters, tags;
  ParameterSet parameters;
  nn::Embedding word_vectors, character_vectors;
  nn::GRU spelling;
  nn::LSTM sentence;
  nn::Linear scores;
  double dropout_rate;

  Tagger(const Settings& s, text::Vocabulary words, text::Vocabulary characters,
         text::Vocabulary tags);
  /// With the vocabularies of these sentences.
  static Tagger learn(const Settings& s, const std::vector<text::TaggedSentence>& sentences);
  static Tagger load(const Settings& s);
  std::map<std::string, std::string> metadata(const Settings& s) const;

  /// Scores [T, B, tags]. Words become unknown with probability `word_dropout`.
  Variable operator()(Tape& tape, const std::vector<text::TaggedSentence>& sentences,
                      train::Examples examples, double word_dropout = 0) const;
  /// The sum over words.
  Variable loss(Tape& tape, const std::vector<text::TaggedSentence>& sentences,
                train::Examples examples, double word_dropout) const;
  /// The ids of the tags of each sentence.
  std::vector<std::vector<std::int32_t>> tag(const std::vector<text::TaggedSentence>& sentences,
                                             int threads) const;
  /// The share of right tags. A tag that the model does not know is never right.
  double accuracy(const std::vector<text::TaggedSentence>& sentences, int threads) const;

 private:
  Variable read(Tape& tape, const text::PaddedIds& ids, const text::PaddedIds& spellings,
                const Tensor& which) const;
};

}  // namespace unroll::tasks
