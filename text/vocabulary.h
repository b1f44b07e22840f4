// Tokens and their ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <unroll/text/token_counts.h>

namespace unroll::text {

/// The ids that mean no token of the text: padding, an unknown token, begin and end of a sentence.
inline constexpr std::int32_t kPad = 0;
inline constexpr std::int32_t kUnk = 1;
inline constexpr std::int32_t kBos = 2;
inline constexpr std::int32_t kEos = 3;
inline constexpr std::int32_t kFirstToken = 4;

struct VocabularyOptions {
  std::int64_t min_count = 1;  // rarer tokens are left out
  std::size_t max_size = 0;    // most ids, the four special ones included; 0: no limit
};

/// Which of <bos> and <eos> encode() puts around a sentence.
struct Ends {
  bool bos = false;
  bool eos = false;
};

class Vocabulary {
 public:
  /// Only the four special ids.
  Vocabulary();

  /// The ids kFirstToken and up are `tokens` in this order. Throws ValueError for a token that is
  /// empty, given twice, ill-formed UTF-8 or one of <pad> <unk> <bos> <eos>.
  explicit Vocabulary(const std::vector<std::string>& tokens);

  /// The tokens of `counts`, the most frequent first and equally frequent ones by their bytes.
  /// Empty tokens and the names of the special ids are passed over. Throws ValueError for
  /// ill-formed UTF-8 or a max_size from 1 to 3.
  static Vocabulary build(const TokenCounts& counts, const VocabularyOptions& options = {});

  /// How many ids there are.
  std::size_t size() const { return tokens_.size(); }

  /// The id of `token`, or kUnk. Text that looks like a special name, "<eos>" say, is kUnk: no
  /// sentence can end itself.
  std::int32_t id(std::string_view token) const;

  /// The token of `id`; <pad> <unk> <bos> <eos> for the special ids. Throws ValueError for an id
  /// outside [0, size()).
  const std::string& token(std::int32_t id) const;

  /// The ids of `tokens`.
  std::vector<std::int32_t> encode(const std::vector<std::string>& tokens, Ends ends = {}) const;

  /// The tokens of `ids` up to the first kEos, without kPad and kBos; kUnk gives "<unk>". Throws
  /// ValueError for an id outside [0, size()).
  std::vector<std::string> decode(const std::vector<std::int32_t>& ids) const;

  bool operator==(const Vocabulary& other) const { return tokens_ == other.tokens_; }

  /// The vocabulary as JSON text, and back. from_json() throws ValueError for text that is not
  /// JSON, for a missing, unknown or wrongly typed field, and for tokens the constructor refuses.
  std::string to_json() const;
  static Vocabulary from_json(std::string_view json);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  std::vector<std::string> tokens_;  // by id
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
};

}  // namespace unroll::text
