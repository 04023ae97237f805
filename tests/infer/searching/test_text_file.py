"""Texts by their lines and by their records."""

from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.searching.text_file import read_texts


def named(path: Path) -> list[tuple[str, str]]:
    return [(one.name, one.text) for one in read_texts(str(path)).records]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" a  red\tcar \n\na red car\n", [("a red car", "a red car")] * 2),
        ('{"id": 7, "text": "a\\nb"}\n{"text": "c"}\n', [("7", "a b"), ("c", "c")]),
        ('[{"q_uid": "x", "question": "a", "option 0": "no"}]', [("x", "a")]),
        ('{"x": {"text": "a"}, "y": {"text": "b"}}', [("x", "a"), ("y", "b")]),
        ('{"x": "a", "y": {"text": "b"}}', [("x", "a"), ("y", "b")]),
        ('["a", "AT&amp;T"]', [("a", "a"), ("AT&T", "AT&T")]),
        ("id,text\n1,a\n,b\n", [("1", "a"), ("b", "b")]),
    ],
)
def test_texts_and_their_names(tmp_path: Path, text: str, wanted: list[tuple[str, str]]) -> None:
    path = tmp_path / "texts"
    path.write_text(text)
    assert named(path) == wanted
    assert read_texts(str(path)).complete


def test_lines_of_a_text_file_may_begin_with_a_bracket(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("[a red truck]\n{b\n")
    assert [text for _, text in named(path)] == ["[a red truck]", "{b"]


def test_line_ends_of_old_are_told(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"a red truck\ra green sign\r")
    with pytest.raises(CueframeError, match="line ends are CR alone"):
        read_texts(str(path))


def test_a_bad_record_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"id": "a", "txt": "x"}\n{"text": "b"}\n{"text": 5}\n7\n{"text": " "}\n')
    file = read_texts(str(path))
    assert named(path) == [("b", "b")]
    assert not file.complete
    assert [one.error.split(";")[0] for one in file.refused] == [
        "text 'a': it has no \"text\"",
        "text 'line 3': text is 5",
        "it is 7",
        "text 'line 5': text is ''",
    ]
    path.write_text("")
    with pytest.raises(CueframeError, match="there is no text in it"):
        read_texts(str(path))
