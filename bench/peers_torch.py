"""PyTorch as a peer of unroll_bench: layers, cells in eager mode, and torch.compile of the cells.

Started by compare.py. A workload's name follows that of the variant: torch/W1/50/32/256,
torch.compile/W2/lstm/50/32/256, torch.packed/W7/32/256, ...
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import peer

Tensors = dict[str, Tensor]


def with_gradients(parameters: Tensors, loss) -> peer.Prepared:
    """A step is the loss and its gradients by all parameters."""
    names, values = list(parameters), list(parameters.values())

    def step():
        value = loss()
        return value, torch.autograd.grad(value, values)

    def results():
        value, gradients = step()
        return value.item(), {n: g.numpy() for n, g in zip(names, gradients)}

    return peer.Prepared(step, results, torch.set_num_threads)


def load(module: nn.Module, values: Tensors) -> Tensors:
    """Gives the module's parameters these values, by name; returns them."""
    own = dict(module.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(values[name])
    return own


# ---- W1, W3, W4: the layers ----

def layer(kind, values: Tensors, inputs: Tensors) -> peer.Prepared:
    x = values["x"]
    net = kind(x.shape[2], x.shape[2])
    parameters = {**load(net, values), "x": x}
    return with_gradients(parameters, lambda: (net(x)[0] * inputs["factors"]).sum())


# ---- W2: the cells of cells.cpp; p is a dictionary of parameters ----

def hand_lstm(p, x, h, c):
    i, f, g, o = (torch.addmm(p["b"], x, p["w"]) + h @ p["u"]).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def peephole_lstm(p, x, h, c):
    f, g, o = (torch.addmm(p["b"], x, p["w"]) + h @ p["u"]).chunk(3, 1)
    f = torch.sigmoid(f + p["forget_peephole"] * c)
    c = f * c + (1 - f) * torch.tanh(g)
    return torch.sigmoid(o + p["output_peephole"] * c) * torch.tanh(c), c


def layer_norm_lstm(p, x, h, c):
    def norm(name, value):
        return F.layer_norm(value, value.shape[1:], p[name + "_gain"], p[name + "_bias"])

    i, f, g, o = (norm("input_norm", x @ p["w"]) + norm("state_norm", h @ p["u"]) + p["b"]).chunk(4, 1)
    c = norm("cell_norm", torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))
    return torch.sigmoid(o) * torch.tanh(c), c


def minimal_gated_unit(p, x, h):
    f = torch.sigmoid(torch.addmm(p["forget.b"], x, p["forget.w"]) + h @ p["forget.u"])
    n = torch.tanh(torch.addmm(p["candidate.b"], x, p["candidate.w"]) + (f * h) @ p["candidate.u"])
    return ((1 - f) * h + f * n,)


CELLS = {"lstm": (hand_lstm, 2), "peephole": (peephole_lstm, 2), "layernorm": (layer_norm_lstm, 2),
         "minimal": (minimal_gated_unit, 1)}


def cell(kind: str, values: Tensors, inputs: Tensors, compiled: bool) -> peer.Prepared:
    function, members = CELLS[kind]
    if compiled:
        function = torch.compile(function)
    x = values["x"]
    zeros = x.new_zeros(x.shape[1:])

    def loss():
        state = (zeros,) * members
        outputs = []
        for x_t in x.unbind(0):
            state = function(values, x_t, *state)
            outputs.append(state[0])
        return (torch.stack(outputs) * inputs["factors"]).sum()

    return with_gradients(values, loss)


def chain(values: Tensors) -> peer.Prepared:
    def loss():
        y = values["x"]
        for _ in range(10000):
            y = torch.tanh(y)
        return y

    return with_gradients(values, loss)


def prepare(full_name: str, example: peer.Example, threads: int) -> peer.Prepared:
    variant, _, name = full_name.partition("/")
    values = {n: torch.tensor(v).requires_grad_() for n, v in example.parameters.items()}
    inputs = {n: torch.tensor(v) for n, v in example.inputs.items()}
    family, *rest = name.split("/")
    if variant == "torch.compile":
        torch._dynamo.reset()  # compiled code is made for one number of threads
        torch._inductor.config.cpp.threads = threads
    if family == "W2":
        return cell(rest[0], values, inputs, variant == "torch.compile")
    if name == "W4/chain":
        return chain(values)
    kinds = {"gru": nn.GRU, "rnn": nn.RNN}
    return layer(kinds.get(rest[0], nn.LSTM), values, inputs)


if __name__ == "__main__":
    peer.serve(prepare)
