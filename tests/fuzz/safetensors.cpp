// safetensors: bytes are refused by an IoError, or what they hold comes back from its own file.
#include <unroll/train/safetensors.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/tests/fuzz/memory_file.h>

using namespace unroll;
using train::TensorFile;

namespace {

bool equal(const TensorFile& a, const TensorFile& b) {
  return a.metadata == b.metadata &&
         std::ranges::equal(a.tensors, b.tensors, [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.identical(y.second);
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const TensorFile file = train::parse_safetensors(bytes);
    const auto written = train::serialize_safetensors(file);
    fuzz::expect(equal(train::parse_safetensors(written), file), "a file comes back");
    fuzz::expect(equal(train::load_safetensors(fuzz::MemoryFile(bytes).path()), file),
                 "reading a file is reading its bytes");
  } catch (const IoError&) {
  }
  return 0;
}
