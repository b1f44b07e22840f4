// The JSON forms of Tokenizer and Vocabulary, and the only file of text/ that sees the JSON
// library.
#include <nlohmann/json.hpp>

#include <array>
#include <limits>
#include <set>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/text/tokenizer.h>
#include <unroll/text/vocabulary.h>

namespace unroll::text {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<TokenizerKind, const char*>, 5> kKindNames = {
    {{TokenizerKind::words, "words"},
     {TokenizerKind::spaces, "spaces"},
     {TokenizerKind::characters, "characters"},
     {TokenizerKind::decomposed, "decomposed"},
     {TokenizerKind::bpe, "bpe"}}};

constexpr int kVersion = 1;

// The fields of one JSON object; refuses what it does not expect.
class Fields {
 public:
  Fields(const char* function, std::string_view text) : function_(function) {
    std::set<std::string> names;
    // The library would keep the last of two equal names.
    const auto check = [&](int depth, Json::parse_event_t event, Json& name) {
      if (depth == 1 && event == Json::parse_event_t::key &&
          !names.insert(name.get<std::string>()).second) {
        fail("a second field \"" + name.get<std::string>() + "\"", "each field once");
      }
      return true;
    };
    try {
      json_ = Json::parse(text, check);
    } catch (const Json::exception& error) {
      fail(error.what(), "JSON");
    }
    if (!json_.is_object()) fail(json_.type_name(), "an object");
  }

  void require_names(const std::set<std::string>& names) const {
    for (const auto& item : json_.items()) {
      if (!names.contains(item.key())) fail("field \"" + item.key() + "\"", "no such field");
    }
    for (const std::string& name : names) {
      if (!has(name)) fail("no field \"" + name + "\"", "that field");
    }
  }

  void require_format(const std::string& format) const {
    if (!has("format") || text("format") != format) {
      fail("another format", "\"format\": \"" + format + "\"");
    }
    if (!has("version") || count("version") != kVersion) {
      fail("another version", "\"version\": " + std::to_string(kVersion));
    }
  }

  bool has(const std::string& name) const { return json_.contains(name); }

  std::string text(const char* name) const { return text(json_.at(name), name); }

  bool boolean(const char* name) const {
    if (!json_.at(name).is_boolean()) fail(describe(json_.at(name), name), "true or false");
    return json_.at(name).get<bool>();
  }

  int count(const char* name) const {
    const Json& value = json_.at(name);
    const auto most = static_cast<Json::number_unsigned_t>(std::numeric_limits<int>::max());
    if (!value.is_number_unsigned() || value.get<Json::number_unsigned_t>() > most) {
      fail(describe(value, name), "an integer from 0 to " + std::to_string(most));
    }
    return value.get<int>();
  }

  std::vector<std::string> texts(const char* name) const {
    std::vector<std::string> result;
    for (const Json& value : array(name)) result.push_back(text(value, name));
    return result;
  }

  std::vector<std::pair<std::string, std::string>> text_pairs(const char* name) const {
    std::vector<std::pair<std::string, std::string>> result;
    for (const Json& value : array(name)) {
      if (!value.is_array() || value.size() != 2) fail(describe(value, name), "pairs of strings");
      result.emplace_back(text(value[0], name), text(value[1], name));
    }
    return result;
  }

  [[noreturn]] void fail(const std::string& got, const std::string& expected) const {
    throw ValueError(std::string(function_) + ": " + got + "; expected " + expected);
  }

 private:
  static std::string describe(const Json& value, const char* name) {
    return std::string(value.type_name()) + " in field \"" + name + "\"";
  }

  std::string text(const Json& value, const char* name) const {
    if (!value.is_string()) fail(describe(value, name), "a string");
    return value.get<std::string>();
  }

  const Json& array(const char* name) const {
    if (!json_.at(name).is_array()) fail(describe(json_.at(name), name), "an array");
    return json_.at(name);
  }

  const char* function_;
  Json json_;
};

TokenizerKind kind_named(const Fields& fields) {
  const std::string wanted = fields.text("kind");
  for (const auto& [kind, name] : kKindNames) {
    if (wanted == name) return kind;
  }
  fields.fail("kind \"" + wanted + "\"", "words, spaces, characters or bpe");
}

}  // namespace

std::string Tokenizer::to_json() const {
  Json json = {{"format", "unroll tokenizer"},
               {"version", kVersion},
               {"lower_case", options_.lower_case},
               {"bpe_merges", options_.bpe_merges}};
  for (const auto& [kind, name] : kKindNames) {
    if (kind == options_.kind) json["kind"] = name;
  }
  if (bpe_) json["merges"] = bpe_->merges();
  return json.dump();
}

Tokenizer Tokenizer::from_json(std::string_view json) {
  const Fields fields("Tokenizer::from_json", json);
  fields.require_format("unroll tokenizer");
  std::set<std::string> names = {"format", "version", "kind", "lower_case", "bpe_merges"};
  const bool has_merges = fields.has("merges");
  if (has_merges) names.insert("merges");
  fields.require_names(names);
  TokenizerOptions options;
  options.kind = kind_named(fields);
  options.lower_case = fields.boolean("lower_case");
  options.bpe_merges = fields.count("bpe_merges");
  return has_merges ? Tokenizer(options, Bpe(fields.text_pairs("merges"))) : Tokenizer(options);
}

std::string Vocabulary::to_json() const {
  const std::vector<std::string> tokens(tokens_.begin() + kFirstToken, tokens_.end());
  return Json{{"format", "unroll vocabulary"}, {"version", kVersion}, {"tokens", tokens}}.dump();
}

Vocabulary Vocabulary::from_json(std::string_view json) {
  const Fields fields("Vocabulary::from_json", json);
  fields.require_format("unroll vocabulary");
  fields.require_names({"format", "version", "tokens"});
  return Vocabulary(fields.texts("tokens"));
}

}  // namespace unroll::text
