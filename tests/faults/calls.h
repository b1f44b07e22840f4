// Calls: a right call of every public function with its arguments, as one line of a table each. The
// tests of this directory spoil an argument at a time, empty an axis, or put a NaN somewhere.
#pragma once

#include <any>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/tensor.h>

namespace unroll::testing {

class World;

/// One argument of a right call.
struct Argument {
  enum class Kind { array, whole, number };
  std::string name;
  Kind kind = Kind::array;
  Tensor value{};           ///< array: recorded on the tape before the call
  std::int64_t bound = -1;  ///< array of ids: each is in [lowest, bound)
  std::int64_t lowest = 0;
  bool huge = true;          ///< array: may have more elements than memory, for nothing is computed
  double number = 0;         ///< whole, number
  double low = 0, high = 0;  ///< whole: the legal ones
  bool narrow = false;       ///< whole: an int
  std::function<bool(double)> legal{};  ///< number
  /// Spoils that make another legal call, by name; "axis*" stands for all that begin so.
  std::string accepts{};

  Argument but(std::string legal_spoils) const {
    Argument result = *this;
    result.accepts = std::move(legal_spoils);
    return result;
  }
};

/// Numbers like 0.3, -0.2, 0.7, different for every `seed`.
Argument array(std::string name, const Shape& shape, int seed = 1, double low = -1,
               double high = 1);
/// Ids 0, 1, ..., bound - 1 again and again.
Argument ids(std::string name, const Shape& shape, std::int64_t bound, std::int64_t lowest = 0);
/// true, false, true, true, ...
Argument mask(std::string name, const Shape& shape);
/// A whole number with its domain; `narrow` if the function takes an int.
Argument whole(std::string name, std::int64_t value, double low, double high, bool narrow = false);
/// An axis of an array of this rank.
Argument axis(std::int64_t value, int rank);
Argument number(std::string name, double value, std::function<bool(double)> legal);

inline bool any_number(double) { return true; }
inline bool fraction(double x) { return x >= 0 && x < 1; }
inline bool probability(double x) { return x >= 0 && x <= 1; }
inline bool not_negative(double x) { return x >= 0; }
inline bool finite_positive(double x) { return x > 0 && x < HUGE_VAL; }
inline bool finite_not_negative(double x) { return x >= 0 && x < HUGE_VAL; }

/// What a call gives: Variables, or numbers of any other kind as tensors.
struct Result {
  Result() = default;
  Result(const Variable& one) : variables{one} {}                       // NOLINT
  Result(Variables all) : variables(std::move(all)) {}                  // NOLINT
  Result(const Tensor& one) : tensors{one} {}                           // NOLINT
  Result(double one) : tensors{Tensor::scalar(one, Dtype::float64)} {}  // NOLINT
  Variables variables;
  std::vector<Tensor> tensors;
};

struct Call {
  std::string function;  ///< as messages name it
  std::vector<Argument> arguments;
  std::function<Result(World&)> call;
  /// Makes what the call needs beside its arguments: a layer, an optimiser.
  std::function<void(World&)> prepare = {};
  bool has_place = true;  ///< messages begin with the caller's line
};

/// Every call registered so far; registration happens at namespace scope.
std::vector<Call>& all_calls();

/// Registers a line of the table.
struct Line {
  Line(Call call) { all_calls().push_back(std::move(call)); }  // NOLINT(google-explicit-*)
};

/// A tape with the arguments of a call on it, parameters, and what else the call needs.
class World {
 public:
  explicit World(const Call& call, TapeOptions options = {});

  /// A Variable for the call; remembers the line, which a message has to name.
  const Variable& x(std::size_t i, Location at = Location::current()) {
    lines.push_back(at);
    return variables[i];
  }
  const Tensor& tensor(std::size_t i) const { return tensors[i]; }
  std::int64_t n(std::size_t i) const { return static_cast<std::int64_t>(wholes[i]); }
  int i(std::size_t i) const { return static_cast<int>(wholes[i]); }
  double d(std::size_t i) const { return numbers[i]; }
  template <class T>
  T& made() {
    return *std::any_cast<std::shared_ptr<T>&>(own);
  }
  template <class T>
  void make(T value) {
    own = std::make_shared<T>(std::move(value));
  }
  Scope scope() { return parameters.scope("net"); }

  /// All that a failed call must not change, as text.
  std::string state() const;

  Tape tape, other;
  ParameterSet parameters{1};
  std::vector<Variable> variables;  ///< per argument
  std::vector<Tensor> tensors;      ///< the same values, not on a tape
  std::vector<std::int64_t> wholes;
  std::vector<double> numbers;
  Variable stale, closed;
  std::vector<Location> lines;  ///< of the call
  std::any own;
  std::function<std::string()> own_state;  ///< of what `prepare` made
};

/// The values of a result, computed; the bytes of parameters made by the call included.
std::vector<Tensor> bits_of(World& world, const Result& result);
/// A text that is the same only for the same bits.
std::string fingerprint(const Tensor& tensor);

}  // namespace unroll::testing
