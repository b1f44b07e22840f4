// The sentence trees of the demonstration grammar, common to both languages, and their writers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <unroll/examples/translate/grammar.h>
#include <unroll/examples/translate/grammar_lexicon.h>

namespace unroll::translate {

enum class Pronoun { kI, kYou, kHe, kShe, kWe, kThey };

enum class Determiner {
  kNone,  // proper names
  kThe,
  kA,
  kThis,
  kMy,
  kYour,
  kHis,
  kHer,
  kOur,
  kTheir,
  kOwner,  // "the boy's": NounPhrase::owner
  kTwo,
  kThree,
  kSome,
  kMany,
};

/// A pronoun (no noun), a proper name, or a noun with its determiner and up to two adjectives.
struct NounPhrase {
  const Noun* noun = nullptr;
  Pronoun pronoun = Pronoun::kHe;
  Determiner determiner = Determiner::kThe;
  Number number = Number::kSingular;
  const Adjective* first_adjective = nullptr;
  const Adjective* colour = nullptr;  // the second of two English adjectives
  const Noun* owner = nullptr;
};

inline bool is_pronoun(const NounPhrase& phrase) { return phrase.noun == nullptr; }

inline NounPhrase pronoun_phrase(Pronoun pronoun) {
  NounPhrase phrase;
  phrase.pronoun = pronoun;
  return phrase;
}

enum class Preposition { kIn, kOn, kUnder, kBehind, kInFrontOf, kNear, kAt, kTo, kWith };

struct PrepositionalPhrase {
  Preposition preposition;
  NounPhrase phrase;
};

enum class Tense { kPresent, kPast, kFuture };
enum class Modal { kNone, kCan, kMust, kWant };
enum class TimeWord { kNone, kNow, kToday, kYesterday, kTomorrow };

enum class ClauseKind {
  kVerb,
  kAdjective,  // "The house is very big"
  kPlace,      // "The cat is on the table"
  kFeeling,    // "I am hungry"
  kIdentity,   // "It is my dog", "These are my dogs": the noun phrase is `object`
  kExistence,  // "There is a cat on the table": the noun phrase is `object`
};

struct Clause {
  ClauseKind kind = ClauseKind::kVerb;
  NounPhrase subject;
  Tense tense = Tense::kPresent;
  Modal modal = Modal::kNone;  // with kPresent only
  bool negated = false;
  const Verb* verb = nullptr;
  const Adjective* adjective = nullptr;
  bool very = false;
  const Feeling* feeling = nullptr;
  std::optional<NounPhrase> object;
  std::vector<PrepositionalPhrase> adjuncts;
  TimeWord time = TimeWord::kNone;
};

enum class Form { kStatement, kYesNo, kWho, kWhat, kWhere, kWhy };
enum class Conjunction { kAnd, kBut, kBecause, kWhen };

/// One clause, or several joined by conjunctions.size() == clauses.size() - 1 conjunctions.
/// `thinker` puts "... thinks that" in front. Only a single clause can be a question: kWho
/// ignores the subject, kWhat leaves out the object, kWhere asks for a place that is not given.
struct Sentence {
  Form form = Form::kStatement;
  std::vector<Clause> clauses;
  std::vector<Conjunction> conjunctions;
  std::optional<NounPhrase> thinker;
};

std::string english(const Sentence& sentence);
std::string french(const Sentence& sentence);

/// Every adjective or verb of the sentence with each noun that it describes or governs.
std::vector<WordPair> word_pairs(const Sentence& sentence);

/// True for the subjects that French agrees with in the plural: plural nouns, "we" and "they".
inline bool is_plural(const NounPhrase& phrase) {
  if (!is_pronoun(phrase)) return phrase.number == Number::kPlural;
  return phrase.pronoun == Pronoun::kWe || phrase.pronoun == Pronoun::kThey;
}

}  // namespace unroll::translate
