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
  explicit Turning(Program& program) : program_(program) {}

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
    std::vector<std::uint32_t> sums;  // and products that stand alone
    for (const std::uint32_t s : program_.order) {
      if (is_sum(s) || (!is_term[s] && rows_of(s) >= kLeastRows)) {
        if (way_back(products_of(s)) != nullptr) sums.push_back(s);
      }
    }
    if (sums.empty()) return;
    program_.count_uses();
    std::vector<std::uint32_t> order;
    auto next = sums.begin();
    for (const std::uint32_t s : program_.order) {
      order.push_back(s);
      if (next == sums.end() || *next != s) continue;
      ++next;
      const auto terms = program_.inputs_of(program_.steps[s]);
      const bool alone = !is_sum(s) || std::ranges::all_of(terms, [&](std::uint32_t term) {
        return program_.values[term].uses == 1 && !program_.values[term].keep;
      });
      if (alone) order.push_back(turn(s));
    }
    program_.order = std::move(order);
  }

 private:
  bool is_sum(std::uint32_t s) const {
    const Program::Step& step = program_.steps[s];
    return step.kind == Program::Kind::op && step.op == &accumulate_op();
  }

  /// Of the first operand of an op whose result is a matrix; else 0.
  std::int64_t rows_of(std::uint32_t s) const {
    const Program::Step& step = program_.steps[s];
    if (step.kind != Program::Kind::op || step.input_count == 0 ||
        program_.values[step.output].type->shape.rank() != 2) {
      return 0;
    }
    const Shape& first = program_.values[program_.inputs_of(step)[0]].type->shape;
    return first.rank() == 2 ? first[0] : 0;
  }

  /// The steps whose results a sum adds up; of any other step, itself.
  const std::vector<std::uint32_t>& products_of(std::uint32_t s) {
    products_.clear();
    if (!is_sum(s)) {
      products_.push_back(s);
    } else {
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        products_.push_back(program_.values[input].step);
      }
    }
    return products_;
  }

  /// What turns back the results of all of these, if they have rows enough together; else null.
  const Op* way_back(const std::vector<std::uint32_t>& products) {
    const Op* back = nullptr;
    std::int64_t rows = 0;
    for (const std::uint32_t p : products) {
      if (p == Program::kNone || rows_of(p) == 0) return nullptr;
      const Program::Step& step = program_.steps[p];
      const Op* const own = step.op->turned(signature_of(program_, step, types_));
      if (own == nullptr || (back != nullptr && own != back)) return nullptr;
      back = own;
      rows += rows_of(p);
    }
    return rows >= kLeastRows ? back : nullptr;
  }

  /// Returns the step that turns back.
  std::uint32_t turn(std::uint32_t s) {
    const Op* const back = way_back(products_of(s));
    std::vector<std::uint32_t> terms;
    for (const std::uint32_t p : products_) {
      const auto old = program_.inputs_of(program_.steps[p]);
      const std::vector<std::uint32_t> swapped{old[1], old[0]};
      program_.set_inputs(program_.steps[p], swapped);
      if (p != s) terms.push_back(turned(p));
    }
    if (is_sum(s)) program_.set_inputs(program_.steps[s], terms);
    const std::uint32_t result = program_.steps[s].output, before = turned(s);
    const Program::Step like = program_.steps[s];
    return program_.add_step(Program::Kind::op, back, std::span(&before, 1), result, like);
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
  std::vector<std::uint32_t> products_;
};

}  // namespace

void turn(Program& program) { Turning(program).run(); }

}  // namespace unroll::passes
