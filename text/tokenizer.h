// From sentences to tokens and back: words and punctuation, characters, or subwords.
//
// Every kind first brings a sentence into NFC and, if asked, lower case. Separators are white
// space, control characters, U+2581 and U+FFED; a run of them counts as one space and none counts
// at the ends. Up to that, detokenize(tokenize(sentence)) is the sentence.
//   words       text/words.h: plain words and punctuation, marked where spacing is out of the
//               ordinary
//   spaces      what stands between spaces, for text that is cut already
//   characters  one token per code point, a space as U+2581
//   decomposed  the same with letters and their marks apart: an e with an acute is two tokens,
//               a Hangul syllable is its jamo
//   bpe         the pieces of text/words.h, U+2581 in front of those after a space and of the
//   first,
//               each cut into subwords by text/bpe.h
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/text/bpe.h>
#include <unroll/text/token_counts.h>

namespace unroll::text {

enum class TokenizerKind { words, spaces, characters, decomposed, bpe };

struct TokenizerOptions {
  TokenizerKind kind = TokenizerKind::words;
  bool lower_case = false;
  int bpe_merges = 8000;  // how many to learn at most; kind bpe only
  bool operator==(const TokenizerOptions&) const = default;
};

/// A value; it may be used from several threads at once.
class Tokenizer {
 public:
  /// A tokenizer that needs no learning. Throws ValueError for kind bpe.
  explicit Tokenizer(const TokenizerOptions& options = {});

  /// A tokenizer of kind bpe with merges learned earlier. Throws ValueError for another kind or a
  /// negative options.bpe_merges.
  Tokenizer(const TokenizerOptions& options, Bpe bpe);

  /// The tokens of `sentence`. Throws ValueError for ill-formed UTF-8.
  std::vector<std::string> tokenize(std::string_view sentence) const;

  /// The sentence of `tokens`, also of tokens that tokenize() would not give in this order. Throws
  /// ValueError for ill-formed UTF-8 if the kind is decomposed.
  std::string detokenize(const std::vector<std::string>& tokens) const;

  const TokenizerOptions& options() const { return options_; }

  /// The learned merges; nothing for a kind without.
  const std::optional<Bpe>& bpe() const { return bpe_; }

  /// Everything needed to make an equal tokenizer, as JSON text.
  std::string to_json() const;

  /// The tokenizer that wrote `json`. Throws ValueError for text that is not JSON, for a missing,
  /// unknown or wrongly typed field, and for values the constructors refuse.
  static Tokenizer from_json(std::string_view json);

 private:
  TokenizerOptions options_;
  std::optional<Bpe> bpe_;
};

/// Learns a tokenizer of any kind from sentences given one after another; for the kinds that have
/// nothing to learn, the sentences are passed over.
class TokenizerLearner {
 public:
  /// Throws ValueError for a negative options.bpe_merges.
  explicit TokenizerLearner(const TokenizerOptions& options);

  /// Takes `sentence` into account. Throws ValueError for ill-formed UTF-8.
  void add(std::string_view sentence);

  /// The tokenizer learned from the sentences added up to now; more may follow.
  Tokenizer learn() const;

 private:
  TokenizerOptions options_;
  TokenCounts words_;
};

}  // namespace unroll::text
