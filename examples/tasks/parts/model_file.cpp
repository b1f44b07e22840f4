// The file of a model.
#include <unroll/examples/tasks/parts/model_file.h>

#include <charconv>

#include <unroll/autograd/error.h>
#include <unroll/train/checkpoint.h>

namespace unroll::tasks {

std::map<std::string, std::string> sizes_of(const Settings& settings) {
  std::map<std::string, std::string> sizes{{"hidden", std::to_string(settings.hidden)}};
  if (settings.embedding > 0) sizes["embedding"] = std::to_string(settings.embedding);
  if (settings.layers > 0) sizes["layers"] = std::to_string(settings.layers);
  return sizes;
}

ModelFile::ModelFile(const std::string& path) : path_(path), file_(train::load_safetensors(path)) {}

const std::string& ModelFile::text(const std::string& key) const {
  return train::metadata_of(file_, key, path_);
}

std::int64_t ModelFile::number(const std::string& key) const {
  const std::string& digits = text(key);
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < 1) {
    throw IoError(path_ + ": " + key + " is \"" + digits + "\"; expected a positive number");
  }
  return value;
}

text::Vocabulary ModelFile::vocabulary(const std::string& key) const {
  try {
    return text::Vocabulary::from_json(text(key));
  } catch (const ValueError& e) {
    throw IoError(path_ + ": " + key + ": " + e.what());
  }
}

Settings ModelFile::with_sizes(Settings settings) const {
  settings.hidden = number("hidden");
  if (settings.embedding > 0) settings.embedding = number("embedding");
  if (settings.layers > 0) settings.layers = static_cast<int>(number("layers"));
  return settings;
}

void ModelFile::assign_to(const ParameterSet& parameters) const {
  train::assign_model(parameters, file_, path_);
}

}  // namespace unroll::tasks
