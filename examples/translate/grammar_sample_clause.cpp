// Random clauses.
#include <unroll/examples/translate/grammar_sample.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace unroll::translate {
namespace {

using namespace trait;

constexpr Traits kMovable = kAnimal | kFood | kText | kGarment | kObject;
constexpr Traits kDescribable = kMovable | kFixture | kFlower | kTree | kPlace;

// "I", "you", "we": English does not tell whether they are masculine or feminine.
bool hides_gender(const NounPhrase& phrase) {
  return is_pronoun(phrase) && (phrase.pronoun == Pronoun::kI || phrase.pronoun == Pronoun::kYou ||
                                phrase.pronoun == Pronoun::kWe);
}

NounPhrase sample_subject(Random& random, Traits kinds, Role role, const Setting& setting) {
  if (setting.form == Form::kWho) return pronoun_phrase(Pronoun::kHe);
  const bool person = (kinds & kAdult) != 0;
  if (!person || !chance(random, setting.brief ? 70 : 60)) {
    return sample_noun_phrase(random, kinds, role, setting.brief);
  }
  Pronoun pronoun = sample_pronoun(random);
  const bool asks = setting.form != Form::kStatement;
  while (asks && pronoun == Pronoun::kI) pronoun = sample_pronoun(random);
  return pronoun_phrase(pronoun);
}

PrepositionalPhrase sample_company(Random& random, const NounPhrase& subject) {
  if (chance(random, 40)) return {Preposition::kWith, sample_other_pronoun(random, subject)};
  return {Preposition::kWith, sample_noun_phrase(random, kPerson, Role::kSpecific, true)};
}

void sample_time_word(Random& random, Clause& clause) {
  switch (clause.tense) {
    case Tense::kPresent:
      if (chance(random, 12)) {
        clause.time = chance(random, 50) ? TimeWord::kNow : TimeWord::kToday;
      }
      break;
    case Tense::kPast:
      if (chance(random, 25)) clause.time = TimeWord::kYesterday;
      break;
    case Tense::kFuture:
      if (chance(random, 25)) clause.time = TimeWord::kTomorrow;
      break;
  }
}

void sample_object(Random& random, Clause& clause, const Setting& setting) {
  const Verb& verb = *clause.verb;
  // After the passé composé the participle would agree with the pronoun.
  const bool personal = (verb.objects & kAdult) != 0 && clause.tense != Tense::kPast;
  if (personal && chance(random, 30)) {
    clause.object = sample_other_pronoun(random, clause.subject);
    return;
  }
  Role role = clause.negated ? Role::kNegated : Role::kFree;
  if (verb.specific_object) role = Role::kSpecific;
  if (verb.possession && !clause.negated) role = Role::kPossessed;
  const bool plain = setting.brief && chance(random, 60);
  // "I do not have my sister" would be a complaint.
  const Traits left_out = verb.possession && clause.negated ? kKin : 0;
  clause.object = sample_noun_phrase(random, verb.objects & ~left_out, role, plain);
}

void sample_adjuncts(Random& random, Clause& clause, const Setting& setting) {
  const Verb& verb = *clause.verb;
  const bool where = setting.form == Form::kWhere;
  switch (verb.frame) {
    case Frame::kObjectAndRecipient:
    case Frame::kRecipient:
      clause.adjuncts.push_back(
          {Preposition::kTo, sample_noun_phrase(random, kPerson, Role::kSpecific, true)});
      break;
    case Frame::kDestination:
      if (!where) {
        clause.adjuncts.push_back(
            {Preposition::kTo, sample_noun_phrase(random, kDestination, Role::kPlace)});
      }
      break;
    case Frame::kArrival:
      if (!where && chance(random, 50)) {
        clause.adjuncts.push_back(
            {Preposition::kAt, sample_noun_phrase(random, kDestination, Role::kPlace)});
      }
      break;
    case Frame::kAlone:
    case Frame::kObject: break;
  }
  if (where || setting.brief) return;
  const bool room =
      !clause.object || is_pronoun(*clause.object) || clause.object->first_adjective == nullptr;
  if (verb.takes_company && chance(random, 25)) {
    clause.adjuncts.push_back(sample_company(random, clause.subject));
  } else if (verb.takes_place && room && chance(random, clause.object ? 25 : 50)) {
    clause.adjuncts.push_back(sample_place(random, clause.subject, chance(random, 60)));
  }
}

const Verb& sample_verb(Random& random, Form form) {
  // The few verbs with être come more often: their participles have four forms.
  const bool with_etre = form != Form::kWhat && chance(random, 24);
  while (true) {
    const Verb& verb = pick(random, verbs());
    if (verb.with_etre != with_etre) continue;
    if (form == Form::kWhat && !verb.asks_what) continue;
    if (form == Form::kWhere && !verb.takes_place && verb.frame != Frame::kDestination) continue;
    return verb;
  }
}

void sample_tense(Random& random, Clause& clause, const Setting& setting) {
  const Verb& verb = *clause.verb;
  if (verb.present_only || setting.present_only) return;
  const std::uint32_t roll = random.below(100);
  if (verb.with_etre && !hides_gender(clause.subject)) {
    clause.tense = roll < 60 ? Tense::kPast : roll < 70 ? Tense::kFuture : Tense::kPresent;
  } else if (roll < 22) {
    if (!verb.with_etre) clause.tense = Tense::kPast;
  } else if (roll < 33) {
    clause.tense = Tense::kFuture;
  } else if (roll < 47) {
    static constexpr Modal kModals[] = {Modal::kCan, Modal::kWant, Modal::kMust};
    // "must" has no simple question in everyday English.
    const bool question = setting.form != Form::kStatement;
    clause.modal = kModals[random.below(question ? 2 : 3)];
  }
}

Clause sample_verb_clause(Random& random, const Setting& setting) {
  Clause clause;
  clause.kind = ClauseKind::kVerb;
  clause.verb = &sample_verb(random, setting.form);
  clause.subject = sample_subject(random, clause.verb->subjects, Role::kSubject, setting);
  sample_tense(random, clause, setting);
  const bool can_negate = setting.form == Form::kStatement || setting.form == Form::kWhy;
  clause.negated = can_negate && chance(random, 22);
  const bool has_object = clause.verb->objects != 0 && setting.form != Form::kWhat;
  if (has_object) sample_object(random, clause, setting);
  sample_adjuncts(random, clause, setting);
  return clause;
}

const Adjective& sample_predicate(Random& random, const NounPhrase& subject) {
  const Traits traits = is_pronoun(subject) ? kAdult : subject.noun->traits;
  while (true) {
    const Adjective& adjective = pick(random, adjectives());
    if (!adjective.predicative || (adjective.fits & traits) == 0) continue;
    if (hides_gender(subject) && !adjective.same_in_both_genders()) continue;
    return adjective;
  }
}

Clause sample_adjective_clause(Random& random, const Setting& setting) {
  Clause clause;
  clause.kind = ClauseKind::kAdjective;
  const Traits kinds = chance(random, 50) ? kPerson : kDescribable;
  clause.subject = sample_subject(random, kinds, Role::kSpecific, setting);
  clause.adjective = &sample_predicate(random, clause.subject);
  clause.very = !clause.adjective->colour && chance(random, 30);
  return clause;
}

Clause sample_place_clause(Random& random, const Setting& setting) {
  Clause clause;
  clause.kind = ClauseKind::kPlace;
  const Traits kinds = chance(random, 40) ? kPerson : kMovable;
  if (setting.form == Form::kWhere) {
    clause.subject = sample_noun_phrase(random, kinds, Role::kSpecific);
  } else {
    clause.subject = sample_subject(random, kinds, Role::kSpecific, setting);
    clause.adjuncts = {sample_place(random, clause.subject, chance(random, 50))};
  }
  return clause;
}

Clause sample_feeling_clause(Random& random, const Setting& setting) {
  Clause clause;
  clause.kind = ClauseKind::kFeeling;
  clause.subject = sample_subject(random, kPerson | kAnimal, Role::kSpecific, setting);
  clause.feeling = &pick(random, feelings());
  if (!clause.feeling->has_cause) return clause;
  clause.object = chance(random, 25)
                      ? sample_other_pronoun(random, clause.subject)
                      : sample_noun_phrase(random, kPerson | kAnimal, Role::kSpecific);
  return clause;
}

Clause sample_identity_clause(Random& random, const Setting& setting) {
  Clause clause;
  clause.kind = ClauseKind::kIdentity;
  clause.object = sample_noun_phrase(random, ~0u, Role::kIdentity, setting.brief);
  return clause;
}

Clause sample_existence_clause(Random& random, const Setting&) {
  constexpr Traits kinds = kAdult | kChild | kMovable | kFlower | kTree;
  Clause clause;
  clause.kind = ClauseKind::kExistence;
  clause.object = sample_noun_phrase(random, kinds, Role::kExisting);
  clause.adjuncts = {sample_place(random, *clause.object, true)};
  return clause;
}

Clause sample_be_clause(Random& random, ClauseKind kind, Setting setting) {
  const auto sample = kind == ClauseKind::kAdjective  ? sample_adjective_clause
                      : kind == ClauseKind::kPlace    ? sample_place_clause
                      : kind == ClauseKind::kFeeling  ? sample_feeling_clause
                      : kind == ClauseKind::kIdentity ? sample_identity_clause
                                                      : sample_existence_clause;
  setting.brief = true;
  Clause clause = sample(random, setting);
  const bool can_negate = setting.form == Form::kStatement || setting.form == Form::kWhy;
  const bool quantity = kind == ClauseKind::kExistence && is_plural(*clause.object);
  clause.negated = can_negate && !quantity && chance(random, 22);
  const bool has_past = kind != ClauseKind::kIdentity && kind != ClauseKind::kExistence;
  if (has_past && !setting.present_only && chance(random, 35)) clause.tense = Tense::kPast;
  return clause;
}

// "The table is under the table."
bool repeats_a_noun(const Clause& clause) {
  std::vector<const Noun*> seen;
  const auto is_repeated = [&](const NounPhrase& phrase) {
    for (const Noun* noun : {phrase.noun, phrase.owner}) {
      if (noun == nullptr) continue;
      if (std::find(seen.begin(), seen.end(), noun) != seen.end()) return true;
      seen.push_back(noun);
    }
    return false;
  };
  if (is_repeated(clause.subject)) return true;
  if (clause.object && is_repeated(*clause.object)) return true;
  return std::any_of(clause.adjuncts.begin(), clause.adjuncts.end(),
                     [&](const auto& adjunct) { return is_repeated(adjunct.phrase); });
}

Clause sample_any_clause(Random& random, const Setting& setting) {
  const std::uint32_t roll = random.below(100);
  // "Who is it?" is another question, and "..., because it is my dog" hardly makes sense.
  const bool impersonal =
      !setting.brief && (setting.form == Form::kStatement || setting.form == Form::kYesNo);
  Clause clause;
  if (roll < 68 || setting.form == Form::kWhat) {
    clause = sample_verb_clause(random, setting);
  } else if (setting.form == Form::kWhere || (roll >= 80 && roll < 85)) {
    clause = sample_be_clause(random, ClauseKind::kPlace, setting);
  } else if (roll < 80) {
    clause = sample_be_clause(random, ClauseKind::kAdjective, setting);
  } else if (roll < 90 || !impersonal) {
    clause = sample_be_clause(random, ClauseKind::kFeeling, setting);
  } else if (roll < 95) {
    clause = sample_be_clause(random, ClauseKind::kIdentity, setting);
  } else {
    clause = sample_be_clause(random, ClauseKind::kExistence, setting);
  }
  const bool timeless = clause.kind == ClauseKind::kIdentity ||
                        clause.kind == ClauseKind::kExistence || setting.present_only;
  const bool room = !setting.brief || chance(random, 40);
  if (!timeless && room) sample_time_word(random, clause);
  return clause;
}

}  // namespace

Clause sample_clause(Random& random, const Setting& setting) {
  while (true) {
    Clause clause = sample_any_clause(random, setting);
    if (!repeats_a_noun(clause)) return clause;
  }
}

}  // namespace unroll::translate
