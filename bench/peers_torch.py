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


# ---- W5: the translator of translation.cpp ----

PAD = 0


class Translator(nn.Module):
    """Names of parameters as in translation.cpp. As in the notebook, every step of the decoder
    multiplies all of the memory by the attention's weights again, and has an output layer of its
    own; otherwise both are one product for all steps."""

    def __init__(self, values: Tensors, as_in_notebook: bool):
        super().__init__()
        self.as_in_notebook = as_in_notebook
        self.source = nn.Embedding(*values["source.weight"].shape)
        self.target = nn.Embedding(*values["target.weight"].shape)
        hidden, width = values["bridge.weight"].shape[0], values["source.weight"].shape[1]
        self.encoder = nn.GRU(width, hidden, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.attention = nn.Module()
        self.attention.query = nn.Linear(hidden, hidden, bias=False)
        self.attention.memory = nn.Linear(2 * hidden, hidden)
        self.attention.score = nn.Parameter(torch.zeros(hidden))
        self.decoder = nn.GRUCell(width + 2 * hidden, hidden)
        self.output = nn.Linear(3 * hidden + width, values["target.weight"].shape[0])

    def scores(self, h: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
        if self.as_in_notebook:
            weight = torch.cat([self.attention.query.weight, self.attention.memory.weight], 1)
            pair = torch.cat([h.unsqueeze(1).expand(-1, memory.shape[1], -1), memory], 2)
            energy = torch.tanh(F.linear(pair, weight, self.attention.memory.bias))
        else:
            energy = torch.tanh(self.attention.query(h).unsqueeze(1) + keys)
        return energy @ self.attention.score

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = (source != PAD).t()
        packed = nn.utils.rnn.pack_padded_sequence(self.source(source), mask.sum(1),
                                                   enforce_sorted=False)
        outputs, last = self.encoder(packed)
        memory = nn.utils.rnn.pad_packed_sequence(outputs)[0].transpose(0, 1).contiguous()
        h = torch.tanh(self.bridge(torch.cat([last[0], last[1]], 1)))
        keys = None if self.as_in_notebook else self.attention.memory(memory)
        read = []
        for embedded in self.target(target[:-1]).unbind(0):
            scores = self.scores(h, memory, keys).masked_fill(~mask, -1e10)
            context = (torch.softmax(scores, 1).unsqueeze(1) @ memory).squeeze(1)
            h = self.decoder(torch.cat([embedded, context], 1), h)
            joined = torch.cat([h, context, embedded], 1)
            read.append(self.output(joined) if self.as_in_notebook else joined)
        logits = torch.stack(read)
        if not self.as_in_notebook:
            logits = self.output(logits)
        return F.cross_entropy(logits.flatten(0, 1), target[1:].flatten(), ignore_index=PAD)


def translator(values: Tensors, inputs: Tensors, as_in_notebook: bool) -> peer.Prepared:
    net = Translator(values, as_in_notebook)
    parameters = load(net, values)
    batches = [(inputs[f"source{i}"].long(), inputs[f"target{i}"].long()) for i in range(2)]
    each = [with_gradients(parameters, lambda batch=batch: net(*batch)) for batch in batches]

    def step():
        for batch in each:
            batch.step()

    return each[0]._replace(step=step)


# ---- W6: the language model of language_model.cpp ----

class LanguageModel(nn.Module):
    def __init__(self, words: int, hidden: int):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden)
        self.lstm = nn.LSTM(hidden, hidden, num_layers=2)
        self.output = nn.Linear(hidden, words)

    def forward(self, words: Tensor, targets: Tensor, state):
        outputs, state = self.lstm(self.embedding(words), state)
        return F.cross_entropy(self.output(outputs).flatten(0, 1), targets.flatten()), state


def language_model(values: Tensors, inputs: Tensors, steps: int) -> peer.Prepared:
    net = LanguageModel(*values["embedding.weight"].shape)
    parameters = load(net, values)
    text = inputs["words"].long()
    optimizer = torch.optim.SGD(net.parameters(), lr=1)
    position, state = 0, None

    def step():
        nonlocal position, state
        if position + steps >= len(text):
            position, state = 0, None
        optimizer.zero_grad()
        loss, (h, c) = net(text[position:position + steps],
                           text[position + 1:position + steps + 1], state)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimizer.step()
        position, state = position + steps, (h.detach(), c.detach())

    first = with_gradients(parameters, lambda: net(text[:steps], text[1:steps + 1], None)[0])
    return first._replace(step=step)


# ---- W7: sequences of different lengths, packed or padded ----

def ragged(values: Tensors, inputs: Tensors, packed: bool) -> peer.Prepared:
    x, lengths = values["x"], inputs["lengths"].long()
    net = nn.LSTM(x.shape[2], x.shape[2])
    parameters = {**load(net, values), "x": x}

    def loss():
        if not packed:
            return (net(x)[0] * inputs["factors"]).sum()  # factors are zero in the padding
        sequences = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(net(sequences)[0])
        return (outputs * inputs["factors"]).sum()

    return with_gradients(parameters, loss)


def prepare(full_name: str, example: peer.Example, threads: int) -> peer.Prepared:
    variant, _, name = full_name.partition("/")
    values = {n: torch.tensor(v).requires_grad_() for n, v in example.parameters.items()}
    inputs = {n: torch.tensor(v) for n, v in example.inputs.items()}
    family, *rest = name.split("/")
    if variant == "torch.compile":
        torch._dynamo.reset()  # compiled code is made for one number of threads
        torch._inductor.config.cpp.threads = threads
        torch._inductor.config.force_disable_caches = True  # the seconds are to be reported
    if family == "W2":
        return cell(rest[0], values, inputs, variant == "torch.compile")
    if name == "W4/chain":
        return chain(values)
    if family == "W5":
        return translator(values, inputs, variant == "torch.notebook")
    if family == "W6":
        return language_model(values, inputs, int(rest[0]))
    if family == "W7":
        return ragged(values, inputs, variant == "torch.packed")
    kinds = {"gru": nn.GRU, "rnn": nn.RNN}
    return layer(kinds.get(rest[0], nn.LSTM), values, inputs)


if __name__ == "__main__":
    peer.serve(prepare)
