"""What the scripts have in common that record PyTorch's results for tests: inputs from a fixed
stream of numbers that the tests can draw again, and tensors and cases as JSON (read by
tests/ops/torch_cases.h)."""

import json
import math

import torch

from mixing import mix

DRAWN = {}  # the JSON of every tensor that was drawn, by its content


def content(x):
    return (x.dtype, tuple(x.shape), tuple(x.detach().flatten().tolist()))


class Numbers:
    """Tensors that are the same every time. Each has a seed, and a case holds that in place of the
    elements. Floats are at distances of (high - low) / 128: float32 holds those of [-1, 1)."""

    def __init__(self, stream):
        self.seed = stream * 10000

    def words(self, shape):
        self.seed += 1
        return [mix(self.seed, i) for i in range(math.prod(shape))]

    def drawn(self, x, shape, **how):
        x = x.reshape(shape)
        DRAWN[content(x)] = {"shape": list(shape), "seed": self.seed, **how}
        return x

    def floats(self, *shape, low=-1.0, high=1.0):
        values = [low + (high - low) * ((word >> 57) / 128) for word in self.words(shape)]
        ends = {} if (low, high) == (-1.0, 1.0) else {"low": low, "high": high}
        return self.drawn(torch.tensor(values, dtype=torch.float64), shape, **ends)

    def ints(self, bound, *shape):
        values = [word % bound for word in self.words(shape)]
        return self.drawn(torch.tensor(values, dtype=torch.int64), shape, bound=bound)

    def fill(self, module, low=-1.0, high=1.0):
        """Draws every parameter, and returns them by name."""
        parameters = dict(module.named_parameters())
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.copy_(self.floats(*parameter.shape, low=low, high=high))
        return parameters


def number(x):
    """15 digits, and no more than 13 decimals."""
    return float(f"{round(x, 13):.15g}") if math.isfinite(x) else str(x)


def compact(record):
    return json.dumps(record, separators=(",", ":"))


def written(x):
    """A tensor, or a list of numbers, as {"shape": ..., "values", "int32" or "seed": ...}."""
    x = torch.tensor(x, dtype=torch.float64) if isinstance(x, list) else x
    if x.numel() > 1 and content(x) in DRAWN:
        return DRAWN[content(x)]
    flat = x.detach().flatten().tolist()
    if not x.is_floating_point():
        return {"shape": list(x.shape), "int32": flat}
    return {"shape": list(x.shape), "values": [number(v) for v in flat]}


def summed(x):
    """The same, or for a large tensor three sums of its elements with random signs: they tell any
    two tensors apart, and take less room."""
    if x.numel() <= 40:
        return written(x)
    flat = x.detach().flatten().tolist()
    sums = [sum(v if mix(k, i) >> 63 else -v for i, v in enumerate(flat)) for k in range(3)]
    return {"shape": list(x.shape), "rms": number(x.square().mean().sqrt().item()),
            "sums": [number(s) for s in sums]}


def write_cases(path, cases, version=torch.__version__.split("+", maxsplit=1)[0]):
    """A case per line; `cases` is a list, or a dictionary of named ones."""
    if isinstance(cases, dict):
        lines, ends = [f'"{name}": {compact(c)}' for name, c in cases.items()], "{}"
    else:
        lines, ends = [compact(c) for c in cases], "[]"
    text = ",\n".join(lines)
    path.write_text(f'{{"torch": "{version}", "cases": {ends[0]}\n{text}\n{ends[1]}}}\n')
