// Random noun phrases, pronouns and places.
#include <iterator>
#include <utility>

#include <unroll/examples/translate/grammar_french.h>
#include <unroll/examples/translate/grammar_sample.h>

namespace unroll::translate {
namespace {

using namespace trait;

// Stands for one of the six possessives until one is drawn.
constexpr Determiner kPossessive = Determiner::kMy;

using Weights = std::vector<std::pair<Determiner, std::uint32_t>>;

Weights quantities() {
  return {{Determiner::kTwo, 2},
          {Determiner::kThree, 2},
          {Determiner::kSome, 2},
          {Determiner::kMany, 2}};
}

Weights determiner_weights(const NounPhrase& phrase, Role role) {
  const Traits traits = phrase.noun->traits;
  const bool singular = phrase.number == Number::kSingular;
  if (role == Role::kExisting) return singular ? Weights{{Determiner::kA, 1}} : quantities();
  if ((traits & kKin) != 0) {
    if (role == Role::kPossessed) return singular ? Weights{{Determiner::kA, 1}} : quantities();
    return {{kPossessive, 3}, {Determiner::kOwner, 1}};
  }
  Weights weights = {{Determiner::kThe, 8}};
  if (role != Role::kIdentity) weights.push_back({Determiner::kThis, 4});
  if ((traits & kOwned) != 0) {
    weights.push_back({kPossessive, 5});
    weights.push_back({Determiner::kOwner, 2});
  }
  const bool free = role == Role::kFree || role == Role::kPossessed;
  if (singular && role == Role::kSubject) weights.push_back({Determiner::kA, 2});
  if (singular && (free || role == Role::kNegated || role == Role::kIdentity)) {
    weights.push_back({Determiner::kA, 12});
  }
  if (!singular && (free || role == Role::kSubject)) {
    for (const auto& quantity : quantities()) weights.push_back(quantity);
  }
  return weights;
}

Determiner draw(Random& random, const Weights& weights) {
  std::uint32_t total = 0;
  for (const auto& [determiner, weight] : weights) total += weight;
  std::uint32_t at = random.below(total);
  for (const auto& [determiner, weight] : weights) {
    if (at < weight) return determiner;
    at -= weight;
  }
  return weights.back().first;
}

std::vector<const Noun*> nouns_of_kind(Traits kinds) {
  std::vector<const Noun*> found;
  for (const Noun& noun : nouns()) {
    if ((noun.traits & kinds) != 0) found.push_back(&noun);
  }
  return found;
}

// Each adjective as many times as it has French forms, so that each form is heard often enough;
// one like "beau" even more with a noun that calls for its rare form: "un bel oiseau".
std::vector<const Adjective*> adjectives_of(const Noun& noun, bool colours_only) {
  const bool rare_form = noun.gender == Gender::kMasculine && starts_with_vowel_sound(noun.french);
  std::vector<const Adjective*> found;
  for (const Adjective& adjective : adjectives()) {
    if ((adjective.fits & noun.traits) == 0 || (colours_only && !adjective.colour)) continue;
    const bool favoured = rare_form && adjective.masculine_vowel != adjective.masculine;
    found.insert(found.end(), adjective.french_forms() * (favoured ? 3 : 1), &adjective);
  }
  return found;
}

void add_adjectives(Random& random, NounPhrase& phrase, Role role) {
  const std::uint32_t percent = role == Role::kSubject || role == Role::kPlace ? 25 : 48;
  const auto fitting = adjectives_of(*phrase.noun, false);
  if (fitting.empty() || !chance(random, percent)) return;
  phrase.first_adjective = pick(random, fitting);
  const auto colours = adjectives_of(*phrase.noun, true);
  const bool room = phrase.first_adjective->before_noun && phrase.owner == nullptr;
  if (room && !colours.empty() && chance(random, 30)) phrase.colour = pick(random, colours);
}

}  // namespace

NounPhrase sample_noun_phrase(Random& random, Traits kinds, Role role, bool plain) {
  static constexpr Determiner kPossessives[] = {Determiner::kMy,  Determiner::kYour,
                                                Determiner::kHis, Determiner::kHer,
                                                Determiner::kOur, Determiner::kTheir};
  NounPhrase phrase;
  phrase.noun = pick(random, nouns_of_kind(kinds));
  if ((phrase.noun->traits & kProperName) != 0) {
    phrase.determiner = Determiner::kNone;
    return phrase;
  }
  const std::uint32_t plural_percent = role == Role::kPlace ? 18 : 42;
  if (chance(random, plural_percent)) phrase.number = Number::kPlural;
  phrase.determiner = draw(random, determiner_weights(phrase, role));
  if (phrase.determiner == kPossessive) phrase.determiner = pick(random, kPossessives);
  if (phrase.determiner == Determiner::kOwner) {
    do {
      phrase.owner = pick(random, nouns_of_kind(kOwner));
    } while (phrase.owner == phrase.noun);
  }
  if (!plain) add_adjectives(random, phrase, role);
  return phrase;
}

Pronoun sample_pronoun(Random& random) {
  static constexpr Pronoun kWeighted[] = {Pronoun::kI,   Pronoun::kI,   Pronoun::kYou,
                                          Pronoun::kYou, Pronoun::kWe,  Pronoun::kWe,
                                          Pronoun::kHe,  Pronoun::kShe, Pronoun::kThey};
  return pick(random, kWeighted);
}

NounPhrase sample_other_pronoun(Random& random, const NounPhrase& subject) {
  const auto first_person = [](Pronoun pronoun) {
    return pronoun == Pronoun::kI || pronoun == Pronoun::kWe;
  };
  while (true) {
    const Pronoun pronoun = sample_pronoun(random);
    if (!is_pronoun(subject)) return pronoun_phrase(pronoun);
    const bool same =
        pronoun == subject.pronoun || (first_person(pronoun) && first_person(subject.pronoun));
    if (!same) return pronoun_phrase(pronoun);
  }
}

PrepositionalPhrase sample_place(Random& random, const NounPhrase& subject, bool plain) {
  constexpr Traits small = kAnimal | kFood | kText | kGarment | kFlower;
  const bool is_small = !is_pronoun(subject) && (subject.noun->traits & small) != 0;
  const std::pair<Preposition, Traits> places[] = {
      {Preposition::kIn, kInside},
      {Preposition::kIn, kInside},
      {Preposition::kOn, is_small ? kGround | kTop : kGround},
      {Preposition::kUnder, is_small ? kShade | kCover : kShade},
      {Preposition::kBehind, kLandmark},
      {Preposition::kInFrontOf, kLandmark},
      {Preposition::kNear, kLandmark},
      {Preposition::kAt, kDestination},
  };
  const auto& [preposition, kinds] = pick(random, places);
  return {preposition, sample_noun_phrase(random, kinds, Role::kPlace, plain)};
}

}  // namespace unroll::translate
