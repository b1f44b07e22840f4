"""Records what PyTorch's nn.RNN, nn.LSTM and nn.GRU compute, for torch_rnn_test.cpp.

    python3 tests/nn/make_rnn_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites rnn_cases.json
beside this script, the same bytes every time. All in float64, ragged batches through
pack_padded_sequence. Each case holds parameters, inputs, outputs, last states, cotangents of the
latter two, and the gradients that these give to the former two.
"""

import itertools
import json
import math
import pathlib
import random

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

STEPS, BATCH, INPUT, HIDDEN = 4, 3, 3, 2
KINDS = {
    "rnn_tanh": lambda **o: torch.nn.RNN(INPUT, HIDDEN, nonlinearity="tanh", **o),
    "rnn_relu": lambda **o: torch.nn.RNN(INPUT, HIDDEN, nonlinearity="relu", **o),
    "lstm": lambda **o: torch.nn.LSTM(INPUT, HIDDEN, **o),
    "gru": lambda **o: torch.nn.GRU(INPUT, HIDDEN, **o),
}
generator = random.Random(7)


def floats(*shape):
    values = [round(generator.uniform(-1, 1), 2) for _ in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def written(x):
    values = [float(f"{v:.15g}") for v in x.detach().flatten().tolist()]
    return {"shape": list(x.shape), "values": values}


def case(kind, layers, bidirectional, lengths):
    net = KINDS[kind](num_layers=layers, bidirectional=bidirectional).double()
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(floats(*parameter.shape))
    x = floats(STEPS, BATCH, INPUT).requires_grad_()
    rows = layers * (2 if bidirectional else 1)
    states = [floats(rows, BATCH, HIDDEN).requires_grad_() for _ in range(1 + (kind == "lstm"))]

    initial = tuple(states) if kind == "lstm" else states[0]
    if lengths:
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        outputs, last = net(packed, initial)
        outputs, _ = pad_packed_sequence(outputs, total_length=STEPS)
    else:
        outputs, last = net(x, initial)
    results = [outputs, *(last if kind == "lstm" else [last])]
    cotangents = [floats(*r.shape) for r in results]
    sources = {"x": x, **{f"state_{i}": s for i, s in enumerate(states)}, **parameters}
    gradients = torch.autograd.grad(results, list(sources.values()), cotangents)
    name = f"{kind}, {layers} layers, {'two directions' if bidirectional else 'one direction'}"
    return {
        "name": name + (", ragged" if lengths else ", full"), "kind": kind, "layers": layers,
        "bidirectional": bidirectional, "lengths": lengths,
        "sources": {k: written(v) for k, v in sources.items()},
        "results": [written(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: written(g) for k, g in zip(sources, gradients)}}


def main():
    cases = [case(kind, layers, bidirectional, [4, 2, 3])
             for kind, layers, bidirectional in itertools.product(KINDS, (1, 2), (False, True))]
    cases += [case(kind, 2, True, None) for kind in KINDS]
    lines = ",\n".join(json.dumps(c) for c in cases)
    record = f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n'
    (pathlib.Path(__file__).parent / "rnn_cases.json").write_text(record)


main()
