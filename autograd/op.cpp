// The list of ops and the defaults of Op.
#include <unroll/autograd/op.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

namespace {
// Inside a function, so that it exists before the first op of any file is constructed.
std::vector<const Op*>& op_list() {
  static std::vector<const Op*> list;
  return list;
}
}  // namespace

Op::Op(std::string name, Traits traits) : name_(std::move(name)), traits_(traits) {
  op_list().push_back(this);
}

std::int64_t Op::alias_offset(const Signature&, const Type&) const { return -1; }

void Op::derive(Derivation& d) const {
  const Variable y = d.output();
  throw StateError(to_string(y.state().nodes[y.index()].where) + ": " + name_ +
                   ": has no derivative; cut the gradient by detach(...)");
}

std::vector<const Op*> all_ops() { return op_list(); }

std::string to_string(const Type& type) {
  return std::string(name_of(type.dtype)) + " " + to_string(type.shape);
}

}  // namespace unroll
