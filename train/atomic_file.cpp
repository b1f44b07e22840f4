// Temporary in the same directory, fsync, rename, fsync of the directory; all relative to one open
// directory, so that neither a renamed parent nor a changed working directory can come between.
#include <unroll/train/atomic_file.h>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>

namespace unroll::train {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& target, std::string_view outcome, std::string_view step,
                       int code) {
  throw IoError(fmt::format("write_file_atomically: {}: {}: {}: {}", target.string(), outcome, step,
                            std::generic_category().message(code)));
}

[[noreturn]] void fail_unwritten(const fs::path& target, std::string_view step, int code) {
  fail(target, "not written", step, code);
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Calls `call` again for as long as a signal interrupts it.
template <class Call>
auto retried(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// True for `<target_name>.unroll-tmp-<digits>-<digits>`.
bool is_temporary_of(std::string_view name, std::string_view target_name) {
  if (!name.starts_with(target_name)) return false;
  name.remove_prefix(target_name.size());
  if (!name.starts_with(kTemporaryMark)) return false;
  name.remove_prefix(kTemporaryMark.size());
  return !name.empty() && name.find_first_not_of("0123456789-") == name.npos;
}

/// Removes temporaries whose writer is gone. A living writer holds a lock on its own, which the
/// system drops with the process; unlike a process id in the name, that also tells containers and
/// threads apart. What cannot be read or removed is left: the save itself does not depend on it.
void sweep(int directory, std::string_view target_name) {
  // fdopendir takes over the descriptor and its position, so it needs one of its own.
  const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(own), ::closedir);
  if (!listing) {
    ::close(own);
    return;
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (is_temporary_of(entry->d_name, target_name)) names.emplace_back(entry->d_name);
  }
  for (const std::string& name : names) {
    const Descriptor file(
        ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
        ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      ::unlinkat(directory, name.c_str(), 0);
    }
  }
}

/// A new locked file beside the target, unlinked again unless it took the target's name.
class Temporary {
 public:
  Temporary(const fs::path& target, const std::string& target_name, int directory, mode_t mode)
      : target_(target), target_name_(target_name), directory_(directory) {
    while (!try_create(mode)) {
    }
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t count =
          retried([&] { return ::write(file_.get(), bytes.data(), bytes.size()); });
      if (count < 0) fail_unwritten(target_, "write to the temporary file", errno);
      if (count == 0) fail_unwritten(target_, "write to the temporary file", ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  void publish() {
    if (retried([&] { return ::fsync(file_.get()); }) != 0) {
      fail_unwritten(target_, "fsync of the temporary file", errno);
    }
    if (::renameat(directory_, name_.c_str(), directory_, target_name_.c_str()) != 0) {
      fail_unwritten(target_, "rename of the temporary file", errno);
    }
    name_.clear();
  }

 private:
  /// False if the name is taken, or a sweep removed the file before it was locked.
  bool try_create(mode_t mode) {
    static std::atomic<unsigned> counter{0};
    std::string name =
        fmt::format("{}{}{}-{}", target_name_, kTemporaryMark, ::getpid(), counter.fetch_add(1));
    file_ = Descriptor(retried([&] {
      return ::openat(directory_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    }));
    if (!file_) {
      if (errno == EEXIST) return false;
      fail_unwritten(target_, "creation of the temporary file", errno);
    }
    name_ = std::move(name);
    struct stat status {};
    // A file system without locks only loses the protection against a sweep at the same time.
    retried([&] { return ::flock(file_.get(), LOCK_EX); });
    return ::fstat(file_.get(), &status) == 0 && status.st_nlink > 0;
  }

  const fs::path& target_;
  const std::string& target_name_;
  int directory_;
  std::string name_;
  Descriptor file_;
};

}  // namespace

void write_file_atomically(const fs::path& target,
                           std::span<const std::span<const std::byte>> parts) {
  const std::string name = target.filename().string();
  if (name.empty() || name == "." || name == "..") {
    throw IoError(fmt::format("write_file_atomically: \"{}\": not written: the path names no file",
                              target.string()));
  }
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const Descriptor directory(
      retried([&] { return ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory) fail_unwritten(target, "opening its directory", errno);

  struct stat old {};
  mode_t mode = 0666;
  if (::fstatat(directory.get(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(old.st_mode)) fail_unwritten(target, "looking at the old file", EISDIR);
    if (S_ISREG(old.st_mode)) mode = old.st_mode & 0777;
  }

  sweep(directory.get(), name);
  Temporary temporary(target, name, directory.get(), mode);
  for (const auto part : parts) temporary.write(part);
  temporary.publish();

  // EINVAL: this file system does not offer fsync of directories, and needs none.
  if (retried([&] { return ::fsync(directory.get()); }) != 0 && errno != EINVAL) {
    fail(target, "written, but durability uncertain", "fsync of its directory", errno);
  }
}

void write_file_atomically(const fs::path& target, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file_atomically(target, std::span(&part, 1));
}

void expect_writable(const fs::path& target) {
  if (target.empty()) throw IoError("the path of the file to write is empty");
  if (fs::is_directory(target)) throw IoError(target.string() + ": is a directory");
  const fs::path folder = fs::absolute(target).parent_path();
  if (::access(folder.c_str(), W_OK) != 0) {
    throw IoError(fmt::format("{}: cannot be written: {}: {}", target.string(), folder.string(),
                              std::generic_category().message(errno)));
  }
}

}  // namespace unroll::train
