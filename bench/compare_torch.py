"""Measures unroll_bench's scalar_chain and LSTM in PyTorch, interleaved, on one thread.

    ./run bench --benchmark_list_tests >/dev/null          # builds the program
    python3 bench/compare_torch.py [build/bench/bench/unroll_bench] [rounds]

Prints the medians of processor time and their ratio.
"""
import json
import statistics
import subprocess
import sys
import time

import torch

torch.set_num_threads(1)
program = sys.argv[1] if len(sys.argv) > 1 else "build/bench/bench/unroll_bench"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9


def scalar_chain():
    x = torch.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(10000):
        y = torch.tanh(y)
    return torch.autograd.grad(y, x)[0].item()


def lstm(steps, batch, hidden):
    x = torch.rand(steps, batch, hidden) * 2 - 1
    w, u, bias = (((torch.rand(*shape) - 0.5) * 0.12).requires_grad_()
                  for shape in ((hidden, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,)))

    def step():
        h = c = torch.zeros(batch, hidden)
        outputs = []
        for t in range(steps):
            forget, enter, new, out = (torch.addmm(bias, x[t], w) + h @ u).chunk(4, 1)
            c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
            h = torch.sigmoid(out) * torch.tanh(c)
            outputs.append(h.sum())
        return torch.autograd.grad(torch.stack(outputs).sum(), (w, u, bias))

    return step


def milliseconds_torch(step):
    step()
    times = []
    end = time.process_time() + 0.5
    while not times or time.process_time() < end:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def milliseconds_unroll(name):
    report = subprocess.run(
        [program, f"--benchmark_filter=^{name}$", "--benchmark_format=json"],
        check=True, capture_output=True, text=True).stdout
    return json.loads(report)["benchmarks"][0]["cpu_time"]


cases = {"scalar_chain": scalar_chain}
for T, B, H in ((50, 32, 256), (50, 8, 256), (50, 1, 64)):
    cases[f"lstm_step_composed/T:{T}/B:{B}/H:{H}"] = lstm(T, B, H)
for name, step in cases.items():
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(milliseconds_unroll(name))
        theirs.append(milliseconds_torch(step))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{name}: unroll {a:.3f} ms, torch {torch.__version__} {b:.3f} ms, "
          f"torch / unroll {b / a:.2f}")
