// The only file that sees utfcpp and utf8proc.
#include <unroll/text/utf8.h>

#include <utf8.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>

#include <unroll/autograd/error.h>

namespace unroll::text {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void require_valid(std::string_view text, const char* function) {
  if (const auto position = find_invalid_utf8(text)) {
    throw ValueError(std::string(function) + ": ill-formed UTF-8 at byte " +
                     std::to_string(*position) + "; expected valid UTF-8");
  }
}

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

std::string normalized(std::string_view text, const char* form, utf8proc_option_t option) {
  if (is_ascii(text)) return std::string(text);
  require_valid(text, form);
  utf8proc_uint8_t* buffer = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &buffer,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | option));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(buffer, &std::free);
  if (length < 0) {
    throw ValueError(form + std::string(": ") + utf8proc_errmsg(length) + "; expected valid UTF-8");
  }
  return std::string(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(length));
}

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view bytes) {
  const auto invalid = utf8::find_invalid(bytes.begin(), bytes.end());
  if (invalid == bytes.end()) return std::nullopt;
  return static_cast<std::size_t>(invalid - bytes.begin());
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  utf8::replace_invalid(bytes.begin(), bytes.end(), std::back_inserter(text), 0xFFFD);
  return text;
}

std::u32string decode_utf8(std::string_view text) {
  require_valid(text, "decode_utf8");
  std::u32string code_points;
  code_points.reserve(text.size());
  for (auto it = text.begin(); it != text.end();) {
    code_points.push_back(static_cast<char32_t>(utf8::next(it, text.end())));
  }
  return code_points;
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string text;
  text.reserve(code_points.size());
  for (const char32_t code_point : code_points) {
    try {
      utf8::append(code_point, std::back_inserter(text));
    } catch (const utf8::invalid_code_point&) {
      throw ValueError("encode_utf8: value " + std::to_string(static_cast<unsigned>(code_point)) +
                       "; expected a Unicode scalar value");
    }
  }
  return text;
}

std::string nfc(std::string_view text) { return normalized(text, "nfc", UTF8PROC_COMPOSE); }
std::string nfd(std::string_view text) { return normalized(text, "nfd", UTF8PROC_DECOMPOSE); }

std::string lower_case(std::string_view text) {
  std::u32string code_points = decode_utf8(text);
  for (char32_t& code_point : code_points) {
    code_point = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
  }
  return encode_utf8(code_points);
}

bool is_space(char32_t code_point) {
  if (code_point < 0x80) {
    return code_point == U' ' || (code_point >= 0x09 && code_point <= 0x0D) ||
           (code_point >= 0x1C && code_point <= 0x1F);
  }
  const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
  return property->category == UTF8PROC_CATEGORY_ZS ||
         property->bidi_class == UTF8PROC_BIDI_CLASS_WS ||
         property->bidi_class == UTF8PROC_BIDI_CLASS_B ||
         property->bidi_class == UTF8PROC_BIDI_CLASS_S;
}

bool is_word_character(char32_t code_point) {
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
  }
}

bool is_digit(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_ND; }

bool is_control(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_CC; }

bool is_blank(std::string_view text) {
  require_valid(text, "is_blank");
  for (auto it = text.begin(); it != text.end();) {
    if (!is_space(static_cast<char32_t>(utf8::next(it, text.end())))) return false;
  }
  return true;
}

std::vector<std::string> split_on_space(std::string_view text) {
  const std::u32string code_points = decode_utf8(text);
  std::vector<std::string> parts;
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    begin = std::find_if_not(begin, code_points.end(), is_space);
    const auto end = std::find_if(begin, code_points.end(), is_space);
    if (begin != end) parts.push_back(encode_utf8(std::u32string(begin, end)));
    begin = end;
  }
  return parts;
}

std::vector<std::string> split_characters(std::string_view text) {
  std::vector<std::string> characters;
  for (const char32_t c : decode_utf8(text)) characters.push_back(encode_utf8({&c, 1}));
  return characters;
}

}  // namespace unroll::text
