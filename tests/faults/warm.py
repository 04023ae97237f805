"""Commands run in a second: a warm process that has loaded everything forks a child for each.

    with started() as warm:
        ended = warm.run("index/check.py", index)
        ended = warm.run("index/build.py", videos, "--index", index, faults=Faults(kill_at=17))

The child runs the command as `python index/check.py INDEX` would, with models already in memory.
Two processes of one run are forked as torchrun starts them, and where one dies the other is ended.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.faults.dying import Faults, inflict
from tests.paths import ROOT

LIMIT_S = 60.0
"""No command here takes ten seconds; what takes longer hangs."""
_POLL_S = 0.004
_GRACE_S = 5.0
"""How long the other processes of a run have after SIGTERM; torchrun gives 30 s."""

_LATE = (
    *("index.building", "index.checking", "infer.answering.run", "infer.finding"),
    *("infer.scoring", "train.training", "train.mining.run", "faiss", "matplotlib.pyplot"),
)
"""What commands import once their flags are read."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Of the first process that failed, or 0; negative: a signal."""
    out: str
    err: str
    operations: list[list[str]] = field(default_factory=list)
    """What each process did to files; the last one of a killed process was not done any more."""
    hangs: bool = False

    @property
    def was_killed(self) -> bool:
        """By itself, at a file operation."""
        return self.code == -signal.SIGKILL and not self.hangs

    @property
    def crash(self) -> str:
        """A traceback, a signal or a hang in words; "" where there is none."""
        if self.hangs:
            return f"hangs for {LIMIT_S:.0f} s"
        if "Traceback" in self.err:
            return "traceback: " + self.err.strip().splitlines()[-1]
        return f"ends by signal {-self.code}" if self.code < 0 else ""


@dataclass
class Warm:
    """The warm process, seen from a test."""

    requests: IO[str]
    replies: IO[str]
    folder: Path

    def run(
        self,
        script: str,
        *args: object,
        faults: Sequence[Faults] = (Faults(),),
        limit_s: float = LIMIT_S,
    ) -> Ended:
        """Run a command to its end, with a process for each of `faults`."""
        outputs = [self.folder / f"{kind}" for kind in ("out", "err")]
        logs = [self.folder / f"operations-{rank}" for rank in range(len(faults))]
        for path in (*outputs, *logs):
            path.write_bytes(b"")
        request = {
            "argv": [str(ROOT / script), *map(str, args)],
            "faults": [asdict(one) for one in faults],
            "logs": [*map(str, logs)],
            "outputs": [*map(str, outputs)],
            "limit_s": limit_s,
        }
        reply = self._ask(request)
        out, err = (path.read_text(errors="replace") for path in outputs)
        done = [log.read_text().splitlines() for log in logs]
        return Ended(reply["code"], out, err, done, reply["hangs"])

    def preload(self, model: Path) -> None:
        """Hold a dual encoder in memory for all commands to come."""
        self._ask({"preload": str(model)})

    def _ask(self, request: dict[str, Any]) -> Any:
        print(json.dumps(request), file=self.requests, flush=True)
        return json.loads(self.replies.readline())


@contextmanager
def started() -> Iterator[Warm]:
    """Start the warm process; one thread, no GPU, no model hub."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "ACCELERATE_USE_CPU": "true",
        "HF_HUB_OFFLINE": "1",
    }
    with tempfile.TemporaryDirectory(prefix="cueframe-warm-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        with process:
            yield Warm(process.stdin, process.stdout, Path(folder))
            process.stdin.close()


def _serve() -> None:
    """Answer each request on stdin by a line on stdout."""
    _load_everything()
    for line in sys.stdin:
        request = json.loads(line)
        if "preload" in request:
            _preload(request["preload"])
            print("{}", flush=True)
            continue
        pids = _fork_all(request)
        code, hangs = _wait_for_all(pids, time.monotonic() + request["limit_s"])
        print(json.dumps({"code": code, "hangs": hangs}), flush=True)
    os._exit(0)  # nothing is left to clear away, and torch takes seconds for it


def _load_everything() -> None:
    """Import what commands import late."""
    import torch
    import transformers

    torch.set_num_threads(1)
    for name in _LATE:
        importlib.import_module(name)
    for name in ("CLIPModel", "CLIPProcessor", "CLIPTokenizer", "Dinov2Model"):
        getattr(transformers, name)  # what is imported when it is asked for


def _preload(model: str) -> None:
    """Load a model once; a command's own call finds it in memory, and takes its fingerprint."""
    import torch

    from index.models import encoder, transformers_model

    for name in ("load_dual_encoder", "load_image_processor", "load_tokenizer"):
        setattr(transformers_model, name, functools.cache(getattr(transformers_model, name)))
    encoder.load_encoder(model, device=torch.device("cpu"))


def _fork_all(request: dict[str, Any]) -> list[int]:
    """Start the processes of a run."""
    count = len(request["faults"])
    environment: dict[str, str] = {}
    if count > 1:
        with socket.create_server(("localhost", 0)) as free:
            port = free.getsockname()[1]
        environment = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        environment |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    pids = []
    for rank, faults in enumerate(request["faults"]):
        if count > 1:
            environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        if not (pid := os.fork()):
            _be_the_command(request, rank, Faults(**faults), environment)
        pids.append(pid)
    return pids


def _be_the_command(
    request: dict[str, Any], rank: int, faults: Faults, environment: dict[str, str]
) -> None:
    """In the child: run the command and end."""
    code: object = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(request["outputs"], 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
        os.environ.update(environment)
        sys.argv = request["argv"]
        inflict(faults, os.open(request["logs"][rank], os.O_WRONLY | os.O_APPEND))
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - what Python would print and end with
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _wait_for_all(pids: list[int], deadline: float) -> tuple[int, bool]:
    """Wait for the processes of a run; returns the first failure's code, and whether it hung."""
    code, hangs, left = 0, False, set(pids)
    ended_s = 0.0
    while left:
        for pid in list(left):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            left.remove(pid)
            _signal_group(pid, signal.SIGKILL)  # its decoding workers
            failure = os.waitstatus_to_exitcode(status)
            if failure and not code:
                code, ended_s = failure, time.monotonic()
                _each(left, signal.SIGTERM)
        if time.monotonic() > deadline:
            hangs = True
            _each(left, signal.SIGKILL)
        elif ended_s and time.monotonic() > ended_s + _GRACE_S:
            _each(left, signal.SIGKILL)
        time.sleep(_POLL_S)
    return code, hangs


def _each(pids: set[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


if __name__ == "__main__":
    _serve()
