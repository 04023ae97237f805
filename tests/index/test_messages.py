import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.messages import MOST, escaped, json_line, name_some, print_some, say


def test_some_are_named_and_the_rest_is_counted() -> None:
    names = [f"n{number}" for number in range(MOST + 3)]
    assert name_some([]) == ""
    assert name_some(names[:2]) == "n0, n1"
    assert name_some(names[:MOST]) == ", ".join(names[:MOST])
    assert name_some(names) == ", ".join(names[:MOST]) + " and 3 more"


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_some("failed", [])
    print_some("failed", [f"n{number}" for number in range(MOST)], ", see above")
    print_some("skipped", [f"n{number}" for number in range(MOST + 1)], ", see above")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:MOST] == [f"failed: n{number}" for number in range(MOST)]
    assert lines[MOST : 2 * MOST] == [f"skipped: n{number}" for number in range(MOST)]
    assert lines[2 * MOST :] == ["skipped: 1 more, see above"]


def test_a_name_cannot_break_a_line() -> None:
    assert escaped("phố\n\x1b[31mb\udce9.mp4") == "phố\\n\\x1b[31mb\\udce9.mp4"
    assert name_some(["a\nb", "c"]) == "a\\nb, c"
    assert escaped("a\u202egp4.exe\u2066") == "a\\u202egp4.exe\\u2066"
    assert escaped(escaped("\x1b[2J")) == escaped("\x1b[2J")


@given(st.text(st.characters()))
def test_escaped_is_one_line_of_utf8(text: str) -> None:
    assert len(escaped(text).splitlines()) <= 1
    escaped(text).encode()


@given(st.text(st.characters()))
def test_json_is_one_such_line_and_the_same_value(text: str) -> None:
    line = json_line({text: [text]})
    assert json.loads(line) == {text: [text]}
    assert escaped(line) == line


def test_what_is_said_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31m\nb")
    assert capsys.readouterr() == ("", "a\\x1b[31m\\nb\n")
