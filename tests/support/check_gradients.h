// check_gradients: the one-line gradient test of an op.
#pragma once

#include <unroll/autograd/gradcheck.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

/// Checks first-order gradients, and second-order ones unless told otherwise.
inline void check_gradients(const Function& f, const std::vector<Tensor>& inputs,
                            bool second_order = true) {
  const GradcheckReport first = gradcheck(f, inputs);
  INFO(first.message);
  CHECK(first.ok);
  if (!second_order) return;
  const GradcheckReport second = gradgradcheck(f, inputs);
  INFO("second order: " << second.message);
  CHECK(second.ok);
}

}  // namespace unroll::testing
