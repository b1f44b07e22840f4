// JSON of vocabularies and tokenizers, then, behind a NUL byte, a sentence: refused by a
// ValueError, or an equal object comes back and the sentence goes through it and back.
#include <unroll/text/vocabulary.h>

#include <string>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/tests/fuzz/memory_file.h>
#include <unroll/text/tokenizer.h>

using namespace unroll;
using namespace unroll::text;

namespace {

void vocabulary(std::string_view json) {
  const Vocabulary words = Vocabulary::from_json(json);
  fuzz::expect(Vocabulary::from_json(words.to_json()) == words, "a vocabulary comes back");
  for (std::size_t i = kFirstToken; i < words.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    fuzz::expect(words.id(words.token(id)) == id, "each token has its id");
  }
}

void tokenizer(std::string_view json, std::string_view sentence) {
  const Tokenizer tokens = Tokenizer::from_json(json);
  const std::string written = tokens.to_json();
  const Tokenizer back = Tokenizer::from_json(written);
  fuzz::expect(back.to_json() == written && back.options() == tokens.options(),
               "a tokenizer comes back");
  const auto parts = tokens.tokenize(sentence);
  fuzz::expect(back.tokenize(sentence) == parts, "equal tokenizers give equal tokens");
  const std::string once = tokens.detokenize(parts);
  fuzz::expect(tokens.detokenize(tokens.tokenize(once)) == once, "a sentence comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view json = text.substr(0, text.find('\0'));
  const std::string_view sentence = text.substr(std::min(json.size() + 1, size));
  try {
    vocabulary(json);
  } catch (const ValueError&) {
  }
  try {
    tokenizer(json, sentence);
  } catch (const ValueError&) {
  }
  return 0;
}
