"""Thousands of questions about one long video: memory that does not grow, figures that stay."""

import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from infer.selection import frame_scores
from tests.fixtures_infer import ran
from tests.infer.long_video import long_index, long_questions
from tests.infer.test_predict_memory import peak_bytes
from tests.paths import ROOT

ROWS = 6000
ANSWERS = {"mmr": ("--pick", "mmr"), "clip": ("--reader", "clip")}
COMMANDS = ("score", "report", "compare", *ANSWERS)
Call = tuple[str, list[object]]


def call(command: str, folder: Path, index: Path, rows: int, count: int) -> Call:
    """The script and arguments of a command over some questions."""
    answers, questions = long_questions(folder, rows, count)
    if command == "compare":
        return "compare.py", [questions, "--index", index]
    if command in ANSWERS:
        output = folder / f"{command}{count}.jsonl"
        return "answer.py", [questions, "--index", index, "--output", output, *ANSWERS[command]]
    page = ("--report", folder / f"{count}.html") if command == "report" else ()
    return "score.py", [answers, questions, "--index", index, "--judge", "none", *page]


@pytest.mark.parametrize("command", COMMANDS[1:])  # a report scores, too
def test_a_question_takes_less_memory_than_its_scores(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_scores, "SCORES_AT_ONCE", 4 * ROWS)
    index = long_index(tmp_path / "index", ROWS)
    peaks = {}
    for count in (0, 20, 60):
        script, arguments = call(command, tmp_path, index, ROWS, max(20, count))
        if count:  # before, the first call loads what stays
            tracemalloc.start()
        result = ran(capsys, script, *arguments)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.code == 0, result.err
    assert peaks[60] - peaks[20] < 40 * ROWS * 4  # float32


def test_blocks_change_no_figure_and_no_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = long_index(tmp_path / "index", 1500)
    found = []
    for scores in (2**20, 7 * 1500, 1):
        monkeypatch.setattr(frame_scores, "SCORES_AT_ONCE", scores)
        for command in ("report", "compare"):
            script, arguments = call(command, tmp_path, index, 1500, 20)
            found.append(ran(capsys, script, *arguments).out)
        found.append((tmp_path / "20.html").read_text())
    assert found[:3] == found[3:6] == found[6:]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", COMMANDS)
def test_five_thousand_questions_about_three_hours(command: str, tmp_path: Path) -> None:
    rows = 21_600
    index = long_index(tmp_path / "index", rows)
    peaks = {}
    for count in (50, 5000):
        script, arguments = call(command, tmp_path, index, rows, count)
        peaks[count] = peak_bytes([sys.executable, f"infer/{script}", *map(str, arguments)])
    print(command, {count: f"{peak / 1e6:.0f} MB" for count, peak in peaks.items()})
    assert peaks[5000] - peaks[50] < 300e6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_questions_about_three_hours_are_scored_in_half_a_minute(
    tmp_path: Path,
) -> None:
    index = long_index(tmp_path / "index", 21_600)
    script, arguments = call("score", tmp_path, index, 21_600, 1000)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, f"infer/{script}", *map(str, arguments)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{spent_s:.1f} CPU s")
    assert spent_s < 30
