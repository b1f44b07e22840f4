// The French side of the demonstration grammar: clauses, negation, questions, elision.
#include <string>

#include <unroll/examples/translate/grammar_french.h>
#include <unroll/examples/translate/grammar_syntax.h>
#include <unroll/examples/translate/grammar_text.h>

namespace unroll::translate {
namespace {

const Conjugation kEtre = {"suis", "est", "sommes", "êtes", "sont"};
const Conjugation kEtreImparfait = {"étais", "était", "étions", "étiez", "étaient"};
const Conjugation kAvoir = {"ai", "a", "avons", "avez", "ont"};
const Conjugation kAvoirImparfait = {"avais", "avait", "avions", "aviez", "avaient"};
const Conjugation kAller = {"vais", "va", "allons", "allez", "vont"};
const Conjugation kPouvoir = {"peux", "peut", "pouvons", "pouvez", "peuvent"};
const Conjugation kDevoir = {"dois", "doit", "devons", "devez", "doivent"};
const Conjugation kVouloir = {"veux", "veut", "voulons", "voulez", "veulent"};
const Conjugation kPenser = {"pense", "pense", "pensons", "pensez", "pensent"};

bool elides(const std::string& word) {
  return word == "le" || word == "la" || word == "je" || word == "me" || word == "ne" ||
         word == "de" || word == "que" || word == "ce";
}

Words elided(Words words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (elides(words[i]) && starts_with_vowel_sound(words[i + 1])) words[i].back() = '\'';
  }
  return words;
}

FrenchPerson person_of(const NounPhrase& subject) {
  if (subject.noun == nullptr) {
    if (subject.pronoun == Pronoun::kI) return FrenchPerson::kJe;
    if (subject.pronoun == Pronoun::kYou) return FrenchPerson::kVous;
    if (subject.pronoun == Pronoun::kWe) return FrenchPerson::kNous;
  }
  return is_plural(subject) ? FrenchPerson::kIls : FrenchPerson::kIl;
}

Gender gender_of(const NounPhrase& phrase) {
  if (phrase.noun != nullptr) return phrase.noun->gender;
  return phrase.pronoun == Pronoun::kShe ? Gender::kFeminine : Gender::kMasculine;
}

const std::string& conjugated(const Conjugation& forms, const NounPhrase& subject) {
  return forms[static_cast<std::size_t>(person_of(subject))];
}

Words as_subject(const NounPhrase& phrase) {
  static const std::string kForms[] = {"je", "vous", "il", "elle", "nous", "ils"};
  if (phrase.noun == nullptr) return {kForms[static_cast<int>(phrase.pronoun)]};
  return french_noun_phrase(phrase);
}

std::string object_pronoun(Pronoun pronoun) {
  static const std::string kForms[] = {"me", "vous", "le", "la", "nous", "les"};
  return kForms[static_cast<int>(pronoun)];
}

Words after_preposition(const std::string& preposition, const NounPhrase& phrase) {
  static const std::string kForms[] = {"moi", "vous", "lui", "elle", "nous", "eux"};
  if (phrase.noun == nullptr) return {preposition, kForms[static_cast<int>(phrase.pronoun)]};
  return with_preposition(preposition, french_noun_phrase(phrase));
}

Words prepositional(const PrepositionalPhrase& phrase) {
  switch (phrase.preposition) {
    case Preposition::kIn: return after_preposition("dans", phrase.phrase);
    case Preposition::kOn: return after_preposition("sur", phrase.phrase);
    case Preposition::kUnder: return after_preposition("sous", phrase.phrase);
    case Preposition::kBehind: return after_preposition("derrière", phrase.phrase);
    case Preposition::kInFrontOf: return after_preposition("devant", phrase.phrase);
    case Preposition::kAt:
    case Preposition::kTo: return after_preposition("à", phrase.phrase);
    case Preposition::kWith: return after_preposition("avec", phrase.phrase);
    case Preposition::kNear: break;
  }
  Words words = {"près"};
  append(words, after_preposition("de", phrase.phrase));
  return words;
}

// finite verb ... [infinitive or participle]; the object pronoun stands before the infinitive if
// there is one: "Il ne la voit pas", "Il ne peut pas la voir".
struct VerbGroup {
  std::string finite;
  std::string infinitive, participle;
};

VerbGroup verb_group(const Clause& clause, const NounPhrase& subject) {
  const bool past = clause.tense == Tense::kPast;
  switch (clause.kind) {
    case ClauseKind::kAdjective:
    case ClauseKind::kPlace: return {conjugated(past ? kEtreImparfait : kEtre, subject), "", ""};
    case ClauseKind::kFeeling:
      return {conjugated(past ? kAvoirImparfait : kAvoir, subject), "", ""};
    case ClauseKind::kIdentity: return {is_plural(*clause.object) ? "sont" : "est", "", ""};
    case ClauseKind::kExistence: return {"a", "", ""};
    case ClauseKind::kVerb: break;
  }
  const Verb& verb = *clause.verb;
  if (past && !verb.with_etre) return {conjugated(kAvoir, subject), "", verb.participle};
  if (past) {
    std::string participle = verb.participle;
    if (gender_of(subject) == Gender::kFeminine) participle += "e";
    if (is_plural(subject)) participle += "s";
    return {conjugated(kEtre, subject), "", participle};
  }
  if (clause.tense == Tense::kFuture) return {conjugated(kAller, subject), verb.infinitive, ""};
  switch (clause.modal) {
    case Modal::kCan: return {conjugated(kPouvoir, subject), verb.infinitive, ""};
    case Modal::kMust: return {conjugated(kDevoir, subject), verb.infinitive, ""};
    case Modal::kWant: return {conjugated(kVouloir, subject), verb.infinitive, ""};
    case Modal::kNone: break;
  }
  return {conjugated(verb.present, subject), "", ""};
}

Words predicate(const Clause& clause, Form form) {
  const NounPhrase subject = form == Form::kWho ? NounPhrase{} : clause.subject;
  const VerbGroup group = verb_group(clause, subject);
  const bool what = form == Form::kWhat;
  Words clitic;
  if (clause.kind == ClauseKind::kExistence) clitic = {"y"};
  const bool direct_object = clause.kind == ClauseKind::kVerb && clause.object && !what;
  if (direct_object && clause.object->noun == nullptr) {
    clitic = {object_pronoun(clause.object->pronoun)};
  }

  Words words;
  if (clause.negated) words.push_back("ne");
  if (group.infinitive.empty()) append(words, clitic);
  words.push_back(group.finite);
  if (clause.negated) words.push_back("pas");
  if (!group.participle.empty()) words.push_back(group.participle);
  if (!group.infinitive.empty()) {
    append(words, clitic);
    words.push_back(group.infinitive);
  }

  if (clause.kind == ClauseKind::kAdjective) {
    if (clause.very) words.push_back("très");
    const Number number = is_plural(subject) ? Number::kPlural : Number::kSingular;
    words.push_back(clause.adjective->french(gender_of(subject), number));
  }
  if (clause.kind == ClauseKind::kFeeling) {
    words.push_back(clause.feeling->french);
    if (clause.object) append(words, after_preposition("de", *clause.object));
  } else if (clause.object && clause.object->noun != nullptr && !what) {
    const bool changes_article = clause.negated && clause.kind != ClauseKind::kIdentity;
    append(words, french_noun_phrase(*clause.object, changes_article));
  }
  for (const PrepositionalPhrase& adjunct : clause.adjuncts) {
    append(words, prepositional(adjunct));
  }
  static const std::string kTimes[] = {"", "maintenant", "aujourd'hui", "hier", "demain"};
  if (clause.time != TimeWord::kNone) words.push_back(kTimes[static_cast<int>(clause.time)]);
  return words;
}

Words write_clause(const Clause& clause, Form form) {
  Words words = predicate(clause, form);
  // "Où est le chat ?" is the one question with inversion.
  if (form == Form::kWhere && clause.kind == ClauseKind::kPlace) {
    const Words subject = as_subject(clause.subject);
    words.insert(words.begin() + 1, subject.begin(), subject.end());
    return words;
  }
  Words subject;
  if (form == Form::kWho) {
    subject = {"qui"};
  } else if (clause.kind == ClauseKind::kIdentity) {
    subject = {"ce"};
  } else if (clause.kind == ClauseKind::kExistence) {
    subject = {"il"};
  } else {
    subject = as_subject(clause.subject);
  }
  append(subject, words);
  return subject;
}

Words question_opening(const Sentence& sentence) {
  switch (sentence.form) {
    case Form::kStatement:
    case Form::kWho: return {};
    case Form::kYesNo: return {"est-ce", "que"};
    case Form::kWhat: return {"qu'est-ce", "que"};
    case Form::kWhy: return {"pourquoi", "est-ce", "que"};
    case Form::kWhere: break;
  }
  if (sentence.clauses.front().kind == ClauseKind::kPlace) return {"où"};
  return {"où", "est-ce", "que"};
}

Words conjunction(Conjunction conjunction) {
  switch (conjunction) {
    case Conjunction::kAnd: return {"et"};
    case Conjunction::kBut: return {",", "mais"};
    case Conjunction::kBecause: return {"parce", "que"};
    case Conjunction::kWhen: return {"quand"};
  }
  return {};
}

}  // namespace

std::string french(const Sentence& sentence) {
  Words words = question_opening(sentence);
  if (sentence.thinker) {
    append(words, as_subject(*sentence.thinker));
    append(words, {conjugated(kPenser, *sentence.thinker), "que"});
  }
  for (std::size_t i = 0; i < sentence.clauses.size(); ++i) {
    if (i > 0) append(words, conjunction(sentence.conjunctions[i - 1]));
    append(words, write_clause(sentence.clauses[i], sentence.form));
  }
  return finish_sentence(elided(words), sentence.form == Form::kStatement ? "." : " ?");
}

}  // namespace unroll::translate
