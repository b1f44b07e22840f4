// Real token sequences for W5 and W6, or made-up ones with the same statistics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unroll::bench {

using Ids = std::vector<std::int32_t>;

/// Sentences and their translations; ids as in <unroll/text/vocabulary.h>, targets with begin and
/// end.
struct Sentences {
  std::vector<Ids> source, target;
  std::int64_t source_vocabulary = 0, target_vocabulary = 0;
};

/// `count` random pairs of Multi30k's training set, German to English, lower-cased tokens that
/// occur at least twice; from DATA/multi30k/tok. Says so on standard error if it has to make them
/// up.
Sentences translation_pairs(const std::string& data, std::size_t count);

/// How many different words there are in the Penn Treebank as Mikolov prepared it.
inline constexpr std::int64_t kTreebankWords = 10'000;
/// The first `count` tokens of its training set, ids in [0, kTreebankWords); from DATA/ptb.
Ids treebank(const std::string& data, std::size_t count);

}  // namespace unroll::bench
