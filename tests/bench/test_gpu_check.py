"""The check of a GPU, as far as it goes on a CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import gpu_check
from tests.paths import ROOT


def checked(*flags: str, output: Path) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "tests/bench/gpu_check.py")
    argv = [sys.executable, script, "--tiny", "--output", str(output), *flags]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)


def test_each_line_is_written_and_a_check_without_time_is_named(tmp_path: Path) -> None:
    output = tmp_path / "lines"
    done = checked("--only", "machine", output=output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output.read_text()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("machine: ")
    assert lines[-2].startswith("ok       machine, ")
    assert lines[-1].startswith("0 failed, ")
    done = checked("--only", "machine", "--seconds", "-1", output=output)
    assert done.stdout.splitlines()[0] == "skipped  machine: no time is left"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "_MODULES", ("av", "no_such_module"))
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    with pytest.raises(SystemExit, match="error: not installed: no_such_module; --wheels names"):
        gpu_check.main()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_of_it_can_be_tried_on_a_cpu(tmp_path: Path) -> None:
    done = checked("--seconds", "1500", output=tmp_path / "lines")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("build", "card_pixels", "answers", "training", "reader", "launched"):
        assert f"ok       {name}, " in done.stdout
