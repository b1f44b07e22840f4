"""Records what sacreBLEU says of small corpora, for bleu_test.cpp and chrf_test.cpp.

    python3 tests/text/make_metric_cases.py

needs `pip install sacrebleu` (the file names the version used) and rewrites metric_cases.json
beside this script, the same bytes every time. All sentences are our own.
"""

import json
import pathlib
import random
import sys

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from mixing import mix  # noqa: E402

HAND_MADE = {
    "identical": (["The lamp in the hall was left on."], ["The lamp in the hall was left on."]),
    "one word off": (["The lamp in the hall was left off."], ["The lamp in the hall was left on."]),
    "nothing in common": (["zebra quilt"], ["The lamp was on"]),
    "no match but four words": (["zebra quilt moss fern"], ["The lamp was on"]),
    "short: no four-grams": (["Good night"], ["Good night"]),
    "three words": (["We sang loudly"], ["We sang loudly"]),
    "one word": (["Yes"], ["Yes"]),
    "empty hypothesis": ([""], ["The boat leaves at noon."]),
    "one empty of three": (
        ["The boat leaves at noon.", "", "It was raining on the pier."],
        ["The boat leaves at noon.", "We missed it again.", "It rained on the pier."]),
    "empty reference": (["Something was said."], [""]),
    "both empty": ([""], [""]),
    "blank hypothesis": (["  \t "], ["The boat leaves at noon."]),
    "too short": (["The boat leaves"], ["The boat leaves at noon from the old harbour."]),
    "too long": (["The boat leaves at noon from the old harbour."], ["The boat leaves at noon."]),
    "unigrams only": (["d c b a"], ["a b c d"]),
    "bigrams only": (["a b x c d y"], ["a b z c d w"]),
    "clipped repeats": (["the the the the the the"], ["the cat sat on the mat"]),
    "numbers": (
        ["It costs 1,000.5 euros, or 3.14 each.", "In 1999, 12.5% of 2,000 were sold."],
        ["It costs 1,000.5 euros or 3,14 each.", "In 1999 , 12.5 % of 2,000 were sold."]),
    "points at the edges": ([".5 and 5. and 1.a, a.1 ,7"], ["0.5 and 5. and 1.a , a.1 7,"]),
    "dashes": (
        ["A well-known 3-4 win - or 10-year draw \u2014 nobody knew\u2013really."],
        ["A well known 3-4 win - or a 10-year draw \u2014 nobody knew \u2013 really."]),
    "quotes": (
        ['She said "no" and then \'maybe\', «jamais», “never”.'],
        ['She said &quot;no&quot; and then \'maybe\' , « jamais » , “never” .']),
    "entities": (
        ["salt &amp; pepper &lt; sugar &gt; flour &amp;quot; end"],
        ["salt & pepper < sugar > flour &quot; end"]),
    "skipped mark": (["one <skipped> two three four"], ["one two three four"]),
    "line ends inside": (["a broken-\nword and\nanother one"], ["a brokenword and another one"]),
    "brackets and signs": (
        ["f(x) = {a[1]} + b/2 * c^2 ~ d_e | g@h #1 $5 `q` \\n"],
        ["f (x) = { a [1] } + b / 2 * c ^ 2 ~ d_e | g@h # 1 $ 5 `q` \\n"]),
    "apostrophes": (["Don't say it isn't Ann's."], ["Do n't say it is n't Ann 's ."]),
    "french": (
        ["L'été dernier, où étais-tu\u00a0? À Noël\u202f!"],
        ["L'été passé, où es-tu allé ? À Noël !"]),
    "composed and decomposed": (
        ["café crème au lait"], ["cafe\u0301 crème au lait"]),
    "case": (["the BOAT leaves at noon"], ["The boat leaves at Noon"]),
    "other scripts": (
        ["Кот спит. 猫が寝ている。 🐱!"],
        ["Кот не спит. 猫は寝る。 🐱 !"]),
    "repeated points": (["Well... wait,, what?!"], ["Well ... wait , what ?!"]),
    "odd white space": (["a\u2003b\u3000c\u0085d\x1ce"], ["a b c d e"]),
    "short characters only": (["ab", "a"], ["abc", "b"]),
}

WORDS = ("the a old grey boat lamp baker sings waits near under bridge river every "
         "morning, evening. again! why? 3.5 1,200 it's d'accord été "
         "naïve - (almost) \"here\" to-day").split()


def random_corpus(seed, sentences, noise):
    """References of random words, and the same with words dropped, doubled, replaced or swapped."""
    rng = random.Random(seed)
    hypotheses, references = [], []
    for _ in range(sentences):
        words = [rng.choice(WORDS) for _ in range(rng.randint(1, 14))]
        references.append(" ".join(words))
        changed = []
        for word in words:
            kind = rng.random() / noise
            if kind < 0.3:
                continue
            changed.append(rng.choice(WORDS) if kind < 0.6 else word)
            if 0.6 <= kind < 0.8:
                changed.append(word)
        if len(changed) > 1 and rng.random() < noise:
            changed[0], changed[-1] = changed[-1], changed[0]
        hypotheses.append(" ".join(changed))
    return hypotheses, references


GENERATED = 200
# Words and what stands between them, for corpora that the test makes itself (metric_cases.h).
PARTS = {
    "words": WORDS + ["été", "cafe\u0301", "1.5.2", "2,000", "U.S.", "n't", "--", "...", "«", "»",
                      "“ja”", "Straße", "猫が", "寝る。", "кот", "🐱", "a/b", "x=3", "$4", "50%",
                      "&amp;", "&quot;", "I", "o", "?!", "'", "(b)", "e-mail", "ﬁn", "\u200bzero"],
    "joints": [" "] * 14 + ["  ", "\t", "\u00a0", "", "", "\u3000"],
}


def generated_corpus(seed):
    """Random references, and the same with words dropped, replaced, doubled or run together."""
    count = 0

    def below(bound):
        nonlocal count
        count += 1
        return mix(seed, count) % bound

    def part(kind):
        return PARTS[kind][below(len(PARTS[kind]))]

    hypotheses, references = [], []
    sentences, noise = 1 + below(12), below(100)
    for _ in range(sentences):
        hypothesis, reference = "", ""
        for _ in range(below(24)):
            word, joint = part("words"), part("joints")
            reference += word + joint
            if below(100) >= noise:
                hypothesis += word + joint
                continue
            change = below(4)
            if change == 1:
                hypothesis += part("words") + joint
            elif change == 2:
                hypothesis += word + joint + word + joint
            elif change == 3:
                hypothesis += word
        hypotheses.append(hypothesis)
        references.append(reference)
    return hypotheses, references


def generated_case(seed):
    """[BLEU, matches of four orders, totals of four orders, two lengths, chrF]"""
    hypotheses, references = generated_corpus(seed)
    bleu = sacrebleu.BLEU().corpus_score(hypotheses, [references])
    chrf = sacrebleu.CHRF().corpus_score(hypotheses, [references])
    return [bleu.score, *bleu.counts, *bleu.totals, bleu.sys_len, bleu.ref_len, chrf.score]


def case(name, hypotheses, references):
    bleu = sacrebleu.BLEU().corpus_score(hypotheses, [references])
    chrf = sacrebleu.CHRF().corpus_score(hypotheses, [references])
    tokenize = Tokenizer13a()
    return {
        "name": name,
        "hypotheses": hypotheses,
        "references": references,
        "tokens_13a": [tokenize(h.rstrip()).split() for h in hypotheses],
        "bleu": {
            "score": bleu.score,
            "precisions": bleu.precisions,
            "brevity_penalty": bleu.bp,
            "matches": bleu.counts,
            "totals": bleu.totals,
            "hypothesis_length": bleu.sys_len,
            "reference_length": bleu.ref_len,
        },
        "chrf": chrf.score,
    }


def main():
    corpora = [case(name, *pair) for name, pair in HAND_MADE.items()]
    for seed, noise in enumerate((0.2, 0.4, 0.8, 1.2)):
        corpora.append(case(f"random, noise {noise}", *random_corpus(seed, 6, noise)))
    lines = ",\n".join(json.dumps(corpus) for corpus in corpora)
    generated = ",\n".join(json.dumps(generated_case(seed)) for seed in range(GENERATED))
    text = (f'{{"sacrebleu": "{sacrebleu.__version__}", "corpora": [\n{lines}\n],\n'
            f'"parts": {json.dumps(PARTS)},\n"generated": [\n{generated}\n]}}\n')
    pathlib.Path(__file__).with_name("metric_cases.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
