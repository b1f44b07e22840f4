// Languages: from sentences of the two languages to ids and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/text/corpus.h>
#include <unroll/text/tokenizer.h>
#include <unroll/text/vocabulary.h>

namespace unroll::translate {

/// The ids of one pair. The source ends with <eos>; the target has no ends.
struct Example {
  std::vector<std::int32_t> source;
  std::vector<std::int32_t> target;
};

/// One language: how its sentences are cut, and the numbers of the pieces.
struct Language {
  text::Tokenizer tokenizer;
  text::Vocabulary vocabulary;

  std::vector<std::int32_t> encode(std::string_view sentence, text::Ends ends = {}) const;
  std::string decode(const std::vector<std::int32_t>& ids) const;
};

struct LanguageOptions {
  text::TokenizerOptions tokenizer;
  text::VocabularyOptions vocabulary;
};

struct Languages {
  Language source, target;

  /// Learns tokenizers and vocabularies from training pairs.
  static Languages learn(const std::vector<text::SentencePair>& pairs,
                         const LanguageOptions& source, const LanguageOptions& target);
  /// With the same options for both languages.
  static Languages learn(const std::vector<text::SentencePair>& pairs,
                         const LanguageOptions& options) {
    return learn(pairs, options, options);
  }
  std::vector<Example> encode(const std::vector<text::SentencePair>& pairs) const;

  /// As JSON text, and back; from_json throws ValueError.
  std::string to_json() const;
  static Languages from_json(std::string_view json);
};

}  // namespace unroll::translate
