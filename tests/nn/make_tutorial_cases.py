"""Records what PyTorch computes for the programs of docs/coming-from-*.md with random weights, for
tutorial_test.cpp.

    python3 tests/nn/make_tutorial_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites tutorial_cases.json
beside this script, the same bytes every time. All in float64. Keras' SimpleRNN is nn.RNN whose
second bias stays 0; that Keras itself computes the same is checked by tests/pages/run_python.py.
"""

import pathlib
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

numbers = Numbers(11)
floats = numbers.floats


def module(**parts):
    model = nn.ModuleDict(parts).double()
    numbers.fill(model)
    return model


def parameters_of(model):
    return {name: written(p) for name, p in model.named_parameters()}


def case(before, inputs, **results):
    return {"parameters": before, "inputs": {k: written(v) for k, v in inputs.items()},
            "results": {k: written(v) for k, v in results.items()}}


def simple_rnn():
    model = module(rnn=nn.RNN(1, 5, batch_first=True), dense=nn.Linear(5, 1))
    nn.init.zeros_(model["rnn"].bias_hh_l0)
    model["rnn"].bias_hh_l0.requires_grad_(False)
    x = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]], dtype=torch.float64)[..., None]
    y = torch.tensor([[10], [20]], dtype=torch.float64)
    before = parameters_of(model)
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01, eps=1e-7)
    losses = []
    for _ in range(20):
        adam.zero_grad()
        loss = nn.functional.mse_loss(model["dense"](model["rnn"](x)[1][-1]), y)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    predicted = model["dense"](model["rnn"](x)[1][-1])
    return case(before, {"x": x, "y": y}, losses=losses, predicted=predicted)


def stateful():
    model = module(rnn=nn.RNN(5, 3, batch_first=True))
    x = floats(2, 8, 5)
    before = parameters_of(model)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    losses, outputs_of, states = [], [], []
    for _ in range(2):
        h = None
        for chunk in x.split(4, dim=1):
            outputs, h = model["rnn"](chunk, h)
            h = h.detach()
            loss = outputs.square().mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
            outputs_of.append(outputs)
            states.append(h)
    return case(before, {"x": x}, losses=losses, outputs=torch.stack(outputs_of),
                states=torch.stack(states))


def sentence():
    weights = {"vectors": floats(4, 5), "W_xh": floats(3, 5), "W_hh": floats(3, 3), "b": floats(3),
               "w_y": floats(3)}
    for w in weights.values():
        w.requires_grad_()
    h = torch.zeros(3, dtype=torch.float64)
    for x in weights["vectors"]:
        h = torch.tanh(weights["W_xh"] @ x + weights["W_hh"] @ h + weights["b"])
    probability = torch.sigmoid(weights["w_y"] @ h)
    slopes = torch.autograd.grad(probability, list(weights.values()))
    return case({}, weights, probability=probability,
                **{"d_" + name: slope for name, slope in zip(weights, slopes)})


def tagger():
    model = module(embedding=nn.Embedding(6, 4, padding_idx=0),
                   lstm=nn.LSTM(4, 3, batch_first=True), scores=nn.Linear(3, 2))
    ids = torch.tensor([[3, 1, 0, 0], [2, 5, 4, 1], [0, 5, 0, 0]])
    tags = torch.tensor([[1, 0, -100, -100], [0, 1, -100, 0], [-100, 1, 0, -100]])
    lengths = [2, 4, 3]  # ids 0 within the third sequence

    def scores():
        packed = pack_padded_sequence(model["embedding"](ids), lengths, batch_first=True,
                                      enforce_sorted=False)
        return model["scores"](pad_packed_sequence(model["lstm"](packed)[0], batch_first=True)[0])

    with torch.no_grad():
        model["embedding"].weight[0] = 0
    before = parameters_of(model)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    losses, norms = [], []
    for _ in range(10):
        adam.zero_grad()
        loss = criterion(scores().transpose(1, 2), tags)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.2).item())
        adam.step()
        losses.append(loss.item())
    after = {"after." + name: p for name, p in model.named_parameters()}
    return case(before, {"ids": ids, "tags": tags, "lengths": torch.tensor(lengths)},
                losses=losses, norms=norms, scores=scores(), **after)


def both_directions():
    model = module(lstm=nn.LSTM(1, 3, batch_first=True, bidirectional=True))
    x, lengths = floats(2, 4, 1), [2, 4]
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs, (h, c) = model["lstm"](packed)
    outputs, _ = pad_packed_sequence(outputs, batch_first=True)
    return case(parameters_of(model), {"x": x, "lengths": torch.tensor(lengths)}, outputs=outputs,
                h=h, c=c)


def main():
    programs = [simple_rnn, stateful, sentence, tagger, both_directions]
    write_cases(pathlib.Path(__file__).with_name("tutorial_cases.json"),
                {program.__name__: program() for program in programs})


main()
