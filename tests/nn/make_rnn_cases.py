"""Records what PyTorch's nn.RNN, nn.LSTM and nn.GRU compute, and, written from its ops, cells that
it does not have, for torch_rnn_test.cpp.

    python3 tests/nn/make_rnn_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites rnn_cases.json
beside this script, the same bytes every time. All in float64, ragged batches through
pack_padded_sequence. Each case holds parameters, inputs, outputs, last states, cotangents of the
latter two, and the gradients that these give to the former two.
"""

import itertools
import pathlib
import sys

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

STEPS, BATCH, INPUT, HIDDEN, PROJECTION = 4, 3, 3, 2, 1
KINDS = {
    "rnn_tanh": lambda **o: torch.nn.RNN(INPUT, HIDDEN, nonlinearity="tanh", **o),
    "rnn_relu": lambda **o: torch.nn.RNN(INPUT, HIDDEN, nonlinearity="relu", **o),
    "lstm": lambda **o: torch.nn.LSTM(INPUT, HIDDEN, **o),
    "gru": lambda **o: torch.nn.GRU(INPUT, HIDDEN, **o),
}
PROJECTED = {
    "lstm_projected": lambda **o: torch.nn.LSTM(INPUT, HIDDEN, proj_size=PROJECTION, **o),
}
floats = Numbers(7).floats


def case(kind, layers, bidirectional, lengths):
    make = KINDS.get(kind) or PROJECTED[kind]
    net = make(num_layers=layers, bidirectional=bidirectional).double()
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(floats(*parameter.shape))
    x = floats(STEPS, BATCH, INPUT).requires_grad_()
    rows = layers * (2 if bidirectional else 1)
    lstm = kind.startswith("lstm")
    widths = ([PROJECTION if kind in PROJECTED else HIDDEN, HIDDEN])[:1 + lstm]
    states = [floats(rows, BATCH, width).requires_grad_() for width in widths]

    initial = tuple(states) if lstm else states[0]
    if lengths:
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        outputs, last = net(packed, initial)
        outputs, _ = pad_packed_sequence(outputs, total_length=STEPS)
    else:
        outputs, last = net(x, initial)
    results = [outputs, *(last if lstm else [last])]
    sources = {"x": x, **{f"state_{i}": s for i, s in enumerate(states)}, **parameters}
    return record(kind, layers, bidirectional, lengths, sources, results)


def record(kind, layers, bidirectional, lengths, sources, results):
    cotangents = [floats(*r.shape) for r in results]
    gradients = torch.autograd.grad(results, list(sources.values()), cotangents)
    name = f"{kind}, {layers} layers, {'two directions' if bidirectional else 'one direction'}"
    return {
        "name": name + (", ragged" if lengths else ", full"), "kind": kind, "layers": layers,
        "bidirectional": bidirectional, "lengths": lengths,
        "sources": {k: written(v) for k, v in sources.items()},
        "results": [written(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: written(g) for k, g in zip(sources, gradients)}}


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
    return record(kind, 1, False, None, sources, [torch.stack(outputs), *(s[None] for s in state)])


def main():
    cases = [case(kind, layers, bidirectional, [4, 2, 3])
             for kind, layers, bidirectional in itertools.product(KINDS, (1, 2), (False, True))]
    cases += [case(kind, 2, True, None) for kind in KINDS]
    cases += [case("lstm_projected", layers, bidirectional, lengths)
              for layers, bidirectional, lengths in
              ((1, False, [4, 2, 3]), (2, True, [4, 2, 3]), (2, True, None))]
    cases += [case_by_hand(kind) for kind in BY_HAND]
    write_cases(pathlib.Path(__file__).with_name("rnn_cases.json"), cases)


main()
