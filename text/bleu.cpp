#include <unroll/text/bleu.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/text/ngram_overlap.h>
#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

bool is_point(char c) { return c == '.' || c == ','; }

// ASCII punctuation other than ' , - and .; the space belongs to the class but changes nothing.
bool stands_alone(char c) {
  const auto in = [c](char first, char last) { return c >= first && c <= last; };
  return in('{', '~') || in('[', '`') || in(' ', '&') || in('(', '+') || in(':', '@') || c == '/';
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string set_punctuation_apart(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (stands_alone(c)) {
      out += {' ', c, ' '};
    } else {
      out += c;
    }
  }
  return out;
}

// Sets a pair of neighbours that `applies` to apart, with a space at each of the places asked for.
// Pairs do not overlap: after a change the search goes on behind it.
template <typename Applies>
std::string separate(const std::string& text, Applies applies, bool before, bool after) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 == text.size() || !applies(text[i], text[i + 1])) {
      out += text[i];
      continue;
    }
    if (before) out += ' ';
    out += {text[i], ' ', text[i + 1]};
    if (after) out += ' ';
    ++i;
  }
  return out;
}

// Gives each distinct word of a corpus a number, so that n-grams are compared as numbers.
class WordNumbers {
 public:
  std::vector<std::int32_t> of(std::string_view sentence) {
    std::vector<std::int32_t> numbers;
    for (std::string& word : tokenize_13a(sentence)) {
      const auto next = static_cast<std::int32_t>(numbers_.size());
      numbers.push_back(numbers_.emplace(std::move(word), next).first->second);
    }
    return numbers;
  }

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
};

std::string without_trailing_space(std::string_view text) {
  std::u32string code_points = decode_utf8(text);
  while (!code_points.empty() && is_space(code_points.back())) code_points.pop_back();
  return encode_utf8(code_points);
}

void compute_score(BleuScore& bleu) {
  const auto hypothesis = static_cast<double>(bleu.hypothesis_length);
  const auto reference = static_cast<double>(bleu.reference_length);
  if (hypothesis < reference) {
    bleu.brevity_penalty = hypothesis > 0 ? std::exp(1 - reference / hypothesis) : 0;
  }
  if (std::all_of(bleu.matches.begin(), bleu.matches.end(), [](auto n) { return n == 0; })) return;
  double smoothing = 1;
  double log_sum = 0;
  for (std::size_t n = 0; n < kBleuOrder; ++n) {
    if (bleu.totals[n] == 0) return;
    if (bleu.matches[n] == 0) smoothing *= 2;
    const double matches =
        bleu.matches[n] == 0 ? 1 / smoothing : static_cast<double>(bleu.matches[n]);
    bleu.precisions[n] = 100 * matches / static_cast<double>(bleu.totals[n]);
    log_sum += std::log(bleu.precisions[n]);
  }
  bleu.score = bleu.brevity_penalty * std::exp(log_sum / kBleuOrder);
}

}  // namespace

std::vector<std::string> tokenize_13a(std::string_view sentence) {
  std::string text = without_trailing_space(replace_invalid_utf8(sentence));
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  // Bytes will do: all tests are for ASCII, and no byte of a longer character is ASCII.
  text = set_punctuation_apart(" " + text + " ");
  text = separate(
      text, [](char a, char b) { return !is_ascii_digit(a) && is_point(b); }, false, true);
  text = separate(
      text, [](char a, char b) { return is_point(a) && !is_ascii_digit(b); }, true, false);
  text = separate(
      text, [](char a, char b) { return is_ascii_digit(a) && b == '-'; }, false, true);
  return split_on_space(text);
}

BleuScore corpus_bleu(const std::vector<std::string>& hypotheses,
                      const std::vector<std::string>& references) {
  if (hypotheses.empty() || hypotheses.size() != references.size()) {
    throw ValueError("corpus_bleu: " + std::to_string(hypotheses.size()) + " hypotheses, " +
                     std::to_string(references.size()) +
                     " references; expected as many of each, at least one");
  }
  BleuScore bleu;
  WordNumbers numbers;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const std::vector<std::int32_t> hypothesis = numbers.of(hypotheses[i]);
    const std::vector<std::int32_t> reference = numbers.of(references[i]);
    bleu.hypothesis_length += static_cast<std::int64_t>(hypothesis.size());
    bleu.reference_length += static_cast<std::int64_t>(reference.size());
    for (std::size_t n = 1; n <= kBleuOrder; ++n) {
      const NgramOverlap overlap = ngram_overlap(hypothesis, reference, n);
      bleu.matches[n - 1] += overlap.matches;
      bleu.totals[n - 1] += overlap.hypothesis;
    }
  }
  compute_score(bleu);
  return bleu;
}

}  // namespace unroll::text
