// Builds the demonstration corpus: draws sentences and sorts them into sets that keep apart.
#include <unroll/examples/translate/grammar.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/translate/grammar_sample.h>
#include <unroll/examples/translate/grammar_syntax.h>

namespace unroll::translate {
namespace {

using Strings = std::vector<std::string>;
using WordSet = std::unordered_set<std::string>;

// The longest sentence of `longer`; beyond it English gets hard to follow.
constexpr std::size_t kLongestSentence = 20;

bool contains_any(const Strings& words, const Strings& forms) {
  return std::any_of(forms.begin(), forms.end(), [&](const std::string& form) {
    return std::find(words.begin(), words.end(), form) != words.end();
  });
}

// All inflected forms of the words of a pair.
struct PairForms {
  Strings modifier, noun;
};

std::vector<PairForms> unseen_pair_forms() {
  std::vector<PairForms> forms;
  for (const WordPair& pair : unseen_word_pairs()) {
    const Noun& noun = find_noun(pair.noun);
    PairForms entry{{pair.modifier}, {noun.english, noun.english_plural}};
    for (const Verb& verb : verbs()) {
      if (verb.english != pair.modifier) continue;
      entry.modifier = {verb.english, verb.third, verb.progressive, verb.past};
    }
    forms.push_back(std::move(entry));
  }
  return forms;
}

bool has_unseen_pair(const Strings& words) {
  static const std::vector<PairForms> kForms = unseen_pair_forms();
  return std::any_of(kForms.begin(), kForms.end(), [&](const PairForms& forms) {
    return contains_any(words, forms.modifier) && contains_any(words, forms.noun);
  });
}

// The first pair of unseen_word_pairs() that belongs together in the sentence, or their number.
std::size_t joined_unseen_pair(const Sentence& sentence) {
  const std::vector<WordPair> pairs = word_pairs(sentence);
  const auto& unseen = unseen_word_pairs();
  const auto joined = [&](const WordPair& wanted) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const WordPair& pair) {
      return pair.modifier == wanted.modifier && pair.noun == wanted.noun;
    });
  };
  const auto found = std::find_if(unseen.begin(), unseen.end(), joined);
  return static_cast<std::size_t>(found - unseen.begin());
}

// Fills one set after the other; no sentence is used twice.
class Builder {
 public:
  explicit Builder(std::uint64_t seed) : random_(seed) {}

  // Draws with `sample` until `count` sentences have passed `accept(sentence, English words)`.
  template <typename Sample, typename Accept>
  std::vector<SentencePair> collect(const char* set, std::size_t count, Sample sample,
                                    Accept accept) {
    std::vector<SentencePair> pairs;
    const std::size_t limit = 10000 + 200 * count;
    for (std::size_t draws = 0; pairs.size() < count; ++draws) {
      if (draws == limit) {
        throw ValueError("make_demo_corpus: found " + std::to_string(pairs.size()) + " of " +
                         std::to_string(count) + " sentences for \"" + set +
                         "\"; expected a larger train set or a smaller one of this kind");
      }
      const Sentence sentence = sample(random_);
      SentencePair pair{english(sentence), french(sentence)};
      if (used_.count(pair.source) != 0 || !words_are_known(pair)) continue;
      if (!accept(sentence, words_of(pair.source))) continue;
      used_.insert(pair.source);
      pairs.push_back(std::move(pair));
    }
    return pairs;
  }

  // From now on sentences may only use the words of `pairs`.
  void fix_vocabulary(const std::vector<SentencePair>& pairs) {
    fixed_ = true;
    for (const SentencePair& pair : pairs) {
      for (std::string& word : words_of(pair.source)) english_words_.insert(std::move(word));
      for (std::string& word : words_of(pair.target)) french_words_.insert(std::move(word));
    }
  }

 private:
  bool words_are_known(const SentencePair& pair) const {
    if (!fixed_) return true;
    const auto all_in = [](const Strings& words, const WordSet& known) {
      return std::all_of(words.begin(), words.end(),
                         [&](const std::string& word) { return known.count(word) != 0; });
    };
    return all_in(words_of(pair.source), english_words_) &&
           all_in(words_of(pair.target), french_words_);
  }

  Random random_;
  bool fixed_ = false;
  WordSet used_, english_words_, french_words_;
};

}  // namespace

const std::vector<WordPair>& unseen_word_pairs() {
  static const std::vector<WordPair> pairs = {
      {"red", "car"},      {"white", "coat"},      {"black", "cat"},     {"big", "flower"},
      {"small", "window"}, {"beautiful", "house"}, {"old", "hotel"},     {"new", "school"},
      {"heavy", "plate"},  {"expensive", "hat"},   {"strange", "mouse"}, {"tired", "queen"},
      {"happy", "girl"},   {"rich", "uncle"},      {"sad", "story"},     {"good", "apple"},
      {"sleep", "boy"},    {"dance", "king"},      {"sing", "aunt"},     {"work", "woman"},
      {"eat", "orange"},   {"buy", "computer"},    {"wear", "scarf"},    {"read", "letter"},
      {"see", "horse"},    {"help", "child"},      {"watch", "bird"},    {"love", "sister"},
  };
  return pairs;
}

std::vector<WordPair> word_pairs(const Sentence& sentence) {
  std::vector<WordPair> pairs;
  const auto add_phrase = [&](const NounPhrase& phrase) {
    if (phrase.noun == nullptr) return;
    for (const Adjective* adjective : {phrase.first_adjective, phrase.colour}) {
      if (adjective != nullptr) pairs.push_back({adjective->english, phrase.noun->english});
    }
  };
  const auto add = [&](const std::string& modifier, const NounPhrase& phrase) {
    if (phrase.noun != nullptr) pairs.push_back({modifier, phrase.noun->english});
  };
  for (const Clause& clause : sentence.clauses) {
    add_phrase(clause.subject);
    if (clause.object) add_phrase(*clause.object);
    for (const PrepositionalPhrase& adjunct : clause.adjuncts) add_phrase(adjunct.phrase);
    if (clause.adjective != nullptr) add(clause.adjective->english, clause.subject);
    if (clause.verb != nullptr) {
      add(clause.verb->english, clause.subject);
      if (clause.object) add(clause.verb->english, *clause.object);
    }
  }
  return pairs;
}

DemoCorpus make_demo_corpus(std::uint64_t seed, const CorpusSizes& sizes) {
  const auto ordinary = [](const Sentence&, const Strings& words) {
    return words.size() <= kLongestTrainSentence && !has_unseen_pair(words);
  };
  // Common pairs ("read" and "letter") must not crowd out the others.
  const std::size_t share = 1 + 2 * sizes.unseen_combinations / unseen_word_pairs().size();
  std::vector<std::size_t> uses(unseen_word_pairs().size(), 0);
  const auto combining = [&](const Sentence& sentence, const Strings& words) {
    const std::size_t pair = joined_unseen_pair(sentence);
    if (pair == uses.size() || uses[pair] == share) return false;
    if (words.size() > kLongestTrainSentence) return false;
    ++uses[pair];
    return true;
  };
  // Spaces count here, so that "the boy's dog" does not pass for four words.
  const auto longer = [](const Sentence& sentence, const Strings& words) {
    const std::string text = english(sentence);
    const auto spaces = static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
    return spaces + 1 > kLongestTrainSentence && words.size() <= kLongestSentence &&
           !has_unseen_pair(words);
  };
  Builder builder(seed);
  DemoCorpus corpus;
  corpus.train = builder.collect("train", sizes.train, sample_sentence, ordinary);
  builder.fix_vocabulary(corpus.train);
  corpus.ordinary = builder.collect("ordinary", sizes.ordinary, sample_sentence, ordinary);
  corpus.unseen_combinations =
      builder.collect("unseen_combinations", sizes.unseen_combinations, sample_sentence, combining);
  corpus.longer = builder.collect("longer", sizes.longer, sample_long_sentence, longer);
  return corpus;
}

std::vector<std::string> words_of(std::string_view sentence) {
  Strings words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    const char letter = sentence[i];
    const bool english_s = sentence.substr(i, 3) == "'s ";
    if (letter == ' ' || english_s) finish();
    if (letter == ' ' || letter == '.' || letter == ',' || letter == '?') continue;
    const bool upper = letter >= 'A' && letter <= 'Z';
    word += upper ? static_cast<char>(letter - 'A' + 'a') : letter;
    // "l'", "qu'" end a word, "aujourd'hui" is one.
    if (letter == '\'' && !english_s && word.size() <= 3) finish();
  }
  finish();
  return words;
}

}  // namespace unroll::translate
