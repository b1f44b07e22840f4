// Worlds: what a call of the table finds and may change.
#include <unroll/tests/faults/calls.h>

#include <fmt/format.h>

#include <unroll/autograd/random.h>
#include <unroll/autograd/tape_state.h>

namespace unroll::testing {

Argument array(std::string name, const Shape& shape, int seed, double low, double high) {
  Argument result;
  result.name = std::move(name);
  result.value = random_uniform(shape, static_cast<std::uint64_t>(seed), low, high, Dtype::float32);
  return result;
}

Argument ids(std::string name, const Shape& shape, std::int64_t bound, std::int64_t lowest) {
  Argument result;
  result.name = std::move(name);
  result.value = Tensor(shape, Dtype::int32);
  result.bound = bound;
  result.lowest = lowest;
  std::int32_t next = 0;
  for (std::int32_t& id : result.value.mutable_data<std::int32_t>()) {
    id = next++ % static_cast<std::int32_t>(bound);
  }
  return result;
}

Argument mask(std::string name, const Shape& shape) {
  Argument result;
  result.name = std::move(name);
  result.value = Tensor(shape, Dtype::bool_);
  int k = 0;
  for (bool& element : result.value.mutable_data<bool>()) element = k++ % 3 != 1;
  return result;
}

Argument whole(std::string name, std::int64_t value, double low, double high, bool narrow) {
  Argument result;
  result.name = std::move(name);
  result.kind = Argument::Kind::whole;
  result.number = static_cast<double>(value);
  result.low = low;
  result.high = high;
  result.narrow = narrow;
  return result;
}

Argument axis(std::int64_t value, int rank) { return whole("axis", value, -rank, rank - 1, true); }

Argument number(std::string name, double value, std::function<bool(double)> legal) {
  Argument result;
  result.name = std::move(name);
  result.kind = Argument::Kind::number;
  result.number = value;
  result.legal = std::move(legal);
  return result;
}

std::vector<Call>& all_calls() {
  static std::vector<Call> calls;
  return calls;
}

World::World(const Call& call, TapeOptions options) : tape(options) {
  stale = tape.input(call.arguments.empty() ? Tensor() : call.arguments[0].value);
  tape.reset();
  {
    Tape gone;
    closed = gone.input(Tensor::scalar(1));
  }
  for (const Argument& argument : call.arguments) {
    const bool is_array = argument.kind == Argument::Kind::array;
    variables.push_back(is_array ? tape.input(argument.value) : Variable());
    tensors.push_back(argument.value);
    wholes.push_back(static_cast<std::int64_t>(argument.number));
    numbers.push_back(argument.number);
  }
  if (call.prepare) call.prepare(*this);
}

std::string fingerprint(const Tensor& tensor) {
  const std::string_view bytes(static_cast<const char*>(tensor.raw()), tensor.bytes());
  return fmt::format("{} {} {:x}", name_of(tensor.dtype()), to_string(tensor.shape()),
                     hash_of(bytes));
}

std::string World::state() const {
  std::string text;
  for (const Tape* each : {&tape, &other}) {
    const TapeState& s = each->state();
    text += to_string(*each);
    text += fmt::format("{} {} {} {} {} {} {} {}\n", s.inputs.size(), s.attributes.size(),
                        s.leaves.size(), s.parameters.size(), s.structure, s.random_counter,
                        s.no_gradient_depth, s.rule_location == nullptr);
    for (const Tensor& leaf : s.leaves) text += fingerprint(leaf);
  }
  for (const Parameter& p : parameters) {
    text += fmt::format("{} {} {}\n", p.name(), p.version(), fingerprint(p.value()));
  }
  return own_state ? text + own_state() : text;
}

std::vector<Tensor> bits_of(World& world, const Result& result) {
  std::vector<Tensor> bits = result.tensors;
  for (const Variable& variable : result.variables) bits.push_back(variable.value());
  for (const Parameter& p : world.parameters) bits.push_back(p.value());
  return bits;
}

}  // namespace unroll::testing
