// System calls that fail when a test wants them to.
#pragma once

#include <string>

namespace unroll::testing {

/// The calls that this program passes on to the system itself; rename and unlink are those relative
/// to a directory.
enum class SystemCall { access, close, flock, fsync, open, openat, read, rename, unlink, write };
inline constexpr int kSystemCalls = 10;
std::string name_of(SystemCall call);

/// What happens instead of a call.
struct Fault {
  int error = 0;           ///< it fails with this errno; 0: it succeeds
  bool shortened = false;  ///< read and write: of half the bytes
  bool lasting = false;    ///< and so do all after it
};

/// While it lives, the k-th `call` of this thread (from 1) goes wrong. One at a time.
class FaultyCall {
 public:
  FaultyCall(SystemCall call, int k, Fault fault);
  ~FaultyCall();
  FaultyCall(const FaultyCall&) = delete;
  FaultyCall& operator=(const FaultyCall&) = delete;

  /// Was there a k-th call?
  bool happened() const;
};

}  // namespace unroll::testing
