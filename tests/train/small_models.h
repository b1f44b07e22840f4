// Small models of every kind, as losses over made-up ragged sequences, for laws that hold for all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <unroll/train/fit.h>

namespace unroll::testing {

using SmallLoss = std::function<Variable(Tape& tape, train::Examples examples)>;

/// `make` creates parameters in the scope. The loss is summed over the examples, which are numbers.
struct SmallModel {
  std::string name;
  std::function<SmallLoss(const Scope& scope)> make;
};

const std::vector<SmallModel>& small_models();

/// 50 steps of fit with AdamW, by these options: a hash of the bits of all parameters afterwards.
/// The epochs are given. A second call with the snapshot of an interrupted one goes on from it.
std::uint64_t bits_after_training(const SmallModel& model, train::FitOptions options = {});

}  // namespace unroll::testing
