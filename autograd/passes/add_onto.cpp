// Pass: a product that is added to another value starts its sums with that value's elements, and
// the result takes its memory. So the input products of a cell, computed before the time loop,
// become the gates where they are, and nobody reads both products to add them.
#include <algorithm>
#include <tuple>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

class Adding {
 public:
  explicit Adding(Program& program) : program_(program) { program_.count_uses(); }

  void run() {
    for (const std::uint32_t s : program_.order) find_sum(s);
    if (sums_.empty()) return;
    find_apart();
    std::vector<std::uint32_t> instead(program_.steps.size(), Program::kNone);
    for (const Sum& sum : sums_) {
      if (!is_apart_[sum.term]) continue;
      instead[sum.step] = join(sum);
      instead[instead[sum.step]] = sum.step;
    }
    // A product moves to where the sum was: the term need not be there before.
    std::vector<std::uint32_t> order;
    for (const std::uint32_t s : program_.order) {
      if (instead[s] == Program::kNone) {
        order.push_back(s);
      } else if (program_.steps[s].removed) {
        order.push_back(instead[s]);
      }
    }
    program_.order = std::move(order);
  }

 private:
  struct Sum {
    std::uint32_t step, product, term;  ///< a step and its two operands
  };

  const Program::Value& value(std::uint32_t v) const { return program_.values[v]; }

  void find_sum(std::uint32_t s) {
    const Program::Step& step = program_.steps[s];
    if (!adds_two(step) || value(step.output).keep) return;
    const auto terms = program_.inputs_of(step);
    for (const std::size_t i : {1, 0}) {  // what a cell adds last depends on the step before
      const bool fits = *value(terms[0]).type == *value(terms[1]).type &&
                        *value(terms[0]).type == *value(step.output).type;
      if (fits && is_product(terms[i]) && gives_memory(terms[1 - i])) {
        sums_.push_back({s, terms[i], terms[1 - i]});
        return;
      }
    }
  }

  bool adds_two(const Program::Step& step) const {
    if (step.kind != Program::Kind::op || step.input_count != 2) return false;
    if (step.op == &accumulate_op()) return true;
    const Formula* const formula = step.op->formula();
    return formula != nullptr && formula->inputs == 2 && formula->instructions.size() == 1 &&
           formula->instructions[0].code == Code::add && formula->uses(0) && formula->uses(1);
  }

  /// A product that only the sum reads.
  bool is_product(std::uint32_t v) {
    if (value(v).step == Program::kNone || value(v).owner != Program::kNone || value(v).keep ||
        value(v).uses != 1) {
      return false;
    }
    const Program::Step& step = program_.steps[value(v).step];
    return step.kind == Program::Kind::op && step.op->traits().accumulates &&
           step.op->row_rule(signature_of(program_, step, types_)) == Rows::independent;
  }

  /// Something that only the sum reads, in memory of this run that is written in one piece and
  /// would be so without the sum: a fused step neither writes pointwise results nor slices.
  bool gives_memory(std::uint32_t v) {
    const std::uint32_t owner = program_.home(v).owner;
    if (value(v).uses != 1 || value(owner).keep || value(owner).step == Program::kNone) {
      return false;
    }
    const Program::Step& step = program_.steps[value(owner).step];
    if (step.kind != Program::Kind::op) return false;
    return owner != v || (step.op->formula() == nullptr && !step.op->traits().broadcasts &&
                          !step.op->taken(signature_of(program_, step, types_)));
  }

  /// Which terms share no memory with anything else that is read.
  void find_apart() {
    std::vector<bool> is_looked_at(program_.values.size(), false);
    for (const Sum& sum : sums_) is_looked_at[program_.home(sum.term).owner] = true;
    struct Read {
      std::uint32_t owner;
      std::int64_t begin, end;
      std::uint32_t value;
    };
    std::vector<Read> reads;
    for (const std::uint32_t s : program_.order) {
      for (const std::uint32_t v : program_.inputs_of(program_.steps[s])) {
        const auto [owner, begin] = program_.home(v);
        if (!is_looked_at[owner]) continue;
        reads.push_back(
            {owner, begin, begin + static_cast<std::int64_t>(value(v).type->bytes()), v});
      }
    }
    std::ranges::sort(reads, {}, [](const Read& r) { return std::tuple(r.owner, r.begin); });
    is_apart_.assign(program_.values.size(), false);
    std::int64_t end = 0;  // of what was read so far
    for (std::size_t i = 0; i < reads.size(); ++i) {
      if (i == 0 || reads[i - 1].owner != reads[i].owner) end = 0;
      const bool is_last = i + 1 == reads.size() || reads[i + 1].owner != reads[i].owner;
      is_apart_[reads[i].value] =
          reads[i].begin >= end && (is_last || reads[i + 1].begin >= reads[i].end);
      end = std::max(end, reads[i].end);
    }
  }

  /// Lets the product do the sum's work. Returns its step.
  std::uint32_t join(const Sum& sum) {
    const std::uint32_t s = value(sum.product).step, output = program_.steps[sum.step].output;
    const auto [owner, offset] = program_.home(sum.term);
    const auto old = program_.inputs_of(program_.steps[s]);
    std::vector<std::uint32_t> inputs(old.begin(), old.end());
    inputs.push_back(sum.term);  // not read: it has to be there
    program_.set_inputs(program_.steps[s], inputs);
    program_.make_alias(output, owner, offset);
    program_.steps[s].output = output;
    program_.steps[s].accumulate = true;
    program_.values[output].step = s;
    program_.steps[sum.step].removed = true;
    return s;
  }

  Program& program_;
  std::vector<Sum> sums_;
  std::vector<bool> is_apart_;  ///< per value
  RecycledVector<const Type*> types_;
};

}  // namespace

void add_onto(Program& program) { Adding(program).run(); }

}  // namespace unroll::passes
