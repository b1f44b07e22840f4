#!/usr/bin/env python3
"""Times unroll_bench and its peers in turn, and writes the ratios.

    ./run bench --peers [--workload W1 ...] [--threads 1,2] [--rounds 5] [--seconds 0.4]

Every program is a child process that takes one command a line (serve.h, peer.py). For each workload
ours writes inputs, parameters, loss and gradients to a file; a peer computes the same from them and
is left out if it arrives elsewhere. Then all run for a moment each, round after round, and the
medians over the rounds are compared: ratio = peer's time / ours. With several threads a peer may
use fewer if that is faster.

The tables go to the screen and, if all workloads were run, to docs/performance.md between its two
marker lines. PyTorch and JAX are those of $UNROLL_PEERS_PYTHON (one interpreter, or several with
":" in between: the first that has the module), or .venv, or python3. What is missing is left out.
"""
import argparse
import datetime
import json
import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN = "<!-- written by ./run bench --peers: begin -->"
END = "<!-- written by ./run bench --peers: end -->"
TOLERANCE = 1e-4  # of loss and gradients, relative
COMPILE_LIMIT = 240  # seconds for torch.compile


@dataclass(frozen=True)
class Variant:
    """A peer as a column of the table: the name of its workload is `prefix` and ours."""

    label: str
    prefix: str
    program: str
    workloads: str  # a regular expression
    compiles: bool = False  # for one number of threads

    def name_for(self, workload: str) -> str:
        if self.program == "unroll":
            return workload.replace("W2/lstm/", "W2/layer/")
        return f"{self.prefix}/{workload}"


VARIANTS = [
    Variant("nn::LSTM", "", "unroll", r"W2/lstm/"),
    Variant("PyTorch", "torch", "torch", r"W[12346]/|W4/chain"),
    Variant("PyTorch packed", "torch.packed", "torch", r"W7/"),
    Variant("PyTorch padded", "torch.padded", "torch", r"W7/"),
    Variant("PyTorch", "torch", "torch", r"W5/"),
    Variant("PyTorch as in the notebook", "torch.notebook", "torch", r"W5/"),
    Variant("torch.compile", "torch.compile", "compile", r"W2/(?!layer/).*/50/32/256|W2/lstm/", True),
    Variant("oneDNN", "oneDNN", "onednn", r"W1/|W3/|W4/lstm/"),
    Variant("JAX", "jax", "jax", r"W1/|W2/(?!layer/)|W3/|W4/lstm/"),
]

# (workloads, peers, least ratio with 1 thread, with 2 threads)
TARGETS = [
    (r"W1/", "PyTorch", 1.10, 1.30),
    (r"W1/", "oneDNN", 1.0, 1.15),
    (r"W2/(?!layer/).*/50/32/256", "PyTorch", 1.4, 3.3),
    (r"W2/(?!layer/).*/200/16/128", "PyTorch", 2.3, 5.0),
    (r"W2/(?!layer/).*/50/1/64", "PyTorch", 15.0, 15.0),
    (r"W2/lstm/", "nn::LSTM", 0.97, 0.97),
    (r"W3/", "PyTorch", 1.2, 1.8),
    (r"W4/lstm/50/1/64", "PyTorch", 2.2, None),
    (r"W4/chain", "PyTorch", 10.0, None),
    (r"W5/", "PyTorch", 1.3, 1.6),
    (r"W6/", "PyTorch", 1.15, 1.3),
    (r"W7/", "PyTorch packed", 2.0, 2.5),
    (r"W7/", "PyTorch padded", 2.0, 2.5),
]
PEAK_TARGETS = [(r"W1/(50/64/512|20/128/1024)", 0.88), (r"W1/|W2/.*/50/32/256", 0.85)]
DEFAULT_WORKLOADS = r"W[1-7]/"


class Program:
    """A child process that answers each line with a line of JSON; started when first asked."""

    def __init__(self, command: list[str], threads: int | None = None):
        self.command, self.threads, self.process = command, threads, None

    def ask(self, line: str, limit: float = 600) -> dict:
        if self.process is None or self.process.poll() is not None:
            self.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], limit)[0]:
                self.stop()
                return {"error": f"no answer within {limit:.0f} s"}
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"error": "the program ended"}

    def start(self) -> None:
        pinned = None
        if self.threads is not None:  # for those that take all the cores they may
            pinned = lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:self.threads])
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, preexec_fn=pinned)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Row:
    """What was measured of one workload with one number of threads; times in milliseconds."""

    workload: str
    threads: int
    ours: float
    flop: float
    tokens: float
    peak: float
    times: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


class Comparison:
    def __init__(self, options):
        self.options = options
        bench = [options.program, "--serve"]
        self.programs = {"unroll": Program(bench), "onednn": Program(bench)}
        self.abouts: dict[str, str] = {}
        for module, file in (("torch", "peers_torch.py"), ("jax", "peers_jax.py")):
            python, version = python_with(module)
            if python is None:
                continue
            self.abouts[module] = version
            command = [python, str(HERE / file)]
            if module == "torch":
                self.programs["torch"] = Program(command)
                self.programs["compile"] = Program(command)  # may have to be stopped
            else:
                for threads in options.threads:
                    self.programs[f"jax{threads}"] = Program(command, threads)

    def program_of(self, variant: Variant, threads: int) -> Program | None:
        name = f"jax{threads}" if variant.program == "jax" else variant.program
        return self.programs.get(name)

    def measure(self, workload: str, threads: int) -> Row | None:
        """One workload, in turn with all its peers."""
        options = self.options
        for program in self.programs.values():
            if program.process is not None:
                program.ask("clear")
        ours = self.programs["unroll"]
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/example.safetensors"
            made = ours.ask(f"make {workload} {file} 1")
            if "error" in made:
                print(f"{workload}: {made['error']}", file=sys.stderr)
                return None
            row = Row(workload, threads, 0, made["flop"], made["tokens"], 0)
            runners = self.prepare(row, file)
        times: dict[tuple[str, int], list[float]] = {}
        own_times, peaks = [], []
        for _ in range(options.rounds):
            peaks.append(ours.ask(f"peak {threads}")["gflops"])
            own_times.append(ours.ask(f"run {workload} {options.seconds} {threads}")["ms"])
            for key, (program, name) in runners.items():
                answer = program.ask(f"run {name} {options.seconds} {key[1]}")
                if "ms" in answer:
                    times.setdefault(key, []).append(answer["ms"])
                else:
                    row.remarks.append(f"{key[0]}: {answer['error']}")
        row.ours, row.peak = statistics.median(own_times), max(peaks)
        for (label, _), values in times.items():
            best = statistics.median(values)
            row.times[label] = min(best, row.times.get(label, best))
        return row

    def prepare(self, row: Row, file: str) -> dict:
        """The peers that compute the same, by label and number of threads."""
        runners = {}
        for variant in VARIANTS:
            program = self.program_of(variant, row.threads)
            if program is None or not re.match(variant.workloads, row.workload):
                continue
            if variant.compiles and self.options.no_compile:
                continue
            name = variant.name_for(row.workload)
            if variant.program == "unroll":  # other parameters, the same work
                runners[(variant.label, row.threads)] = (program, name)
                continue
            threads, limit = (row.threads, COMPILE_LIMIT) if variant.compiles else (1, 600)
            answer = program.ask(f"make {name} {file} {threads}", limit)
            if "error" in answer:
                row.remarks.append(f"{variant.label}: {answer['error']}")
                continue
            if not answer["difference"] <= TOLERANCE:
                row.remarks.append(f"{variant.label} differs: {answer['difference']:.1e} in "
                                   f"{answer['where']}")
                continue
            if variant.compiles:
                row.remarks.append(f"{variant.label}: compiled in {answer['first_s']:.0f} s")
            only = variant.compiles or variant.program == "jax"
            for threads in {row.threads} if only else {1, row.threads}:
                runners[(variant.label, threads)] = (program, name)
        return runners


def target_of(workload: str, label: str, threads: int) -> float | None:
    for pattern, peer, one, two in TARGETS:
        if re.match(pattern, workload) and peer == label:
            return one if threads == 1 else two
    return None


def table(rows: list[Row], threads: int, single: dict[str, float]) -> str:
    """A table of Markdown; `single` has our times with one thread."""
    rows = [row for row in rows if row.threads == threads]
    labels = list(dict.fromkeys(v.label for v in VARIANTS if any(v.label in r.times for r in rows)))
    head = ["workload", "ms", "GFLOP/s", "of peak", "tokens/s"]
    head += ["against 1 thread"] if threads > 1 else []
    lines = [head + labels + ["remarks"]]
    for row in rows:
        gflops = row.flop / row.ours * 1e-6
        fraction = f"{gflops / row.peak:.2f}" if row.flop else ""
        for pattern, least in PEAK_TARGETS:
            if threads == 1 and re.match(pattern, row.workload):
                fraction += f" (>= {least})"
                break
        line = [row.workload, f"{row.ours:.3g}", f"{gflops:.0f}" if row.flop else "", fraction,
                f"{1e3 * row.tokens / row.ours:,.0f}" if row.tokens else ""]
        if threads > 1:
            line.append(f"{single[row.workload] / row.ours:.2f}" if row.workload in single else "")
        for label in labels:
            if label not in row.times:
                line.append("")
                continue
            ratio, least = row.times[label] / row.ours, target_of(row.workload, label, threads)
            line.append(f"{ratio:.2f}" if least is None else
                        f"{'**' if ratio < least else ''}{ratio:.2f}"
                        f"{'**' if ratio < least else ''} (>= {least})")
        lines.append(line + ["; ".join(dict.fromkeys(row.remarks))])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |"
            for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def machine(comparison: Comparison) -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    family = re.search(r"cpu family\s*: (.*)", info)
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / n).read_text().strip() for n in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    program = comparison.programs["unroll"]
    about = program.ask("about")
    peak = program.ask("peak 1")["gflops"]
    peers = ", ".join(f"{name} {version}" for name, version in comparison.abouts.items())
    return (f"{datetime.date.today()}. {model.group(1) if model else 'unknown CPU'} "
            f"(family {family.group(1) if family else '?'}), {os.cpu_count()} cores, "
            f"{', '.join(caches)}; {peak:.0f} GFLOP/s of FMA per core as measured. "
            f"{about['compiler']}, oneDNN {about['onednn']}; peers: {peers or 'none'}. "
            f"Load of the machine before the runs: {os.getloadavg()[0]:.1f}. W5 and W6 on "
            f"{'real text' if os.environ.get('UNROLL_DATA') else 'generated tokens'}.")


def python_with(module: str) -> tuple[str | None, str]:
    """An interpreter that has the module, and the module's version; says how to get one if none."""
    venv = HERE.parent / ".venv" / "bin" / "python"
    usual = str(venv) if venv.exists() else sys.executable
    pythons = (os.environ.get("UNROLL_PEERS_PYTHON") or usual).split(":")
    for python in pythons:
        found = subprocess.run([python, "-c", f"import {module}; print({module}.__version__)"],
                               capture_output=True, text=True)
        if found.returncode == 0:
            return python, found.stdout.strip()
    package = "torch==2.13.0" if module == "torch" else "jax"
    print(f"compare: {module} is missing, so it is left out; it comes with\n"
          f"  python3 -m venv .venv && .venv/bin/pip install {package}", file=sys.stderr)
    return None, ""


def arguments():
    parser = argparse.ArgumentParser(description="unroll and its peers, interleaved")
    parser.add_argument("--program", default="build/bench/bench/unroll_bench")
    parser.add_argument("--workload", action="append", help="begin of a name; may be given again")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}", help="1,2 say")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each run of a round")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output", help="a file for the tables, instead of docs/performance.md")
    options = parser.parse_args()
    options.threads = sorted({int(n) for n in options.threads.split(",")})
    return options


def names_of(options) -> list[str]:
    listed = subprocess.run([options.program, "--list"], check=True, capture_output=True, text=True)
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    if options.workload is None:
        return [n for n in names if re.match(DEFAULT_WORKLOADS, n) and "/layer/" not in n]
    return [n for n in names if any(n == w or n.startswith(w.rstrip("/") + "/")
                                    for w in options.workload)]


def details(options) -> str:
    """The program's own table of everything: memory, heap calls, growth, threads."""
    families = [word for n in range(1, 11) for word in ("--workload", f"W{n}")]
    run = subprocess.run([options.program, *families], check=True, capture_output=True, text=True)
    return f"```text\n{run.stdout}```"


def write(path: Path, text: str) -> None:
    """Replaces what stands between the markers; the rest of the page is somebody's own."""
    page = path.read_text() if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main() -> None:
    options = arguments()
    comparison = Comparison(options)
    parts = [machine(comparison)]
    rows: list[Row] = []
    for name in names_of(options):
        for threads in options.threads:
            row = comparison.measure(name, threads)
            if row is not None:
                rows.append(row)
                ratios = ", ".join(f"{k} {v / row.ours:.2f}" for k, v in row.times.items())
                print(f"{name}, {threads} threads: {row.ours:.3g} ms; {ratios} "
                      f"{'; '.join(dict.fromkeys(row.remarks))}", file=sys.stderr, flush=True)
    single = {row.workload: row.ours for row in rows if row.threads == 1}
    command = "./run bench --peers " + " ".join(sys.argv[1:])
    parts.append(f"`{command.strip()}`: medians of {options.rounds} rounds.")
    for threads in options.threads:
        parts += [f"With {threads} thread{'s' if threads > 1 else ''}; a peer's figure is its time "
                  "divided by ours, bold where it misses the target beside it:",
                  table(rows, threads, single)]
    for program in comparison.programs.values():
        program.stop()
    if options.workload is None:
        parts += ["Ours alone, one thread:", details(options)]
    text = "\n\n".join(parts)
    print(text)
    if options.output:
        Path(options.output).write_text(text + "\n")
    elif options.workload is None:
        write(PAGE, text)


if __name__ == "__main__":
    main()
