"""The mistakes that scripts/mutate plants, and how a source holds many of them at once: where
expression E stands, there will be (mutant(7) ? (E with mistake 7) : (E))."""
import collections
import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of the ops what has to do with derivatives; of the engine and the cells whole files.
OPS = sorted(ROOT.glob("ops/*.cpp"))
ENGINE = sorted(ROOT.glob("autograd/passes/*.cpp")) + [
    ROOT / "autograd" / name for name in ("reverse.cpp", "gradients.cpp", "gradient_values.cpp")]
CELLS = [ROOT / "nn" / f"{name}.h" for name in (
    "rnn_cell", "lstm_cell", "gru_cell", "peephole_lstm_cell", "coupled_lstm_cell",
    "minimal_gated_cell", "layer_norm_cells", "zoneout", "recurrent_dropout", "residual")]
OF_OPS = re.compile(r"void derive\(Derivation& d\) const override \{|const Pointwise \w+\{|"
                    r"class \w*Grad\w* [^;{]*\{")

# Kind, pattern, replacement: one mutant for each place.
RULES = [
    ("sign", r" \+ ", " - "), ("sign", r" - ", " + "), ("sign", r"(?:(?<=[(,] )|^)-(?=\w)", ""),
    ("factor", r" \* ", " / "), ("factor", r" / ", " * "), ("factor", r"\b0\.5\b", "1.0"),
    ("accumulation", r" \+= ", " = "), ("accumulation", r"^d\.add\(.*$", "void(0)"),
    ("compare", r" < ", " <= "), ("compare", r" <= ", " < "), ("compare", r" > ", " >= "),
    ("compare", r" >= ", " > "), ("compare", r" == ", " != "), ("compare", r" != ", " == "),
    ("logic", r" && ", " || "), ("logic", r" \|\| ", " && "), ("logic", r"!(?=[\w(])", "!!"),
    ("logic", r"\btrue\b", "false"), ("logic", r"\bfalse\b", "true"),
    ("index", r"(?<![\w.])0(?![\w.])", "1"), ("index", r"(?<![\w.])[12](?![\w.])", "0"),
    ("off by one", r"\.(size|rank)\(\)", r".\1() - 1"),
    ("transposition", r"\btranspose\(", "("), # Not of these three, which are symmetric.
    ("transposition", r"(?<!\bmin)(?<!\bmax)(?<!\bequal)\((\w+), (\w+)\)", r"(\2, \1)"),
    ("function", r"\bmin\(", "max("), ("function", r"\bmax\(", "min("),
    ("function", r"\bsin\(", "cos("), ("function", r"\bcos\(", "sin("),
    ("function", r"\btanh\(", "sigmoid("), ("function", r"\bsigmoid\(", "tanh("),
]
# What is before an expression, what ends it if no bracket does, and whether it is a statement.
CONTEXTS = [(r"\breturn ", ";", False), (r" [-+*/]?= ", ";,", False),
            (r"\b(?:if|while) \(", "", False), (r"\bfor \([^;{}]*; ", ";", False),
            (r"\) (?=d\.add\()", ";", True),
            (r"(?<=[;{}])\s*\n\s*(?=[a-z]\w*[\w.\[\]]*(?:\(| \+= ))", ";", True)]
NOT_HERE = re.compile(r"constexpr|throw |fmt::|using |^return|^case|^else|^break|^continue")

PRELUDE = """#ifndef MUTANT
#define MUTANT
#include <cstdlib>
inline bool mutant(int k) {
  static const int alive = std::getenv("MUTANT") ? std::atoi(std::getenv("MUTANT")) : -1;
  return alive == k;
}
#endif
#line 1
"""

Mutant = collections.namedtuple("Mutant", "id file line kind before after begin end statement")


def masked(text):
    """The same text with blanks for comments, strings and preprocessor lines."""
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|^#[^\n]*', lambda m: " " * len(m[0]), text,
                  flags=re.M)


def end_of(text, at, stops=""):
    """Where the bracket before `at` is closed, or one of `stops` stands outside of brackets."""
    depth = 0
    while depth or text[at] not in ")}]" + stops:
        depth += (text[at] in "({[") - (text[at] in ")}]")
        at += 1
    return at


def expressions(text):
    """(begin, end, is a statement) of the innermost expressions."""
    for pattern, stop, statement in CONTEXTS:
        for found in re.finditer(pattern, text):
            begin = found.end()
            end = end_of(text, begin, stop)
            line = text[text.rfind("\n", 0, begin) + 1:begin].strip()
            inside = text[begin:end]
            of_statement = inside if statement else line + inside
            if ";" not in inside and not NOT_HERE.search(of_statement):
                yield begin, end, statement


def mutants_of(path):
    text = path.read_text()
    plain = masked(text)
    regions = [(0, len(plain))] if path not in OPS else [
        (m.end(), end_of(plain, m.end())) for m in OF_OPS.finditer(plain)]
    for begin, end, statement in sorted(set(expressions(plain))):
        if not any(a <= begin and end <= b for a, b in regions):
            continue
        for kind, pattern, replacement in RULES:
            for found in re.finditer(pattern, plain[begin:end], flags=re.S):
                after = (text[begin:begin + found.start()] + found.expand(replacement) +
                         text[begin + found.end():end])
                yield Mutant(0, str(path.relative_to(ROOT)), plain.count("\n", 0, begin) + 1, kind,
                             text[begin:end], after, begin, end, statement)


def sample(count, seed):
    """The same mutants for the same sources: six tenths of ops, three of the engine, one of cells."""
    chosen = []
    for paths, share in ((OPS, 0.6), (ENGINE, 0.3), (CELLS, 0.1)):
        every = [m for path in paths for m in mutants_of(path)]
        random.Random(seed).shuffle(every)
        chosen += every[:round(count * share)]
    return [m._replace(id=i) for i, m in enumerate(chosen)]


def instrumented(text, mutants):
    """The source with all of its mutants; lines keep their numbers."""
    def flat(s):
        return re.sub(r"\s*\n\s*", " ", s)

    places = collections.defaultdict(list)
    for m in mutants:
        places[m.begin, m.end, m.statement].append(m)
    for (begin, end, statement), here in sorted(places.items(), reverse=True):
        original, rest = text[begin:end], text[end:]
        if statement:
            chain = "".join(f"if (mutant({m.id})) {{ {flat(m.after)}; }} else " for m in here)
            new, rest = f"{{ {chain}{{ {flat(original)}; }} }}", rest[1:]
        else:
            chain = "".join(f"mutant({m.id}) ? ({flat(m.after)}) : " for m in here)
            new = f"({chain}({flat(original)}))"
        text = text[:begin] + new + "\n" * original.count("\n") + rest
    return PRELUDE + text
