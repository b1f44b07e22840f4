"""What the scripts have in common that record PyTorch's results for tests: inputs from a fixed
stream of random numbers, and tensors and cases as JSON (read by tests/ops/torch_cases.h)."""

import json
import math
import random

import torch


class Numbers:
    """Random inputs, the same every time; two digits are exact enough to read."""

    def __init__(self, seed):
        self.generator = random.Random(seed)

    def floats(self, *shape, low=-1.0, high=1.0):
        values = [round(self.generator.uniform(low, high), 2) for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=torch.float64).reshape(shape)

    def ints(self, bound, *shape):
        values = [self.generator.randrange(bound) for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=torch.int64).reshape(shape)


def number(x):
    return float(f"{x:.15g}") if math.isfinite(x) else str(x)


def written(x):
    """A tensor, or a list of numbers, as {"shape": ..., "values" or "int32": ...}."""
    x = torch.tensor(x, dtype=torch.float64) if isinstance(x, list) else x
    flat = x.detach().flatten().tolist()
    if not x.is_floating_point():
        return {"shape": list(x.shape), "int32": flat}
    return {"shape": list(x.shape), "values": [number(v) for v in flat]}


def write_cases(path, cases, version=torch.__version__):
    """A case per line; `cases` is a list, or a dictionary of named ones."""
    if isinstance(cases, dict):
        lines, ends = [f'"{name}": {json.dumps(c)}' for name, c in cases.items()], "{}"
    else:
        lines, ends = [json.dumps(c) for c in cases], "[]"
    text = ",\n".join(lines)
    path.write_text(f'{{"torch": "{version}", "cases": {ends[0]}\n{text}\n{ends[1]}}}\n')
