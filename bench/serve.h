// The program as a child of compare.py: one command a line, one JSON answer a line.
#pragma once

#include <unroll/bench/workload.h>

namespace unroll::bench {

/// Reads standard input to its end.
///   make NAME FILE THREADS     prepares a workload. One of ours writes its example to FILE; a peer
///                              reads it and answers how far its results are from those in there
///   run NAME SECONDS THREADS   times steps of it
///   clear                      forgets all workloads
///   peak THREADS               the FMA peak
///   about                      the versions of compiler and oneDNN
void serve(const std::vector<Entry>& entries, const Setting& setting);

}  // namespace unroll::bench
