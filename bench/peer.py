"""What the Python peers share: examples from unroll_bench, timing, and the commands of serve.h."""
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "BOOL": np.bool_}


class Example(NamedTuple):
    """The numbers to compute with, and the results to be compared with."""

    parameters: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    loss: float


class Prepared(NamedTuple):
    """A workload of a peer: `results` gives loss and gradients of the first step."""

    step: Callable[[], object]
    results: Callable[[], tuple[float, dict[str, np.ndarray]]]
    set_threads: Callable[[int], None] = lambda threads: None


def read_example(path: str) -> Example:
    content = Path(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    groups: dict[str, dict[str, np.ndarray]] = {"parameter": {}, "input": {}, "gradient": {}}
    loss = 0.0
    for full_name, entry in json.loads(content[8:8 + size]).items():
        if full_name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        value = np.frombuffer(content[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        group, _, name = full_name.partition(":")
        if group == "loss":
            loss = float(value)
        else:
            groups[group][name] = value
    return Example(groups["parameter"], groups["input"], groups["gradient"], loss)


def difference(example: Example, loss: float, gradients: dict[str, np.ndarray]):
    """The largest relative error of loss and gradients, and where it is."""
    errors = {"loss": abs(loss - example.loss) / max(1.0, abs(example.loss))}
    for name, expected in example.gradients.items():
        norm = max(float(np.linalg.norm(expected)), 1e-15)
        errors[name] = float(np.linalg.norm(gradients[name] - expected)) / norm
    where = max(errors, key=lambda name: errors[name] if errors[name] == errors[name] else 1e30)
    return errors[where], where


def milliseconds(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - begin)


def serve(prepare: Callable[[str, Example, int], Prepared]) -> None:
    made: dict[str, Prepared] = {}

    def make(name: str, file: str, threads: int) -> dict:
        begin = time.perf_counter()
        example = read_example(file)
        made[name] = prepare(name, example, threads)
        made[name].set_threads(threads)
        error, where = difference(example, *made[name].results())
        # The first results hold the compilation, if there is one.
        return {"difference": error, "where": where, "first_s": time.perf_counter() - begin}

    def run(name: str, seconds: float, threads: int) -> dict:
        workload = made[name]
        workload.set_threads(threads)
        for _ in range(3):
            workload.step()
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            times.append(milliseconds(workload.step))
        return {"ms": statistics.median(times), "min": min(times), "steps": len(times)}

    for line in sys.stdin:
        command, *words = line.split()
        try:
            if command == "make":
                answer = make(words[0], words[1], int(words[2]))
            elif command == "run":
                answer = run(words[0], float(words[1]), int(words[2]))
            elif command == "clear":
                made.clear()
                answer = {}
            else:
                answer = {"error": f"no command {command}"}
        except Exception as error:  # whatever a framework throws is an answer, too
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), flush=True)
