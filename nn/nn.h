// Layers.
#pragma once

#include <unroll/nn/cell.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/init.h>
#include <unroll/nn/lengths.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/nn/parameter.h>
#include <unroll/nn/rnn_cell.h>
#include <unroll/nn/stacked_cell.h>
#include <unroll/nn/stacked_rnn.h>
#include <unroll/nn/state.h>
#include <unroll/nn/unroll.h>
