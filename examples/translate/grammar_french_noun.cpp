// French noun phrases: articles, agreement, adjective position, contraction.
#include <unroll/examples/translate/grammar_french.h>

#include <string>

namespace unroll::translate {
namespace {

// {masculine, feminine, plural} of mon, son...; the feminine gives way before a vowel: mon école.
std::string possessive(const std::string& stem, Gender gender, Number number, bool vowel) {
  if (number == Number::kPlural) return stem + "es";
  return stem + (gender == Gender::kFeminine && !vowel ? "a" : "on");
}

Words determiner(const NounPhrase& phrase, const std::string& next) {
  const Gender gender = phrase.noun->gender;
  const bool feminine = gender == Gender::kFeminine;
  const bool plural = phrase.number == Number::kPlural;
  const bool vowel = starts_with_vowel_sound(next);
  switch (phrase.determiner) {
    case Determiner::kNone: return {};
    case Determiner::kThe:
    case Determiner::kOwner: return {plural ? "les" : feminine ? "la" : "le"};
    case Determiner::kA: return {feminine ? "une" : "un"};
    case Determiner::kThis:
      if (plural) return {"ces"};
      return {feminine ? "cette" : vowel ? "cet" : "ce"};
    case Determiner::kMy: return {possessive("m", gender, phrase.number, vowel)};
    case Determiner::kHis:
    case Determiner::kHer: return {possessive("s", gender, phrase.number, vowel)};
    case Determiner::kYour: return {plural ? "vos" : "votre"};
    case Determiner::kOur: return {plural ? "nos" : "notre"};
    case Determiner::kTheir: return {plural ? "leurs" : "leur"};
    case Determiner::kTwo: return {"deux"};
    case Determiner::kThree: return {"trois"};
    case Determiner::kSome: return {"quelques"};
    case Determiner::kMany: return {"beaucoup", "de"};
  }
  return {};
}

}  // namespace

bool starts_with_vowel_sound(const std::string& word) {
  static const std::string kStarts[] = {"a", "e", "i", "o", "u", "y", "h", "A",
                                        "à", "â", "é", "è", "ê", "î", "ô", "œ"};
  if (word.compare(0, 5, "hibou") == 0) return false;
  for (const std::string& start : kStarts) {
    if (word.compare(0, start.size(), start) == 0) return true;
  }
  return false;
}

Words with_preposition(const std::string& preposition, const Words& phrase) {
  const bool is_de = preposition == "de";
  const bool contracts = is_de || preposition == "à";
  Words words = phrase;
  if (contracts && words[0] == "les") {
    words[0] = is_de ? "des" : "aux";
  } else if (contracts && words[0] == "le" && !starts_with_vowel_sound(words[1])) {
    words[0] = is_de ? "du" : "au";
  } else {
    words.insert(words.begin(), preposition);
  }
  return words;
}

Words french_noun_phrase(const NounPhrase& phrase, bool under_negation) {
  const Noun& noun = *phrase.noun;
  const bool plural = phrase.number == Number::kPlural;
  const std::string& noun_form = plural ? noun.french_plural : noun.french;
  Words words = {noun_form};
  if (const Adjective* adjective = phrase.first_adjective) {
    if (adjective->before_noun) {
      const bool vowel_form =
          !plural && noun.gender == Gender::kMasculine && starts_with_vowel_sound(noun_form);
      words.insert(words.begin(), vowel_form ? adjective->masculine_vowel
                                             : adjective->french(noun.gender, phrase.number));
    } else {
      words.push_back(adjective->french(noun.gender, phrase.number));
    }
  }
  if (phrase.colour != nullptr) {
    words.push_back(phrase.colour->french(noun.gender, phrase.number));
  }
  // The direct object of a negated verb changes un, une to de: "Il n'a pas de chien."
  const bool no_article = under_negation && phrase.determiner == Determiner::kA;
  Words result = no_article ? Words{"de"} : determiner(phrase, words.front());
  append(result, words);
  if (phrase.owner != nullptr) {
    const NounPhrase owner{phrase.owner};
    const bool named = (phrase.owner->traits & trait::kProperName) != 0;
    append(result,
           with_preposition("de", named ? Words{phrase.owner->french} : french_noun_phrase(owner)));
  }
  return result;
}

}  // namespace unroll::translate
