"""Records what PyTorch's ctc_loss computes, for ctc_test.cpp.

    python3 tests/nn/make_ctc_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites ctc_cases.json
beside this script, the same bytes every time. All in float64. The gradient is the one by the
logits, behind log_softmax: for the log-probabilities themselves PyTorch has another convention.
"""

import functools
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

CLASSES = 5
floats = functools.partial(Numbers(11).floats, low=-2, high=2)


def case(name, steps, targets, input_lengths, blank=0, zero_infinity=False):
    labels = max(max(map(len, targets)), 1)
    padded = torch.tensor([t + [blank] * (labels - len(t)) for t in targets])
    logits = floats(steps, len(targets), CLASSES).requires_grad_()
    target_lengths = [len(t) for t in targets]
    results = {}
    for reduction in ("none", "sum", "mean"):
        loss = torch.nn.functional.ctc_loss(
            logits.log_softmax(-1), padded, torch.tensor(input_lengths),
            torch.tensor(target_lengths), blank, reduction, zero_infinity)
        cotangent = floats(*loss.shape)
        (gradient,) = torch.autograd.grad(loss, logits, cotangent)
        results[reduction] = {"loss": written(loss), "cotangent": written(cotangent),
                              "gradient": written(gradient)}
    return {"name": name, "blank": blank, "zero_infinity": zero_infinity,
            "input_lengths": input_lengths, "target_lengths": target_lengths,
            "targets": {"shape": list(padded.shape), "int32": padded.flatten().tolist()},
            "logits": written(logits), "results": results}


def main():
    cases = [
        case("full", 6, [[1, 2, 3], [4, 1, 2]], [6, 6]),
        case("repeated labels", 7, [[1, 1, 2], [3, 3, 3], [2, 4, 2]], [7, 7, 7]),
        case("ragged", 8, [[1, 2], [3], [4, 4, 1], [2, 3, 1]], [5, 8, 7, 3]),
        case("empty targets", 4, [[], [1, 2], []], [4, 3, 0]),
        case("only empty targets", 3, [[], []], [3, 1]),
        case("last class is blank", 6, [[0, 0], [3, 1, 0]], [6, 4], blank=4),
        case("just enough steps", 5, [[1, 1, 2], [1, 2, 3]], [4, 3]),
        case("impossible, zeroed", 4, [[1, 1, 1], [1, 2], [3], [2]], [4, 4, 0, 1], 0, True),
        case("impossible", 4, [[1, 1, 1], [2, 2]], [4, 2]),
    ]
    write_cases(pathlib.Path(__file__).with_name("ctc_cases.json"), cases)


main()
