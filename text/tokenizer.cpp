#include <unroll/text/tokenizer.h>

#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>
#include <unroll/text/words.h>

namespace unroll::text {
namespace {

std::string prepare(std::string_view sentence, const TokenizerOptions& options) {
  std::string text = nfc(sentence);
  return options.lower_case ? lower_case(text) : text;
}

// The pieces that subwords are made of: a space, also the one thought before the first piece, is
// part of the piece after it.
std::vector<std::string> bpe_words(const std::string& sentence) {
  std::vector<std::string> words;
  for (Piece& piece : split_pieces(sentence)) {
    if (piece.space_before || words.empty()) piece.text.insert(0, kSpaceMark);
    words.push_back(std::move(piece.text));
  }
  return words;
}

std::vector<std::string> split_at_separators(const std::string& sentence) {
  std::vector<std::string> tokens;
  bool open = false;
  for (const char32_t code_point : decode_utf8(sentence)) {
    const bool separator = is_separator(code_point);
    if (!separator && !open) tokens.emplace_back();
    if (!separator) tokens.back() += encode_utf8(std::u32string_view(&code_point, 1));
    open = !separator;
  }
  return tokens;
}

std::vector<std::string> split_characters(const std::string& sentence) {
  std::vector<std::string> tokens;
  bool space = false;
  for (const char32_t code_point : decode_utf8(sentence)) {
    if (is_separator(code_point)) {
      space = !tokens.empty();
      continue;
    }
    if (space) tokens.emplace_back(kSpaceMark);
    space = false;
    tokens.push_back(encode_utf8(std::u32string_view(&code_point, 1)));
  }
  return tokens;
}

// The tokens in a row, the marks turned back into spaces.
std::string concatenate(const std::vector<std::string>& tokens) {
  std::string sentence;
  for (std::string_view token : tokens) {
    for (auto mark = token.find(kSpaceMark); mark != token.npos; mark = token.find(kSpaceMark)) {
      sentence += token.substr(0, mark);
      if (!sentence.empty()) sentence += ' ';
      token.remove_prefix(mark + kSpaceMark.size());
    }
    sentence += token;
  }
  return sentence;
}

void require_merge_count(const TokenizerOptions& options, const char* function) {
  if (options.bpe_merges < 0) {
    throw ValueError(std::string(function) + ": bpe_merges " + std::to_string(options.bpe_merges) +
                     "; expected 0 or more");
  }
}

}  // namespace

Tokenizer::Tokenizer(const TokenizerOptions& options) : options_(options) {
  require_merge_count(options, "Tokenizer");
  if (options.kind == TokenizerKind::bpe) {
    throw ValueError("Tokenizer: kind bpe without merges; expected merges or another kind");
  }
}

Tokenizer::Tokenizer(const TokenizerOptions& options, Bpe bpe)
    : options_(options), bpe_(std::move(bpe)) {
  require_merge_count(options, "Tokenizer");
  if (options.kind != TokenizerKind::bpe) {
    throw ValueError("Tokenizer: merges for a kind that has none; expected kind bpe");
  }
}

std::vector<std::string> Tokenizer::tokenize(std::string_view sentence) const {
  const std::string text = prepare(sentence, options_);
  if (options_.kind == TokenizerKind::words) return split_words(text);
  if (options_.kind == TokenizerKind::spaces) return split_at_separators(text);
  if (options_.kind == TokenizerKind::decomposed) return split_characters(nfd(text));
  if (!bpe_) return split_characters(text);
  std::vector<std::string> tokens;
  for (const std::string& word : bpe_words(text)) {
    for (std::string& subword : bpe_->encode(word)) tokens.push_back(std::move(subword));
  }
  return tokens;
}

std::string Tokenizer::detokenize(const std::vector<std::string>& tokens) const {
  if (options_.kind == TokenizerKind::words) return join_words(tokens);
  if (options_.kind == TokenizerKind::decomposed) return nfc(concatenate(tokens));
  if (options_.kind != TokenizerKind::spaces) return concatenate(tokens);
  std::string sentence;
  for (const std::string& token : tokens) sentence += (sentence.empty() ? "" : " ") + token;
  return sentence;
}

TokenizerLearner::TokenizerLearner(const TokenizerOptions& options) : options_(options) {
  require_merge_count(options, "TokenizerLearner");
}

void TokenizerLearner::add(std::string_view sentence) {
  if (options_.kind != TokenizerKind::bpe) return;
  add_counts(words_, bpe_words(prepare(sentence, options_)));
}

Tokenizer TokenizerLearner::learn() const {
  if (options_.kind != TokenizerKind::bpe) return Tokenizer(options_);
  return Tokenizer(options_, Bpe::learn(words_, options_.bpe_merges));
}

}  // namespace unroll::text
