"""Writes a model of PyTorch and what it computes, for state_dict_test.cpp.

    python3 tests/train/make_state_dict.py          writes torch_model.safetensors and
                                                    torch_results.safetensors beside this script
    python3 tests/train/make_state_dict.py FILE     loads FILE into the model and compares

needs `pip install torch numpy safetensors`. The first file is the state_dict; the second holds the
inputs, as input.NAME.K, and the outputs, as output.NAME. The bytes are the same every time.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from golden import Numbers  # noqa: E402

MODEL, RESULTS = (pathlib.Path(__file__).with_name(f"torch_{name}.safetensors")
                  for name in ("model", "results"))
MODULES = {
    "rnn": lambda: nn.RNN(3, 2, 2, nonlinearity="relu"),
    "lstm": lambda: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
    "gru": lambda: nn.GRU(3, 2, 2, bidirectional=True),
    "unbiased_rnn": lambda: nn.GRU(3, 2, bias=False),
    "linear": lambda: nn.Linear(3, 2),
    "unbiased": lambda: nn.Linear(3, 2, bias=False),
    "embedding": lambda: nn.Embedding(5, 3),
    "norm": lambda: nn.LayerNorm(3),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "attention_of_widths": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=2),
    "encoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 3, 0), 2, nn.LayerNorm(4), enable_nested_tensor=False),
    "decoder": lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 3, 0), 1),
}
floats = Numbers(31).floats
INPUTS = {
    **{name: [floats(4, 2, 3)] for name in ("rnn", "lstm", "gru", "unbiased_rnn", "linear",
                                                "unbiased", "norm")},
    "embedding": [torch.tensor([[1, 4, 0], [2, 2, 3]], dtype=torch.int32)],
    "attention": [floats(3, 2, 4), floats(4, 2, 4), floats(4, 2, 4)],
    "attention_of_widths": [floats(3, 2, 4), floats(4, 2, 3), floats(4, 2, 2)],
    "encoder": [floats(3, 2, 4)],
    "decoder": [floats(3, 2, 4), floats(4, 2, 4)],
}


def results(model):
    model.eval()
    with torch.no_grad():
        for name, inputs in INPUTS.items():
            inputs = [x.float() if x.is_floating_point() else x for x in inputs]
            output = model[name](*inputs)
            yield from ((f"input.{name}.{k}", x) for k, x in enumerate(inputs))
            yield f"output.{name}", output[0] if isinstance(output, tuple) else output


def main():
    torch.backends.mha.set_fastpath_enabled(False)
    torch.manual_seed(4)
    model = nn.ModuleDict({name: make() for name, make in MODULES.items()})
    if len(sys.argv) > 1:
        print(model.load_state_dict(load_file(sys.argv[1])))  # throws for other names or shapes
        expected = load_file(RESULTS)
        for name, x in results(model):
            torch.testing.assert_close(x, expected[name])
        return
    save_file(model.state_dict(), MODEL)
    save_file({name: x.clone() for name, x in results(model)}, RESULTS)


main()
