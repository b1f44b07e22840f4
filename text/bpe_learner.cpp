// Pair counts are kept up to date incrementally: a merge visits only the words that hold its pair.
#include <unroll/text/bpe_learner.h>

#include <queue>
#include <set>
#include <unordered_set>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

struct Word {
  std::vector<std::int32_t> symbols;
  std::int64_t count;
};

struct Pair {
  std::int64_t count = 0;
  std::vector<std::uint32_t> words;  // those that held it at some time, perhaps twice
};

struct Entry {
  std::int64_t count;
  std::uint64_t key;
  bool operator<(const Entry& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class Learner {
 public:
  explicit Learner(const TokenCounts& counts) {
    std::set<char32_t> alphabet;
    for (const auto& [text, count] : counts) {
      if (count < 0) {
        throw ValueError("Bpe::learn: count " + std::to_string(count) + " of \"" + text +
                         "\"; expected counts from 0");
      }
      for (const char32_t code_point : decode_utf8(text)) alphabet.insert(code_point);
    }
    for (const char32_t code_point : alphabet) {
      symbols_.add(encode_utf8(std::u32string_view(&code_point, 1)));
    }
    for (const auto& [text, count] : counts) {
      Word word{{}, count};
      for (const char32_t code_point : decode_utf8(text)) {
        word.symbols.push_back(symbols_.find(encode_utf8(std::u32string_view(&code_point, 1))));
      }
      count_pairs(word, count);
      const auto index = static_cast<std::uint32_t>(words_.size());
      for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i) {
        remember(pair_key(word.symbols[i], word.symbols[i + 1]), index);
      }
      words_.push_back(std::move(word));
    }
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  std::vector<std::pair<std::string, std::string>> learn(std::size_t merge_count) {
    std::vector<std::pair<std::string, std::string>> merges;
    std::unordered_set<std::uint64_t> learned;
    while (merges.size() < merge_count && !queue_.empty()) {
      const Entry entry = queue_.top();
      queue_.pop();
      const std::int64_t count = pairs_[entry.key].count;
      if (count <
          entry.count) {  // counts that fell are corrected here, counts that rose in merge()
        if (count > 0) queue_.push({count, entry.key});
        continue;
      }
      if (count > entry.count) continue;
      if (count < kMinimumCount) break;
      const auto left = static_cast<std::int32_t>(entry.key >> 32);
      const auto right = static_cast<std::int32_t>(entry.key & 0xFFFFFFFFu);
      // A pair can come back when another pair spells one of its parts; it is no new merge then.
      if (learned.insert(entry.key).second) {
        merges.emplace_back(symbols_.text(left), symbols_.text(right));
      }
      merge(entry.key, left, right);
    }
    return merges;
  }

 private:
  static constexpr std::int64_t kMinimumCount = 2;

  void count_pairs(const Word& word, std::int64_t change) {
    for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      pairs_[pair_key(word.symbols[i], word.symbols[i + 1])].count += change;
    }
  }

  void remember(std::uint64_t key, std::uint32_t word) {
    std::vector<std::uint32_t>& words = pairs_[key].words;
    if (words.empty() || words.back() != word) words.push_back(word);
  }

  void merge(std::uint64_t key, std::int32_t left, std::int32_t right) {
    const std::int32_t result = symbols_.add(symbols_.text(left) + symbols_.text(right));
    const std::vector<std::uint32_t> holders = std::exchange(pairs_[key].words, {});
    std::unordered_set<std::uint64_t> risen;
    for (const std::uint32_t index : holders) {
      Word& word = words_[index];
      std::vector<std::int32_t> merged;
      for (std::size_t i = 0; i < word.symbols.size(); ++i) {
        const bool here =
            word.symbols[i] == left && i + 1 < word.symbols.size() && word.symbols[i + 1] == right;
        merged.push_back(here ? result : word.symbols[i]);
        if (here) ++i;
      }
      if (merged.size() == word.symbols.size()) continue;
      count_pairs(word, -word.count);
      word.symbols = std::move(merged);
      count_pairs(word, word.count);
      for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i) {
        if (word.symbols[i] != result && word.symbols[i + 1] != result) continue;
        const std::uint64_t touched = pair_key(word.symbols[i], word.symbols[i + 1]);
        remember(touched, index);
        risen.insert(touched);
      }
    }
    for (const std::uint64_t touched : risen) queue_.push({pairs_[touched].count, touched});
  }

  SymbolTable symbols_;
  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Pair> pairs_;
  std::priority_queue<Entry> queue_;
};

}  // namespace

std::int32_t SymbolTable::add(const std::string& text) {
  const auto [found, added] = numbers_.emplace(text, static_cast<std::int32_t>(texts_.size()));
  if (added) texts_.push_back(text);
  return found->second;
}

std::int32_t SymbolTable::find(const std::string& text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? kNoSymbol : found->second;
}

const std::string& SymbolTable::text(std::int32_t symbol) const {
  return texts_[static_cast<std::size_t>(symbol)];
}

std::vector<std::pair<std::string, std::string>> learn_merges(const TokenCounts& words,
                                                              int merge_count) {
  if (merge_count < 0) {
    throw ValueError("Bpe::learn: " + std::to_string(merge_count) + " merges; expected 0 or more");
  }
  return Learner(words).learn(static_cast<std::size_t>(merge_count));
}

}  // namespace unroll::text
