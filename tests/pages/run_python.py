"""Runs the Python programs of pages, and checks that they print what the page says.

    python3 tests/pages/run_python.py docs/coming-from-*.md

needs `pip install torch keras safetensors numpy`; Keras runs on PyTorch. A program is a ```python
block; what it prints is the next ```text block, which the C++ program between them prints as well.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile


def programs(page):
    source = None
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if language == "python":
            source = block
        elif language == "text" and source is not None:
            yield source, block
            source = None


def main():
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    wrong = 0
    for path in map(pathlib.Path, sys.argv[1:]):
        for number, (source, promised) in enumerate(programs(path.read_text()), 1):
            with tempfile.TemporaryDirectory() as directory:
                run = subprocess.run([sys.executable, "-c", source], cwd=directory,
                                     env=environment, capture_output=True, text=True)
            same = run.returncode == 0 and run.stdout == promised
            print(f"{path.name} {number}: {'as promised' if same else 'OTHERWISE'}")
            if not same:
                print(run.stdout + run.stderr)
                wrong += 1
    sys.exit(1 if wrong else 0)


main()
