#include <unroll/text/words.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

constexpr char32_t kRightQuote = U'\u2019';
constexpr std::array<std::u32string_view, 7> kEnglishEndings = {U"s",  U"t",  U"d", U"m",
                                                                U"ll", U"re", U"ve"};
constexpr std::array<std::string_view, 13> kNoSpaceBefore = {
    ".", ",", ";", ":", "?", "!", ")", "]", "}", "%", "\u2026", "'", "\u2019"};
constexpr std::array<std::string_view, 8> kNoSpaceAfter = {"(",      "[",      "{", "\u00BF",
                                                           "\u00A1", "\u2018", "$", "\u00A3"};
constexpr std::array<std::string_view, 2> kLinks = {"-", "/"};
constexpr std::string_view kQuote = "\"";

template <typename Set, typename Value>
bool contains(const Set& set, const Value& value) {
  return std::find(set.begin(), set.end(), value) != set.end();
}

bool is_apostrophe(char32_t code_point) { return code_point == U'\'' || code_point == kRightQuote; }

// Finds the pieces of one sentence, from left to right.
class Splitter {
 public:
  explicit Splitter(std::string_view sentence) : text_(decode_utf8(sentence)) {}

  std::vector<Piece> split() {
    while (position_ < text_.size()) {
      if (is_separator(text_[position_])) {
        ++position_;
        space_ = true;
      } else if (is_word_character(text_[position_])) {
        split_run();
      } else {
        add(position_ + 1);
      }
    }
    return std::move(pieces_);
  }

 private:
  bool word_at(std::size_t i) const { return i < text_.size() && is_word_character(text_[i]); }
  bool apostrophe_at(std::size_t i) const { return i < text_.size() && is_apostrophe(text_[i]); }

  std::size_t run_end(std::size_t i) const {
    while (word_at(i) || number_continues(i)) ++i;
    return i;
  }

  bool number_continues(std::size_t i) const {
    return i > 0 && i + 1 < text_.size() && (text_[i] == U'.' || text_[i] == U',') &&
           is_digit(text_[i - 1]) && is_digit(text_[i + 1]);
  }

  bool is_english_ending(std::size_t begin, std::size_t end) const {
    std::u32string ending = text_.substr(begin, end - begin);
    for (char32_t& c : ending) c = c >= U'A' && c <= U'Z' ? c - U'A' + U'a' : c;
    return contains(kEnglishEndings, std::u32string_view(ending)) && !apostrophe_at(end);
  }

  // One run and the apostrophes that tie it to the next run.
  void split_run() {
    const std::size_t end = run_end(position_);
    if (!apostrophe_at(end) || !word_at(end + 1)) {
      add(end);
      return;
    }
    const std::size_t next_end = run_end(end + 1);
    if (is_english_ending(end + 1, next_end)) {
      add(end);
      add(next_end);
    } else {
      add(end + 1);
    }
  }

  void add(std::size_t end) {
    const std::u32string_view piece = std::u32string_view(text_).substr(position_, end - position_);
    pieces_.push_back({encode_utf8(piece), space_ && !pieces_.empty()});
    position_ = end;
    space_ = false;
  }

  std::u32string text_;
  std::vector<Piece> pieces_;
  std::size_t position_ = 0;
  bool space_ = false;
};

bool starts_with_apostrophe(std::string_view piece) {
  return piece.starts_with('\'') || piece.starts_with("\u2019");
}

bool ends_with_apostrophe(std::string_view piece) {
  return piece.ends_with('\'') || piece.ends_with("\u2019");
}

// The spacing rule. Splitting asks it what joining will do, so the two always agree.
class SpacingRule {
 public:
  // Whether a space stands before `piece` where no mark says otherwise.
  bool space_before(std::string_view piece) const {
    if (previous_.empty()) return false;
    if (starts_with_apostrophe(piece) || contains(kNoSpaceBefore, piece)) return false;
    if (piece == kQuote) return !quote_open_ && !contains(kNoSpaceAfter, previous_);
    if (contains(kLinks, piece)) return false;
    if (previous_ == kQuote) return !quote_open_;
    if (contains(kLinks, previous_)) return previous_spaced_;
    if (contains(kNoSpaceAfter, previous_)) return false;
    const bool elided =
        ends_with_apostrophe(previous_) && previous_.size() > 1 && previous_ != "\u2019";
    return !elided;
  }

  // Takes note of `piece`, which stands after a space (or first) when `spaced`.
  void advance(std::string_view piece, bool spaced) {
    if (piece == kQuote) quote_open_ = !quote_open_;
    previous_spaced_ = spaced || previous_.empty();
    previous_ = piece;
  }

 private:
  std::string previous_;
  bool previous_spaced_ = false;
  bool quote_open_ = false;
};

}  // namespace

bool is_separator(char32_t code_point) {
  return is_space(code_point) || is_control(code_point) || code_point == U'\u2581' ||
         code_point == U'\uFFED';
}

std::vector<Piece> split_pieces(std::string_view sentence) { return Splitter(sentence).split(); }

std::vector<std::string> split_words(std::string_view sentence) {
  std::vector<std::string> tokens;
  SpacingRule rule;
  for (Piece& piece : split_pieces(sentence)) {
    const bool expected = rule.space_before(piece.text);
    rule.advance(piece.text, piece.space_before);
    if (piece.space_before != expected) {
      piece.text.insert(0, piece.space_before ? kSpaceMark : kJoinMark);
    }
    tokens.push_back(std::move(piece.text));
  }
  return tokens;
}

std::string join_words(const std::vector<std::string>& tokens) {
  std::string sentence;
  SpacingRule rule;
  for (const std::string& token : tokens) {
    std::string_view piece = token;
    const bool marked_space = piece.starts_with(kSpaceMark);
    const bool marked_join = piece.starts_with(kJoinMark);
    if (marked_space) piece.remove_prefix(kSpaceMark.size());
    if (marked_join) piece.remove_prefix(kJoinMark.size());
    if (piece.empty()) continue;
    const bool space =
        !sentence.empty() && (marked_space || (!marked_join && rule.space_before(piece)));
    if (space) sentence += ' ';
    sentence += piece;
    rule.advance(piece, space);
  }
  return sentence;
}

}  // namespace unroll::text
