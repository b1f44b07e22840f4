// The tasks of the program `long_memory`.
#include <unroll/examples/tasks/parts/memory_tasks.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/lines.h>

namespace unroll::tasks {

namespace {

constexpr auto kSymbols = MemoryTask::kSymbols, kCopied = MemoryTask::kCopied;

struct Term {
  float number;
  bool marked;
};

MemoryBatch adding(const std::vector<std::vector<Term>>& sequences) {
  const std::size_t batch = sequences.size(), steps = sequences[0].size();
  const auto width = static_cast<std::int64_t>(batch);
  MemoryBatch result{Tensor({static_cast<std::int64_t>(steps), width, 2}, Dtype::float32),
                     Tensor({width}, Dtype::float32)};
  const auto x = result.inputs.mutable_data<float>(), y = result.targets.mutable_data<float>();
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t t = 0; t < steps; ++t) {
      const Term& term = sequences[b][t];
      x[(t * batch + b) * 2] = term.number;
      x[(t * batch + b) * 2 + 1] = term.marked ? 1.0F : 0.0F;
      if (term.marked) y[b] += term.number;
    }
  }
  return result;
}

/// The inputs are one-hot: the symbols, "nothing", and "now repeat".
MemoryBatch copying(const std::vector<std::vector<std::int32_t>>& sequences, std::int64_t pause) {
  constexpr std::int64_t kBlank = kSymbols, kNow = kSymbols + 1, kWidth = kSymbols + 2;
  const auto batch = static_cast<std::int64_t>(sequences.size());
  const std::int64_t steps = pause + 2 * kCopied;
  MemoryBatch result{Tensor({steps, batch, kWidth}, Dtype::float32),
                     Tensor({kCopied, batch}, Dtype::int32)};
  const auto x = result.inputs.mutable_data<float>();
  const auto y = result.targets.mutable_data<std::int32_t>();
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t b = 0; b < batch; ++b) {
      std::int64_t symbol = t == pause + kCopied - 1 ? kNow : kBlank;
      if (t < kCopied) {
        symbol = sequences[static_cast<std::size_t>(b)][static_cast<std::size_t>(t)];
        y[static_cast<std::size_t>(t * batch + b)] = static_cast<std::int32_t>(symbol);
      }
      x[static_cast<std::size_t>((t * batch + b) * kWidth + symbol)] = 1;
    }
  }
  return result;
}

std::vector<Term> random_terms(Random& random, std::int64_t steps) {
  std::vector<Term> terms(static_cast<std::size_t>(steps));
  for (Term& term : terms) term = {static_cast<float>(random.uniform()), false};
  const std::size_t half = terms.size() / 2;
  for (const std::size_t begin : {std::size_t{0}, half}) {
    terms[begin + random.below(static_cast<std::uint32_t>(half))].marked = true;
  }
  return terms;
}

}  // namespace

void MemoryTask::check() const {
  if (name != "adding" && name != "copy") {
    throw ValueError("--task: got \"" + name + "\"; expected adding or copy");
  }
  if (steps < 2) throw ValueError(fmt::format("--steps: got {}; expected 2 at least", steps));
}

MemoryBatch MemoryTask::batch(std::span<const std::size_t> numbers, std::uint64_t seed) const {
  std::vector<std::vector<Term>> terms;
  std::vector<std::vector<std::int32_t>> symbols;
  for (const std::size_t number : numbers) {
    Random random(mix(seed, number));
    if (is_adding()) {
      terms.push_back(random_terms(random, steps));
    } else {
      auto& drawn = symbols.emplace_back(kCopied);
      for (auto& one : drawn) one = static_cast<std::int32_t>(random.below(kSymbols));
    }
  }
  return is_adding() ? adding(terms) : copying(symbols, steps);
}

MemoryBatch MemoryTask::of_line(const std::string& line) const {
  if (!is_adding()) {
    std::vector<std::int32_t> symbols;
    for (const float number : numbers_of(line, kCopied)) {
      symbols.push_back(static_cast<std::int32_t>(number));
      if (symbols.back() < 0 || symbols.back() >= kSymbols ||
          static_cast<float>(symbols.back()) != number) {
        throw ValueError(fmt::format("got the symbol {}; expected 0 to {}", number, kSymbols - 1));
      }
    }
    return copying({symbols}, steps);
  }
  std::vector<Term> terms;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    std::string word = line.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    const bool marked = word.ends_with('*');
    if (marked) word.pop_back();
    terms.push_back({numbers_of(word, 1)[0], marked});
  }
  const auto marks = std::ranges::count_if(terms, &Term::marked);
  if (marks != 2) throw ValueError(fmt::format("got {} marked numbers; expected 2", marks));
  const auto missing = std::max<std::ptrdiff_t>(0, steps - std::ssize(terms));
  terms.insert(terms.begin() + std::ssize(terms) / 2, static_cast<std::size_t>(missing),
               {0.5F, false});
  return adding({terms});
}

}  // namespace unroll::tasks
