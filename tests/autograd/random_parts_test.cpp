// The law of passes for random programs over parts of arrays: any passes and any memory budget give
// the values and gradients of eager execution, from one output and from several; and what is asked
// for after a parameter has changed is what it was before, or refused.
#include <unroll/autograd/error.h>
#include <unroll/tests/autograd/mixed_programs.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::uint64_t kFirst = 400;
/// A step has a result of which only an empty part is read, and another one for the same place.
constexpr std::uint64_t kTwoInOnePlace = 2576;

struct PartsProgram {
  std::uint64_t seed;

  Shape shape() const {
    const std::vector<Shape> shapes{{4, 6}, {1, 5}, {5, 1}, {1, 1},  {2, 3},  {0, 4},
                                    {3, 8}, {7, 3}, {4, 6}, {6, 17}, {2, 200}};
    return shapes[mix(seed, 3) % shapes.size()];
  }
  Recorded operator()(Tape& tape, const ParameterSet& parameters, std::uint64_t data) const {
    const std::uint64_t most = shape()[1] > 100 ? 8 : 30;
    const int ops = 1 + static_cast<int>(mix(seed, 5) % most);
    Recorded result = MixedProgram(tape, parameters, seed, data, {.parts = true}).record(ops);
    if (mix(seed, 4) % 3 == 0) add_gradients(result, tape, parameters, data);
    return result;
  }

 private:
  /// The gradients of several outputs, as values, and in the loss.
  static void add_gradients(Recorded& result, Tape& tape, const ParameterSet& parameters,
                            std::uint64_t data) {
    Variables wrt, cotangents;
    for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
    for (const Variable& output : result.values) {
      cotangents.push_back(
          data_input(tape, parameters, output.shape(), data, 50 + cotangents.size()));
    }
    for (const Variable& g : vector_jacobian_product(result.values, cotangents, wrt)) {
      if (!g.defined()) continue;
      result.loss = result.loss + sum(tanh(g));
      result.values.push_back(g);
    }
  }
};

/// All passes, with and without little memory, and some random ones.
std::vector<TapeOptions> drawn_options(std::uint64_t seed) {
  constexpr unsigned kAll = (1u << kSwitches.size()) - 1;
  std::vector<TapeOptions> list{options_of(kAll), options_of(kAll, {.memory_budget = 1})};
  Random random(mix(seed, 99));
  for (int i = 0; i < 4; ++i) {
    const unsigned mask = random.below(kAll + 1);
    const std::size_t budget = random.below(3) == 0 ? 1 + random.below(4000) : 0;
    list.push_back(options_of(mask, {.memory_budget = budget}));
  }
  return list;
}

/// Adds 1 to all parameters, in place; the values that they had.
std::vector<Tensor> changed(const ParameterSet& parameters) {
  std::vector<Tensor> before;
  for (const Parameter& p : parameters) {
    before.push_back(p.value());
    before.back().mutable_raw();  // a copy, so that the parameter keeps its memory
    for (double& x : p.update<double>()) x += 1;
  }
  return before;
}

}  // namespace

TEST_CASE("random programs over parts of arrays obey the law of passes", "[passes]") {
  constexpr double kTolerance = 1e-11;
  const auto programs = static_cast<std::uint64_t>(cases(1000, 20000));
  std::uint64_t refused = 0;
  for (std::uint64_t i = 0; i < programs; ++i) {
    const std::uint64_t seed = i == 0 ? kTwoInOnePlace : kFirst + i;
    const PartsProgram program{seed};
    const Recording model = program;
    ParameterSet parameters = mixed_parameters(program.shape()[0], program.shape()[1]);
    parameters.to(Dtype::float64);
    const Found expected = found_with({.eager = true}, model, parameters, 1);
    const Found other = found_with({.eager = true}, model, parameters, 2);
    for (const TapeOptions& options : drawn_options(seed)) {
      INFO("program " << seed << " over " << to_string(program.shape()) << ", "
                      << to_string(options));
      Tape tape(options);
      CHECK(difference(expected, found_on(tape, model, parameters, 1)) <= kTolerance);
      CHECK(difference(other, found_on(tape, model, parameters, 2)) <= kTolerance);

      tape.reset(1);
      const Recorded recorded = model(tape, parameters, 1);
      gradients(recorded.loss, parameters);
      const std::vector<Tensor> before = changed(parameters);
      for (std::size_t k = 0; k < recorded.values.size(); ++k) {
        Found late;
        try {
          late.push_back(recorded.values[k].value());
        } catch (const StateError&) {
          ++refused;
          continue;
        }
        CHECK(difference({expected[1 + k]}, late) <= kTolerance);
      }
      for (const Parameter& p : parameters) p.assign(before[p.index()]);
    }
  }
  CHECK(refused > programs);
}
