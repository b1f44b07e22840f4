// Everything: tapes, ops, layers, optimisers.
#pragma once

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/non_finite.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/tensor.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
