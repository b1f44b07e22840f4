// Checkpoints: names, and numbers as text.
#include <unroll/train/checkpoint.h>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/op.h>

namespace unroll::train {

namespace {

constexpr std::string_view kFormat = "unroll training 1";

/// The four kinds of tensors of a snapshot and what their names begin with.
template <class S>
auto kinds(S& snapshot) {
  return std::array{std::pair{std::string_view("parameters/"), &snapshot.parameters},
                    std::pair{std::string_view("best/"), &snapshot.best},
                    std::pair{std::string_view("optimizer/"), &snapshot.optimizer},
                    std::pair{std::string_view("carried/"), &snapshot.carried}};
}

/// Calls f(name, number) for every number of a snapshot.
template <class S, class F>
void for_each_number(S& snapshot, F&& f) {
  auto& p = snapshot.position;
  f("epoch", p.epoch);
  f("batch", p.batch);
  f("steps", p.steps);
  f("loss_sum", p.loss_sum);
  f("weight_sum", p.weight_sum);
  f("best_epoch", p.best_epoch);
  f("best_loss", p.best_loss);
  f("seconds", p.seconds);
  f("learning_rate", snapshot.learning_rate);
}

/// Counts have room to go on counting; every other number is finite but the sum of losses, which is
/// what the losses were.
template <class N>
bool is_sound(std::string_view name, N number) {
  if constexpr (std::is_integral_v<N>) {
    return number >= 0 && number <= std::numeric_limits<N>::max() / 2;
  } else if (name == "best_loss") {
    return std::isfinite(number);
  } else {
    return name == "loss_sum" || (std::isfinite(number) && number >= 0);
  }
}

std::string type_text(const Tensor& tensor) {
  return to_string(Type{tensor.dtype(), tensor.shape()});
}

}  // namespace

std::map<std::string, Tensor> values_of(const ParameterSet& parameters) {
  return blame_memory("values_of", [&] {
    std::map<std::string, Tensor> values;
    for (const Parameter& parameter : parameters) {
      values.emplace(parameter.name(), parameter.value());
    }
    return values;
  });
}

void assign(const ParameterSet& parameters, const std::map<std::string, Tensor>& values) {
  blame_memory("assign", [&] {
    std::string faults;
    for (const Parameter& parameter : parameters) {
      const auto found = values.find(parameter.name());
      if (found == values.end()) {
        faults += fmt::format("\n  missing     {}", parameter.name());
      } else if (found->second.shape() != parameter.shape() ||
                 found->second.dtype() != parameter.dtype()) {
        faults += fmt::format("\n  other type  {}: {}; expected {}", parameter.name(),
                              type_text(found->second), type_text(parameter.value()));
      }
    }
    for (const auto& [name, value] : values) {
      if (!parameters.contains(name)) faults += fmt::format("\n  unexpected  {}", name);
    }
    if (!faults.empty()) {
      throw ValueError(fmt::format("assign: got {} tensors; expected those of {} parameters{}",
                                   values.size(), parameters.size(), faults));
    }
    for (const Parameter& parameter : parameters) parameter.assign(values.at(parameter.name()));
  });
}

void save_model(const std::filesystem::path& path, const ParameterSet& parameters,
                const std::map<std::string, std::string>& metadata) {
  blame_memory("save_model", [&] { save_safetensors(path, {values_of(parameters), metadata}); });
}

void assign_model(const ParameterSet& parameters, const TensorFile& file,
                  const std::filesystem::path& path) {
  blame_memory("assign_model", [&] {
    try {
      assign(parameters, file.tensors);
    } catch (const ValueError& e) {
      throw IoError(path.string() + ": " + e.what());
    }
  });
}

const std::string& metadata_of(const TensorFile& file, const std::string& key,
                               const std::filesystem::path& path) {
  const auto found = file.metadata.find(key);
  if (found != file.metadata.end()) return found->second;
  throw IoError(fmt::format("{}: no \"{}\" in the metadata; expected a file of this program",
                            path.string(), key));
}

void save_snapshot(const std::filesystem::path& path, const Snapshot& snapshot) {
  blame_memory("save_snapshot", [&] {
    TensorFile file;
    for (const auto& [prefix, tensors] : kinds(snapshot)) {
      for (const auto& [name, value] : *tensors)
        file.tensors.emplace(std::string(prefix) + name, value);
    }
    file.metadata = {{"format", std::string(kFormat)}, {"task", snapshot.task}};
    // The shortest text that reads back as the same number.
    for_each_number(snapshot, [&](const char* name, const auto& number) {
      file.metadata.emplace(name, fmt::format("{}", number));
    });
    save_safetensors(path, file);
  });
}

Snapshot load_snapshot(const std::filesystem::path& path) {
  return blame_memory("load_snapshot", [&] {
    const TensorFile file = load_safetensors(path);
    if (metadata_of(file, "format", path) != kFormat) {
      throw IoError(fmt::format("{}: format \"{}\"; expected \"{}\"", path.string(),
                                file.metadata.at("format"), kFormat));
    }
    Snapshot snapshot;
    snapshot.task = metadata_of(file, "task", path);
    for_each_number(snapshot, [&](const char* name, auto& number) {
      const std::string& text = metadata_of(file, name, path);
      const char* const end = text.data() + text.size();
      if (const auto read = std::from_chars(text.data(), end, number);
          read.ec != std::errc() || read.ptr != end) {
        throw IoError(
            fmt::format("{}: {} is \"{}\"; expected a number", path.string(), name, text));
      }
      if (!is_sound(name, number)) {
        throw IoError(fmt::format("{}: {} is {}; expected a finite number from 0", path.string(),
                                  name, text));
      }
    });
    for (const auto& [full_name, value] : file.tensors) {
      bool known = false;
      for (const auto& [prefix, tensors] : kinds(snapshot)) {
        if (!full_name.starts_with(prefix)) continue;
        tensors->emplace(full_name.substr(prefix.size()), value);
        known = true;
      }
      if (!known) throw IoError(fmt::format("{}: unexpected tensor {}", path.string(), full_name));
    }
    return snapshot;
  });
}

}  // namespace unroll::train
