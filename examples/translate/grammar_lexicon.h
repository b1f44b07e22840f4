// The words of the demonstration grammar with what each side needs to inflect them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::translate {

enum class Gender { kMasculine, kFeminine };
enum class Number { kSingular, kPlural };

/// What a noun is and what can be done with it: a set of bits. Verbs, adjectives and prepositions
/// name the bits they go with, so that sentences make some sense.
using Traits = unsigned;

namespace trait {
inline constexpr Traits kAdult = 1u << 0;
inline constexpr Traits kChild = 1u << 1;
inline constexpr Traits kKin = 1u << 2;  // always someone's: "my aunt", "Paul's aunt"
inline constexpr Traits kProperName = 1u << 3;
inline constexpr Traits kAnimal = 1u << 4;
inline constexpr Traits kFood = 1u << 5;
inline constexpr Traits kText = 1u << 6;
inline constexpr Traits kGarment = 1u << 7;
inline constexpr Traits kObject = 1u << 8;
inline constexpr Traits kFixture = 1u << 9;
inline constexpr Traits kFlower = 1u << 10;
inline constexpr Traits kTree = 1u << 11;
inline constexpr Traits kPlace = 1u << 12;
inline constexpr Traits kSinger = 1u << 13;
inline constexpr Traits kOpenable = 1u << 14;
inline constexpr Traits kOwned = 1u << 15;        // takes a possessive or an owner
inline constexpr Traits kOwner = 1u << 16;        // can stand before 's
inline constexpr Traits kInside = 1u << 17;       // goes with "in"
inline constexpr Traits kGround = 1u << 18;       // goes with "on" for everybody
inline constexpr Traits kTop = 1u << 19;          // goes with "on" for animals and small things
inline constexpr Traits kShade = 1u << 20;        // goes with "under" for everybody
inline constexpr Traits kCover = 1u << 21;        // goes with "under" for animals and small things
inline constexpr Traits kLandmark = 1u << 22;     // goes with "near", "behind", "in front of"
inline constexpr Traits kDestination = 1u << 23;  // goes with "to" and "at"
inline constexpr Traits kPerson = kAdult | kChild | kKin | kProperName;
}  // namespace trait

/// A common noun, or a proper name (no plural, no determiner).
struct Noun {
  std::string english, english_plural;
  std::string french, french_plural;
  Gender gender;
  Traits traits;
};

/// An adjective. `masculine_vowel` is the masculine singular before a vowel (bel, vieil, nouvel).
struct Adjective {
  std::string english;
  std::string masculine, feminine, masculine_plural, feminine_plural, masculine_vowel;
  bool before_noun;  // French position
  bool colour;       // may follow another adjective: "a big red house"
  bool predicative;  // may stand after "to be"
  Traits fits;

  /// True when masculine and feminine are equal, so that it suits "I", "you" and "we".
  bool same_in_both_genders() const { return masculine == feminine; }
  /// The form for this gender and number, except before a vowel.
  const std::string& french(Gender gender, Number number) const;
  /// How many different French forms it has: 2 (rouge, rouges) to 5 (beau, bel, ...).
  std::size_t french_forms() const;
};

/// What a verb is followed by.
enum class Frame { kAlone, kObject, kObjectAndRecipient, kRecipient, kDestination, kArrival };

/// The French subject persons in use; nobody is addressed as "tu".
enum class FrenchPerson { kJe, kIl, kNous, kVous, kIls };
using Conjugation = std::array<std::string, 5>;

/// A verb. An English verb with a progressive form uses it as its present ("is eating").
struct Verb {
  std::string english, third, progressive, past;
  std::string particle;  // "for" in "to look for", which French does without
  std::string infinitive;
  Conjugation present;
  std::string participle;
  bool with_etre;        // passé composé with être, participle agreeing with the subject
  bool present_only;     // states, whose French past would need the imparfait
  bool specific_object;  // no "a", "two", "many"... before the object
  bool takes_place;      // goes with "in the garden"
  bool takes_company;    // goes with "with my sister"
  bool asks_what;        // goes with "What is he ...ing?"
  bool possession;       // "to have": "I have a sister", though kin needs an owner elsewhere
  Frame frame;
  Traits subjects, objects;
};

/// "hungry" = "avoir faim": English "to be", French "avoir".
struct Feeling {
  std::string english, french;
  bool has_cause;  // "afraid of ..." = "peur de ..."
};

const std::vector<Noun>& nouns();
const std::vector<Adjective>& adjectives();
const std::vector<Verb>& verbs();
const std::vector<Feeling>& feelings();

/// The entry with this English dictionary form; throws ValueError when there is none.
const Noun& find_noun(std::string_view english);
const Adjective& find_adjective(std::string_view english);
const Verb& find_verb(std::string_view english);
const Feeling& find_feeling(std::string_view english);

}  // namespace unroll::translate
