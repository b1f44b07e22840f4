// Checkpoints: the parameters of a model in a safetensors file, and a training that can be cut off
// at any step and goes on with the same bits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <unroll/autograd/parameter.h>
#include <unroll/optim/optimizer.h>
#include <unroll/train/safetensors.h>

namespace unroll::train {

/// The values of all parameters under their names.
std::map<std::string, Tensor> values_of(const ParameterSet& parameters);

/// Gives every parameter the tensor of its name. Throws ValueError that lists the names that are
/// missing, those that no parameter has, and those of another shape or dtype; nothing is changed
/// then.
void assign(const ParameterSet& parameters, const std::map<std::string, Tensor>& values);

/// Writes the parameters, and `metadata` with what else makes up a model, its vocabulary say.
/// Throws as save_safetensors.
void save_model(const std::filesystem::path& path, const ParameterSet& parameters,
                const std::map<std::string, std::string>& metadata = {});

/// assign() for a file that was read; what is wrong with its tensors is an IoError that begins with
/// the path.
void assign_model(const ParameterSet& parameters, const TensorFile& file,
                  const std::filesystem::path& path);

/// The entry `key` of the metadata. Throws IoError that begins with the path if there is none.
const std::string& metadata_of(const TensorFile& file, const std::string& key,
                               const std::filesystem::path& path);

/// Where a training is.
struct Position {
  int epoch = 0;           ///< the one in progress, from 0
  std::int64_t batch = 0;  ///< the next one within it
  std::int64_t steps = 0;  ///< all updates up to now
  double loss_sum = 0;     ///< of this epoch, for its mean
  double weight_sum = 0;
  int best_epoch = 0;  ///< from 1; 0: none yet
  double best_loss = 0;
  double seconds = 0;  ///< spent so far
};

/// All that a training needs to go on: tensors of four kinds and a place.
struct Snapshot {
  std::map<std::string, Tensor> parameters, best, optimizer, carried;
  Position position;
  double learning_rate = 0;
  std::string task;  ///< says what is trained, so that another training does not go on from it
};

/// Writes a snapshot, whole or not at all. Throws as save_safetensors.
void save_snapshot(const std::filesystem::path& path, const Snapshot& snapshot);
/// Reads one. Throws IoError with the path if the file is damaged, or holds something else.
Snapshot load_snapshot(const std::filesystem::path& path);

}  // namespace unroll::train
