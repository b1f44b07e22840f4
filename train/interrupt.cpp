// Interrupt: a signal handler that only sets a flag.
#include <unroll/train/interrupt.h>

#include <csignal>

namespace unroll::train {

namespace {

// A handler can reach nothing but a global.
volatile std::sig_atomic_t interrupted = 0;
struct sigaction former_int, former_term;

void note_signal(int) { interrupted = 1; }

}  // namespace

Interrupt::Interrupt() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  // After the first signal the default action is in force again, so a second one ends the program.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &former_int);
  sigaction(SIGTERM, &action, &former_term);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &former_int, nullptr);
  sigaction(SIGTERM, &former_term, nullptr);
}

bool Interrupt::requested() const { return interrupted != 0; }

}  // namespace unroll::train
