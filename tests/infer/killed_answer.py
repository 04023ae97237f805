"""answer.py that kills itself with -9 once it has logged some answers: LINES FLAGS …

A killer outside may come too late on a fast machine and too early on a slow one.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infer.answering import run_log
from tests.paths import ROOT

LINES = int(sys.argv.pop(1))
logged = run_log.log_writer


@contextmanager
def killing(output: Path, process: int) -> Iterator[Callable[[bytes], None]]:
    """Kill this process after LINES of its lines."""
    count = 0
    with logged(output, process) as add:

        def add_or_die(line: bytes) -> None:
            nonlocal count
            add(line)
            count += 1
            if count == LINES:
                os.kill(os.getpid(), signal.SIGKILL)

        yield add_or_die


if __name__ == "__main__":
    run_log.log_writer = killing
    runpy.run_path(str(ROOT / "infer/answer.py"), run_name="__main__")
