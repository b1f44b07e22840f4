// The program's own definitions come first when symbols are bound, so the library's calls and those
// of the libraries under it arrive here.
#include <unroll/tests/files/system_calls.h>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>

namespace unroll::testing {
namespace {

struct Plan {
  bool active = false;
  SystemCall call{};
  int left = 0;  // calls until it happens
  Fault fault;
  bool happened = false;
};
thread_local Plan plan;

/// The fault for this call; a fault without effect if it is to be passed on.
Fault fault_now(SystemCall call) {
  if (!plan.active || call != plan.call) return {};
  if (--plan.left > 0 || (plan.left < 0 && !plan.fault.lasting)) return {};
  plan.happened = true;
  return plan.fault;
}

/// The result of `pass_on(share)`, where share is what to divide a number of bytes by, or -1.
template <class PassOn>
auto with_fault(SystemCall call, const PassOn& pass_on) -> decltype(pass_on(1)) {
  const Fault fault = fault_now(call);
  if (fault.error == 0) return pass_on(fault.shortened ? 2 : 1);
  errno = fault.error;
  return -1;
}

}  // namespace

std::string name_of(SystemCall call) {
  constexpr std::array<const char*, kSystemCalls> kNames = {
      "access", "close", "flock", "fsync", "open", "openat", "read", "rename", "unlink", "write"};
  return kNames[static_cast<std::size_t>(call)];
}

FaultyCall::FaultyCall(SystemCall call, int k, Fault fault) {
  plan = {.active = true, .call = call, .left = k, .fault = fault, .happened = false};
}
FaultyCall::~FaultyCall() { plan.active = false; }
bool FaultyCall::happened() const { return plan.happened; }

}  // namespace unroll::testing

using unroll::testing::SystemCall;
using unroll::testing::with_fault;

namespace {

int open_at(int directory, const char* path, int flags, mode_t mode) {
  return static_cast<int>(::syscall(SYS_openat, directory, path, flags, mode));
}

std::size_t part_of(std::size_t bytes, int share) {
  return share == 1 ? bytes : (bytes + 1) / static_cast<std::size_t>(share);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return with_fault(SystemCall::open, [&](int) { return open_at(AT_FDCWD, path, flags, mode); });
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return with_fault(SystemCall::open, [&](int) { return open_at(AT_FDCWD, path, flags, mode); });
}
int openat(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return with_fault(SystemCall::openat, [&](int) { return open_at(directory, path, flags, mode); });
}
int close(int file) {
  // The system gives the descriptor back even where it reports an error.
  const auto result = static_cast<int>(::syscall(SYS_close, file));
  return with_fault(SystemCall::close, [&](int) { return result; });
}
ssize_t read(int file, void* bytes, std::size_t count) {
  return with_fault(SystemCall::read, [&](int share) {
    return static_cast<ssize_t>(::syscall(SYS_read, file, bytes, part_of(count, share)));
  });
}
ssize_t write(int file, const void* bytes, std::size_t count) {
  return with_fault(SystemCall::write, [&](int share) {
    return static_cast<ssize_t>(::syscall(SYS_write, file, bytes, part_of(count, share)));
  });
}
int fsync(int file) {
  return with_fault(SystemCall::fsync,
                    [&](int) { return static_cast<int>(::syscall(SYS_fsync, file)); });
}
// By its label, because its name is that of a struct, too.
int lock_file(int file, int operation) __asm__("flock");
int lock_file(int file, int operation) {
  return with_fault(SystemCall::flock,
                    [&](int) { return static_cast<int>(::syscall(SYS_flock, file, operation)); });
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return with_fault(SystemCall::rename, [&](int) {
    return static_cast<int>(::syscall(SYS_renameat2, from_directory, from, to_directory, to, 0));
  });
}
int unlinkat(int directory, const char* path, int flags) {
  return with_fault(SystemCall::unlink, [&](int) {
    return static_cast<int>(::syscall(SYS_unlinkat, directory, path, flags));
  });
}
int access(const char* path, int mode) {
  return with_fault(SystemCall::access, [&](int) {
    return static_cast<int>(::syscall(SYS_faccessat, AT_FDCWD, path, mode));
  });
}

}  // extern "C"
