// The examples of a task: of files, or made by the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/tensor.h>
#include <unroll/examples/tasks/parts/program.h>

namespace unroll::tasks {

template <class Example>
struct Split {
  std::vector<Example> training, validation;
};

template <class Example>
struct Source {
  std::function<std::vector<Example>(const std::string& path)> read;
  std::function<std::vector<Example>(std::size_t count, std::uint64_t seed)> generate;
  std::size_t generated = 4000;
  std::size_t held_out = 10;  ///< one example in so many is for validation, for want of a file

  /// Throws what `read` does, and IoError for a file without examples.
  std::vector<Example> of_file(const std::string& path) const {
    std::vector<Example> examples = read(path);
    if (examples.empty()) throw IoError(path + ": got no example; expected one at least");
    return examples;
  }
  Split<Example> training(const Settings& s) const {
    std::vector<Example> all =
        s.data.empty() ? generate(generated, mix(s.seed, 1)) : of_file(s.data);
    if (!s.valid.empty()) return {std::move(all), of_file(s.valid)};
    Split<Example> parts;
    const auto order = train::shuffled_batches(all.size(), all.size(), s.seed, 0).at(0);
    for (std::size_t k = 0; k < order.size(); ++k) {
      (k % held_out == 0 ? parts.validation : parts.training).push_back(std::move(all[order[k]]));
    }
    if (parts.training.empty()) throw ValueError(s.data + ": got one example; expected more");
    return parts;
  }
  std::vector<Example> test(const Settings& s) const {
    constexpr std::uint64_t kSeed = 77;
    return s.test.empty() ? generate(1000, kSeed) : of_file(s.test);
  }
  /// After training on a file, only another file makes a test.
  static bool has_test(const Settings& s) { return !s.test.empty() || s.data.empty(); }
};

/// The batches of each epoch over so many examples, for train::Task.
inline std::function<train::Batches(int)> shuffled(const Settings& s, std::size_t count) {
  return [count, size = s.batch, seed = s.seed](int epoch) {
    return train::shuffled_batches(count, size, seed, epoch);
  };
}

/// The labels of some examples, int32 [n].
inline Tensor labels_of(const std::vector<std::int32_t>& labels, train::Examples examples) {
  std::vector<std::int32_t> chosen;
  for (const std::size_t i : examples) chosen.push_back(labels[i]);
  return Tensor({static_cast<std::int64_t>(chosen.size())}, std::span<const std::int32_t>(chosen));
}

}  // namespace unroll::tasks
