"""Trackers get steps and validations, and print nothing where the result is."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from tests.fixtures_train import command, config, environment, metrics, refusal, trained
from tests.paths import ROOT
from train.trackers import plain, validation_line


class Noisy(GeneralTracker):  # type: ignore[misc] # accelerate has no types
    """A tracker that keeps what it gets, and prints as trackio does."""

    name = "noisy"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[int | None, dict[str, Any]]] = []
        self.settings: dict[str, Any] = {}

    @property
    def tracker(self) -> object:
        return self

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        print("* project initialized")
        self.settings = values

    def log(self, values: dict[str, Any], step: int | None, **_: Any) -> None:
        print("* logged")
        self.logged.append((step, values))

    def finish(self) -> None:
        print("* run finished")


def test_a_tracker_gets_steps_and_validations_and_stdout_the_result_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = Noisy()
    start = Accelerator.init_trackers

    def with_noisy(self: Accelerator, *given: Any) -> None:
        self.log_with = [noisy]
        start(self, *given)

    monkeypatch.setattr(Accelerator, "init_trackers", with_noisy)
    monkeypatch.setattr("train.trackers.atexit", SimpleNamespace(register=lambda *_: None))
    output = trained(tmp_path / "out", ratio=0.25)
    said = capsys.readouterr()
    assert json.loads(said.out)["output_path"] == str(output)
    for printed in ("* project initialized", "* logged", "* run finished"):
        assert printed in said.err.splitlines()

    lines = metrics(output)
    wanted = [line for line in lines if "validation" in line]
    found = [(step, figures) for step, figures in noisy.logged if "loss" not in figures]
    assert [step for step, _ in found] == [line["step"] for line in wanted]
    for (_, figures), line in zip(found, wanted, strict=True):
        assert figures["validation/trained/hit"] == line["validation"]["trained"]["hit"]
        assert figures["validation/uniform/all@0.5"] == line["validation"]["uniform"]["all@0.5"]
    steps = [(step, figures["loss"]) for step, figures in noisy.logged if "loss" in figures]
    assert steps == [(line["step"], line["loss"]) for line in lines if "loss" in line]
    assert noisy.settings["lr"] == 1e-3
    assert {type(value) for value in noisy.settings.values()} <= {bool, int, float, str}


def test_a_tracker_that_prints_when_python_ends_leaves_stdout_alone(tmp_path: Path) -> None:
    """trackio does, from a function that it registers when it starts."""
    script = tmp_path / "run.py"
    script.write_text(
        "import atexit, sys\n"
        "from accelerate import Accelerator\n"
        "from tests.train.test_trackers import Noisy\n"
        "start = Accelerator.init_trackers\n"
        "def with_noisy(self, *given):\n"
        "    self.log_with = [Noisy()]\n"
        "    atexit.register(print, '* the end')\n"
        "    start(self, *given)\n"
        "Accelerator.init_trackers = with_noisy\n"
        "import runpy\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    python, *words = command(config(tmp_path / "out", epochs=1))
    assert python == sys.executable
    ended = subprocess.run(
        [python, str(script), *words],
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["steps"] == 5
    assert "* the end" in ended.stderr.splitlines()


def test_a_tracker_that_cannot_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no login\nsee there")

    monkeypatch.setattr(Accelerator, "init_trackers", fail)
    line = refusal(tmp_path / "out")
    assert line.startswith("--tracker none cannot be started (no login); ")


def test_settings_are_what_every_tracker_takes() -> None:
    given = {"lr": 1e-3, "resume": False, "labels": (), "index": None, "words": ("a", "b")}
    assert plain(given) == {"lr": 1e-3, "resume": False, "words": "('a', 'b')"}


def test_a_validation_has_the_picks_of_the_model_and_uniform_ones() -> None:
    means = {name: {"hit": n / 4} for n, name in enumerate(["trained", "uniform", "oracle"])}
    assert validation_line(means) == {
        "validation/trained/hit": 0.0,
        "validation/uniform/hit": 0.25,
    }
    assert validation_line({}) == {}
