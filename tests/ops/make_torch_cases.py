"""Records what PyTorch says of softmax, layer_norm, the losses, gather and scatter_add.

    python3 tests/ops/make_torch_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites torch_cases.json
beside this script, the same bytes every time. All in float64; each case holds the inputs, the
output, a cotangent, and the gradients that it gives to the floating inputs.
"""

import functools
import itertools
import math
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

INF = math.inf
numbers = Numbers(20)
floats = functools.partial(numbers.floats, low=-2.0, high=2.0)
ints = numbers.ints


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def case(op, name, function, inputs, **options):
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    output = function(*inputs)
    cotangent = floats(*output.shape)
    floating = [x for x in inputs if x.is_floating_point()]
    gradients = torch.autograd.grad(output, floating, cotangent)
    return {"op": op, "name": name, "options": options, "inputs": [written(x) for x in inputs],
            "output": written(output), "cotangent": written(cotangent),
            "gradients": [written(g) for g in gradients]}


def softmax_cases():
    inputs = {
        "vector": (floats(5), -1), "rows": (floats(3, 37), -1), "one class": (floats(3, 1), -1),
        "axis 0": (floats(3, 2, 4), 0), "axis 1": (floats(3, 2, 4), 1),
        "axis -2": (floats(2, 3), -2), "no rows": (floats(0, 3), -1),
        "large": (tensor([[1e4, -1e4, 0.0], [1e4, 1e4, 9999.0], [-1e4, -1e4, -1e4]]), -1),
        "partly -inf": (tensor([[-INF, 0.5, 1.0], [-INF, -INF, 2.0]]), -1),
    }
    for op, (name, (x, axis)) in itertools.product(("softmax", "log_softmax"), inputs.items()):
        function = getattr(F, op)
        yield case(op, name, lambda v: function(v, axis), [x], axis=axis)
    x = tensor([[-INF, -INF], [0.0, 1.0], [math.nan, 1.0], [INF, 1.0]])
    yield case("softmax", "rows without a result", lambda v: F.softmax(v, -1), [x], axis=-1)


def layer_norm_cases():
    # Nearly equal elements that float32 holds exactly: only the computation can lose digits.
    close = [(ints(19, 2, 8) - 9).double() / 1024 + 7, (ints(33, 2, 8) - 16).double() / 8 + 1000]
    inputs = {
        "matrix": (floats(3, 5), 1e-5), "batch": (floats(2, 3, 19), 1e-5),
        "large epsilon": (floats(2, 4), 0.5), "no rows": (floats(0, 4), 1e-5),
        "nearly constant": (close[0], 1e-5), "offset": (close[1], 1e-5),
        "one element": (floats(4, 1), 1e-5),
    }
    for name, (x, epsilon) in inputs.items():
        n = x.shape[-1]
        yield case("layer_norm", name,
                   lambda v, gain, bias: F.layer_norm(v, (n,), gain, bias, epsilon),
                   [x, floats(n), floats(n)], epsilon=epsilon)


def cross_entropy(x, targets, **options):
    classes = x.shape[-1]
    result = F.cross_entropy(x.reshape(-1, classes), targets.reshape(-1), **options)
    return result.reshape(targets.shape) if options["reduction"] == "none" else result


def cross_entropy_cases():
    large = tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [5e3, 5e3, -5e3], [0.0, 0.0, 0.0]])
    inputs = {
        "rows": (floats(4, 5), ints(5, 4), -100),
        "batch": (floats(2, 3, 19), ints(19, 2, 3), -100),
        "ignored": (floats(5, 4), torch.tensor([1, -100, 3, -100, 0]), -100),
        "ignored class": (floats(2, 3, 4), torch.tensor([[0, 2, 1], [2, 3, 2]]), 2),
        "large": (large, torch.tensor([0, 1, 2, 1]), -100),
        "one class": (floats(3, 1), torch.tensor([0, 0, 0]), -100),
        "one row": (floats(6), torch.tensor(4), -100),
    }
    for (name, (x, targets, ignored)), smoothing, reduction in itertools.product(
            inputs.items(), (0.0, 0.1), ("mean", "sum", "none")):
        yield case("cross_entropy", f"{name}, smoothing {smoothing}, {reduction}",
                   lambda v, t: cross_entropy(v, t, ignore_index=ignored, reduction=reduction,
                                              label_smoothing=smoothing),
                   [x, targets], ignore_index=ignored, label_smoothing=smoothing,
                   reduction=reduction)
    for reduction in ("mean", "none"):
        yield case("cross_entropy", f"partly -inf, {reduction}",
                   lambda v, t: cross_entropy(v, t, reduction=reduction),
                   [tensor([[-INF, 1.0, 0.5], [0.25, -INF, -INF]]), torch.tensor([1, 0])],
                   ignore_index=-100, label_smoothing=0.0, reduction=reduction)
    for reduction in ("sum", "none"):
        yield case("cross_entropy", f"all ignored, {reduction}",
                   lambda v, t: cross_entropy(v, t, reduction=reduction),
                   [floats(2, 3), torch.tensor([-100, -100])],
                   ignore_index=-100, label_smoothing=0.0, reduction=reduction)


def kl(log_q, p, reduction):
    rows = F.kl_div(log_q, p, reduction="none").sum(-1)
    return rows if reduction == "none" else getattr(rows, reduction)()


def pointwise_loss_cases():
    for reduction in ("mean", "sum", "none"):
        x, t = floats(3, 4), floats(3, 4)
        yield case("mse_loss", reduction, lambda a, b: F.mse_loss(a, b, reduction=reduction),
                   [x, t], reduction=reduction)
        yield case("l1_loss", reduction, lambda a, b: F.l1_loss(a, b, reduction=reduction),
                   [x, t], reduction=reduction)
        for delta in (0.7, 2.0):
            yield case("huber_loss", f"delta {delta}, {reduction}",
                       lambda a, b: F.huber_loss(a, b, reduction=reduction, delta=delta),
                       [x, t], delta=delta, reduction=reduction)
        p = floats(3, 4, low=0.05, high=1.0)
        yield case("binary_cross_entropy", reduction,
                   lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction),
                   [x, p], reduction=reduction)
        yield case("kl_divergence", reduction, lambda a, b: kl(a, b, reduction),
                   [F.log_softmax(x, -1), p], reduction=reduction)
    yield case("binary_cross_entropy", "large",
               lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
               [tensor([1e4, -1e4, 50.0, -50.0]), tensor([1.0, 1.0, 0.0, 0.25])],
               reduction="none")
    yield case("kl_divergence", "batch", lambda a, b: kl(a, b, "mean"),
               [floats(2, 3, 4), floats(2, 3, 4, low=0.05, high=1.0)], reduction="mean")


def index_cases():
    shapes = [((5,), (7,)), ((3, 4), (2, 3)), ((2, 3, 4), (2, 3, 4)), ((3, 2, 4), (2, 2, 3)),
              ((4, 3), (0, 3))]
    for whole, part in shapes:
        for axis in range(len(whole)):
            if any(b > a for k, (a, b) in enumerate(zip(whole, part)) if k != axis):
                continue
            index = ints(whole[axis], *part)
            name = f"{list(part)} of {list(whole)} along {axis}"
            yield case("gather", name, lambda x, i: torch.gather(x, axis, i),
                       [floats(*whole), index], axis=axis)
            yield case("scatter_add", name, lambda x, i, s: torch.scatter_add(x, axis, i, s),
                       [floats(*whole), index, floats(*part)], axis=axis)
    # PyTorch computes this one without the slice, but cannot differentiate it.
    yield case("scatter_add", "source larger than index",
               lambda x, i, s: torch.scatter_add(x, 1, i, s[:2, :3]),
               [floats(3, 4), ints(4, 2, 3), floats(3, 5)], axis=1)
    yield case("gather", "negative axis", lambda x, i: torch.gather(x, -1, i),
               [floats(2, 3), ints(3, 2, 2)], axis=-1)


def weighted_cases():
    weight = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)
    inputs = {
        "rows": (floats(4, 4), ints(4, 4), -100),
        "ignored class": (floats(2, 3, 4), torch.tensor([[0, 2, 1], [1, 3, 2]]), 1),
        "ignored": (floats(3, 4), torch.tensor([3, -100, 0]), -100),
    }
    for (name, (x, targets, ignored)), smoothing, reduction in itertools.product(
            inputs.items(), (0.0, 0.1), ("mean", "sum", "none")):
        yield case("cross_entropy", f"weighted {name}, smoothing {smoothing}, {reduction}",
                   lambda v, t: cross_entropy(v, t, ignore_index=ignored, reduction=reduction,
                                              label_smoothing=smoothing, weight=weight),
                   [x, targets], ignore_index=ignored, label_smoothing=smoothing,
                   reduction=reduction, weight=weight.tolist())


def main():
    cases = [*softmax_cases(), *layer_norm_cases(), *cross_entropy_cases(),
             *pointwise_loss_cases(), *index_cases(), *weighted_cases()]
    write_cases(pathlib.Path(__file__).with_name("torch_cases.json"), cases,
                torch.__version__.split("+")[0])


main()
