// write_file_atomically: content, failures that change nothing, sweeping, kill -9 while writing.
#include <unroll/train/atomic_file.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

namespace unroll::train {
namespace {

/// A limit for file sizes, which stops a write in the middle as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  sighandler_t old_handler_;
};

std::string stale_name(std::string_view target, std::string_view rest) {
  return std::string(target) + std::string(kTemporaryMark) + std::string(rest);
}

TEST_CASE("an atomic write creates and replaces the file and leaves nothing else") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  write_file_atomically(target, "first");
  CHECK(content_of(target) == "first");
  write_file_atomically(target, "");
  CHECK(content_of(target).empty());

  const std::string large(3'000'000, 'x');
  const std::array parts = {std::as_bytes(std::span(large)), std::span<const std::byte>(),
                            std::as_bytes(std::span("end", 3))};
  write_file_atomically(target, parts);
  CHECK(content_of(target) == large + "end");
  CHECK(directory.entries() == 1);
}

TEST_CASE("an atomic write keeps the permissions of the file and replaces a symbolic link") {
  const ScratchDirectory directory;
  const auto target = directory / "private";
  put(target, "old");
  REQUIRE(::chmod(target.c_str(), 0600) == 0);
  write_file_atomically(target, "new");
  struct stat status {};
  REQUIRE(::stat(target.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  const auto link = directory / "link";
  std::filesystem::create_symlink("private", link);
  write_file_atomically(link, "through");
  CHECK_FALSE(std::filesystem::is_symlink(link));
  CHECK(content_of(link) == "through");
  CHECK(content_of(target) == "new");
}

TEST_CASE("an atomic write to a bare name goes to the working directory") {
  const ScratchDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  const std::string message = thrown_message([] { write_file_atomically("bare", "here"); });
  std::filesystem::current_path(before);
  CHECK(message == "");
  CHECK(content_of(directory / "bare") == "here");
}

TEST_CASE("an atomic write that cannot begin names the path and the reason") {
  const ScratchDirectory directory;
  const auto failure_at = [](const std::filesystem::path& path) {
    CHECK_THROWS_AS(write_file_atomically(path, "text"), IoError);
    const std::string message = thrown_message([&] { write_file_atomically(path, "text"); });
    CHECK(contains(message, path.string()));
    CHECK(contains(message, "not written"));
    return message;
  };
  CHECK(contains(failure_at(directory / "missing/model.bin"), "No such file or directory"));
  put(directory / "file", "old");
  CHECK(contains(failure_at(directory / "file/model.bin"), "Not a directory"));
  std::filesystem::create_directory(directory / "folder");
  CHECK(contains(failure_at(directory / "folder"), "Is a directory"));
  CHECK(contains(failure_at(directory / "folder/"), "names no file"));
  CHECK(contains(failure_at(""), "names no file"));
  CHECK(contains(failure_at(directory / std::string(250, 'n')), "File name too long"));
  CHECK(content_of(directory / "file") == "old");
  CHECK(directory.entries() == 2);
}

TEST_CASE("an atomic write that fails half-way leaves the old file and no temporary") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  put(target, "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = thrown_message([&] { write_file_atomically(target, std::string(10'000, 'x')); });
  }
  CHECK(contains(message, target.string() + ": not written"));
  CHECK(contains(message, "File too large"));
  CHECK(content_of(target) == "old");
  CHECK(directory.entries() == 1);
}

TEST_CASE("an atomic write sweeps what killed writers of the same target left, nothing else") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  put(directory / stale_name("model.bin", "1-0"), "half a mod");
  put(directory / stale_name("model.bin", "4711-12"), "");
  const std::vector<std::string> kept = {
      stale_name("other.bin", "1-0"),   stale_name("my-model.bin", "1-0"),
      stale_name("model.bin.1", "1-0"), stale_name("model.bin", "1-0.copy"),
      stale_name("model.bin", ""),      "model.bin.backup"};
  for (const auto& name : kept) put(directory / name, "kept");
  std::filesystem::create_directory(directory / stale_name("model.bin", "2-2"));

  const auto living = directory / stale_name("model.bin", "3-3");
  const int writer = ::open(living.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(writer >= 0);
  REQUIRE(::flock(writer, LOCK_EX) == 0);

  write_file_atomically(target, "new");
  CHECK(content_of(target) == "new");
  for (const auto& name : kept) CHECK(content_of(directory / name) == "kept");
  CHECK(std::filesystem::exists(living));
  CHECK(directory.entries() == static_cast<std::ptrdiff_t>(kept.size()) + 3);

  ::close(writer);
  write_file_atomically(target, "newer");
  CHECK_FALSE(std::filesystem::exists(living));
}

TEST_CASE("an atomic write steps over a temporary name that is taken") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  // A directory cannot be swept, so every name that the next writes would try first stays taken.
  for (int i = 0; i < 500; ++i) {
    const std::string rest = std::to_string(::getpid()) + "-" + std::to_string(i);
    std::filesystem::create_directory(directory / stale_name("model.bin", rest));
  }
  write_file_atomically(target, "new");
  CHECK(content_of(target) == "new");
  CHECK(directory.entries() == 501);
}

TEST_CASE("concurrent atomic writes to one target all succeed and one of them wins whole") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  std::atomic<int> failures{0};
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 25; ++i) {
        if (!thrown_message([&] {
               write_file_atomically(target, std::string(10'000, letter));
             }).empty()) {
          ++failures;
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  CHECK(failures == 0);
  const std::string content = content_of(target);
  CHECK(content == std::string(10'000, content.at(0)));
  CHECK(directory.entries() == 1);
}

TEST_CASE("kill -9 during atomic writes leaves a whole file, and the next write cleans up") {
  const ScratchDirectory directory;
  const auto target = directory / "model.bin";
  constexpr std::size_t kBytes = 2'000'000;
  const std::array<std::string, 2> versions = {std::string(kBytes, 'a'), std::string(kBytes, 'b')};
  write_file_atomically(target, versions[0]);
  for (int round = 0; round < 10; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (std::size_t i = 1;; ++i) write_file_atomically(target, versions[i % 2]);
      } catch (...) {
        ::_exit(1);
      }
    }
    ::usleep(static_cast<useconds_t>(2'000 + 3'100 * round));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    const std::string content = content_of(target);
    CHECK((content == versions[0] || content == versions[1]));
  }
  write_file_atomically(target, "last");
  CHECK(content_of(target) == "last");
  CHECK(directory.entries() == 1);
}

TEST_CASE("expect_writable says beforehand what would fail", "[atomic_file]") {
  const ScratchDirectory directory;
  CHECK_THROWS_AS(expect_writable(directory.path()), IoError);
  CHECK_THROWS_AS(expect_writable(""), IoError);
  CHECK(
      contains(thrown_message([&] { expect_writable(directory / "no/m"); }), "cannot be written"));
  CHECK_NOTHROW(expect_writable(directory / "m"));
  CHECK(directory.entries() == 0);
}

}  // namespace
}  // namespace unroll::train
