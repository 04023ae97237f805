"""Which lines are printed, and what their rates are."""

from pathlib import Path

import psutil
import pytest
import torch

from tests.fixtures_train import refusal, trained
from train import log
from train.log import StepLog, log_line

CPU = torch.device("cpu")
STEP = {
    "epoch": 1,
    "loss": 2.0,
    "grad_norm": 1.0,
    "lr": 1e-3,
    "scale": 14.0,
    "bias": 0.0,
    "positives": 8,
    "negatives": 9,
    "masked": 0,
}


class Clock:
    """A clock that only goes on when it is told to."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def printed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    every: int | None,
    steps: int = 25,
    step_s: float = 1.0,
    start: int = 1,
) -> dict[int, str]:
    """The lines by step, where each step takes as long, a quarter of it for its data."""
    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    steps_log = StepLog(steps, every, CPU)
    for step in range(start, steps + 1):
        clock.now_s += step_s
        figures = steps_log.figures(step, 8, step_s, step_s / 4)
        steps_log.step(STEP | {"step": step} | figures)
    lines = capsys.readouterr().err.splitlines()
    return {int(line.split("/")[0].removeprefix("step ")): line for line in lines}


@pytest.mark.parametrize(
    ("every", "step_s", "wanted"),
    [
        (None, 0.1, [1, 10, 20, 25]),
        (None, 4.0, [1, 4, 7, 10, 13, 16, 19, 20, 23, 25]),  # after 10 s at the latest
        (7, 4.0, [1, 7, 14, 21, 25]),
        (100, 4.0, [1, 25]),
        (1, 0.1, list(range(1, 26))),
    ],
)
def test_which_steps_have_a_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    every: int | None,
    step_s: float,
    wanted: list[int],
) -> None:
    assert list(printed(capsys, monkeypatch, every=every, step_s=step_s)) == wanted


def test_a_line_has_the_rates_since_the_one_before_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = printed(capsys, monkeypatch, every=10, step_s=0.5)[20]
    assert "  16.0 questions/s  waits for data 25%  memory " in line
    assert line.endswith("left 00:02")  # five steps of 0.5 s
    # A run that goes on reckons with the steps that it took itself.
    line = printed(capsys, monkeypatch, every=10, step_s=4.0, steps=1000, start=900)[910]
    assert line.endswith("left 06:00")


def test_rates_are_of_all_steps_since_the_line_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    steps_log = StepLog(4, 2, CPU)
    for step, step_s, data_s in ((1, 9.0, 9.0), (2, 1.0, 0.0), (3, 1.0, 0.0), (4, 3.0, 2.0)):
        clock.now_s += step_s
        figures = steps_log.figures(step, 8, step_s, data_s)
        assert figures["questions_per_s"] == pytest.approx(8 / step_s, abs=1e-3)
        steps_log.step(STEP | {"step": step} | figures)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" GB")[0].split(" s  ")[1].split("  memory")[0] for line in lines] == [
        "0.9 questions/s  waits for data 100%",
        "8.0 questions/s  waits for data 0%",
        "4.0 questions/s  waits for data 50%",
    ]


def test_the_memory_is_the_most_so_far() -> None:
    steps_log = StepLog(2, None, CPU)
    before = steps_log.figures(1, 8, 1.0, 0.0)["memory_bytes"]
    free = int(before) - psutil.Process().memory_info().rss  # of what was taken at some time
    held = bytearray(free + (64 << 20))
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    after = steps_log.figures(2, 8, 1.0, 0.0)["memory_bytes"]
    assert 10e6 < before < after
    assert f"memory {after / 1e9:.2f} GB" in log_line(
        STEP
        | {"step": 2, "step_s": 1, "questions_per_s": 8, "data_share": 0.0, "left_s": 0.0}
        | {"memory_bytes": after},
        2,
    )


def test_a_run_has_its_lines_where_log_every_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "out", log_every=4)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert [line[:10] for line in said] == [
        "step  1/10",
        "step  4/10",
        "step  8/10",
        "step 10/10",
    ]
    assert "--log_every is 0" in refusal(tmp_path / "none", log_every=0)
