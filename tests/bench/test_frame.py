"""The frame of the bench measures what a process costs, and says what failed."""

import json
import sys
from pathlib import Path

import pytest

from index.errors import CueframeError
from tests.bench import run
from tests.bench.frame import Figure, Row, Spent, file_in, measured, ratio, spent_by

BUSY = (
    "import json, time; began = time.process_time()\nwhile time.process_time() < began + 0.2: 0\n"
)


def code(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_process_is_measured_with_its_children() -> None:
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\n"
    spent = spent_by(code(child + "print('no JSON')\nprint('{\"it_s\": 3}')"), "child")
    assert 0.2 <= spent.cpu_s < 5
    assert spent.wall_s >= 0.2
    assert spent.said == {"it_s": 3}
    assert spent_by(code("held = bytearray(200_000_000)"), "memory").peak_mb > 200
    assert spent_by(code("print([1])"), "a list").said == {}


def test_a_side_runs_the_code_of_this_checkout() -> None:
    where = "import index, json; print(json.dumps({'file': index.__file__}))"
    file = spent_by(code(where), "where").said["file"]
    assert Path(file).parents[1] == Path(__file__).parents[2]


def test_a_side_that_fails_is_named_with_what_it_said() -> None:
    row = Row(name="one", sides={"bad": code("raise SystemExit('it broke')")}, figures=[])
    with pytest.raises(CueframeError, match="one, bad ended with code 1: it broke"):
        measured(row)


def test_sides_take_turns_and_figures_are_of_one_round(tmp_path: Path) -> None:
    log = tmp_path / "log"
    say = "import json; open({!r}, 'a').write({!r}); print(json.dumps({{'value': {}}}))"
    row = Row(
        name="turns",
        sides={name: code(say.format(str(log), name, number)) for number, name in enumerate("ab")},
        figures=[
            Figure(what="b", of=lambda one: one["b"].said["value"], at_most=1, at_least=1),
            Figure(what="a", of=lambda one: one["a"].said["value"], at_least=0.5),
            ratio("wall_s", "a", "b"),
        ],
    )
    result = measured(row, rounds=3)
    assert log.read_text() == "abbaab"
    assert result.values(row.figures[0]) == [1, 1, 1]
    told = json.loads(json.dumps(result.as_json()))
    assert [one["reached"] for one in told["figures"]] == [True, False, True]
    assert [one["target"] for one in told["figures"]] == ["≥ 1 and ≤ 1", "≥ 0.5", ""]
    table = run.table([told])
    assert len(table) == 5
    assert table[2] == "| turns | b | 1 (1 … 1) | ≥ 1 and ≤ 1 | ✓ |"
    assert table[3] == "|  | a | 0 (0 … 0) | ≥ 0.5 | ✗ |"


def test_a_ratio_is_of_the_side_to_its_rival() -> None:
    figure = ratio("cpu_s", "ours", "theirs", at_most=0.5)
    one = {"ours": Spent(9, 1, 5, {}), "theirs": Spent(1, 4, 5, {})}
    assert figure.of(one) == 0.25
    assert figure.what == "CPU: ours / theirs"
    assert figure.target == "≤ 0.5"


def test_a_shared_file_is_made_once_and_whole(tmp_path: Path) -> None:
    calls = []

    def make(path: Path) -> None:
        path.write_text("half")
        calls.append(path)
        if len(calls) == 1:
            raise OSError
        path.write_text("whole")

    with pytest.raises(OSError):
        file_in(tmp_path / "new", "file", make)
    for _ in range(2):
        assert file_in(tmp_path / "new", "file", make).read_text() == "whole"
    assert len(calls) == 2
