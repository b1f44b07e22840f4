// What the passes make of programs, in figures. A pass that no longer finds what it looks for
// changes no result, only these; so does one that finds more, for which they are to be set anew.
#include <unroll/autograd/plan.h>
#include <unroll/tests/autograd/mixed_programs.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Sums over the plans of several programs.
struct Figures {
  std::size_t ops = 0;           ///< steps that are one op
  std::size_t fused = 0;         ///< steps that are a formula
  std::size_t instructions = 0;  ///< in these formulas
  std::size_t registers = 0;     ///< of these formulas
  std::size_t outputs = 0;       ///< of these formulas
  std::size_t assemblies = 0;    ///< steps that copy or clear
  std::size_t copies = 0;        ///< in these
  std::size_t accumulating = 0;  ///< steps that add to what is there
  std::size_t bytes = 0;         ///< of memory for values that are not kept
};

std::string to_string(const Figures& f) {
  std::string text;
  for (const std::size_t n : {f.ops, f.fused, f.instructions, f.registers, f.outputs, f.assemblies,
                              f.copies, f.accumulating, f.bytes}) {
    text += (text.empty() ? "" : ", ") + std::to_string(n);
  }
  return text;
}

/// Adds the plan of a loss and its gradients.
void add_plan(Figures& figures, Tape& tape, const ParameterSet& parameters, const Variable& loss) {
  Variables wrt;
  for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
  const Variables outputs{loss}, one{tape.constant(1, loss.dtype())};
  std::vector<std::uint32_t> roots{loss.index()};
  for (const Variable& g : vector_jacobian_product(outputs, one, wrt)) {
    if (g.defined()) roots.push_back(g.index());
  }
  const Plan plan = make_plan(tape.state(), roots, Keep::roots);
  figures.bytes += plan.work_bytes;
  for (const Plan::Step& step : plan.steps) {
    figures.accumulating += step.accumulate ? 1 : 0;
    if (step.kind == Program::Kind::op) ++figures.ops;
    if (step.kind == Program::Kind::fused) {
      ++figures.fused;
      figures.instructions += plan.fused[step.extra].instructions.size();
      figures.registers += plan.fused[step.extra].registers;
      figures.outputs += step.output_count;
    }
    if (step.kind == Program::Kind::assemble) {
      ++figures.assemblies;
      figures.copies += plan.assemblies[step.extra].copies.size();
    }
  }
}

/// Of long and wide LSTMs, and random programs; in float64, for which nothing is packed.
Figures figures_with(const TapeOptions& options) {
  Figures figures;
  for (const auto& [steps, batch] : {std::pair(30, 3), {5, 300}}) {
    const ParameterSet parameters = lstm_parameters(5, 4, Dtype::float64);
    Tape tape(options);
    add_plan(figures, tape, parameters, lstm_loss(tape, parameters, steps, batch));
  }
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const ParameterSet parameters = program_parameters(Dtype::float64);
    Tape tape(options);
    add_plan(figures, tape, parameters, random_program(tape, parameters, seed));
  }
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    ParameterSet parameters = seed % 2 == 0 ? mixed_parameters(4, 6) : mixed_parameters(6, 17);
    parameters.to(Dtype::float64);
    Tape tape(options);
    add_plan(figures, tape, parameters, MixedProgram(tape, parameters, seed, 1).record(30).loss);
  }
  return figures;
}

}  // namespace

#ifndef __clang__  // which evaluates operands in another order, and so gets other random programs
TEST_CASE("what the passes make of programs", "[passes]") {
  constexpr unsigned kAll = (1u << kSwitches.size()) - 1, kBatch = 1, kFuse = 2, kPlace = 4,
                     kAccumulate = 8, kReuse = 64;
  const std::vector<std::pair<TapeOptions, Figures>> expected{
      {options_of(0), {13670, 0, 0, 0, 0, 723, 937, 0, 8059520}},
      {options_of(kAll), {5288, 1142, 10445, 2500, 3317, 453, 515, 180, 1601152}},
      {options_of(kAll - kBatch), {5724, 1135, 10211, 2504, 3233, 420, 320, 370, 1230080}},
      {options_of(kAll - kFuse), {12845, 0, 0, 0, 0, 524, 839, 920, 1661696}},
      {options_of(kAll - kPlace), {5288, 1142, 10445, 2500, 3317, 636, 1491, 180, 1802176}},
      {options_of(kAll - kAccumulate), {5276, 1178, 10516, 2535, 3353, 453, 515, 0, 1646208}},
      {options_of(kAll - kReuse), {5288, 1142, 10445, 2500, 3317, 453, 515, 180, 3515456}},
      {options_of(kAll, {.memory_budget = 1}),
       {6780, 1405, 12451, 2985, 3694, 522, 670, 169, 1283136}},
      {options_of(kAll, {.memory_budget = 8000}),
       {6031, 1330, 11703, 2862, 3566, 504, 642, 167, 1312832}},
      {options_of(kAll, {.memory_budget = 30000}),
       {5497, 1183, 10746, 2585, 3364, 469, 546, 182, 1398336}},
      {options_of(kAll - kBatch, {.memory_budget = 1}),
       {7354, 1410, 12359, 3065, 3614, 490, 461, 402, 817280}},
      {options_of(kAll - kFuse, {.memory_budget = 1}),
       {16513, 0, 0, 0, 0, 601, 1032, 907, 1274240}},
      {options_of(kAll - kPlace, {.memory_budget = 1}),
       {6780, 1405, 12451, 2985, 3694, 745, 1831, 169, 1423296}},
  };
  for (const auto& [options, figures] : expected) {
    INFO(unroll::testing::to_string(options));
    CHECK(to_string(figures_with(options)) == to_string(figures));
  }
}
#endif
