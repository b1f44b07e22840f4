"""Records how torch.nn.init and the layers' own first values are distributed, for
torch_init_test.cpp.

    python3 tests/nn/make_init_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites init_cases.json
beside this script, the same bytes every time. A case holds the shape of a parameter and, of its
values, the smallest, the deciles and the largest.
"""

import itertools
import math
import pathlib
import sys

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import write_cases  # noqa: E402

SHAPES = {"matrix": (100, 400), "tall": (250, 80), "kernel": (40, 50, 10)}
NONLINEARITIES = {"relu": 0.0, "leaky_relu": 0.2, "tanh": 0.0, "linear": 0.0}
LAYERS = {
    "linear": lambda: nn.Linear(90, 70),
    "embedding": lambda: nn.Embedding(90, 70),
    "layer_norm": lambda: nn.LayerNorm(70),
    "rnn": lambda: nn.RNN(60, 70, 2, bidirectional=True),
    "lstm": lambda: nn.LSTM(60, 70, 2),
    "lstm_projected": lambda: nn.LSTM(60, 70, proj_size=30),
    "gru": lambda: nn.GRU(60, 70, 2),
    "attention": lambda: nn.MultiheadAttention(64, 4),
    "attention_of_widths": lambda: nn.MultiheadAttention(64, 4, kdim=50, vdim=40),
    "encoder": lambda: nn.TransformerEncoderLayer(64, 4, 100),
    "decoder": lambda: nn.TransformerDecoderLayer(64, 4, 100),
}


def case(kind, x, **options):
    quantiles = torch.quantile(x.detach().double().flatten(), torch.linspace(0, 1, 11).double())
    return {"kind": kind, **options, "shape": list(x.shape),
            "quantiles": [float(f"{q:.7g}") for q in quantiles]}


def functions():
    init = nn.init
    for shape in SHAPES.values():
        x = torch.empty(*shape, dtype=torch.float64)
        yield case("uniform", init.uniform_(x, -0.3, 0.5), a=-0.3, b=0.5)
        yield case("normal", init.normal_(x, 0.1, 0.2), a=0.1, b=0.2)
        for gain in (1.0, 5 / 3):
            yield case("xavier_uniform", init.xavier_uniform_(x, gain), gain=gain)
            yield case("xavier_normal", init.xavier_normal_(x, gain), gain=gain)
            yield case("orthogonal", init.orthogonal_(x, gain), gain=gain)
    x = torch.empty(*SHAPES["kernel"], dtype=torch.float64)
    for (nonlinearity, slope), mode in itertools.product(NONLINEARITIES.items(),
                                                         ("fan_in", "fan_out")):
        options = {"mode": mode, "nonlinearity": nonlinearity}
        yield case("kaiming_uniform", init.kaiming_uniform_(x, slope, **options), slope=slope,
                   **options)
        yield case("kaiming_normal", init.kaiming_normal_(x, slope, **options), slope=slope,
                   **options)
    yield case("kaiming_uniform", init.kaiming_uniform_(x, math.sqrt(5)), slope=math.sqrt(5),
               mode="fan_in", nonlinearity="leaky_relu")


def main():
    torch.manual_seed(3)
    cases = list(functions())
    for kind, make in LAYERS.items():
        cases += [case(kind, p, parameter=name) for name, p in make().named_parameters()]
    write_cases(pathlib.Path(__file__).with_name("init_cases.json"), cases)


main()
