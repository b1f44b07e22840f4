// Random sentences.
#include <unroll/examples/translate/grammar_sample.h>

namespace unroll::translate {
namespace {

Sentence sample_joined(Random& random, std::size_t clauses, bool brief) {
  static constexpr Conjunction kConjunctions[] = {Conjunction::kAnd, Conjunction::kBut,
                                                  Conjunction::kBecause, Conjunction::kWhen};
  Sentence sentence;
  Setting setting;
  setting.brief = brief;
  for (std::size_t i = 1; i < clauses; ++i) {
    Conjunction next = pick(random, kConjunctions);
    while (i > 1 && next == sentence.conjunctions.back()) next = pick(random, kConjunctions);
    sentence.conjunctions.push_back(next);
    if (next == Conjunction::kWhen) setting.present_only = true;
  }
  for (std::size_t i = 0; i < clauses; ++i) {
    sentence.clauses.push_back(sample_clause(random, setting));
  }
  return sentence;
}

NounPhrase sample_thinker(Random& random) {
  if (chance(random, 70)) return pronoun_phrase(sample_pronoun(random));
  return sample_noun_phrase(random, trait::kProperName, Role::kSubject);
}

// "Alice thinks that Alice ..." would be somebody else.
void add_thinker(Random& random, Sentence& sentence) {
  const NounPhrase& subject = sentence.clauses.front().subject;
  do {
    sentence.thinker = sample_thinker(random);
  } while (sentence.thinker->noun != nullptr && sentence.thinker->noun == subject.noun);
}

}  // namespace

Sentence sample_sentence(Random& random) {
  static constexpr Form kQuestions[] = {Form::kYesNo, Form::kYesNo, Form::kWho,
                                        Form::kWhat,  Form::kWhere, Form::kWhy};
  const std::uint32_t roll = random.below(100);
  if (roll >= 70 && roll < 92) return sample_joined(random, 2, true);
  Sentence sentence;
  Setting setting;
  if (roll >= 54 && roll < 70) setting.form = pick(random, kQuestions);
  sentence.form = setting.form;
  sentence.clauses = {sample_clause(random, setting)};
  if (roll >= 92) add_thinker(random, sentence);
  return sentence;
}

Sentence sample_long_sentence(Random& random) {
  const bool three = chance(random, 50);
  Sentence sentence = sample_joined(random, three ? 3 : 2, three);
  if (chance(random, 20)) add_thinker(random, sentence);
  return sentence;
}

}  // namespace unroll::translate
