// Recording: leaves, operands, type checks. Nothing is computed here.
#include <unroll/autograd/tape.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/recorded.h>
#include <unroll/autograd/small_buffer.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

namespace {

constexpr std::size_t kFewOperands = 8;

/// The tape that the operands are on.
const Variable& tape_operand(std::span<const Operand> operands) {
  const Variable* found = nullptr;
  for (const Operand& operand : operands) {
    const Variable* variable = operand.variable();
    if (variable == nullptr) continue;
    variable->state();  // throws when stale
    if (found != nullptr && found->shared_state() != variable->shared_state()) {
      detail::refuse_two_tapes();
    }
    found = variable;
  }
  if (found == nullptr) {
    throw StateError(
        "no operand is on a tape; put one there by tape.input(...), tape.use(...) or, "
        "inside a layer, nn::use_like(x, parameter)");
  }
  return *found;
}

/// Numbers take the dtype of the first operand that has one.
Dtype dtype_for_numbers(std::span<const Operand> operands) {
  for (const Operand& operand : operands) {
    if (operand.variable() == nullptr && operand.parameter() == nullptr) continue;
    const Dtype dtype = operand.dtype(Dtype::float32);
    if (dtype != Dtype::bool_) return dtype;
  }
  return Dtype::float32;
}

/// Enters the newest node into the hash of the structure.
void hash_newest(TapeState& state) {
  const Node& node = state.nodes.back();
  const std::uint64_t place = reinterpret_cast<std::uintptr_t>(node.where.file) ^
                              (std::uint64_t{node.where.line} << 48) ^
                              std::uint64_t{node.differentiable};
  // Each link of the chain waits for the one before, so they are as few as can be.
  std::uint64_t h =
      hash_with(state.structure, hash_with(place, reinterpret_cast<std::uintptr_t>(node.op)));
  const auto inputs = state.inputs_of(node);
  for (std::size_t i = 0; i < inputs.size(); i += 2) {
    const std::uint32_t second = i + 1 < inputs.size() ? inputs[i + 1] : TapeState::kNone;
    h = hash_with(h, std::uint64_t{inputs[i]} << 32 | second);
  }
  const std::size_t bytes = node.op->attribute_bytes();
  std::uint64_t word = 0;
  for (std::size_t i = node.op->data_bytes(); i < bytes; i += sizeof(word)) {
    word = 0;
    std::memcpy(&word, state.attributes.data() + node.attributes + i,
                std::min(sizeof(word), bytes - i));
    h = hash_with(h, word);
  }
  if (node.input_count == 0) {
    h = hash_with(h, static_cast<std::uint64_t>(node.type->dtype));
    for (const std::int64_t extent : node.type->shape.extents()) {
      h = hash_with(h, static_cast<std::uint64_t>(extent));
    }
  }
  state.structure = h;
}

/// Operands and attributes are numbered by 32 bits.
void expect_room(const TapeState& state, std::size_t inputs, std::size_t attributes) {
  constexpr std::size_t kLimit = TapeState::kNone;
  if (state.inputs.size() + inputs >= kLimit || state.attributes.size() + attributes >= kLimit ||
      state.nodes.size() >= kLimit - 1) {
    throw StateError("the tape is full; reset it between passes");
  }
}

std::uint32_t leaf(TapeState& state, const Op& op, const Type& type, void* value,
                   const Location& where, std::span<const std::byte> attributes = {}) {
  expect_room(state, 0, attributes.size());
  const auto index = static_cast<std::uint32_t>(state.nodes.size());
  Node node;
  node.op = &op;
  node.first_input = static_cast<std::uint32_t>(state.inputs.size());
  node.attributes = static_cast<std::uint32_t>(state.attributes.size());
  node.type = state.types.hold(type);
  node.where = state.rule_location != nullptr ? *state.rule_location : where;
  state.attributes.insert(state.attributes.end(), attributes.begin(), attributes.end());
  state.nodes.push_back(node);
  state.values.push_back(value);
  state.value_of.push_back(TapeState::kNone);
  hash_newest(state);
  return index;
}

std::uint32_t parameter_node(TapeState& state, const Parameter& parameter, const Location& where) {
  if (!parameter.defined()) throw StateError("the parameter is empty; create it in a Scope");
  if (const std::uint32_t slot = state.parameter_slot(parameter); slot != 0) {
    return state.parameters[slot - 1].node;
  }
  const Tensor& value = parameter.value();
  return all_or_nothing(state, [&] {
    const std::uint32_t node = leaf(state, parameter_op(), {value.dtype(), value.shape()},
                                    const_cast<void*>(value.raw()), where);
    state.parameters.push_back({parameter, node, parameter.version()});
    state.parameter_slot(parameter) = static_cast<std::uint32_t>(state.parameters.size());
    return node;
  });
}

std::uint32_t constant_node(TapeState& state, double number, const Type& type,
                            const Location& where) {
  if (type.dtype == Dtype::int32 && (number != std::floor(number) ||
                                     std::abs(number) > std::numeric_limits<std::int32_t>::max())) {
    throw ValueError(fmt::format("{} is no int32; expected a whole number in range", number));
  }
  return all_or_nothing(state, [&] {
    return leaf(state, constant_op(), type, nullptr, where,
                std::as_bytes(std::span<const double, 1>(&number, 1)));
  });
}

std::uint32_t input_node(TapeState& state, Tensor value, const Location& where) {
  const Type type{value.dtype(), value.shape()};
  return all_or_nothing(state, [&] {
    state.leaves.push_back(std::move(value));
    return leaf(state, input_op(), type, const_cast<void*>(state.leaves.back().raw()), where);
  });
}

/// The node number of an operand, which is recorded now if it is not on the tape.
std::uint32_t node_of(TapeState& state, const Operand& operand, Dtype number_dtype) {
  if (operand.variable() != nullptr) return operand.variable()->index();
  if (operand.parameter() != nullptr) {
    return parameter_node(state, *operand.parameter(), operand.where());
  }
  const double number = operand.number();
  const bool fits_int32 = number == std::trunc(number) && std::abs(number) < 0x1p31;
  if (number_dtype == Dtype::int32 && !fits_int32) {
    throw DtypeError(
        fmt::format("{} stands beside int32; expected a whole number in its range", number));
  }
  return constant_node(state, number, {number_dtype, Shape{}}, operand.where());
}

/// The leaf that `make` records, for the line of `on_tape_of`.
template <class Make>
Variable beside(const Variable& on_tape_of, std::string_view function, Make make) {
  TapeState& state = on_tape_of.state();
  const Location where = state.nodes[on_tape_of.index()].where;
  const std::uint32_t index = blame_memory(where, function, [&] { return make(state, where); });
  return {on_tape_of.shared_state(), index, state.generation};
}

}  // namespace

Tape::Tape(TapeOptions options) {
  expect_supported(options, options.bf16 && has_bf16());
  state_ = blame_memory("Tape", [&] { return std::make_shared<TapeState>(options); });
}

Tape::~Tape() {
  if (state_ == nullptr) return;
  // Handles may outlive the tape: free its memory now and let them find out.
  const TapeOptions options = state_->options;
  const std::uint32_t generation = state_->generation;
  *state_ = TapeState(options);
  state_->generation = generation + 1;
  state_->closed = true;
}

Tape& Tape::operator=(Tape&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Variable Tape::input(Tensor value, Location at) {
  const std::uint32_t index =
      blame(at, "Tape::input", [&] { return input_node(state(), std::move(value), at); });
  return {state_, index, state_->generation};
}

Variable Tape::use(const Parameter& parameter, Location at) {
  const std::uint32_t index =
      blame(at, "Tape::use", [&] { return parameter_node(state(), parameter, at); });
  return {state_, index, state_->generation};
}

Variable Tape::constant(double number, Dtype dtype, const Shape& shape, Location at) {
  const std::uint32_t index = blame(at, "Tape::constant", [&] {
    return constant_node(state(), number, {dtype, shape}, at);
  });
  return {state_, index, state_->generation};
}

TapeState& Tape::state() const {
  if (state_ == nullptr) throw StateError("the tape was moved from; expected one with a state");
  return *state_;
}

void Tape::reset() { state().clear(); }

void Tape::reset(std::uint64_t seed) {
  state().clear();
  state().options.seed = seed;
}

std::size_t Tape::size() const { return state().nodes.size(); }
const TapeOptions& Tape::options() const { return state().options; }
void Tape::set_training(bool training) { state().options.training = training; }
std::size_t Tape::memory_bytes() const { return state().kept.bytes() + state().work.bytes(); }

Tape::NoGradient::NoGradient(std::shared_ptr<TapeState> state) : state_(std::move(state)) {
  ++state_->no_gradient_depth;
}
Tape::NoGradient::~NoGradient() { --state_->no_gradient_depth; }
Tape::NoGradient Tape::no_gradient() {
  state();  // throws if there is none
  return NoGradient(state_);
}

Variable record_bytes(const Op& op, std::span<const Operand> operands,
                      std::span<const std::byte> attributes) {
  static constexpr Location kNowhere;
  const Location& where = operands.empty() ? kNowhere : operands.front().where();
  return blame(where, op.name(), [&] {
    const Variable& anchor = tape_operand(operands);
    TapeState& state = anchor.state();
    const Dtype number_dtype = dtype_for_numbers(operands);
    SmallBuffer<std::uint32_t, kFewOperands> nodes(operands.size());
    const std::span<std::uint32_t> inputs = nodes.span();
    const std::uint32_t index = all_or_nothing(state, [&] {
      for (std::size_t i = 0; i < operands.size(); ++i) {
        inputs[i] = node_of(state, operands[i], number_dtype);
      }
      return record_node(state, op, inputs, attributes, where);
    });
    return Variable(anchor.shared_state(), index, state.generation);
  });
}

std::uint32_t record_node(TapeState& state, const Op& op, std::span<const std::uint32_t> inputs,
                          std::span<const std::byte> attributes, const Location& where) {
  if (attributes.size() != op.attribute_bytes()) {
    throw ValueError(fmt::format("{} bytes of attributes were recorded with it; it takes {}",
                                 attributes.size(), op.attribute_bytes()));
  }
  SmallBuffer<const Type*, kFewOperands> buffer(inputs.size());
  const std::span<const Type*> types = buffer.span();
  for (std::size_t i = 0; i < inputs.size(); ++i) types[i] = state.nodes[inputs[i]].type;

  expect_room(state, inputs.size(), attributes.size());

  const Signature call{types, Attributes(attributes.data())};
  const Type type = op.infer(call);
  const auto read_count = static_cast<std::uint32_t>(op.read_count(call));
  const auto index = static_cast<std::uint32_t>(state.nodes.size());
  // Of a node, perhaps, that moves when the list grows.
  const Location& place = state.rule_location != nullptr ? *state.rule_location : where;
  const char* const file = place.file;
  const std::uint32_t line = place.line;
  // Filled in where it is: a copy would have to wait until the parts are written.
  Node& node = state.nodes.emplace_back();
  node.op = &op;
  node.first_input = static_cast<std::uint32_t>(state.inputs.size());
  node.input_count = static_cast<std::uint32_t>(inputs.size());
  node.read_count = read_count;
  node.attributes = static_cast<std::uint32_t>(state.attributes.size());
  node.differentiable =
      state.no_gradient_depth == 0 && is_floating(type.dtype) && &op != &detach_op();
  node.where.file = file;
  node.where.line = line;
  node.type = state.types.hold(type);
  state.inputs.insert(state.inputs.end(), inputs.begin(), inputs.end());
  state.attributes.insert(state.attributes.end(), attributes.begin(), attributes.end());
  state.values.push_back(nullptr);
  state.value_of.push_back(TapeState::kNone);
  hash_newest(state);
  if (state.options.eager) run_now(state, index);
  return index;
}

Variable detach(const Operand& x) { return record(detach_op(), {x}); }

Variable on_tape(const Operand& x, const Operand& beside, std::string_view op) {
  if (x.variable() != nullptr) return *x.variable();
  return blame(x.where(), op, [&] {
    const Variable& anchor = tape_operand({&beside, 1});
    TapeState& state = anchor.state();
    const std::uint32_t index = node_of(state, x, beside.dtype(Dtype::float32));
    return Variable(anchor.shared_state(), index, state.generation);
  });
}

Variable constant_like(const Variable& on_tape_of, double number, Dtype dtype, const Shape& shape) {
  return beside(on_tape_of, "constant_like", [&](TapeState& state, const Location& where) {
    return constant_node(state, number, {dtype, shape}, where);
  });
}

Variable input_like(const Variable& on_tape_of, Tensor value) {
  return beside(on_tape_of, "input_like", [&](TapeState& state, const Location& where) {
    return input_node(state, std::move(value), where);
  });
}

Variable use_like(const Variable& on_tape_of, const Parameter& parameter) {
  return beside(on_tape_of, "use_like", [&](TapeState& state, const Location& where) {
    return parameter_node(state, parameter, where);
  });
}

std::uint64_t next_random_key(const Variable& on_tape_of) {
  TapeState& state = on_tape_of.state();
  return mix(state.options.seed, state.random_counter++);
}

void evaluate(std::span<const Variable> roots, Location at) {
  if (roots.empty()) return;
  RecycledVector<std::uint32_t> nodes;
  nodes.reserve(roots.size());
  blame(at, "evaluate", [&] {
    for (const Variable& root : roots) {
      if (&root.state() != &roots.front().state()) {
        throw StateError("the variables are on different tapes; expected one");
      }
      nodes.push_back(root.index());
    }
  });
  blame_memory(at, "evaluate", [&] { evaluate(roots.front().state(), nodes, Keep::roots); });
}

void expect_supported(const TapeOptions& options, bool cpu_has_bf16) {
  if (!options.bf16 || cpu_has_bf16) return;
  throw StateError(
      "Tape: bf16 is asked for, but this CPU does not multiply bfloat16; expected one with the "
      "instructions AVX512_BF16, or bf16 = false");
}

}  // namespace unroll
