#include <unroll/text/bpe.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <unordered_map>

#include <unroll/autograd/error.h>
#include <unroll/text/bpe_learner.h>
#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

constexpr std::size_t kCacheWords = std::size_t{1} << 17;
constexpr std::size_t kCacheWordBytes = 64;

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

struct Rule {
  std::int32_t rank;
  std::int32_t result;
};

// A stretch of the word being encoded; merged stretches form a list linked both ways.
struct Stretch {
  std::string text;
  std::int32_t symbol;
  std::ptrdiff_t previous;
  std::ptrdiff_t next;
};

struct Candidate {
  std::int32_t rank;
  std::ptrdiff_t left;
  std::int32_t left_symbol;
  std::int32_t right_symbol;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

constexpr std::ptrdiff_t kNowhere = -1;

[[noreturn]] void refuse_repeated(const std::string& left, const std::string& right) {
  throw ValueError("Bpe: merge of \"" + left + "\" and \"" + right +
                   "\" given twice; expected distinct merges");
}

}  // namespace

struct Bpe::State {
  std::vector<Merge> merges;
  SymbolTable symbols;
  std::unordered_map<std::uint64_t, Rule> rules;
  mutable std::shared_mutex mutex;  // guards cache
  mutable std::unordered_map<std::string, std::vector<std::string>, StringHash, std::equal_to<>>
      cache;

  std::vector<std::string> encode(std::string_view word) const;
};

Bpe Bpe::learn(const TokenCounts& words, int merge_count) {
  return Bpe(learn_merges(words, merge_count));
}

Bpe::Bpe(std::vector<Merge> merges) {
  auto state = std::make_shared<State>();
  for (const auto& [left, right] : merges) {
    for (const std::string& part : {left, right}) {
      if (state->symbols.find(part) == kNoSymbol && decode_utf8(part).size() != 1) {
        throw ValueError("Bpe: merge " + std::to_string(state->rules.size()) + " has the part \"" +
                         part + "\"; expected one code point or the result of an earlier merge");
      }
    }
    const std::uint64_t key = pair_key(state->symbols.add(left), state->symbols.add(right));
    const Rule rule{static_cast<std::int32_t>(state->rules.size()),
                    state->symbols.add(left + right)};
    if (!state->rules.emplace(key, rule).second) refuse_repeated(left, right);
  }
  state->merges = std::move(merges);
  state_ = std::move(state);
}

std::vector<std::string> Bpe::encode(std::string_view word) const {
  {
    const std::shared_lock lock(state_->mutex);
    if (const auto found = state_->cache.find(word); found != state_->cache.end()) {
      return found->second;
    }
  }
  std::vector<std::string> pieces = state_->encode(word);
  if (word.size() <= kCacheWordBytes) {
    const std::unique_lock lock(state_->mutex);
    if (state_->cache.size() < kCacheWords) state_->cache.emplace(word, pieces);
  }
  return pieces;
}

const std::vector<Bpe::Merge>& Bpe::merges() const { return state_->merges; }

std::vector<std::string> Bpe::State::encode(std::string_view word) const {
  std::vector<Stretch> stretches;
  for (const char32_t code_point : decode_utf8(word)) {
    std::string text = encode_utf8(std::u32string_view(&code_point, 1));
    const std::int32_t symbol = symbols.find(text);
    const auto at = static_cast<std::ptrdiff_t>(stretches.size());
    stretches.push_back({std::move(text), symbol, at - 1, at + 1});
  }
  if (stretches.empty()) return {};
  stretches.back().next = kNowhere;

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto at = [&](std::ptrdiff_t i) -> Stretch& {
    return stretches[static_cast<std::size_t>(i)];
  };
  const auto consider = [&](std::ptrdiff_t left) {
    if (left == kNowhere || at(left).next == kNowhere) return;
    const std::int32_t a = at(left).symbol;
    const std::int32_t b = at(at(left).next).symbol;
    if (a == kNoSymbol || b == kNoSymbol) return;
    if (const auto rule = rules.find(pair_key(a, b)); rule != rules.end()) {
      queue.push({rule->second.rank, left, a, b});
    }
  };
  for (std::size_t i = 0; i + 1 < stretches.size(); ++i) consider(static_cast<std::ptrdiff_t>(i));

  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Stretch& left = at(candidate.left);
    // A stretch merged away keeps an empty text; a candidate for it is out of date.
    if (left.text.empty() || left.symbol != candidate.left_symbol || left.next == kNowhere)
      continue;
    Stretch& right = at(left.next);
    if (right.symbol != candidate.right_symbol) continue;
    left.symbol = rules.at(pair_key(left.symbol, right.symbol)).result;
    left.text += right.text;
    left.next = right.next;
    right.text.clear();
    if (left.next != kNowhere) at(left.next).previous = candidate.left;
    consider(left.previous);
    consider(candidate.left);
  }

  std::vector<std::string> pieces;
  for (Stretch& stretch : stretches) {
    if (!stretch.text.empty()) pieces.push_back(std::move(stretch.text));
  }
  return pieces;
}

}  // namespace unroll::text
