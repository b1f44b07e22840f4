// Named tensors in a file: the safetensors format (github.com/huggingface/safetensors).
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::train {

/// The content of one safetensors file. Names, keys and values are any valid UTF-8.
struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Writes `file` to `path`, whole or not at all (see write_file_atomically). Dtypes become F32,
/// F64, I32 and BOOL. Equal content gives equal bytes.
/// Throws IoError if the file cannot be written; ValueError for text that is not UTF-8, a tensor
/// named "__metadata__", or a header over the limits of load_safetensors; OutOfMemory.
void save_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Reads a file of F32, F64, I32 and BOOL tensors written by any program, and of those that become
/// one of these: F16 and BF16 become float32, which holds them exactly, and I64 becomes int32 if
/// every number fits. Checks every rule of the format: header of at most 100,000,000 bytes of JSON
/// without duplicate keys, data that tiles the rest of the file without hole, overlap or leftover,
/// sizes that match the shapes; BOOL bytes are 0 or 1. NaN and infinity are legal. Beyond the
/// format, at most 16,384 tensors and metadata entries and 8 MiB of strings in the header are
/// accepted, so that no file makes the reader use more than its own size plus 16 MiB; F16 and BF16
/// take twice their size. Throws IoError with the path, what was found and what was expected;
/// OutOfMemory.
TensorFile load_safetensors(const std::filesystem::path& path);

/// The bytes that save_safetensors writes; throws ValueError as it does.
std::vector<std::byte> serialize_safetensors(const TensorFile& file);

/// load_safetensors for bytes in memory; throws IoError as it does.
TensorFile parse_safetensors(std::span<const std::byte> bytes);

}  // namespace unroll::train
