"""Records what PyTorch's MultiheadAttention and Transformer layers compute, for
torch_attention_test.cpp.

    python3 tests/nn/make_attention_cases.py

needs `pip install torch numpy` (the file names the version used) and rewrites attention_cases.json
beside this script, the same bytes every time. All in float64 and without dropout. What is beyond
the length of a sequence counts as 0 in the results. Each case holds inputs and parameters, results,
cotangents of the results, and the gradients that these give to the former.
"""

import itertools
import pathlib
import sys

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, write_cases, written  # noqa: E402

T, S, BATCH, WIDTH, HEADS, INNER = 3, 4, 3, 4, 2, 5
numbers = Numbers(11)
floats = numbers.floats


def beyond(lengths, steps):
    return None if lengths is None else torch.arange(steps) >= torch.tensor(lengths)[:, None]


def causal(steps):
    return torch.triu(torch.ones(steps, steps, dtype=torch.bool), 1)


def real_only(x, lengths):
    """x with zeros beyond the lengths, time first"""
    return x if lengths is None else x.masked_fill(beyond(lengths, len(x)).T[..., None], 0.0)


def sequence(steps, width):
    return floats(steps, BATCH, width)


def record(kind, options, net, inputs, call):
    """The case is that of time first. `call` gets the net and the inputs, both of them time first
    or both batch first: that PyTorch computes the same is checked here."""
    net = net.double()
    sources = {**inputs, **numbers.fill(net)}
    for source in sources.values():
        source.requires_grad_()

    def results_of(batch_first):
        for part in net.modules():
            part.batch_first = batch_first
        order = (lambda x: x.transpose(0, 1)) if batch_first else (lambda x: x)
        first, *rest = call(net, *(order(x) for x in inputs.values()))
        return [real_only(order(first), options.get("lengths_of_output")), *rest]

    results = results_of(False)
    torch.testing.assert_close(results_of(True), results, rtol=1e-13, atol=1e-13)
    cotangents = [floats(*r.shape) for r in results]
    gradients = torch.autograd.grad(results, list(sources.values()), cotangents)
    return {
        "kind": kind, "options": options, "sources": {k: written(v) for k, v in sources.items()},
        "results": [written(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: written(g) for k, g in zip(sources, gradients)}}


def attention(lengths, mask, bias=True, kdim=WIDTH, vdim=WIDTH):
    inputs = {"query": sequence(S if mask == "causal" else T, WIDTH), "key": sequence(S, kdim),
              "value": sequence(S, vdim)}
    net = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, kdim=kdim, vdim=vdim)
    seen = [[1, 0, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1]] if mask == "seen" else None
    hidden = {"none": None, "causal": causal(S),
              "seen": seen and ~torch.tensor(seen, dtype=torch.bool)}[mask]
    options = {"lengths": lengths, "causal": mask == "causal", "bias": bias, "key": kdim,
               "value": vdim, "seen": seen}
    return record("attention", options, net, inputs, lambda net, *x: net(
        *x, key_padding_mask=beyond(lengths, S), attn_mask=hidden, average_attn_weights=False))


def encoder(norm_first, activation, is_causal, lengths):
    net = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first)
    options = {"lengths": lengths, "lengths_of_output": lengths, "causal": is_causal,
               "norm_first": norm_first, "activation": activation}
    return record("encoder", options, net, {"source": sequence(S, WIDTH)}, lambda net, x: [net(
        x, src_mask=causal(S) if is_causal else None, src_key_padding_mask=beyond(lengths, S))])


def decoder(norm_first, activation, is_causal, lengths, memory_lengths):
    inputs = {"target": sequence(T, WIDTH), "memory": sequence(S, WIDTH)}
    net = nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first)
    options = {"lengths": lengths, "lengths_of_output": lengths, "memory_lengths": memory_lengths,
               "causal": is_causal, "norm_first": norm_first, "activation": activation}
    return record("decoder", options, net, inputs, lambda net, *x: [net(
        *x, tgt_mask=causal(T) if is_causal else None, tgt_key_padding_mask=beyond(lengths, T),
        memory_key_padding_mask=beyond(memory_lengths, S))])


def stack(kind, norm_first, final_norm):
    """Two layers, as nn.Transformer has them."""
    norm = nn.LayerNorm(WIDTH) if final_norm else None
    settings = (WIDTH, HEADS, INNER, 0, "relu")
    options = {"norm_first": norm_first, "final_norm": final_norm}
    if kind == "encoder_stack":
        layer = nn.TransformerEncoderLayer(*settings, norm_first=norm_first)
        net = nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)
        return record(kind, options, net, {"source": sequence(S, WIDTH)},
                      lambda net, x: [net(x)])
    layer = nn.TransformerDecoderLayer(*settings, norm_first=norm_first)
    net = nn.TransformerDecoder(layer, 2, norm)
    inputs = {"target": sequence(T, WIDTH), "memory": sequence(S, WIDTH)}
    return record(kind, options, net, inputs, lambda net, *x: [net(*x, tgt_mask=causal(T))])


def main():
    torch.backends.mha.set_fastpath_enabled(False)
    cases = [attention(*options)
             for options in itertools.product((None, [4, 1, 2]), ("none", "causal", "seen"))]
    cases += [attention(lengths, mask, *widths) for lengths, mask, widths in (
        (None, "none", (False,)), ([4, 3, 1], "causal", (False,)), (None, "none", (True, 3, 2)),
        ([2, 4, 3], "none", (False, 3, 2)), ([2, 4, 3], "seen", (True, WIDTH, 2)))]
    # Half of all combinations, in which still any three options come together in every way.
    cases += [encoder(norm_first, "gelu" if gelu else "relu", is_causal,
                      [4, 2, 3] if ragged else None)
              for norm_first, gelu, is_causal, ragged in itertools.product((False, True), repeat=4)
              if (norm_first + gelu + is_causal + ragged) % 2 == 0]
    cases += [decoder(norm_first, "gelu" if gelu else "relu", is_causal,
                      [3, 2, 1] if ragged else None, [2, 4, 3] if ragged_memory else None)
              for norm_first, gelu, is_causal, ragged, ragged_memory
              in itertools.product((False, True), repeat=5)
              if (norm_first + gelu + is_causal + ragged + ragged_memory) % 2 == 0]
    cases += [stack(kind, *options) for kind in ("encoder_stack", "decoder_stack")
              for options in ((False, False), (True, True))]
    write_cases(pathlib.Path(__file__).with_name("attention_cases.json"), cases)


main()
