// Pass: products over many rows go the way round that the kernel prefers, and what they add up to
// is turned back once. The gradient x^T dz of a wide matrix [in, gates * hidden] is computed as
// (dz^T x)^T: the left factor is read where it lies, only the right one, here the narrow one, has
// to be laid out anew.
#include <algorithm>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

/// Turning back costs as much as a product of a few dozen rows.
constexpr std::int64_t kLeastRows = 1024;

class Turning {
 public:
  explicit Turning(Program& program) : program_(program) { program.count_uses(); }

  void run() {
    std::vector<bool> is_term(program_.steps.size(), false);
    for (const std::uint32_t s : program_.order) {
      if (!is_sum(s)) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        if (const std::uint32_t p = program_.values[input].step; p != Program::kNone) {
          is_term[p] = true;
        }
      }
    }
    std::vector<std::uint32_t> order;
    for (const std::uint32_t s : program_.order) {
      order.push_back(s);
      std::vector<std::uint32_t> products;
      if (is_sum(s)) {
        for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
          const Program::Value& term = program_.values[input];
          products.push_back(term.uses == 1 && !term.keep ? term.step : Program::kNone);
        }
      } else if (!is_term[s]) {
        products.push_back(s);
      }
      const Op* const back = way_back(products);
      if (back == nullptr) continue;
      std::vector<std::uint32_t> terms;
      for (const std::uint32_t p : products) {
        const auto old = program_.inputs_of(program_.steps[p]);
        const std::vector<std::uint32_t> swapped{old[1], old[0]};
        program_.set_inputs(program_.steps[p], swapped);
        if (p != s) terms.push_back(turned(p));
      }
      if (is_sum(s)) program_.set_inputs(program_.steps[s], terms);
      const std::uint32_t result = program_.steps[s].output;
      const std::uint32_t before = turned(s);
      const Program::Step like = program_.steps[s];
      order.push_back(
          program_.add_step(Program::Kind::op, back, std::span(&before, 1), result, like));
    }
    program_.order = std::move(order);
  }

 private:
  bool is_sum(std::uint32_t s) const {
    const Program::Step& step = program_.steps[s];
    return step.kind == Program::Kind::op && step.op == &accumulate_op();
  }

  /// What turns back the results of all of these, if they have rows enough together; else null.
  const Op* way_back(const std::vector<std::uint32_t>& products) {
    const Op* back = nullptr;
    std::int64_t rows = 0;
    for (const std::uint32_t p : products) {
      if (p == Program::kNone || program_.steps[p].kind != Program::Kind::op) return nullptr;
      const Program::Step& step = program_.steps[p];
      const Signature call = signature_of(program_, step, types_);
      const Op* const own = step.op->turned(call);
      if (own == nullptr || (back != nullptr && own != back)) return nullptr;
      back = own;
      rows += call.input(0).shape[0];
    }
    return rows >= kLeastRows ? back : nullptr;
  }

  /// A new value for the step's result, turned.
  std::uint32_t turned(std::uint32_t s) {
    const Type& type = *program_.values[program_.steps[s].output].type;
    const std::uint32_t value =
        program_.add_value({type.dtype, Shape{type.shape[1], type.shape[0]}});
    program_.steps[s].output = value;
    program_.values[value].step = s;
    return value;
  }

  Program& program_;
  RecycledVector<const Type*> types_;
};

}  // namespace

void turn(Program& program) { Turning(program).run(); }

}  // namespace unroll::passes
