// The list of all benchmarks.
#include <unroll/autograd/error.h>
#include <unroll/bench/workload.h>

namespace unroll::bench {

Difference Workload::load(const train::TensorFile&) {
  throw StateError("bench: this workload is not a peer; it gives examples and takes none");
}

std::vector<Entry> all_entries() {
  std::vector<Entry> entries;
  for (const auto add : {add_layers, add_cells, add_chain, add_growth, add_threads, add_micro,
                         add_onednn}) {
    add(entries);
  }
  return entries;
}

}  // namespace unroll::bench
