// French noun phrases, for the French writer.
#pragma once

#include <string>

#include <unroll/examples/translate/grammar_syntax.h>
#include <unroll/examples/translate/grammar_text.h>

namespace unroll::translate {

/// Whether words elide before `word`. The sound decides, not the letter: the h of "homme" is mute,
/// that of "hibou" is not.
bool starts_with_vowel_sound(const std::string& word);

/// The words of a phrase that has a noun, before elision. `under_negation` marks the direct object
/// of a negated verb, where un and une become de: "Il n'a pas de chien."
Words french_noun_phrase(const NounPhrase& phrase, bool under_negation = false);

/// The phrase after a preposition. "de" and "à" contract with the articles "le" and "les" (du,
/// des, au, aux), but not with what becomes "l'".
Words with_preposition(const std::string& preposition, const Words& phrase);

}  // namespace unroll::translate
