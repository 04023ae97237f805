"""Questions with their translations and other wordings."""

import json
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.diagnosis.pairs import by_languages, reworded, translated
from infer.questions import Question


def ask(name: str, text: str, *others: str) -> Question:
    record = {"id": name, "question": text, "video_path": f"{name}.mp4"}
    return Question.model_validate(record | {"paraphrases": [*others]})


def written(path: Path, texts: dict[str, str]) -> Path:
    records = [{"id": name, "question": text, "video": "v"} for name, text in texts.items()]
    path.write_text(json.dumps(records))
    return path


def test_translations_are_joined_by_id(tmp_path: Path) -> None:
    asked = [ask("a", "red"), ask("b", "blue"), ask("c", "same"), ask("d", "green")]
    path = written(tmp_path / "t.json", {"b": "xanh", "a": "đỏ", "c": "same", "z": "?"})
    pairs, without = translated(asked, path)
    assert [(one.video, one.text, one.other) for one in pairs] == [
        ("a.mp4", "red", "đỏ"),
        ("b.mp4", "blue", "xanh"),
    ]
    assert without == ["d"]
    with pytest.raises(CueframeError, match="has none of the ids of the questions, such as 'a'; "):
        translated(asked, written(tmp_path / "t.json", {"z": "?"}))
    with pytest.raises(CueframeError, match="are those of the questions themselves; "):
        translated(asked, written(tmp_path / "t.json", {"c": "same"}))


def test_other_wordings() -> None:
    found = reworded([ask("a", "red", "rot", "red"), ask("b", "blue")])
    assert [(one.text, one.other) for one in found] == [("red", "rot")]


def test_groups_are_of_two_languages_and_small_ones_go_along() -> None:
    known = {"x": "en", "y": "hr"}
    asked = [ask(str(n), "x text", f"y text {n}") for n in range(30)]
    asked += [ask("z", "y text", "x text"), ask("w", "x text", "x other")]
    groups = by_languages(reworded(asked), lambda text: known[text[0]])
    assert [(group[0].languages, len(group)) for group in groups] == [(("en", "hr"), 32)]
    alone = by_languages(reworded([ask("a", "x", "y"), ask("b", "x 2", "y")]), lambda _: "en")
    assert alone == []  # one text has nothing to be told from
