// The demonstration corpus of `translate demo`: English-French sentence pairs from a small grammar.
//
// The grammar builds one tree per sentence (grammar_syntax.h) and writes it out in both languages
// (grammar_english.cpp, grammar_french.cpp), so a pair is a correct translation by construction.
// Equal English always means equal French: "you" is one person addressed politely (vous), "they" is
// ils, and nothing is said whose French depends on a gender that the English does not tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/text/corpus.h>

namespace unroll::translate {

/// A pair is English, "The big dog is not sleeping.", and French, "Le grand chien ne dort pas.": in
/// sentence case with final punctuation.
using text::SentencePair;

/// No training sentence has more English words than this.
inline constexpr std::size_t kLongestTrainSentence = 12;

/// How many pairs each part of the corpus gets.
struct CorpusSizes {
  std::size_t train = 10000;
  std::size_t ordinary = 500;
  std::size_t unseen_combinations = 300;
  std::size_t longer = 200;
};

/// Four sets without a common sentence; every word of the last three occurs in `train`.
struct DemoCorpus {
  std::vector<SentencePair> train;
  std::vector<SentencePair> ordinary;             // held out from the distribution of `train`
  std::vector<SentencePair> unseen_combinations;  // each joins two words of unseen_word_pairs()
  std::vector<SentencePair> longer;               // more words than kLongestTrainSentence
};

/// Two words that belong together in a sentence: an adjective or verb, and a noun that it
/// describes, takes as subject or takes as object.
struct WordPair {
  std::string modifier;  // "red", "sleep": the dictionary form
  std::string noun;      // "house": the singular
};

/// The pairs of words that `unseen_combinations` tests: no sentence of the other three sets
/// contains both words of a pair in any form, wherever they stand.
const std::vector<WordPair>& unseen_word_pairs();

/// Generates the corpus. The result depends on the arguments only, not on platform or library.
/// Throws ValueError when the grammar does not yield enough different sentences, in practice when
/// `train` is too small to contain every word or a size is in the hundreds of thousands.
DemoCorpus make_demo_corpus(std::uint64_t seed, const CorpusSizes& sizes = {});

/// The words of a sentence of this corpus without case or punctuation; elided words and the
/// English 's count as words: "L'homme voit le chien." -> {l', homme, voit, le, chien}.
std::vector<std::string> words_of(std::string_view sentence);

}  // namespace unroll::translate
