"""Records what PyTorch's optimisers, clipping and schedulers do, for the tests in this folder.

    python3 tests/optim/make_optimizer_cases.py

needs `pip install torch` (the file names the version used) and rewrites optimizer_cases.json beside
this script, the same bytes every time. Parameters and gradients are multiples of 1/64, which
float32 holds exactly; null is an absent gradient.
"""

import math
import pathlib
import random
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import compact  # noqa: E402

STEPS = 14
SNAPSHOTS = (1, 10, STEPS)
SHAPES = {"weight": [3, 5], "bias": [3], "scale": [], "table": [4, 2]}
# Steps (from 0) in which a parameter has no gradient: its count of updates falls behind.
ABSENT = {"bias": (0, 1, 8), "scale": (13,)}
LR_CHANGE = 7  # before this step the learning rate becomes half of it

OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.7, "dampening": 0.5, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.01, "betas": [0.0, 0.9]}),
]
for kind, decay in (("Adam", 0.1), ("AdamW", 0.5)):
    OPTIMIZERS += [(kind, {"lr": 0.02, **shape, **amsgrad, **weight_decay})
                   for shape in ({}, {"betas": [0.8, 0.7], "eps": 0.01})
                   for amsgrad in ({}, {"amsgrad": True})
                   for weight_decay in ({"weight_decay": 0.0}, {"weight_decay": decay})]
OPTIMIZERS.append(("AdamW", {"lr": 0.02}))
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def grid(rng, shape):
    return [rng.randint(-128, 128) / 64 for _ in range(math.prod(shape))]


def tensors(values, dtype):
    return {name: torch.tensor(values[name], dtype=dtype).reshape(SHAPES[name])
            for name in SHAPES if values[name] is not None}


def numbers(tensor):
    """The shortest decimals that give these elements back."""
    if tensor.dtype == torch.float64:
        return tensor.flatten().tolist()
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def optimizer_case(kind, options, dtype, initial, gradients):
    parameters = {name: torch.nn.Parameter(t)
                  for name, t in tensors(initial, DTYPES[dtype]).items()}
    optimizer = getattr(torch.optim, kind)(parameters.values(), **options)
    snapshots = {}
    for step, now in enumerate(gradients):
        if step == LR_CHANGE:
            optimizer.param_groups[0]["lr"] = options["lr"] / 2
        given = tensors(now, DTYPES[dtype])
        for name, parameter in parameters.items():
            parameter.grad = given.get(name)
        optimizer.step()
        if step + 1 in SNAPSHOTS:
            snapshots[step + 1] = {n: numbers(p.detach()) for n, p in parameters.items()}
    state = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, torch.Tensor):
                state[f"{name}.{key}"] = numbers(value.detach())
    return {"kind": kind, "dtype": dtype, "options": options, "values": snapshots, "state": state}


def clip_case(kind, limit, dtype, gradients):
    parameters = [torch.nn.Parameter(torch.zeros_like(t))
                  for t in tensors(gradients, DTYPES[dtype]).values()]
    for parameter, gradient in zip(parameters, tensors(gradients, DTYPES[dtype]).values()):
        parameter.grad = gradient
    norm = None
    if kind == "norm":
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit).item()
    else:
        torch.nn.utils.clip_grad_value_(parameters, limit)
    return {"kind": kind, "dtype": dtype, "limit": limit, "norm": norm,
            "gradients": dict(zip(SHAPES, (numbers(p.grad) for p in parameters)))}


def rates(lr, make, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def schedules():
    lrs = torch.optim.lr_scheduler

    def warmed(then):
        return lambda o: lrs.SequentialLR(
            o, [lrs.LinearLR(o, start_factor=0.25, total_iters=6), then(o)], milestones=[6])

    def cosine(o):
        return lrs.CosineAnnealingLR(o, T_max=20, eta_min=0.01)

    def steps(o):
        return lrs.StepLR(o, step_size=4, gamma=0.3)

    return {
        "step": rates(0.5, steps, 20),
        "step, every one": rates(0.5, lambda o: lrs.StepLR(o, step_size=1, gamma=0.8), 20),
        "exponential": rates(0.5, lambda o: lrs.ExponentialLR(o, gamma=0.9), 20),
        "cosine": rates(0.5, cosine, 21),
        "cosine to 0": rates(0.5, lambda o: lrs.CosineAnnealingLR(o, T_max=24), 25),
        "warm-up, constant": rates(
            0.5, lambda o: lrs.LinearLR(o, start_factor=0.25, total_iters=6), 20),
        "warm-up, exponential": rates(
            0.5, warmed(lambda o: lrs.ExponentialLR(o, gamma=0.9)), 20),
        "warm-up, cosine": rates(0.5, warmed(cosine), 27),
        "warm-up, step": rates(0.5, warmed(steps), 20),
        "inverse square root": rates(
            0.5, lambda o: lrs.LambdaLR(o, lambda s: min(s / 6, math.sqrt(6 / max(s, 1)))), 40),
    }


PLATEAUS = [
    {"factor": 0.5, "patience": 2},
    {"factor": 0.5, "patience": 0, "cooldown": 3},
    {"factor": 0.1, "patience": 1, "min_lr": 0.003},
    {"factor": 0.5, "patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
    {"factor": 0.5, "patience": 1, "threshold": 0.1, "mode": "max"},
    {"factor": 0.5, "patience": 1, "threshold": 0.02, "threshold_mode": "abs", "mode": "max"},
    {"factor": 0.5, "patience": 0, "eps": 0.06},
]


def plateau_case(options, metrics):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    after = []
    for metric in metrics:
        scheduler.step(math.nan if metric is None else metric)
        after.append(optimizer.param_groups[0]["lr"])
    return {"options": options, "lr": after}


def main():
    rng = random.Random(20)
    initial = {name: grid(rng, shape) for name, shape in SHAPES.items()}
    gradients = [{name: None if step in ABSENT.get(name, ()) else grid(rng, shape)
                  for name, shape in SHAPES.items()} for step in range(STEPS)]
    full = {name: grid(rng, shape) for name, shape in SHAPES.items()}
    metrics = [round(2 / (1 + k / 3) + rng.uniform(-0.2, 0.2), 3) for k in range(40)]
    metrics[12] = None  # NaN
    sections = {
        "optimizers": [optimizer_case(kind, options, dtype, initial, gradients)
                       for kind, options in OPTIMIZERS for dtype in DTYPES],
        "clips": [clip_case(kind, limit, dtype, full) for dtype in DTYPES
                  for kind, limit in (("norm", 1.5), ("norm", 100.0), ("value", 0.75))],
        "plateaus": [plateau_case(options, metrics) for options in PLATEAUS],
    }
    head = {"torch": torch.__version__.split("+")[0], "shapes": SHAPES, "lr_change": LR_CHANGE,
            "initial": initial, "gradients": gradients, "clip_gradients": full,
            "schedules": schedules(), "metrics": metrics}
    lines = [f'"{key}": {compact(value)}' for key, value in head.items()]
    for key, cases in sections.items():
        lines.append(f'"{key}": [\n' + ",\n".join(compact(c) for c in cases) + "]")
    text = "{" + ",\n".join(lines) + "}\n"
    pathlib.Path(__file__).with_name("optimizer_cases.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
