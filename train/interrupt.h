// Interrupt: lets a training loop notice Ctrl-C (SIGINT) or SIGTERM and leave in good order.
#pragma once

namespace unroll::train {

/// While it lives, the first SIGINT or SIGTERM only sets a flag; a second one ends the program as
/// usual. The former handlers come back at the end. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Was there a signal?
  bool requested() const;
};

}  // namespace unroll::train
