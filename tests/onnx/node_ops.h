// Our op or layer for each of ONNX's ops that we have one for.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <unroll/autograd/tape.h>
#include <unroll/tests/onnx/model.h>

namespace unroll::testing {

/// Computes the outputs of a node, in its order; those at the end may be missing.
using NodeOp = std::function<Variables(Tape& tape, const OnnxNode& node)>;

/// By ONNX's name of the op.
const std::map<std::string, NodeOp>& node_ops();

/// RNN, LSTM, GRU.
Variables recurrent_node(Tape& tape, const OnnxNode& node);

}  // namespace unroll::testing
