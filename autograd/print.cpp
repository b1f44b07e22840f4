// A tape as text.
#include <fmt/format.h>

#include <iterator>

#include <unroll/autograd/tape.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

std::string to_string(const Tape& tape) {
  const TapeState& state = tape.state();
  std::string text;
  for (std::size_t i = 0; i < state.nodes.size(); ++i) {
    const Node& node = state.nodes[i];
    fmt::format_to(std::back_inserter(text), "%{} = {}(", i, node.op->name());
    const auto inputs = state.inputs_of(node);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      fmt::format_to(std::back_inserter(text), "{}%{}", k == 0 ? "" : ", ", inputs[k]);
    }
    fmt::format_to(std::back_inserter(text), ") : {}{}  # {}\n", to_string(*node.type),
                   state.values[i] != nullptr ? " computed" : "", to_string(node.where));
  }
  return text;
}

}  // namespace unroll
