"""Long questions of the demo: the question stands among other sentences of its language."""

import json
from pathlib import Path

import pytest

from examples.long_questions import SENTENCES, LongQuestionsConfig, lengthened, long_questions
from index.errors import CueframeError


def test_the_question_stands_in_the_middle() -> None:
    for language, sentences in SENTENCES.items():
        text = lengthened("Which one?", "a", language)
        before, after = text.split(" Which one? ")
        assert all(sum(one in part for one in sentences) == 5 for part in (before, after))
        assert text == lengthened("Which one?", "a", language)
        assert text != lengthened("Which one?", "b", language)


def test_all_questions_of_a_file_are_lengthened(tmp_path: Path) -> None:
    records = [
        {"id": f"scene_0-{name}-0", "question": "Which?", "answer": "A"} for name in SENTENCES
    ]
    source, output = tmp_path / "q.json", tmp_path / "long.json"
    source.write_text(json.dumps({"data": records}))
    assert long_questions(LongQuestionsConfig(questions=source, output=output)) == 0
    written = json.loads(output.read_text(encoding="utf-8"))["data"]
    for one, before in zip(written, records, strict=True):
        expected = lengthened("Which?", before["id"], before["id"].split("-")[1])
        assert one == before | {"question": expected}
    source.write_text("[]")
    with pytest.raises(CueframeError, match=r"holds no questions of examples/scenes\.py"):
        long_questions(LongQuestionsConfig(questions=source, output=output))
