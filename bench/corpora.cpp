// Reading Multi30k and the Penn Treebank.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <unordered_map>

#include <unroll/autograd/random.h>
#include <unroll/bench/corpora.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/token_counts.h>
#include <unroll/text/vocabulary.h>

namespace unroll::bench {

namespace {

using Words = std::vector<std::string>;

std::vector<Words> lines_of(const std::filesystem::path& path) {
  text::LineReader reader(path);
  std::vector<Words> lines;
  for (std::string line; reader.next(line);) {
    std::istringstream words(line);
    Words& tokens = lines.emplace_back();
    for (std::string word; words >> word;) tokens.push_back(word);
  }
  return lines;
}

text::Vocabulary vocabulary_of(const std::vector<Words>& lines) {
  text::TokenCounts counts;
  for (const Words& line : lines) text::add_counts(counts, line);
  return text::Vocabulary::build(counts, {.min_count = 2});
}

/// An id in [first, count), about as often as the word of that rank occurs (Zipf's law).
std::int32_t random_word(Random& random, std::int32_t first, std::int64_t count) {
  const auto range = static_cast<double>(count - first);
  return std::min(static_cast<std::int32_t>(count - 1),
                  first + static_cast<std::int32_t>(std::pow(range, random.uniform())) - 1);
}

void say_made_up(const char* what) {
  std::cerr << "unroll_bench: no " << what << " (--data), so tokens are made up\n";
}

}  // namespace

Sentences translation_pairs(const std::string& data, std::size_t count) {
  Random random(7);
  Sentences result;
  const std::filesystem::path folder = std::filesystem::path(data) / "multi30k" / "tok";
  const auto german = folder / "train.lc.norm.tok.de.gz",
             english = folder / "train.lc.norm.tok.en.gz";
  if (!data.empty() && std::filesystem::exists(german) && std::filesystem::exists(english)) {
    const std::vector<Words> source = lines_of(german), target = lines_of(english);
    const text::Vocabulary from = vocabulary_of(source), to = vocabulary_of(target);
    result.source_vocabulary = static_cast<std::int64_t>(from.size());
    result.target_vocabulary = static_cast<std::int64_t>(to.size());
    while (result.source.size() < count) {
      const std::size_t line = random.below(static_cast<std::uint32_t>(source.size()));
      result.source.push_back(from.encode(source[line], {.bos = true, .eos = true}));
      result.target.push_back(to.encode(target[line], {.bos = true, .eos = true}));
    }
    return result;
  }
  say_made_up("multi30k");
  result.source_vocabulary = 7'859;
  result.target_vocabulary = 5'921;
  const auto sentence = [&](double mean, double deviation, std::int64_t vocabulary) {
    const auto length =
        static_cast<std::size_t>(std::max(4.0, std::round(mean + deviation * random.normal())));
    Ids ids(length + 2);
    for (std::int32_t& id : ids) id = random_word(random, text::kFirstToken, vocabulary);
    ids.front() = text::kBos;
    ids.back() = text::kEos;
    return ids;
  };
  while (result.source.size() < count) {
    result.source.push_back(sentence(12.4, 4.2, result.source_vocabulary));
    result.target.push_back(sentence(13.0, 4.0, result.target_vocabulary));
  }
  return result;
}

Ids treebank(const std::string& data, std::size_t count) {
  Ids ids;
  const std::filesystem::path file = std::filesystem::path(data) / "ptb" / "ptb.train.txt.gz";
  if (!data.empty() && std::filesystem::exists(file)) {
    std::unordered_map<std::string, std::int32_t> known;
    for (Words& line : lines_of(file)) {
      line.push_back("<eos>");
      for (const std::string& word : line) {
        ids.push_back(
            known.try_emplace(word, static_cast<std::int32_t>(known.size())).first->second);
        if (ids.size() == count) return ids;
      }
    }
    return ids;
  }
  say_made_up("ptb");
  Random random(8);
  while (ids.size() < count) ids.push_back(random_word(random, 0, kTreebankWords));
  return ids;
}

}  // namespace unroll::bench
