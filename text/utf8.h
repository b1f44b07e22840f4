// UTF-8 text: checking, repairing, decoding, NFC and NFD, lower case, and the classes of characters
// that the tokenizers and metrics ask about. A position is always a byte offset from 0.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::text {

/// What some programs put in front of UTF-8 text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// The offset of the first byte that does not begin a well-formed sequence; nothing when all of
/// `bytes` is valid UTF-8. Overlong forms, surrogates and values above U+10FFFF are ill-formed.
std::optional<std::size_t> find_invalid_utf8(std::string_view bytes);

/// `bytes` with each ill-formed sequence turned into one U+FFFD; valid text comes back unchanged.
std::string replace_invalid_utf8(std::string_view bytes);

/// The code points of `text`. Throws ValueError naming the first bad byte of ill-formed text.
std::u32string decode_utf8(std::string_view text);

/// UTF-8 of `code_points`. Throws ValueError for a surrogate or a value above U+10FFFF.
std::string encode_utf8(std::u32string_view code_points);

/// `text` in Unicode normalisation form C: letters and their marks as one code point where there is
/// one. Throws ValueError for ill-formed text.
std::string nfc(std::string_view text);
/// `text` in normalisation form D: letters and their marks apart, Hangul syllables as jamo. Throws
/// ValueError for ill-formed text.
std::string nfd(std::string_view text);

/// `text` with each code point in its simple lower-case form (one code point to one, independent of
/// any locale). Throws ValueError for ill-formed text.
std::string lower_case(std::string_view text);

/// White space as Unicode sees it: general category Zs or bidirectional class WS, B or S; includes
/// tab, line ends and the no-break spaces, not U+200B.
bool is_space(char32_t code_point);

/// A letter, a combining mark or a number (general categories L, M and N).
bool is_word_character(char32_t code_point);

/// A decimal digit of any script (general category Nd).
bool is_digit(char32_t code_point);

/// A control character (general category Cc).
bool is_control(char32_t code_point);

/// True if there is nothing but white space in `text`. Throws ValueError for ill-formed text.
bool is_blank(std::string_view text);

/// The non-empty parts of `text` between runs of white space. Throws ValueError for ill-formed
/// text.
std::vector<std::string> split_on_space(std::string_view text);

/// The code points of `text`, each as text of its own. Throws ValueError for ill-formed text.
std::vector<std::string> split_characters(std::string_view text);

}  // namespace unroll::text
