#include <unroll/text/vocabulary.h>

#include <algorithm>
#include <array>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

constexpr std::array<std::string_view, kFirstToken> kSpecialNames = {"<pad>", "<unk>", "<bos>",
                                                                     "<eos>"};

bool is_special_name(std::string_view token) {
  return std::find(kSpecialNames.begin(), kSpecialNames.end(), token) != kSpecialNames.end();
}

}  // namespace

Vocabulary::Vocabulary() : tokens_(kSpecialNames.begin(), kSpecialNames.end()) {}

Vocabulary::Vocabulary(const std::vector<std::string>& tokens) : Vocabulary() {
  for (const std::string& token : tokens) {
    if (token.empty() || is_special_name(token) || find_invalid_utf8(token)) {
      throw ValueError("Vocabulary: token \"" + replace_invalid_utf8(token) +
                       "\"; expected non-empty UTF-8 other than <pad> <unk> <bos> <eos>");
    }
    if (!ids_.emplace(token, static_cast<std::int32_t>(tokens_.size())).second) {
      throw ValueError("Vocabulary: token \"" + token + "\" given twice; expected distinct tokens");
    }
    tokens_.push_back(token);
  }
}

Vocabulary Vocabulary::build(const TokenCounts& counts, const VocabularyOptions& options) {
  if (options.max_size > 0 && options.max_size < kSpecialNames.size()) {
    throw ValueError("Vocabulary::build: max_size " + std::to_string(options.max_size) +
                     "; expected 0 or room for the 4 special ids");
  }
  std::vector<std::pair<std::int64_t, std::string>> ranking;
  for (const auto& [token, count] : counts) {
    if (count < options.min_count || token.empty() || is_special_name(token)) continue;
    ranking.emplace_back(-count, token);
  }
  std::sort(ranking.begin(), ranking.end());
  if (options.max_size > 0) {
    ranking.resize(std::min(ranking.size(), options.max_size - kSpecialNames.size()));
  }
  std::vector<std::string> tokens;
  tokens.reserve(ranking.size());
  for (auto& [rank, token] : ranking) tokens.push_back(std::move(token));
  return Vocabulary(tokens);
}

std::int32_t Vocabulary::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? kUnk : found->second;
}

const std::string& Vocabulary::token(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) {
    throw ValueError("Vocabulary::token: id " + std::to_string(id) + "; expected 0 to " +
                     std::to_string(tokens_.size() - 1));
  }
  return tokens_[static_cast<std::size_t>(id)];
}

std::vector<std::int32_t> Vocabulary::encode(const std::vector<std::string>& tokens,
                                             Ends ends) const {
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size() + 2);
  if (ends.bos) ids.push_back(kBos);
  for (const std::string& token : tokens) ids.push_back(id(token));
  if (ends.eos) ids.push_back(kEos);
  return ids;
}

std::vector<std::string> Vocabulary::decode(const std::vector<std::int32_t>& ids) const {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    if (id == kEos) break;
    if (id != kPad && id != kBos) tokens.push_back(token(id));
  }
  return tokens;
}

}  // namespace unroll::text
