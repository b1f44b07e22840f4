"""Records what PyTorch's nn.RNN, nn.LSTM and nn.GRU compute, and, written from its ops, cells that
it does not have, for torch_rnn_test.cpp.

    python3 tests/nn/make_rnn_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites rnn_cases.json
beside this script, the same bytes every time. All in float64, ragged batches through
pack_padded_sequence. Each case holds parameters, inputs, outputs, last states, cotangents of the
latter two, and the gradients that these give to the former two, once for batch_first and without
it: that PyTorch computes the same for both is checked here.
"""

import itertools
import pathlib
import sys
import typing

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, summed, write_cases, written  # noqa: E402


class Sizes(typing.NamedTuple):
    steps: int
    batch: int
    input: int
    hidden: int
    projection: int


SMALL, LARGE = Sizes(4, 3, 3, 2, 1), Sizes(25, 9, 19, 37, 13)
RAGGED, LARGE_RAGGED = [4, 2, 3], [25, 3, 1, 24, 17, 25, 8, 12, 9]
STEPS, BATCH, INPUT, HIDDEN, _ = SMALL
KINDS = {
    "rnn_tanh": lambda s, **o: torch.nn.RNN(s.input, s.hidden, nonlinearity="tanh", **o),
    "rnn_relu": lambda s, **o: torch.nn.RNN(s.input, s.hidden, nonlinearity="relu", **o),
    "lstm": lambda s, **o: torch.nn.LSTM(s.input, s.hidden, **o),
    "gru": lambda s, **o: torch.nn.GRU(s.input, s.hidden, **o),
    "lstm_projected": lambda s, **o: torch.nn.LSTM(s.input, s.hidden, proj_size=s.projection, **o),
}
numbers = Numbers(7)
floats = numbers.floats


def run(net, x, initial, lengths):
    """The outputs and the last states, time first."""
    x_steps = len(x)
    if net.batch_first:
        x = x.transpose(0, 1)
    if lengths:
        x = pack_padded_sequence(x, torch.tensor(lengths), net.batch_first, enforce_sorted=False)
    outputs, last = net(x, initial)
    if lengths:
        outputs, _ = pad_packed_sequence(outputs, net.batch_first, total_length=x_steps)
    if net.batch_first:
        outputs = outputs.transpose(0, 1)
    return [outputs, *(last if isinstance(last, tuple) else [last])]


def case(kind, layers, bidirectional, lengths, sizes=SMALL, stateful=True, bias=True):
    net = KINDS[kind](sizes, num_layers=layers, bidirectional=bidirectional, bias=bias).double()
    bound = 1 if sizes == SMALL else 0.25  # large ones are to stay away from saturation
    parameters = numbers.fill(net, -bound, bound)
    x = floats(sizes.steps, sizes.batch, sizes.input).requires_grad_()
    rows = layers * (2 if bidirectional else 1)
    lstm = kind.startswith("lstm")
    output = sizes.projection if kind == "lstm_projected" else sizes.hidden
    widths = [output, sizes.hidden][:1 + lstm]
    states = [floats(rows, sizes.batch, width).requires_grad_() for width in widths if stateful]

    initial = None if not stateful else tuple(states) if lstm else states[0]
    results = run(net, x, initial, lengths)
    sources = {"x": x, **{f"state_{i}": s for i, s in enumerate(states)}, **parameters}
    recorded = record(kind, layers, bidirectional, lengths, sources, results, sizes,
                      bias)

    net.batch_first = True
    torch.testing.assert_close(run(net, x, initial, lengths), results, rtol=1e-14, atol=1e-14)
    return recorded


def record(kind, layers, bidirectional, lengths, sources, results, sizes=SMALL, bias=True):
    cotangents = [floats(*r.shape) for r in results]
    gradients = torch.autograd.grad(results, list(sources.values()), cotangents)
    return {
        "kind": kind, "layers": layers, "bidirectional": bidirectional, "lengths": lengths,
        "sizes": sizes._asdict(), "bias": bias,
        "sources": {k: written(v) for k, v in sources.items()},
        "results": [summed(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: summed(g) for k, g in zip(sources, gradients)}}


def lstm_output(o, c):
    return torch.sigmoid(o) * torch.tanh(c)


def peephole(p, x, h, c):
    i, f, g, o = (x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T
                  + p["bias_hh"]).chunk(4, -1)
    of_i, of_f, of_o = p["peephole"].chunk(3)
    c_new = torch.sigmoid(f + of_f * c) * c + torch.sigmoid(i + of_i * c) * torch.tanh(g)
    return lstm_output(o + of_o * c_new, c_new), c_new


def coupled(p, x, h, c):
    i, g, o = (x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T
               + p["bias_hh"]).chunk(3, -1)
    c_new = (1 - torch.sigmoid(i)) * c + torch.sigmoid(i) * torch.tanh(g)
    return lstm_output(o, c_new), c_new


def layer_norm_lstm(p, x, h, c):
    norm = torch.nn.functional.layer_norm
    width = [4 * HIDDEN]
    i, f, g, o = (norm(x @ p["weight_ih"].T, width, p["gain_ih"], p["bias_ih"])
                  + norm(h @ p["weight_hh"].T, width, p["gain_hh"], p["bias_hh"])).chunk(4, -1)
    c_new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return lstm_output(o, norm(c_new, [HIDDEN], p["gain_c"], p["bias_c"])), c_new


def layer_norm_gru(p, x, h):
    norm = torch.nn.functional.layer_norm

    def of(side, v, part):
        return norm(v @ p["weight_" + side][part].T, [p["gain_" + side][part].numel()],
                    p["gain_" + side][part], p["bias_" + side][part])

    gates, rest = slice(0, 2 * HIDDEN), slice(2 * HIDDEN, None)
    r, z = torch.sigmoid(of("ih", x, gates) + of("hh", h, gates)).chunk(2, -1)
    n = torch.tanh(of("ih", x, rest) + r * of("hh", h, rest))
    return ((1 - z) * n + z * h,)


def minimal_gated(p, x, h):
    def of(gate, state):
        return (x @ p["weight_ih_" + gate].T + p["bias_ih_" + gate]
                + state @ p["weight_hh_" + gate].T + p["bias_hh_" + gate])

    f = torch.sigmoid(of("forget", h))
    return ((1 - f) * h + f * torch.tanh(of("candidate", f * h)),)


def weights(gates, suffix=""):
    return {"weight_ih" + suffix: (gates * HIDDEN, INPUT),
            "weight_hh" + suffix: (gates * HIDDEN, HIDDEN),
            "bias_ih" + suffix: (gates * HIDDEN,), "bias_hh" + suffix: (gates * HIDDEN,)}


def gains(gates):
    return {"gain_ih": (gates * HIDDEN,), "gain_hh": (gates * HIDDEN,)}


# step, parameters, number of states
BY_HAND = {
    "peephole": (peephole, {**weights(4), "peephole": (3 * HIDDEN,)}, 2),
    "coupled": (coupled, weights(3), 2),
    "layer_norm_lstm": (layer_norm_lstm, {**weights(4), **gains(4), "gain_c": (HIDDEN,),
                                          "bias_c": (HIDDEN,)}, 2),
    "layer_norm_gru": (layer_norm_gru, {**weights(3), **gains(3)}, 1),
    "minimal_gated": (minimal_gated, {**weights(1, "_forget"), **weights(1, "_candidate")}, 1),
}


def case_by_hand(kind):
    step, shapes, states = BY_HAND[kind]
    parameters = {name: floats(*shape).requires_grad_() for name, shape in shapes.items()}
    x = floats(STEPS, BATCH, INPUT).requires_grad_()
    initial = [floats(1, BATCH, HIDDEN).requires_grad_() for _ in range(states)]
    state, outputs = [s[0] for s in initial], []
    for t in range(STEPS):
        state = step(parameters, x[t], *state)
        outputs.append(state[0])
    sources = {"x": x, **{f"state_{i}": s for i, s in enumerate(initial)},
               **{name + "_l0": p for name, p in parameters.items()}}
    recorded = record(kind, 1, False, None, sources,
                      [torch.stack(outputs), *(s[None] for s in state)])
    # Layer norm of two numbers that are almost equal is steep: no case for float32.
    steep = any(abs(v) > 3 for v in recorded["gradients"]["x"]["values"])
    return case_by_hand(kind) if steep else recorded


def main():
    cases = [case(kind, layers, bidirectional, lengths)
             for kind, layers, bidirectional, lengths in itertools.product(
                 KINDS, (1, 2, 3), (False, True), (RAGGED, None))]
    cases += [case(kind, 2, True, RAGGED, stateful=False) for kind in KINDS]
    cases += [case(kind, 2, True, RAGGED, bias=False) for kind in KINDS]
    cases += [case_by_hand(kind) for kind in BY_HAND]
    cases += [case(kind, *form, LARGE)
              for kind in KINDS for form in ((2, True, LARGE_RAGGED), (1, False, None))]
    write_cases(pathlib.Path(__file__).with_name("rnn_cases.json"), cases)


main()
