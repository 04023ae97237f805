"""Each known set in its own layout."""

import json
import re
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.choices import letter_of
from infer.question_files.field_names import NAMES
from infer.question_files.formats import FORMATS, format_of
from infer.question_files.loading import load_questions
from infer.questions import Question
from tests.infer.sets import as_file, samples
from tests.paths import ROOT

SETS = samples("clip7")


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_as_its_makers_write_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    sample = SETS[name]
    path, labels = as_file(tmp_path, name, sample)
    questions = load_questions(path, labels=labels)
    assert [one.id for one in questions] == sample.ids
    first = questions[0]
    assert "clip7" in {first.video_path.removesuffix(".mp4"), *first.video_aliases}
    assert first.span_s == sample.asks_about
    if sample.right:
        assert letter_of(first) == sample.right
    if sample.evidence:
        assert [*first.support_ranges, *(s for one in first.scenes for s in one)] == sample.evidence
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", sorted(SETS.keys() & FORMATS.keys()))
def test_a_set_is_known_by_its_keys_and_may_be_forced(tmp_path: Path, name: str) -> None:
    path, labels = as_file(tmp_path, name, SETS[name])
    assert format_of(frozenset(SETS[name].records[0])) is FORMATS[name]
    assert list(load_questions(path, layout=name, labels=labels)) == list(
        load_questions(path, labels=labels)
    )


def test_a_forced_format_that_does_not_fit_names_what_is_missing(tmp_path: Path) -> None:
    path, _ = as_file(tmp_path, "mlvu", SETS["mlvu"])
    with pytest.raises(CueframeError, match=r"record 1: 'videoID' is missing, which videomme has"):
        load_questions(path, layout="videomme")


def test_the_parquet_layouts_of_other_sets(tmp_path: Path) -> None:
    """LongVideoBench, EgoSchema and MLVU as their Parquet files have them."""
    lvb = {"video_id": "v", "id": "v_0", "video_path": "v.mp4", "question": "q?", "duration": 9.5}
    lvb |= {"correct_choice": 1, "option0": "a", "option1": "b", "option2": "N/A"}
    ego = {"question_idx": "0", "question": "q?", "video_idx": "v", "option": ["A. a", "B. b"]}
    mlvu = {"video_name": "v.mp4", "duration": 9.5, "question": "q?", "candidates": ["a", "b"]}
    mlvu |= {"answer": "B", "task_type": "needle", "question_id": "Q0"}
    for record, name, letter in ((lvb, "v_0", "B"), (ego, "v", None), (mlvu, "Q0", "B")):
        path = tmp_path / "set.json"
        path.write_text(json.dumps([record]))
        (one,) = load_questions(path)
        assert (one.id, one.video_path.removesuffix(".mp4"), len(one.choices)) == (name, "v", 2)
        assert letter is None or letter_of(one) == letter
        assert record is ego or one.duration_s == 9.5


def test_other_sets_with_the_same_keys_are_not_taken_for_one() -> None:
    other = {"video_name": "v", "question": "q?", "question_id": 1, "options": ["a", "b"]}
    assert format_of(frozenset(other)) is FORMATS["cueframe"]
    assert format_of(frozenset()) is FORMATS["cueframe"]


def test_the_docs_name_every_format_and_every_name_of_a_field() -> None:
    page = (ROOT / "docs/questions.md").read_text()
    listed = page.split("| `--format` |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == set(FORMATS)
    named = set(re.findall(r"`([^`\n]+)`", page))
    assert {name for names in NAMES.values() for name in names} <= named
    assert set(Question.model_fields) <= named


def test_open_questions_of_mlvu_have_no_choices(tmp_path: Path) -> None:
    record = {"video": "clip7.mp4", "duration": 9.5, "question": "What happens?"}
    record |= {"answer": "He goes.", "question_type": "subPlot", "scoring_points": ["He goes"]}
    (tmp_path / "open.json").write_text(json.dumps([record]))
    (one,) = load_questions(tmp_path / "open.json")
    assert (one.id, one.choices, one.answer) == ("clip7-1", [], "He goes.")
