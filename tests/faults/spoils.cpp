// The spoils of arrays: rank, extents, sizes beyond any memory, dtype, ids, and handles to nothing;
// those of numbers: whatever is outside of their domain.
#include <unroll/tests/faults/spoils.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

namespace unroll::testing {

namespace {

/// "axis*" stands for all names that begin with "axis".
bool listed(const std::string& list, const std::string& name) {
  std::istringstream words(list);
  for (std::string word; words >> word;) {
    if (word.ends_with('*') ? name.starts_with(word.substr(0, word.size() - 1)) : name == word) {
      return true;
    }
  }
  return false;
}

Spoil shaped(const std::string& name, const Argument& argument, const Shape& shape) {
  const Dtype dtype = argument.value.dtype();
  return {name,
          // A constant takes no memory until it is computed.
          [=](World& w, std::size_t i) { w.variables[i] = w.tape.constant(0, dtype, shape); }};
}

void add_shapes(const Argument& argument, std::vector<Spoil>& spoils) {
  const Shape& shape = argument.value.shape();
  spoils.push_back(shaped("rank+", argument, shape.inserted(0, 2)));
  if (shape.rank() > 0) spoils.push_back(shaped("rank-", argument, shape.without(0)));
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::string name = fmt::format("axis{}", axis);
    spoils.push_back(shaped(name + "+1", argument, shape.with(axis, shape[axis] + 1)));
    spoils.push_back(shaped(name + "=0", argument, shape.with(axis, 0)));
    for (const int bits : {31, 32, 40, 45}) {
      if (!argument.huge) break;
      spoils.push_back(shaped(fmt::format("{}=2^{}", name, bits), argument,
                              shape.with(axis, std::int64_t{1} << bits)));
    }
  }
}

void add_dtypes(const Argument& argument, std::vector<Spoil>& spoils) {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::bool_}) {
    if (dtype == argument.value.dtype()) continue;
    const Tensor value = argument.value.to(dtype);
    spoils.push_back({std::string(name_of(dtype)),
                      [=](World& w, std::size_t i) { w.variables[i] = w.tape.input(value); }});
  }
}

void add_ids(const Argument& argument, std::vector<Spoil>& spoils) {
  if (argument.bound < 0 || argument.value.size() == 0) return;
  constexpr auto kLargest = std::numeric_limits<std::int32_t>::max();
  for (const std::int64_t id :
       {argument.bound, argument.lowest - 1, std::int64_t{kLargest}, std::int64_t{-kLargest - 1}}) {
    Tensor value = argument.value;
    value.mutable_data<std::int32_t>().back() = static_cast<std::int32_t>(id);
    spoils.push_back({fmt::format("id{}", id),
                      [=](World& w, std::size_t i) { w.variables[i] = w.tape.input(value); },
                      fmt::format("{}", id), true});
  }
}

void add_handles(std::vector<Spoil>& spoils) {
  spoils.push_back(
      {"undefined", [](World& w, std::size_t i) { w.variables[i] = Variable(); }, "empty"});
  spoils.push_back(
      {"moved-from",
       [](World& w, std::size_t i) { const Variable taken = std::move(w.variables[i]); }, "empty"});
  spoils.push_back(
      {"stale", [](World& w, std::size_t i) { w.variables[i] = w.stale; }, "Tape::reset"});
  spoils.push_back(
      {"closed", [](World& w, std::size_t i) { w.variables[i] = w.closed; }, "no longer exists"});
  spoils.push_back({"foreign",
                    [](World& w, std::size_t i) { w.variables[i] = w.other.input(w.tensors[i]); },
                    "tape"});
}

void add_wholes(const Argument& argument, std::vector<Spoil>& spoils) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t n :
       {kLeast, -(std::int64_t{1} << 62), -(std::int64_t{1} << 40), -(std::int64_t{1} << 32),
        -(std::int64_t{1} << 31), std::int64_t{-7}, std::int64_t{-1}, std::int64_t{0},
        std::int64_t{7}, (std::int64_t{1} << 31) - 1, std::int64_t{1} << 31, std::int64_t{1} << 32,
        std::int64_t{1} << 40, std::int64_t{1} << 61, std::int64_t{1} << 62, kMost}) {
    if (argument.narrow && n != static_cast<int>(n)) continue;
    const auto value = static_cast<double>(n);
    if (value >= argument.low && value <= argument.high) continue;
    spoils.push_back({fmt::format("{}", n), [=](World& w, std::size_t i) { w.wholes[i] = n; },
                      fmt::format("{}", n)});
  }
}

void add_numbers(const Argument& argument, std::vector<Spoil>& spoils) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double x : {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity, -1e300,
                         -1.0, -1e-300, -0.0, 0.0, 1.0, 1.5, 1e300}) {
    if (argument.legal(x)) continue;
    spoils.push_back({fmt::format("{}", x), [=](World& w, std::size_t i) { w.numbers[i] = x; },
                      std::isfinite(x) ? ""
                      : std::isnan(x)  ? "nan"
                                       : "inf"});
  }
}

}  // namespace

std::vector<Spoil> spoils_of(const Argument& argument) {
  std::vector<Spoil> spoils;
  switch (argument.kind) {
    case Argument::Kind::array:
      add_shapes(argument, spoils);
      add_dtypes(argument, spoils);
      add_ids(argument, spoils);
      add_handles(spoils);
      break;
    case Argument::Kind::whole: add_wholes(argument, spoils); break;
    case Argument::Kind::number: add_numbers(argument, spoils); break;
  }
  for (Spoil& spoil : spoils) spoil.legal = listed(argument.accepts, spoil.name);
  return spoils;
}

}  // namespace unroll::testing
