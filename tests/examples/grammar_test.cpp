// The demonstration grammar: sentences with their known translations.
#include <unroll/tests/support/catch.h>

#include <string>
#include <vector>

#include <unroll/examples/translate/grammar_syntax.h>

namespace {

using namespace unroll::translate;

NounPhrase np(Determiner determiner, const std::string& noun, Number number = Number::kSingular) {
  NounPhrase phrase;
  phrase.noun = &find_noun(noun);
  phrase.determiner = determiner;
  phrase.number = number;
  return phrase;
}

NounPhrase the(const std::string& noun) { return np(Determiner::kThe, noun); }
NounPhrase the_many(const std::string& noun) { return np(Determiner::kThe, noun, Number::kPlural); }
NounPhrase a(const std::string& noun) { return np(Determiner::kA, noun); }
NounPhrase name(const std::string& noun) { return np(Determiner::kNone, noun); }

NounPhrase with(NounPhrase phrase, const std::string& adjective, const std::string& colour = "") {
  phrase.first_adjective = &find_adjective(adjective);
  if (!colour.empty()) phrase.colour = &find_adjective(colour);
  return phrase;
}

NounPhrase owned(const std::string& owner, const std::string& noun,
                 Number number = Number::kSingular) {
  NounPhrase phrase = np(Determiner::kOwner, noun, number);
  phrase.owner = &find_noun(owner);
  return phrase;
}

const NounPhrase kI = pronoun_phrase(Pronoun::kI);
const NounPhrase kYou = pronoun_phrase(Pronoun::kYou);
const NounPhrase kHe = pronoun_phrase(Pronoun::kHe);
const NounPhrase kShe = pronoun_phrase(Pronoun::kShe);
const NounPhrase kWe = pronoun_phrase(Pronoun::kWe);
const NounPhrase kThey = pronoun_phrase(Pronoun::kThey);

Clause does(const NounPhrase& subject, const std::string& verb) {
  Clause clause;
  clause.subject = subject;
  clause.verb = &find_verb(verb);
  return clause;
}

Clause does(const NounPhrase& subject, const std::string& verb, const NounPhrase& object) {
  Clause clause = does(subject, verb);
  clause.object = object;
  return clause;
}

Clause is(const NounPhrase& subject, const std::string& adjective, bool very = false) {
  Clause clause;
  clause.kind = ClauseKind::kAdjective;
  clause.subject = subject;
  clause.adjective = &find_adjective(adjective);
  clause.very = very;
  return clause;
}

Clause is_at(const NounPhrase& subject) {
  Clause clause;
  clause.kind = ClauseKind::kPlace;
  clause.subject = subject;
  return clause;
}

Clause feels(const NounPhrase& subject, const std::string& feeling) {
  Clause clause;
  clause.kind = ClauseKind::kFeeling;
  clause.subject = subject;
  clause.feeling = &find_feeling(feeling);
  return clause;
}

Clause fears(const NounPhrase& subject, const NounPhrase& cause) {
  Clause clause = feels(subject, "afraid");
  clause.object = cause;
  return clause;
}

Clause of_kind(ClauseKind kind, const NounPhrase& phrase) {
  Clause clause;
  clause.kind = kind;
  clause.object = phrase;
  return clause;
}

Clause it_is(const NounPhrase& phrase) { return of_kind(ClauseKind::kIdentity, phrase); }
Clause there_is(const NounPhrase& phrase) { return of_kind(ClauseKind::kExistence, phrase); }

Clause operator+(Clause clause, const PrepositionalPhrase& adjunct) {
  clause.adjuncts.push_back(adjunct);
  return clause;
}

Clause operator+(Clause clause, TimeWord time) {
  clause.time = time;
  return clause;
}

Clause operator+(Clause clause, Tense tense) {
  clause.tense = tense;
  return clause;
}

Clause operator+(Clause clause, Modal modal) {
  clause.modal = modal;
  return clause;
}

Clause negated(Clause clause) {
  clause.negated = true;
  return clause;
}

Sentence says(const Clause& clause, Form form = Form::kStatement) {
  Sentence sentence;
  sentence.form = form;
  sentence.clauses = {clause};
  return sentence;
}

Sentence joined(const Clause& left, Conjunction conjunction, const Clause& right) {
  Sentence sentence;
  sentence.clauses = {left, right};
  sentence.conjunctions = {conjunction};
  return sentence;
}

Sentence thinks(const NounPhrase& thinker, const Clause& clause) {
  Sentence sentence = says(clause);
  sentence.thinker = thinker;
  return sentence;
}

struct Example {
  Sentence sentence;
  std::string english, french;
};

void check_all(const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    CHECK(english(example.sentence) == example.english);
    CHECK(french(example.sentence) == example.french);
  }
}

constexpr Number kPlural = Number::kPlural;

}  // namespace

TEST_CASE("nouns agree with their determiners and adjectives", "[translate]") {
  check_all({
      {says(it_is(with(a("house"), "big", "red"))), "It is a big red house.",
       "C'est une grande maison rouge."},
      {says(it_is(with(a("bird"), "beautiful"))), "It is a beautiful bird.",
       "C'est un bel oiseau."},
      {says(it_is(with(the("computer"), "new", "black"))), "It is the new black computer.",
       "C'est le nouvel ordinateur noir."},
      {says(it_is(with(np(Determiner::kTheir, "horse", kPlural), "old", "white"))),
       "These are their old white horses.", "Ce sont leurs vieux chevaux blancs."},
      {says(does(np(Determiner::kThis, "man"), "sleep")), "This man is sleeping.",
       "Cet homme dort."},
      {says(does(with(np(Determiner::kThis, "man"), "old"), "sleep")), "This old man is sleeping.",
       "Ce vieil homme dort."},
      {says(does(with(np(Determiner::kThis, "girl", kPlural), "happy"), "sing")),
       "These happy girls are singing.", "Ces filles heureuses chantent."},
      {says(does(kShe, "want", np(Determiner::kMy, "scarf"))), "She wants my scarf.",
       "Elle veut mon écharpe."},
      {says(does(kShe, "want", with(np(Determiner::kHer, "scarf"), "new"))),
       "She wants her new scarf.", "Elle veut sa nouvelle écharpe."},
      {says(does(kThey, "see", np(Determiner::kMany, "owl", kPlural))), "They see many owls.",
       "Ils voient beaucoup de hiboux."},
      {says(does(kWe, "see", np(Determiner::kMany, "bird", kPlural))), "We see many birds.",
       "Nous voyons beaucoup d'oiseaux."},
      {says(is(the("story"), "sad", true)), "The story is very sad.",
       "L'histoire est très triste."},
      {says(is(kShe, "tired") + Tense::kPast), "She was tired.", "Elle était fatiguée."},
      {says(is(np(Determiner::kYour, "apple", kPlural), "good")), "Your apples are good.",
       "Vos pommes sont bonnes."},
      {says(does(owned("boy", "dog"), "sleep")), "The boy's dog is sleeping.",
       "Le chien du garçon dort."},
      {says(does(kI, "love", with(owned("Alice", "coat", kPlural), "green"))),
       "I love Alice's green coats.", "J'aime les manteaux verts d'Alice."},
  });
}

TEST_CASE("verbs take their tense, person, negation and object pronouns", "[translate]") {
  check_all({
      {says(negated(does(with(the("dog"), "big"), "sleep"))), "The big dog is not sleeping.",
       "Le grand chien ne dort pas."},
      {says(does(kWe, "eat", a("orange"))), "We are eating an orange.",
       "Nous mangeons une orange."},
      {says(negated(does(kI, "have", a("car")))), "I do not have a car.",
       "Je n'ai pas de voiture."},
      {says(negated(does(kHe, "eat", a("apple")) + Tense::kPast)), "He did not eat an apple.",
       "Il n'a pas mangé de pomme."},
      {says(does(name("Marie"), "go") + PrepositionalPhrase{Preposition::kTo, the("market")} +
            Tense::kPast + TimeWord::kYesterday),
       "Marie went to the market yesterday.", "Marie est allée au marché hier."},
      {says(negated(does(the_many("woman"), "leave") + Tense::kPast)), "The women did not leave.",
       "Les femmes ne sont pas parties."},
      {says(negated(does(kThey, "buy", np(Determiner::kMy, "house")) + Tense::kFuture) +
            TimeWord::kTomorrow),
       "They are not going to buy my house tomorrow.", "Ils ne vont pas acheter ma maison demain."},
      {says(negated(does(kYou, "see", kThey) + Modal::kCan)), "You cannot see them.",
       "Vous ne pouvez pas les voir."},
      {says(negated(does(kI, "love", kHe))), "I do not love him.", "Je ne l'aime pas."},
      {says(does(kHe, "help", kI) + Modal::kMust), "He must help me.", "Il doit m'aider."},
      {says(does(kShe, "look", kShe) + Modal::kWant), "She wants to look for her.",
       "Elle veut la chercher."},
      {says(does(kI, "arrive") + PrepositionalPhrase{Preposition::kAt, the("hotel")}),
       "I am arriving at the hotel.", "J'arrive à l'hôtel."},
      {says(does(the("king"), "give", np(Determiner::kTwo, "book", kPlural)) +
            PrepositionalPhrase{Preposition::kTo, the_many("child")}),
       "The king is giving two books to the children.", "Le roi donne deux livres aux enfants."},
      {says(does(kI, "dance") + PrepositionalPhrase{Preposition::kWith, kThey}),
       "I am dancing with them.", "Je danse avec eux."},
      {says(fears(kI, the("cat"))), "I am afraid of the cat.", "J'ai peur du chat."},
      {says(fears(kYou, the_many("mouse")) + Tense::kPast), "You were afraid of the mice.",
       "Vous aviez peur des souris."},
      {says(negated(fears(kHe, kShe))), "He is not afraid of her.", "Il n'a pas peur d'elle."},
  });
}

TEST_CASE("places, existence, questions and conjunctions", "[translate]") {
  const PrepositionalPhrase near_the_trees = {Preposition::kNear, the_many("tree")};
  const PrepositionalPhrase in_front_of_the_school = {Preposition::kInFrontOf, the("school")};
  const PrepositionalPhrase near_the_door = {Preposition::kNear, the("door")};
  check_all({
      {says(there_is(a("cat")) + near_the_trees), "There is a cat near the trees.",
       "Il y a un chat près des arbres."},
      {says(negated(there_is(a("owl")) + in_front_of_the_school)),
       "There is no owl in front of the school.", "Il n'y a pas de hibou devant l'école."},
      {says(negated(it_is(a("egg")))), "It is not an egg.", "Ce n'est pas un œuf."},
      {says(it_is(np(Determiner::kYour, "bag")), Form::kYesNo), "Is it your bag?",
       "Est-ce que c'est votre sac ?"},
      {says(does(the("man"), "work"), Form::kYesNo), "Is the man working?",
       "Est-ce que l'homme travaille ?"},
      {says(does(kHe, "have", a("bicycle")), Form::kYesNo), "Does he have a bicycle?",
       "Est-ce qu'il a un vélo ?"},
      {says(does(name("Alice"), "buy") + Tense::kPast, Form::kWhat), "What did Alice buy?",
       "Qu'est-ce qu'Alice a acheté ?"},
      {says(does(kYou, "look"), Form::kWhat), "What are you looking for?",
       "Qu'est-ce que vous cherchez ?"},
      {says(does(kHe, "open", the("window")) + Modal::kCan, Form::kWho), "Who can open the window?",
       "Qui peut ouvrir la fenêtre ?"},
      {says(is_at(the_many("plate")) + Tense::kPast + TimeWord::kYesterday, Form::kWhere),
       "Where were the plates yesterday?", "Où étaient les assiettes hier ?"},
      {says(does(kThey, "go"), Form::kWhere), "Where are they going?", "Où est-ce qu'ils vont ?"},
      {says(negated(does(kShe, "sing")), Form::kWhy), "Why is she not singing?",
       "Pourquoi est-ce qu'elle ne chante pas ?"},
      {joined(is(kHe, "tired"), Conjunction::kBecause, does(kHe, "work") + Tense::kPast),
       "He is tired because he worked.", "Il est fatigué parce qu'il a travaillé."},
      {joined(feels(kI, "hungry"), Conjunction::kBut, negated(feels(kI, "thirsty"))),
       "I am hungry, but I am not thirsty.", "J'ai faim, mais je n'ai pas soif."},
      {joined(is(kWe, "sad"), Conjunction::kWhen, does(name("Antoine"), "leave")),
       "We are sad when Antoine is leaving.", "Nous sommes tristes quand Antoine part."},
      {joined(does(kWe, "dance"), Conjunction::kAnd, does(kThey, "watch", kWe)),
       "We are dancing and they are watching us.", "Nous dansons et ils nous regardent."},
      {thinks(kI, does(name("Alice"), "wait", kYou) + near_the_door),
       "I think that Alice is waiting for you near the door.",
       "Je pense qu'Alice vous attend près de la porte."},
  });
}
