// The file of a model: its parameters, and as metadata what else makes it up.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <unroll/examples/tasks/parts/program.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/safetensors.h>

namespace unroll::tasks {

/// The sizes of a network among the settings, as metadata.
std::map<std::string, std::string> sizes_of(const Settings& settings);

class ModelFile {
 public:
  /// Throws IoError as load_safetensors; so do all functions for what is missing or malformed.
  explicit ModelFile(const std::string& path);

  const std::string& text(const std::string& key) const;
  /// A whole number, at least 1.
  std::int64_t number(const std::string& key) const;
  text::Vocabulary vocabulary(const std::string& key) const;
  bool holds(const std::string& parameter) const { return file_.tensors.contains(parameter); }
  /// The settings with the sizes of this model.
  Settings with_sizes(Settings settings) const;
  void assign_to(const ParameterSet& parameters) const;

 private:
  std::string path_;
  train::TensorFile file_;
};

}  // namespace unroll::tasks
