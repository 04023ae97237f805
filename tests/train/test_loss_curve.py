"""The picture shows what metrics.jsonl has: read back from the drawn lines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from train.loss_curve import draw_loss, moving_average, smoothing_width


def drawn(
    folder: Path, lines: list[dict[str, Any]], kept: int, monkeypatch: pytest.MonkeyPatch
) -> Figure:
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *given: Any, **named: Any) -> None:
        figures.append(self)
        save(self, *given, **named)

    monkeypatch.setattr(Figure, "savefig", keep)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_loss(folder, kept)
    with Image.open(folder / "loss.png") as picture:
        assert min(picture.size) > 400
    return figures[0]


def course(steps: int, every: int) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        lines.append({"step": step, "loss": 3.0 / step + step % 2, "lr": 1e-3 * step})
        if every and step % every == 0:
            figures = {"trained": {"hit": step / steps}, "uniform": {"hit": 0.25}}
            lines.append({"step": step, "validation": figures})
    return lines


def line_of(axes: Any, label: str) -> Any:
    return next(line for line in axes.lines if line.get_label() == label)


def test_losses_hits_and_rates_stand_above_each_other_with_the_saved_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = course(60, 20)
    figure = drawn(tmp_path, lines, 40, monkeypatch)
    axes: Any = figure.axes
    losses, hits, rates = axes
    raw = [line["loss"] for line in lines if "loss" in line]
    assert line_of(losses, "loss").get_ydata().tolist() == raw
    smooth = line_of(losses, "mean of 3 steps").get_ydata()
    assert np.ptp(smooth[10:50]) < np.ptp(raw[10:50])
    assert list(line_of(hits, "trained").get_xdata()) == [20, 40, 60]
    assert list(line_of(hits, "trained").get_ydata()) == pytest.approx([100 / 3, 200 / 3, 100])
    assert set(line_of(hits, "uniform").get_ydata()) == {25.0}
    assert np.asarray(rates.lines[0].get_ydata()).tolist() == [
        line["lr"] for line in lines if "lr" in line
    ]
    for one in axes:
        assert set(line_of(one, "step 40, saved").get_xdata()) == {40}


def test_hits_of_the_videos_that_choose_stand_beside_those_that_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = course(6, 3)
    for line in lines:
        if "validation" in line:
            line["chosen_on"] = {"validation": {"trained": {"hit": 0.75}}}
    hits: Any = drawn(tmp_path, lines, 3, monkeypatch).axes[1]
    assert set(line_of(hits, "trained, videos that choose the step").get_ydata()) == {75.0}
    reported = line_of(hits, "trained, videos that report").get_ydata()
    assert list(reported) == pytest.approx([50, 100])


@pytest.mark.parametrize("steps", [1, 2])
def test_a_short_run_without_validations_has_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    figure = drawn(tmp_path, course(steps, 0), steps, monkeypatch)
    assert len(figure.axes) == 2


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.integers(0, 5))
def test_a_moving_average_is_the_mean_of_the_values_around(values: list[float], half: int) -> None:
    wanted = [np.mean(values[max(0, n - half) : n + half + 1]) for n in range(len(values))]
    assert moving_average(values, 2 * half + 1) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(1, 100_000))
def test_the_window_is_odd_and_a_twentieth_of_the_run(steps: int) -> None:
    width = smoothing_width(steps)
    assert width % 2 == 1
    assert width <= max(3, steps / 20 + 1)
