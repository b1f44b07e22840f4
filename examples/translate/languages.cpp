// Languages: learning, encoding, JSON.
#include <unroll/examples/translate/languages.h>

#include <nlohmann/json.hpp>

#include <unroll/autograd/error.h>

namespace unroll::translate {

namespace {

Language learn_side(const std::vector<text::SentencePair>& pairs,
                    std::string text::SentencePair::*side, const LanguageOptions& options) {
  text::TokenizerLearner learner(options.tokenizer);
  for (const text::SentencePair& pair : pairs) learner.add(pair.*side);
  text::Tokenizer tokenizer = learner.learn();
  text::TokenCounts counts;
  for (const text::SentencePair& pair : pairs) {
    text::add_counts(counts, tokenizer.tokenize(pair.*side));
  }
  return {std::move(tokenizer), text::Vocabulary::build(counts, options.vocabulary)};
}

nlohmann::json side_to_json(const Language& language) {
  return {{"tokenizer", language.tokenizer.to_json()},
          {"vocabulary", language.vocabulary.to_json()}};
}

Language side_from_json(const nlohmann::json& json) {
  return {text::Tokenizer::from_json(json.at("tokenizer").get<std::string>()),
          text::Vocabulary::from_json(json.at("vocabulary").get<std::string>())};
}

}  // namespace

std::vector<std::int32_t> Language::encode(std::string_view sentence, text::Ends ends) const {
  return vocabulary.encode(tokenizer.tokenize(sentence), ends);
}

std::string Language::decode(const std::vector<std::int32_t>& ids) const {
  return tokenizer.detokenize(vocabulary.decode(ids));
}

Languages Languages::learn(const std::vector<text::SentencePair>& pairs,
                           const LanguageOptions& source, const LanguageOptions& target) {
  return {learn_side(pairs, &text::SentencePair::source, source),
          learn_side(pairs, &text::SentencePair::target, target)};
}

std::vector<Example> Languages::encode(const std::vector<text::SentencePair>& pairs) const {
  std::vector<Example> examples;
  examples.reserve(pairs.size());
  for (const text::SentencePair& pair : pairs) {
    examples.push_back({source.encode(pair.source, {.eos = true}), target.encode(pair.target)});
  }
  return examples;
}

std::string Languages::to_json() const {
  return nlohmann::json{{"source", side_to_json(source)}, {"target", side_to_json(target)}}.dump();
}

Languages Languages::from_json(std::string_view json) {
  try {
    const nlohmann::json parsed = nlohmann::json::parse(json);
    return {side_from_json(parsed.at("source")), side_from_json(parsed.at("target"))};
  } catch (const nlohmann::json::exception& e) {
    throw ValueError(std::string("Languages::from_json: ") + e.what());
  }
}

}  // namespace unroll::translate
