// The demonstration corpus: French spelling rules over many random sentences, and what each set
// promises.
#include <unroll/tests/support/catch.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/translate/grammar.h>
#include <unroll/examples/translate/grammar_sample.h>
#include <unroll/examples/translate/grammar_syntax.h>

namespace {

using namespace unroll::translate;

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string lower_first(std::string text) {
  if (text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

// Written apart from the grammar: a vowel letter, or an h other than that of "hibou".
bool opens_with_vowel(const std::string& word) {
  static const std::set<std::string> kAccented = {"é", "è", "ê", "à", "â", "ô", "î", "œ"};
  if (word.rfind("hibou", 0) == 0 || word.empty()) return false;
  return std::string("aeiouyhAEIOUH").find(word[0]) != std::string::npos ||
         kAccented.count(word.substr(0, 2)) != 0;
}

bool is_singular_noun(const std::string& word) {
  return std::any_of(nouns().begin(), nouns().end(),
                     [&](const Noun& noun) { return noun.french == word; });
}

// "" if the French sentence obeys the rules that depend on two neighbouring words.
std::string spelling_fault(const std::string& sentence) {
  static const std::set<std::string> kNotBeforeVowel = {"le",  "la", "je", "me", "ne", "de",
                                                        "que", "ce", "ma", "sa", "du", "au"};
  static const std::set<std::string> kNotBeforeVowelNoun = {"beau", "vieux", "nouveau"};
  static const std::set<std::string> kNotBeforeConsonant = {"cet", "bel", "vieil", "nouvel"};
  static const std::set<std::string> kContracts = {"de le", "de les", "à le", "à les"};
  std::vector<std::string> words = split(sentence);
  words[0] = lower_first(words[0]);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t mark = words[i].find('\'');
    const bool elided = mark != std::string::npos && words[i].rfind("aujourd'hui", 0) != 0;
    if (elided && !opens_with_vowel(words[i].substr(mark + 1))) return words[i];
    if (i + 1 == words.size()) break;
    const std::string pair = words[i] + " " + words[i + 1];
    const std::string bare = elided ? words[i].substr(mark + 1) : words[i];
    const bool vowel = opens_with_vowel(words[i + 1]);
    if (vowel && kNotBeforeVowel.count(bare) != 0) return pair;
    const bool noun = is_singular_noun(words[i + 1].substr(0, words[i + 1].find_first_of(".,")));
    if (vowel && noun && kNotBeforeVowelNoun.count(bare) != 0) return pair;
    if (!vowel && kNotBeforeConsonant.count(bare) != 0) return pair;
    if (kContracts.count(pair) != 0) return pair;
  }
  return "";
}

std::string article_fault(const std::string& sentence) {
  const std::vector<std::string> words = split(sentence);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string article = lower_first(words[i]);
    const bool vowel = std::string("aeiou").find(words[i + 1][0]) != std::string::npos;
    if ((article == "a" && vowel) || (article == "an" && !vowel)) {
      return article + " " + words[i + 1];
    }
  }
  return "";
}

const DemoCorpus& corpus() {
  static const DemoCorpus kCorpus = make_demo_corpus(1);
  return kCorpus;
}

// Whether some word of the sentence is a form of the dictionary entry `entry`.
bool mentions(const std::vector<std::string>& words, const std::string& entry) {
  std::set<std::string> forms = {entry};
  for (const Noun& noun : nouns()) {
    if (noun.english == entry) forms.insert(noun.english_plural);
  }
  for (const Verb& verb : verbs()) {
    if (verb.english == entry) forms.insert({verb.third, verb.progressive, verb.past});
  }
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return forms.count(word) != 0; });
}

bool mentions(const std::vector<std::string>& words, const WordPair& pair) {
  return mentions(words, pair.modifier) && mentions(words, pair.noun);
}

bool mentions_any_unseen_pair(const SentencePair& pair) {
  const auto words = words_of(pair.source);
  const auto& unseen = unseen_word_pairs();
  return std::any_of(unseen.begin(), unseen.end(),
                     [&](const WordPair& entry) { return mentions(words, entry); });
}

}  // namespace

TEST_CASE("random sentences obey the spelling rules and have one translation", "[translate]") {
  unroll::Random random(2024);
  std::map<std::string, std::string> translation;
  std::string fault;
  bool ambiguous = false;
  for (int i = 0; i < 50000 && fault.empty() && !ambiguous; ++i) {
    const Sentence sentence = i % 5 == 0 ? sample_long_sentence(random) : sample_sentence(random);
    const std::string source = english(sentence);
    const std::string target = french(sentence);
    fault = spelling_fault(target) + article_fault(source);
    const auto known = translation.emplace(source, target).first;
    ambiguous = known->second != target;
    INFO(source << " | " << target << " | " << known->second);
    REQUIRE(fault == "");
    REQUIRE_FALSE(ambiguous);
  }
  CHECK(translation.size() > 40000);
}

TEST_CASE("the spelling check of this test finds faults", "[translate]") {
  CHECK(spelling_fault("Le homme dort.") == "le homme");
  CHECK(spelling_fault("Il a peur de les chats.") == "de les");
  CHECK(spelling_fault("L'hibou dort.") == "l'hibou");
  CHECK(spelling_fault("Je vois cet grand homme.") == "cet grand");
  CHECK(spelling_fault("Je vois ma école.") == "ma école.");
  CHECK(spelling_fault("Je vois un vieux homme.") == "vieux homme.");
  CHECK(spelling_fault("Il est beau et vieux aujourd'hui.") == "");
}

TEST_CASE("the corpus has the sizes asked for and no sentence twice", "[translate]") {
  CHECK(corpus().train.size() == 10000);
  CHECK(corpus().ordinary.size() == 500);
  CHECK(corpus().unseen_combinations.size() == 300);
  CHECK(corpus().longer.size() == 200);
  std::set<std::string> sources;
  for (const auto* set :
       {&corpus().train, &corpus().ordinary, &corpus().unseen_combinations, &corpus().longer}) {
    for (const SentencePair& pair : *set) sources.insert(pair.source);
  }
  CHECK(sources.size() == 11000);
}

TEST_CASE("the training set teaches every word, and the other sets use no others", "[translate]") {
  std::map<std::string, int> english_counts, french_counts;
  for (const SentencePair& pair : corpus().train) {
    for (const std::string& word : words_of(pair.source)) ++english_counts[word];
    for (const std::string& word : words_of(pair.target)) ++french_counts[word];
  }
  CHECK(english_counts.size() > 200);
  CHECK(english_counts.size() < 280);
  for (const auto* counts : {&english_counts, &french_counts}) {
    for (const auto& [word, count] : *counts) {
      INFO(word);
      CHECK(count >= 10);
    }
  }
  for (const auto* set : {&corpus().ordinary, &corpus().unseen_combinations, &corpus().longer}) {
    for (const SentencePair& pair : *set) {
      INFO(pair.source << " | " << pair.target);
      for (const std::string& word : words_of(pair.source)) {
        REQUIRE(english_counts.count(word) == 1);
      }
      for (const std::string& word : words_of(pair.target)) {
        REQUIRE(french_counts.count(word) == 1);
      }
    }
  }
}

TEST_CASE("the unseen combinations occur in their own set only", "[translate]") {
  const auto count = [](const std::vector<SentencePair>& set) {
    return std::count_if(set.begin(), set.end(), mentions_any_unseen_pair);
  };
  CHECK(count(corpus().train) == 0);
  CHECK(count(corpus().ordinary) == 0);
  CHECK(count(corpus().longer) == 0);
  CHECK(count(corpus().unseen_combinations) == 300);
  for (const WordPair& pair : unseen_word_pairs()) {
    INFO(pair.modifier << " " << pair.noun);
    const auto& set = corpus().unseen_combinations;
    CHECK(std::any_of(set.begin(), set.end(), [&](const SentencePair& sentence) {
      return mentions(words_of(sentence.source), pair);
    }));
  }
}

TEST_CASE("the longer sentences are longer than all training sentences", "[translate]") {
  for (const SentencePair& pair : corpus().train) {
    REQUIRE(words_of(pair.source).size() <= kLongestTrainSentence);
  }
  for (const SentencePair& pair : corpus().longer) {
    REQUIRE(split(pair.source).size() > kLongestTrainSentence);
  }
}

TEST_CASE("the corpus depends on the seed only", "[translate]") {
  const CorpusSizes sizes{3000, 20, 20, 20};
  const auto text = [&](std::uint64_t seed) {
    const DemoCorpus made = make_demo_corpus(seed, sizes);
    std::string all;
    for (const auto* set : {&made.train, &made.ordinary, &made.unseen_combinations, &made.longer}) {
      for (const SentencePair& pair : *set) all += pair.source + '\t' + pair.target + '\n';
    }
    return all;
  };
  CHECK(text(7) == text(7));
  CHECK(text(7) != text(8));
  // The same on every platform; a change of the grammar changes this number.
  CHECK(unroll::hash_of(text(7)) == 0x94b5be721186a6a7ull);
}

TEST_CASE("words_of splits elided words and the English 's", "[translate]") {
  using Words = std::vector<std::string>;
  CHECK(words_of("L'homme voit le chien.") == Words{"l'", "homme", "voit", "le", "chien"});
  CHECK(words_of("Qu'est-ce qu'Alice a aujourd'hui ?") ==
        Words{"qu'", "est-ce", "qu'", "alice", "a", "aujourd'hui"});
  CHECK(words_of("The boy's dog, but I am here.") ==
        Words{"the", "boy", "'s", "dog", "but", "i", "am", "here"});
  CHECK(words_of("").empty());
}

TEST_CASE("impossible requests are errors", "[translate]") {
  CHECK_THROWS_AS(make_demo_corpus(1, {3, 100, 0, 0}), unroll::ValueError);
  CHECK(contains(thrown_message([] { make_demo_corpus(1, {3, 100, 0, 0}); }), "\"ordinary\""));
  CHECK(contains(thrown_message([] { find_noun("unicorn"); }), "unicorn"));
}
