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
import typing

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers, summed, write_cases, written  # noqa: E402



class Sizes(typing.NamedTuple):
    target: int
    source: int
    batch: int
    width: int
    heads: int
    inner: int


SMALL, LARGE = Sizes(3, 4, 3, 4, 2, 5), Sizes(13, 21, 7, 36, 3, 50)
T, S, BATCH, WIDTH, HEADS, INNER = SMALL
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


def record(kind, options, net, inputs, call, sizes=SMALL):
    """The case is that of time first. `call` gets the net and the inputs, both of them time first
    or both batch first: that PyTorch computes the same is checked here."""
    net = net.double()
    bound = 1 if sizes == SMALL else 0.25
    sources = {**inputs, **numbers.fill(net, -bound, bound)}
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
        "kind": kind, "options": options, "sizes": sizes._asdict(),
        "sources": {k: written(v) for k, v in sources.items()},
        "results": [summed(r) for r in results], "cotangents": [written(c) for c in cotangents],
        "gradients": {k: summed(g) for k, g in zip(sources, gradients)}}


SEEN = [[1, 0, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1]]  # T of [T, S]: what a query sees of the keys


def hidden(seen):
    return seen and ~torch.tensor(seen, dtype=torch.bool)


def attention(lengths, mask, bias=True, kdim=WIDTH, vdim=WIDTH):
    inputs = {"query": sequence(S if mask == "causal" else T, WIDTH), "key": sequence(S, kdim),
              "value": sequence(S, vdim)}
    net = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, kdim=kdim, vdim=vdim)
    seen = SEEN if mask == "seen" else None
    options = {"lengths": lengths, "causal": mask == "causal", "bias": bias, "key": kdim,
               "value": vdim, "seen": seen}
    return record("attention", options, net, inputs, lambda net, *x: net(
        *x, key_padding_mask=beyond(lengths, S),
        attn_mask=causal(S) if mask == "causal" else hidden(seen), average_attn_weights=False))


def encoder(norm_first, activation, is_causal, lengths):
    net = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first)
    options = {"lengths": lengths, "lengths_of_output": lengths, "causal": is_causal,
               "norm_first": norm_first, "activation": activation}
    return record("encoder", options, net, {"source": sequence(S, WIDTH)}, lambda net, x: [net(
        x, src_mask=causal(S) if is_causal else None, src_key_padding_mask=beyond(lengths, S))])


def decoder(norm_first, activation, is_causal, lengths, memory_lengths, masked=False):
    inputs = {"target": sequence(T, WIDTH), "memory": sequence(S, WIDTH)}
    net = nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, 0, activation, norm_first=norm_first)
    seen, memory_seen = ([row[:T] for row in SEEN], SEEN) if masked else (None, None)
    options = {"lengths": lengths, "lengths_of_output": lengths, "memory_lengths": memory_lengths,
               "causal": is_causal, "norm_first": norm_first, "activation": activation,
               "seen": seen, "memory_seen": memory_seen}
    return record("decoder", options, net, inputs, lambda net, *x: [net(
        *x, tgt_mask=causal(T) if is_causal else hidden(seen),
        tgt_key_padding_mask=beyond(lengths, T), memory_mask=hidden(memory_seen),
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


def large(kind, norm_first):
    """Enough for vector kernels; ragged, as in a translation program."""
    steps, source, batch, width, heads, inner = LARGE
    lengths = [steps - 2 * b for b in range(batch)]
    memory_lengths = [source - 3 * b for b in range(batch)]
    settings = (width, heads, inner, 0, "gelu" if norm_first else "relu")
    inputs = {"target": floats(steps, batch, width), "memory": floats(source, batch, width)}
    options = {"lengths": lengths, "lengths_of_output": lengths, "memory_lengths": memory_lengths,
               "causal": True, "norm_first": norm_first, "activation": settings[-1], "seen": None,
               "memory_seen": None}
    masks = {"tgt_mask": causal(steps), "tgt_key_padding_mask": beyond(lengths, steps)}
    if kind == "decoder":
        net = nn.TransformerDecoderLayer(*settings, norm_first=norm_first)
        masks["memory_key_padding_mask"] = beyond(memory_lengths, source)
        return record(kind, options, net, inputs, lambda net, *x: [net(*x, **masks)], LARGE)
    net = nn.TransformerEncoderLayer(*settings, norm_first=norm_first)
    return record(kind, options, net, {"source": inputs["target"]}, lambda net, x: [net(
        x, src_mask=masks["tgt_mask"], src_key_padding_mask=masks["tgt_key_padding_mask"])], LARGE)


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
    cases += [decoder(False, "relu", False, None, None, True),
              decoder(True, "gelu", False, [3, 2, 3], [4, 1, 2], True)]
    cases += [stack(kind, *options) for kind in ("encoder_stack", "decoder_stack")
              for options in ((False, False), (True, True))]
    cases += [large(kind, norm_first)
              for kind in ("encoder", "decoder") for norm_first in (False, True)]
    write_cases(pathlib.Path(__file__).with_name("attention_cases.json"), cases)


main()
