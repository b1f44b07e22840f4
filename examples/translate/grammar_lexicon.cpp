// The word tables of the demonstration grammar.
#include <unroll/examples/translate/grammar_lexicon.h>

#include <algorithm>
#include <set>
#include <utility>

#include <unroll/autograd/error.h>

namespace unroll::translate {
namespace {

using namespace trait;

constexpr Gender kM = Gender::kMasculine;
constexpr Gender kF = Gender::kFeminine;

constexpr Traits kRealm = kAdult | kOwner;
constexpr Traits kYouth = kChild | kOwner;
constexpr Traits kRelative = kKin | kOwned;
constexpr Traits kPet = kAnimal | kOwned;
constexpr Traits kTool = kObject | kOwned;
constexpr Traits kCloth = kGarment | kOwned;
constexpr Traits kBuilding = kPlace | kInside | kLandmark | kDestination;

std::string french_plural(const std::string& singular) {
  const char last = singular.back();
  if (last == 's' || last == 'x') return singular;
  const bool eau = singular.size() > 3 && singular.compare(singular.size() - 3, 3, "eau") == 0;
  return singular + (eau ? "x" : "s");
}

enum class Use { kBefore, kBeforeOnly, kAfter, kColour };

Adjective adjective(std::string english, std::string masculine, std::string feminine, Use use,
                    Traits fits, std::string masculine_vowel = "") {
  Adjective entry;
  entry.english = std::move(english);
  entry.masculine_plural = french_plural(masculine);
  entry.feminine_plural = french_plural(feminine);
  entry.masculine_vowel = masculine_vowel.empty() ? masculine : std::move(masculine_vowel);
  entry.masculine = std::move(masculine);
  entry.feminine = std::move(feminine);
  entry.before_noun = use == Use::kBefore || use == Use::kBeforeOnly;
  entry.colour = use == Use::kColour;
  entry.predicative = use != Use::kBeforeOnly;
  entry.fits = fits;
  return entry;
}

struct EnglishForms {
  std::string base, third, progressive, past, particle = "";
};

struct FrenchForms {
  std::string infinitive;
  Conjugation present;
  std::string participle;
};

// Regular -er verbs; `nous` gives the first person plural of stems like "mange" (mangeons).
FrenchForms er(const std::string& stem, const std::string& nous = "") {
  return {stem + "er",
          {stem + "e", stem + "e", nous.empty() ? stem + "ons" : nous, stem + "ez", stem + "ent"},
          stem + "é"};
}

enum Option : unsigned {
  kEtre = 1,
  kPresentOnly = 2,
  kSpecific = 4,
  kWithPlace = 8,
  kWithCompany = 16,
  kWhatQuestion = 32,
  kPossession = 64
};

Verb verb(const EnglishForms& english, const FrenchForms& french, Frame frame, Traits subjects,
          Traits objects, unsigned options) {
  return {english.base,
          english.third,
          english.progressive,
          english.past,
          english.particle,
          french.infinitive,
          french.present,
          french.participle,
          (options & kEtre) != 0,
          (options & kPresentOnly) != 0,
          (options & kSpecific) != 0,
          (options & kWithPlace) != 0,
          (options & kWithCompany) != 0,
          (options & kWhatQuestion) != 0,
          (options & kPossession) != 0,
          frame,
          subjects,
          objects};
}

template <typename Entry>
const Entry& find(const std::vector<Entry>& entries, std::string_view english, const char* what) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.english == english; });
  if (found == entries.end()) {
    throw ValueError(std::string(what) + ": no entry \"" + std::string(english) +
                     "\"; expected an English dictionary form of the demonstration grammar");
  }
  return *found;
}

}  // namespace

const std::string& Adjective::french(Gender gender, Number number) const {
  if (gender == Gender::kMasculine) {
    return number == Number::kSingular ? masculine : masculine_plural;
  }
  return number == Number::kSingular ? feminine : feminine_plural;
}

std::size_t Adjective::french_forms() const {
  return std::set<std::string>{masculine, feminine, masculine_plural, feminine_plural,
                               masculine_vowel}
      .size();
}

const std::vector<Noun>& nouns() {
  static const std::vector<Noun> table = {
      {"Paul", "", "Paul", "", kM, kProperName | kOwner},
      {"Antoine", "", "Antoine", "", kM, kProperName | kOwner},
      {"Marie", "", "Marie", "", kF, kProperName | kOwner},
      {"Alice", "", "Alice", "", kF, kProperName | kOwner},
      {"man", "men", "homme", "hommes", kM, kRealm},
      {"woman", "women", "femme", "femmes", kF, kRealm},
      {"king", "kings", "roi", "rois", kM, kRealm},
      {"queen", "queens", "reine", "reines", kF, kRealm},
      {"boy", "boys", "garçon", "garçons", kM, kYouth},
      {"girl", "girls", "fille", "filles", kF, kYouth},
      {"child", "children", "enfant", "enfants", kM, kYouth | kOwned},
      {"uncle", "uncles", "oncle", "oncles", kM, kRelative},
      {"aunt", "aunts", "tante", "tantes", kF, kRelative},
      {"brother", "brothers", "frère", "frères", kM, kRelative},
      {"sister", "sisters", "sœur", "sœurs", kF, kRelative},
      {"dog", "dogs", "chien", "chiens", kM, kPet},
      {"cat", "cats", "chat", "chats", kM, kPet},
      {"bird", "birds", "oiseau", "oiseaux", kM, kPet | kSinger},
      {"horse", "horses", "cheval", "chevaux", kM, kPet},
      {"mouse", "mice", "souris", "souris", kF, kPet},
      {"owl", "owls", "hibou", "hiboux", kM, kAnimal | kSinger},
      {"apple", "apples", "pomme", "pommes", kF, kFood | kOwned},
      {"orange", "oranges", "orange", "oranges", kF, kFood | kOwned},
      {"egg", "eggs", "œuf", "œufs", kM, kFood | kOwned},
      {"cake", "cakes", "gâteau", "gâteaux", kM, kFood | kOwned},
      {"book", "books", "livre", "livres", kM, kText | kOwned},
      {"letter", "letters", "lettre", "lettres", kF, kText | kOwned | kOpenable},
      {"story", "stories", "histoire", "histoires", kF, kText | kOwned},
      {"hat", "hats", "chapeau", "chapeaux", kM, kCloth},
      {"shirt", "shirts", "chemise", "chemises", kF, kCloth},
      {"coat", "coats", "manteau", "manteaux", kM, kCloth},
      {"scarf", "scarves", "écharpe", "écharpes", kF, kCloth},
      {"car", "cars", "voiture", "voitures", kF, kTool | kInside | kTop | kCover | kLandmark},
      {"bag", "bags", "sac", "sacs", kM, kTool},
      {"table", "tables", "table", "tables", kF, kTool | kTop | kCover},
      {"bicycle", "bicycles", "vélo", "vélos", kM, kTool},
      {"plate", "plates", "assiette", "assiettes", kF, kTool},
      {"computer", "computers", "ordinateur", "ordinateurs", kM, kTool},
      {"door", "doors", "porte", "portes", kF, kFixture | kOpenable | kLandmark},
      {"window", "windows", "fenêtre", "fenêtres", kF, kFixture | kOpenable | kLandmark},
      {"flower", "flowers", "fleur", "fleurs", kF, kFlower | kOwned},
      {"tree", "trees", "arbre", "arbres", kM, kTree | kShade | kLandmark},
      {"house", "houses", "maison", "maisons", kF, kPlace | kInside | kLandmark | kOwned},
      {"school", "schools", "école", "écoles", kF, kBuilding | kOwned},
      {"hotel", "hotels", "hôtel", "hôtels", kM, kBuilding | kOwned},
      {"church", "churches", "église", "églises", kF, kBuilding},
      {"garden", "gardens", "jardin", "jardins", kM, kPlace | kInside | kLandmark | kOwned},
      {"kitchen", "kitchens", "cuisine", "cuisines", kF, kPlace | kInside | kOwned},
      {"station", "stations", "gare", "gares", kF, kPlace | kLandmark | kDestination},
      {"market", "markets", "marché", "marchés", kM, kPlace | kLandmark | kDestination},
      {"beach", "beaches", "plage", "plages", kF, kPlace | kGround | kLandmark | kDestination},
  };
  return table;
}

const std::vector<Adjective>& adjectives() {
  constexpr Traits people = kAdult | kChild | kKin | kProperName;
  constexpr Traits wares = kObject | kGarment;
  constexpr Traits goods = wares | kFixture;
  constexpr Traits anything = kAnimal | goods | kPlace;
  static const std::vector<Adjective> table = {
      adjective("big", "grand", "grande", Use::kBefore, anything | kFood | kFlower | kTree),
      adjective("small", "petit", "petite", Use::kBefore,
                anything | kFood | kFlower | kTree | kChild),
      adjective("old", "vieux", "vieille", Use::kBefore,
                kAdult | kKin | kProperName | anything | kText | kTree, "vieil"),
      adjective("new", "nouveau", "nouvelle", Use::kBeforeOnly, goods | kPlace | kText | kAnimal,
                "nouvel"),
      adjective("beautiful", "beau", "belle", Use::kBefore, anything | kText | kFlower | kTree,
                "bel"),
      adjective("good", "bon", "bonne", Use::kBefore, kFood | kText),
      adjective("young", "jeune", "jeune", Use::kBefore, people | kAnimal),
      adjective("red", "rouge", "rouge", Use::kColour, goods | kFood | kFlower),
      adjective("green", "vert", "verte", Use::kColour, goods | kFood | kTree),
      adjective("black", "noir", "noire", Use::kColour, goods | kAnimal),
      adjective("white", "blanc", "blanche", Use::kColour, goods | kAnimal | kFlower),
      adjective("heavy", "lourd", "lourde", Use::kAfter, goods | kAnimal),
      adjective("expensive", "cher", "chère", Use::kAfter, wares | kFood | kFlower),
      adjective("strange", "étrange", "étrange", Use::kAfter, anything | kText | kFlower),
      adjective("happy", "heureux", "heureuse", Use::kAfter, people | kAnimal),
      adjective("tired", "fatigué", "fatiguée", Use::kAfter, people | kAnimal),
      adjective("sad", "triste", "triste", Use::kAfter, people | kText),
      adjective("sick", "malade", "malade", Use::kAfter, people | kAnimal),
      adjective("rich", "riche", "riche", Use::kAfter, kAdult | kKin | kProperName),
      adjective("famous", "célèbre", "célèbre", Use::kAfter,
                kAdult | kKin | kProperName | kText | kPlace),
  };
  return table;
}

const std::vector<Verb>& verbs() {
  constexpr Traits wares = kObject | kGarment;
  constexpr Traits alive = kPerson | kAnimal;
  static const std::vector<Verb> table = {
      verb({"sleep", "", "sleeping", "slept"},
           {"dormir", {"dors", "dort", "dormons", "dormez", "dorment"}, "dormi"}, Frame::kAlone,
           alive, 0, kWithPlace),
      verb({"work", "", "working", "worked"}, er("travaill"), Frame::kAlone, kPerson, 0,
           kWithPlace | kWithCompany),
      verb({"sing", "", "singing", "sang"}, er("chant"), Frame::kAlone, kPerson | kSinger, 0,
           kWithPlace | kWithCompany),
      verb({"dance", "", "dancing", "danced"}, er("dans"), Frame::kAlone, kPerson, 0,
           kWithPlace | kWithCompany),
      verb({"speak", "", "speaking", "spoke"}, er("parl"), Frame::kRecipient, kPerson, 0,
           kWithPlace),
      verb({"give", "", "giving", "gave"}, er("donn"), Frame::kObjectAndRecipient, kPerson,
           wares | kFood | kText | kFlower, 0),
      verb({"eat", "", "eating", "ate"}, er("mang", "mangeons"), Frame::kObject, alive, kFood,
           kWithPlace | kWhatQuestion),
      verb({"read", "", "reading", "read"},
           {"lire", {"lis", "lit", "lisons", "lisez", "lisent"}, "lu"}, Frame::kObject, kPerson,
           kText, kWithPlace | kWhatQuestion),
      verb({"buy", "", "buying", "bought"},
           {"acheter", {"achète", "achète", "achetons", "achetez", "achètent"}, "acheté"},
           Frame::kObject, kPerson, wares | kFood | kText | kFlower, kWithCompany | kWhatQuestion),
      verb({"look", "", "looking", "looked", "for"}, er("cherch"), Frame::kObject, alive,
           alive | wares | kText | kPlace, kWhatQuestion),
      verb({"wait", "", "waiting", "waited", "for"},
           {"attendre", {"attends", "attend", "attendons", "attendez", "attendent"}, "attendu"},
           Frame::kObject, kPerson, kPerson, kSpecific | kWithPlace),
      verb({"watch", "", "watching", "watched"}, er("regard"), Frame::kObject, alive, alive,
           kSpecific | kWhatQuestion),
      verb({"help", "", "helping", "helped"}, er("aid"), Frame::kObject, kPerson, kPerson,
           kSpecific),
      verb({"open", "", "opening", "opened"},
           {"ouvrir", {"ouvre", "ouvre", "ouvrons", "ouvrez", "ouvrent"}, "ouvert"}, Frame::kObject,
           kPerson, kOpenable, kSpecific),
      verb({"wear", "", "wearing", "wore"}, er("port"), Frame::kObject, kPerson, kGarment,
           kWhatQuestion),
      verb({"see", "sees", "", "saw"},
           {"voir", {"vois", "voit", "voyons", "voyez", "voient"}, "vu"}, Frame::kObject, alive,
           alive | wares | kFixture | kFlower | kTree | kPlace, kWithPlace | kWhatQuestion),
      verb({"love", "loves", "", ""}, er("aim"), Frame::kObject, alive,
           alive | kText | kGarment | kPlace, kSpecific | kPresentOnly),
      verb({"have", "has", "", ""}, {"avoir", {"ai", "a", "avons", "avez", "ont"}, ""},
           Frame::kObject, kPerson, kAnimal | wares | kText | kFlower | kKin,
           kPresentOnly | kPossession | kWhatQuestion),
      verb({"want", "wants", "", ""},
           {"vouloir", {"veux", "veut", "voulons", "voulez", "veulent"}, ""}, Frame::kObject,
           kPerson, kAnimal | wares | kFood | kFlower, kPresentOnly | kWhatQuestion),
      verb({"go", "", "going", "went"},
           {"aller", {"vais", "va", "allons", "allez", "vont"}, "allé"}, Frame::kDestination,
           kPerson, 0, kEtre | kWithCompany),
      verb({"arrive", "", "arriving", "arrived"}, er("arriv"), Frame::kArrival, kPerson, 0,
           kEtre | kWithCompany),
      verb({"leave", "", "leaving", "left"},
           {"partir", {"pars", "part", "partons", "partez", "partent"}, "parti"}, Frame::kAlone,
           kPerson, 0, kEtre | kWithCompany),
  };
  return table;
}

const std::vector<Feeling>& feelings() {
  static const std::vector<Feeling> table = {
      {"hungry", "faim", false}, {"thirsty", "soif", false}, {"afraid", "peur", true}};
  return table;
}

const Noun& find_noun(std::string_view english) { return find(nouns(), english, "find_noun"); }
const Adjective& find_adjective(std::string_view english) {
  return find(adjectives(), english, "find_adjective");
}
const Verb& find_verb(std::string_view english) { return find(verbs(), english, "find_verb"); }
const Feeling& find_feeling(std::string_view english) {
  return find(feelings(), english, "find_feeling");
}

}  // namespace unroll::translate
