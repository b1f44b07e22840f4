// The English side of the demonstration grammar.
#include <string>

#include <unroll/examples/translate/grammar_syntax.h>
#include <unroll/examples/translate/grammar_text.h>

namespace unroll::translate {
namespace {

bool is_third_singular(const NounPhrase& subject) {
  if (subject.noun != nullptr) return subject.number == Number::kSingular;
  return subject.pronoun == Pronoun::kHe || subject.pronoun == Pronoun::kShe;
}

std::string to_be(const NounPhrase& subject, Tense tense) {
  const bool past = tense == Tense::kPast;
  if (is_third_singular(subject)) return past ? "was" : "is";
  const bool first_singular = subject.noun == nullptr && subject.pronoun == Pronoun::kI;
  if (first_singular) return past ? "was" : "am";
  return past ? "were" : "are";
}

std::string indefinite_article(const std::string& next) {
  return std::string("aeiou").find(next[0]) != std::string::npos ? "an" : "a";
}

Words determiner(const NounPhrase& phrase, const std::string& next) {
  const bool plural = phrase.number == Number::kPlural;
  switch (phrase.determiner) {
    case Determiner::kNone: return {};
    case Determiner::kThe: return {"the"};
    case Determiner::kA: return {indefinite_article(next)};
    case Determiner::kThis: return {plural ? "these" : "this"};
    case Determiner::kMy: return {"my"};
    case Determiner::kYour: return {"your"};
    case Determiner::kHis: return {"his"};
    case Determiner::kHer: return {"her"};
    case Determiner::kOur: return {"our"};
    case Determiner::kTheir: return {"their"};
    case Determiner::kOwner:
      if ((phrase.owner->traits & trait::kProperName) != 0) return {phrase.owner->english + "'s"};
      return {"the", phrase.owner->english + "'s"};
    case Determiner::kTwo: return {"two"};
    case Determiner::kThree: return {"three"};
    case Determiner::kSome: return {"some"};
    case Determiner::kMany: return {"many"};
  }
  return {};
}

Words common_noun(const NounPhrase& phrase) {
  const bool plural = phrase.number == Number::kPlural;
  Words words;
  if (phrase.first_adjective != nullptr) words.push_back(phrase.first_adjective->english);
  if (phrase.colour != nullptr) words.push_back(phrase.colour->english);
  words.push_back(plural ? phrase.noun->english_plural : phrase.noun->english);
  Words result = determiner(phrase, words.front());
  append(result, words);
  return result;
}

Words as_subject(const NounPhrase& phrase) {
  static const std::string kForms[] = {"I", "you", "he", "she", "we", "they"};
  if (phrase.noun == nullptr) return {kForms[static_cast<int>(phrase.pronoun)]};
  return common_noun(phrase);
}

Words as_object(const NounPhrase& phrase) {
  static const std::string kForms[] = {"me", "you", "him", "her", "us", "them"};
  if (phrase.noun == nullptr) return {kForms[static_cast<int>(phrase.pronoun)]};
  return common_noun(phrase);
}

Words preposition(Preposition preposition) {
  switch (preposition) {
    case Preposition::kIn: return {"in"};
    case Preposition::kOn: return {"on"};
    case Preposition::kUnder: return {"under"};
    case Preposition::kBehind: return {"behind"};
    case Preposition::kInFrontOf: return {"in", "front", "of"};
    case Preposition::kNear: return {"near"};
    case Preposition::kAt: return {"at"};
    case Preposition::kTo: return {"to"};
    case Preposition::kWith: return {"with"};
  }
  return {};
}

// A clause in the slots that questions and negation reorder: [auxiliary] subject [not] rest.
struct Slots {
  std::string auxiliary;
  bool auxiliary_is_optional = false;  // "does", "did": only for questions and negation
  Words with_auxiliary;                // "want to eat", after "does"
  Words without_auxiliary;             // "wants to eat"
};

Slots be_slots(const Clause& clause, const NounPhrase& subject, const Words& main) {
  Slots slots;
  slots.auxiliary = to_be(subject, clause.tense);
  slots.with_auxiliary = main;
  return slots;
}

Slots verb_slots(const Clause& clause, const NounPhrase& subject) {
  const Verb& verb = *clause.verb;
  const bool third = is_third_singular(subject);
  if (clause.tense == Tense::kFuture) {
    return be_slots(clause, subject, {"going", "to", verb.english});
  }
  if (clause.tense == Tense::kPast) return {"did", true, {verb.english}, {verb.past}};
  const std::string to_do = third ? "does" : "do";
  switch (clause.modal) {
    case Modal::kCan: return {"can", false, {verb.english}, {}};
    case Modal::kMust: return {"must", false, {verb.english}, {}};
    case Modal::kWant:
      return {to_do,
              true,
              {"want", "to", verb.english},
              {third ? "wants" : "want", "to", verb.english}};
    case Modal::kNone: break;
  }
  if (!verb.progressive.empty()) return be_slots(clause, subject, {verb.progressive});
  return {to_do, true, {verb.english}, {third ? verb.third : verb.english}};
}

Words complements(const Clause& clause, Form form) {
  Words words;
  if (clause.kind == ClauseKind::kVerb && !clause.verb->particle.empty()) {
    words.push_back(clause.verb->particle);
  }
  if (clause.kind == ClauseKind::kAdjective) {
    if (clause.very) words.push_back("very");
    words.push_back(clause.adjective->english);
  }
  if (clause.kind == ClauseKind::kFeeling) {
    words.push_back(clause.feeling->english);
    if (clause.feeling->has_cause) words.push_back("of");
  }
  if (clause.object && form != Form::kWhat) {
    Words object = as_object(*clause.object);
    const bool none = clause.kind == ClauseKind::kExistence && clause.negated;
    if (none) object.front() = "no";  // "There is no cat"
    append(words, object);
  }
  for (const PrepositionalPhrase& adjunct : clause.adjuncts) {
    append(words, preposition(adjunct.preposition));
    append(words, as_object(adjunct.phrase));
  }
  static const std::string kTimes[] = {"", "now", "today", "yesterday", "tomorrow"};
  if (clause.time != TimeWord::kNone) words.push_back(kTimes[static_cast<int>(clause.time)]);
  return words;
}

// "it is", "these are" and "there is" agree with the noun phrase that follows.
Words written_subject(const Clause& clause, Form form) {
  if (form == Form::kWho) return {"who"};
  if (clause.kind == ClauseKind::kIdentity) return {is_plural(*clause.object) ? "these" : "it"};
  if (clause.kind == ClauseKind::kExistence) return {"there"};
  return as_subject(clause.subject);
}

Words write_clause(const Clause& clause, Form form) {
  NounPhrase subject = clause.subject;
  if (clause.kind == ClauseKind::kIdentity || clause.kind == ClauseKind::kExistence) {
    subject = *clause.object;
  } else if (form == Form::kWho) {
    subject = NounPhrase{};  // "who" takes the verb of "he"
  }
  const Slots slots = clause.kind == ClauseKind::kVerb ? verb_slots(clause, subject)
                                                       : be_slots(clause, subject, {});
  const bool says_not = clause.negated && clause.kind != ClauseKind::kExistence;
  const bool inverted = form != Form::kStatement && form != Form::kWho;
  const bool uses_auxiliary = !slots.auxiliary_is_optional || inverted || says_not;

  Words words;
  if (inverted) words.push_back(slots.auxiliary);
  append(words, written_subject(clause, form));
  if (uses_auxiliary && !inverted) {
    if (slots.auxiliary == "can" && says_not) {
      words.push_back("cannot");
    } else {
      words.push_back(slots.auxiliary);
      if (says_not) words.push_back("not");
    }
  } else if (says_not) {
    words.push_back("not");
  }
  append(words, uses_auxiliary ? slots.with_auxiliary : slots.without_auxiliary);
  append(words, complements(clause, form));
  return words;
}

Words conjunction(Conjunction conjunction) {
  switch (conjunction) {
    case Conjunction::kAnd: return {"and"};
    case Conjunction::kBut: return {",", "but"};
    case Conjunction::kBecause: return {"because"};
    case Conjunction::kWhen: return {"when"};
  }
  return {};
}

}  // namespace

std::string english(const Sentence& sentence) {
  Words words;
  if (sentence.thinker) {
    append(words, as_subject(*sentence.thinker));
    append(words, {is_third_singular(*sentence.thinker) ? "thinks" : "think", "that"});
  }
  if (sentence.form == Form::kWhat) words.push_back("what");
  if (sentence.form == Form::kWhere) words.push_back("where");
  if (sentence.form == Form::kWhy) words.push_back("why");
  for (std::size_t i = 0; i < sentence.clauses.size(); ++i) {
    if (i > 0) append(words, conjunction(sentence.conjunctions[i - 1]));
    append(words, write_clause(sentence.clauses[i], sentence.form));
  }
  return finish_sentence(words, sentence.form == Form::kStatement ? "." : "?");
}

}  // namespace unroll::translate
