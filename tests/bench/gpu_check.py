"""Try Cueframe on a GPU: what works, that results are right, and how fast it is.

    python tests/bench/gpu_check.py                       on the machine with the GPU
    python tests/bench/gpu_check.py --wheels FOLDER       FOLDER holds what is not installed
    python tests/bench/gpu_check.py --tiny                all of it on a CPU, with tiny shapes

It takes at most six minutes. Each line is written as soon as it is known, the most telling ones
first, to stdout and to --output, so that a time limit loses nothing. The exit code is 1 if a check
failed. Wheels are made on a machine with a network, for the Python of the other one:

    pip download --no-deps --dest FOLDER av h5py faiss-cpu …
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300.0
"""The longest check takes a minute."""
_MODULES = (
    *("accelerate", "av", "faiss", "h5py", "jinja2", "matplotlib", "numpy", "peft", "PIL"),
    *("py3langid", "pydantic", "safetensors", "torch", "tqdm", "transformers", "tyro", "xxhash"),
)


def main() -> int:
    """Install what is missing, run the checks, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, on a CPU")
    parser.add_argument("--wheels", type=Path, help="folder of wheels for what is not installed")
    parser.add_argument(
        "--output", type=Path, default=Path("gpu-check.txt"), help="file of the lines"
    )
    parser.add_argument("--only", nargs="*", default=[], help="names of checks; all without it")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="no check begins after these"
    )
    flags = parser.parse_args()
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing and flags.wheels and "CUEFRAME_WHEELS" not in os.environ:
        return _again_with(flags.wheels, missing)
    if missing:
        sys.exit(f"error: not installed: {', '.join(missing)}; --wheels names their folder")
    sys.path.insert(0, str(ROOT))
    from tests.bench import gpu_checks, gpu_models
    from tests.bench.gpu_scene import Scene

    began_s = time.monotonic()
    failed = 0
    with tempfile.TemporaryDirectory() as folder, flags.output.open("w") as file:
        scene = Scene(folder=Path(folder), tiny=flags.tiny)
        for check in (
            *(gpu_checks.machine, gpu_checks.build, gpu_checks.card_pixels),
            *(gpu_checks.card_build, gpu_checks.answers, gpu_checks.pinned),
            *(gpu_models.training, gpu_models.reader),
            *(gpu_models.out_of_memory, gpu_models.launched),
        ):
            name = check.__name__
            if flags.only and name not in flags.only:
                continue
            if time.monotonic() - began_s > flags.seconds:
                _write(file, f"skipped  {name}: no time is left")
                continue
            since_s = time.monotonic()
            try:
                for line in check(scene):
                    _write(file, f"{name}: {line}")
            except Exception as error:  # noqa: BLE001 - the next checks tell something, too
                failed += 1
                _write(
                    file, f"FAILED   {name}: {' '.join(f'{type(error).__name__}: {error}'.split())}"
                )
            else:
                _write(file, f"ok       {name}, {time.monotonic() - since_s:.0f} s")
        _write(file, f"{failed} failed, {time.monotonic() - began_s:.0f} s")
    return int(failed > 0)


def _write(file: TextIO, line: str) -> None:
    print(line, flush=True)
    file.write(line + "\n")
    file.flush()


def _again_with(wheels: Path, missing: list[str]) -> int:
    """Install the wheels of a folder for this run alone, start anew, and return its exit code."""
    print(f"not installed: {', '.join(missing)}; taken from {wheels}", flush=True)
    with tempfile.TemporaryDirectory() as target:
        files = sorted(map(str, wheels.glob("*.whl")))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--target", target, *files], check=True)
        # Not with --target alone: the commands that are checked are processes of their own.
        paths = [str(ROOT), target, os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "CUEFRAME_WHEELS": "installed",
        }
        again = [sys.executable, *sys.argv]
        return subprocess.run(again, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
