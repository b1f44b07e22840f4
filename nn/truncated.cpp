// Names of carried values.
#include <unroll/nn/truncated.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <unroll/autograd/error.h>

namespace unroll::nn::detail {

namespace {

constexpr std::size_t kMostShards = 1U << 16;

/// The number that `text` is, nothing for anything else.
std::optional<std::size_t> number_in(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::map<std::size_t, ShardValues> values_of_shards(const std::map<std::string, Tensor>& named) {
  std::map<std::size_t, ShardValues> shards;
  for (const auto& [name, value] : named) {
    const std::string_view text = name;
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::optional<std::size_t> shard = number_in(text.substr(0, dot));
    const std::string_view rest = text.substr(std::min(dot + 1, text.size()));
    const std::optional<std::size_t> variable = number_in(rest);
    if (!shard || *shard >= kMostShards || (!variable && rest != "anew")) {
      throw ValueError(
          fmt::format("TruncatedBPTT: got the name \"{}\"; expected <shard>.<variable>", name));
    }
    if (!variable && (value.dtype() != Dtype::bool_ || value.shape().rank() != 1)) {
      throw ValueError(fmt::format("TruncatedBPTT: got {} {} as \"{}\"; expected bool [batch]",
                                   name_of(value.dtype()), to_string(value.shape()), name));
    }
    if (variable) {
      shards[*shard].variables.emplace(*variable, value);
    } else {
      const auto flags = value.data<bool>();
      shards[*shard].anew.assign(flags.begin(), flags.end());
    }
  }
  return shards;
}

Tensor to_tensor(const std::vector<bool>& flags) {
  Tensor result(Shape{static_cast<std::int64_t>(flags.size())}, Dtype::bool_);
  std::ranges::copy(flags, result.mutable_data<bool>().begin());
  return result;
}

}  // namespace unroll::nn::detail
