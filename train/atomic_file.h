// Files that appear whole or not at all, also when the process is killed or the power fails.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace unroll::train {

/// What stands between the name of a target and the numbers that make its temporary unique:
/// `model.bin` is written as `model.bin.unroll-tmp-4711-0` in the same directory.
inline constexpr std::string_view kTemporaryMark = ".unroll-tmp-";

/// Replaces the file `target` by the concatenation of `parts`. At every instant the name holds the
/// whole old file (or none) or the whole new one; the bytes and the name are on the disk when the
/// call returns. The permissions of an existing file are kept; a symbolic link is replaced, not
/// followed. Temporaries that killed processes left for the same target are removed first.
///
/// Throws IoError with the path and the system's reason. "not written" means that the old file is
/// untouched and the temporary removed; "written, but durability uncertain" means that the new
/// file is in place and could still be lost with the power.
void write_file_atomically(const std::filesystem::path& target,
                           std::span<const std::span<const std::byte>> parts);

/// The same for one piece of text.
void write_file_atomically(const std::filesystem::path& target, std::string_view text);

/// Throws IoError if no file could be written to `target`: better now than after hours of training.
void expect_writable(const std::filesystem::path& target);

}  // namespace unroll::train
