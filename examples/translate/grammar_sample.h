// Random sentence trees of the demonstration grammar.
#pragma once

#include <unroll/autograd/random.h>
#include <unroll/examples/translate/grammar_syntax.h>

namespace unroll::translate {

/// A random sentence of one or two clauses.
Sentence sample_sentence(Random& random);

/// A random statement of two or three full clauses.
Sentence sample_long_sentence(Random& random);

/// What a noun phrase is for; it decides which determiners suit.
enum class Role {
  kSubject,
  kSpecific,  // something known: "the", "my", "this"
  kFree,
  kNegated,    // the free object of a negated verb: no quantities
  kPossessed,  // the object of "to have": kin need no owner
  kExisting,   // after "there is"
  kIdentity,   // after "it is"
  kPlace,
};

/// A random noun with one of the traits in `kinds`, with determiner and adjectives that suit;
/// proper names included where `kinds` has trait::kProperName. `plain` leaves the adjectives out.
NounPhrase sample_noun_phrase(Random& random, Traits kinds, Role role, bool plain = false);

/// One of the six pronouns. "I", "you" and "we" come more often than the others, because their
/// French verb forms occur with no other subject.
Pronoun sample_pronoun(Random& random);

/// A pronoun for another person than `subject`: "I ... him", never "I ... me" or "I ... us".
NounPhrase sample_other_pronoun(Random& random, const NounPhrase& subject);

/// "in the garden", "under a tree": where `subject` may be. `plain` leaves the adjectives out.
PrepositionalPhrase sample_place(Random& random, const NounPhrase& subject, bool plain);

/// Where a clause stands decides what it may contain.
struct Setting {
  Form form = Form::kStatement;
  bool brief = false;         // one of two clauses of a short sentence
  bool present_only = false;  // around "when"
};

/// A random clause in which no noun occurs twice.
Clause sample_clause(Random& random, const Setting& setting);

/// True `percent` times out of 100.
inline bool chance(Random& random, std::uint32_t percent) { return random.below(100) < percent; }

/// One of the items, all equally likely.
template <typename Items>
const auto& pick(Random& random, const Items& items) {
  return *(std::begin(items) + random.below(static_cast<std::uint32_t>(std::size(items))));
}

}  // namespace unroll::translate
