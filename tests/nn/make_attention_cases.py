"""Records what PyTorch's MultiheadAttention and Transformer layers compute, for
torch_attention_test.cpp.

    python3 tests/nn/make_attention_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites attention_cases.json
beside this script, the same bytes every time. All in float64 and without dropout. What is beyond
the length of a sequence counts as 0 in the results. Each case holds inputs and parameters, results,
cotangents of the results, and the gradients that these give to the former.
"""

import pathlib
import sys

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

T, S, BATCH, WIDTH, HEADS, INNER = 3, 4, 3, 4, 2, 5
floats = Numbers(11).floats


def beyond(lengths, steps):
    return None if lengths is None else torch.arange(steps) >= torch.tensor(lengths)[:, None]


def causal(steps):
    return torch.triu(torch.ones(steps, steps, dtype=torch.bool), 1)


def real_only(x, lengths, batch_first):
    """x with zeros beyond the lengths"""
    if lengths is None:
        return x
    mask = beyond(lengths, x.shape[1 if batch_first else 0])
    return x.masked_fill((mask if batch_first else mask.T)[..., None], 0.0)


def record(kind, name, options, net, inputs, call):
    net = net.double()
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(floats(*parameter.shape))
    sources = {**inputs, **parameters}
    for source in sources.values():
        source.requires_grad_()
    results = call(net)
    cotangents = [floats(*r.shape) for r in results]
    gradients = torch.autograd.grad(results, list(sources.values()), cotangents)
    return {
        "kind": kind, "name": name, "options": options,
        "sources": {k: written(v) for k, v in sources.items()},
        "results": [written(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: written(g) for k, g in zip(sources, gradients)}}


def sequence(steps, width, batch_first):
    return floats(*((BATCH, steps) if batch_first else (steps, BATCH)), width)


def attention(name, batch_first=False, lengths=None, is_causal=False, bias=True, kdim=WIDTH,
              vdim=WIDTH, masked=False):
    queries = S if is_causal else T
    inputs = {"query": sequence(queries, WIDTH, batch_first),
              "key": sequence(S, kdim, batch_first), "value": sequence(S, vdim, batch_first)}
    net = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, kdim=kdim, vdim=vdim,
                                batch_first=batch_first)
    seen = [[1, 0, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1]] if masked else None
    hidden = causal(S) if is_causal else None
    if masked:
        hidden = ~torch.tensor(seen, dtype=torch.bool)
    options = {"batch_first": batch_first, "lengths": lengths, "causal": is_causal, "bias": bias,
               "key": kdim, "value": vdim, "seen": seen}
    return record("attention", name, options, net, inputs, lambda net: net(
        inputs["query"], inputs["key"], inputs["value"], key_padding_mask=beyond(lengths, S),
        attn_mask=hidden, average_attn_weights=False))


def encoder(name, batch_first=False, lengths=None, is_causal=False, norm_first=False,
            activation="relu"):
    inputs = {"source": sequence(S, WIDTH, batch_first)}
    net = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first,
                                     batch_first=batch_first)
    options = {"batch_first": batch_first, "lengths": lengths, "causal": is_causal,
               "norm_first": norm_first, "activation": activation}
    return record("encoder", name, options, net, inputs, lambda net: [real_only(net(
        inputs["source"], src_mask=causal(S) if is_causal else None,
        src_key_padding_mask=beyond(lengths, S)), lengths, batch_first)])


def decoder(name, batch_first=False, lengths=None, memory_lengths=None, norm_first=False,
            activation="relu"):
    inputs = {"target": sequence(T, WIDTH, batch_first), "memory": sequence(S, WIDTH, batch_first)}
    net = nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first,
                                     batch_first=batch_first)
    options = {"batch_first": batch_first, "lengths": lengths, "memory_lengths": memory_lengths,
               "norm_first": norm_first, "activation": activation}
    return record("decoder", name, options, net, inputs, lambda net: [real_only(net(
        inputs["target"], inputs["memory"], tgt_mask=causal(T),
        tgt_key_padding_mask=beyond(lengths, T),
        memory_key_padding_mask=beyond(memory_lengths, S)), lengths, batch_first)])


def main():
    torch.backends.mha.set_fastpath_enabled(False)
    cases = [
        attention("plain"),
        attention("batch first, lengths", batch_first=True, lengths=[4, 1, 2]),
        attention("causal, lengths", lengths=[4, 3, 1], is_causal=True),
        attention("own widths, no bias", kdim=3, vdim=2, bias=False, lengths=[2, 4, 3]),
        attention("mask", masked=True, batch_first=True),
        encoder("post-norm, relu", lengths=[4, 2, 3]),
        encoder("pre-norm, gelu", lengths=[1, 4, 2], norm_first=True, activation="gelu"),
        encoder("batch first, causal", batch_first=True, is_causal=True, activation="gelu"),
        decoder("post-norm, relu", lengths=[3, 2, 1], memory_lengths=[2, 4, 3]),
        decoder("pre-norm, gelu", memory_lengths=[4, 1, 2], norm_first=True, activation="gelu"),
        decoder("batch first", batch_first=True, lengths=[1, 3, 2]),
    ]
    write_cases(pathlib.Path(__file__).with_name("attention_cases.json"), cases)


main()
