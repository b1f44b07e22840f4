// Words and punctuation: where a sentence is cut, and how its pieces go back together.
//
// A piece is one of
//   - a run of letters, combining marks and numbers; between two digits one "." or "," belongs to
//     the run ("1,000.5");
//   - an apostrophe (' or U+2019) with its letters. Between two letters it goes to the right with
//     the English endings s t d m ll re ve ("don't" -> don 't), to the left otherwise, which is
//     French elision ("l'homme" -> l' homme, "qu'il" -> qu' il);
//   - any other visible character by itself.
// White space, control characters and the two marks below only separate pieces.
//
// Spacing. A fixed rule says from the neighbours whether a space stands between two pieces: none
// before . , ; : ? ! and closing brackets, none after opening ones, straight quotes by turns
// opening and closing, none around a hyphen or slash, none at a clitic, one elsewhere. Where a
// sentence departs from the rule, its token says so with a mark in front: kSpaceMark for a space
// that the rule would not put ("Quoi ?" -> Quoi ▁?), kJoinMark for one missing ("f(x)" -> f ￭( x ).
// Tokens are plain wherever text is ordinary, and joining what was split gives the sentence back
// exactly, runs of separators becoming one space.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unroll::text {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
inline constexpr std::string_view kJoinMark = "\xEF\xBF\xAD";   // U+FFED

struct Piece {
  std::string text;
  bool space_before = false;  // false for the first piece of a sentence
  bool operator==(const Piece&) const = default;
};

/// The pieces of `sentence`, without marks. Throws ValueError for ill-formed UTF-8.
std::vector<Piece> split_pieces(std::string_view sentence);

/// The pieces of `sentence` as tokens, marked where the spacing departs from the rule. Throws
/// ValueError for ill-formed UTF-8.
std::vector<std::string> split_words(std::string_view sentence);

/// The sentence of `tokens`: spaces as the marks say, and by the rule where there is none.
std::string join_words(const std::vector<std::string>& tokens);

/// Whether `code_point` ends a piece without being part of one: white space, control characters and
/// the marks.
bool is_separator(char32_t code_point);

}  // namespace unroll::text
