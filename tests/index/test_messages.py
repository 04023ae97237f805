import pytest

from index.messages import MOST, name_some, print_some


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
