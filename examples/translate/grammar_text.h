// Putting words together: what the English and the French writer share.
#pragma once

#include <string>
#include <vector>

namespace unroll::translate {

/// The words of a sentence in order; a word may be "," to set a comma.
using Words = std::vector<std::string>;

inline void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

/// Joins words with spaces (none before a comma), makes the first letter a capital and puts `end`
/// at the end. The first letter must be ASCII, which holds for all sentences of the grammar.
inline std::string finish_sentence(const Words& words, const std::string& end) {
  std::string text;
  for (const std::string& word : words) {
    const bool glued = text.empty() || word == "," || text.back() == '\'';
    if (!glued) text += ' ';
    text += word;
  }
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + end;
}

}  // namespace unroll::translate
