// Pass: matrices that several products read are laid out once, in the order the kernel wants. The
// layout of a parameter stays with it until it changes, for all tapes. With bfloat16 the matrices
// of single products are laid out too: that is where they are rounded.
#include <cstring>
#include <map>
#include <utility>

#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

/// Laying out a matrix costs about as much as reading it for so many rows.
constexpr std::int64_t kFewestRows = 16;

struct Use {
  std::uint32_t products = 0;
  std::int64_t rows = 0;
  std::uint32_t packed = Program::kNone;  ///< value
};

}  // namespace

void pack(Program& program, bool bf16) {
  std::map<std::pair<std::uint32_t, bool>, Use> uses;
  RecycledVector<const Type*> types;
  const auto packing_of = [&](const Program::Step& step) {
    if (step.kind != Program::Kind::op || step.input_count < 2) return Packing{};
    return step.op->packing(signature_of(program, step, types), bf16);
  };
  for (const std::uint32_t s : program.order) {
    const Program::Step& step = program.steps[s];
    const Packing packing = packing_of(step);
    if (packing.pack == nullptr) continue;
    Use& use = uses[{program.inputs_of(step)[packing.operand], packing.transposed}];
    ++use.products;
    use.rows += program.values[program.inputs_of(step)[0]].type->shape[0];
  }
  std::vector<std::uint32_t> order;
  for (const std::uint32_t s : program.order) {
    const Packing packing = packing_of(program.steps[s]);
    if (packing.pack != nullptr) {
      const std::uint32_t matrix = program.inputs_of(program.steps[s])[packing.operand];
      Use& use = uses[{matrix, packing.transposed}];
      const bool is_parameter = program.values[matrix].parameter != Program::kNone;
      if (bf16 || is_parameter || (use.products > 1 && use.rows >= kFewestRows)) {
        if (use.packed == Program::kNone) {
          Program::Step like;
          like.where = program.steps[s].where;
          like.attributes = static_cast<std::uint32_t>(program.attributes.size());
          const bool transposed = packing.transposed;
          program.attributes.resize(program.attributes.size() + sizeof(transposed));
          std::memcpy(&program.attributes[like.attributes], &transposed, sizeof(transposed));
          const Type* const type = program.values[matrix].type;
          use.packed = program.add_value(packing.pack->infer(
              {std::span(&type, 1), Attributes(&program.attributes[like.attributes])}));
          program.values[use.packed].shared = is_parameter;
          order.push_back(program.add_step(Program::Kind::op, packing.pack, std::span(&matrix, 1),
                                           use.packed, like));
        }
        Program::Step& step = program.steps[s];
        step.op = packing.product;
        const auto old = program.inputs_of(step);
        std::vector<std::uint32_t> inputs(old.begin(), old.end());
        inputs[packing.operand] = use.packed;
        program.set_inputs(step, inputs);
      }
    }
    order.push_back(s);
  }
  program.order = std::move(order);
}

}  // namespace unroll::passes
