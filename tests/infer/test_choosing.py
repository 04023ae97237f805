"""infer/compare.py --choose, and what uses its file, as a user runs them."""

import json
from pathlib import Path
from typing import Any

import pytest

from index.storage.store import read_profile
from infer.choosing import candidates_of, name_of
from infer.evaluation.rule_picks import Candidate
from infer.selection.rule_file import ChosenRule, read_rule_file, write_rule_file
from infer.selection.rules import Rule
from tests.fixtures_infer import INDEXED, ran, refused, world, write_questions
from tests.infer.selection.test_rule_file import GOOD

LABELLED: list[dict[str, Any]] = [
    {"video_path": path, "support_frames": [t], "choices": ["A. Red", "B. Blue"]}
    for path in INDEXED
    for t in (0.2, 1.4)
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    spans = {"span_s": [0.0, 1.0], "video_path": "vp9.webm", "support_ranges": [[0.4, 0.6]]}
    return write_questions(tmp_path / "q.json", *LABELLED, spans, {"video_path": "vp9.webm"})


def test_the_default_is_kept_on_too_few_videos(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.json"
    result = ran(
        capsys, "compare.py", questions, "--index", world().index, "--choose", rules, "--frames", 2
    )
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["videos"], told["unlabelled"]) == (13, 6, 1)
    assert told["kept"] == told["default"] == "quarters"
    assert "kept: quarters, since rules are tried on 10 labelled videos" in result.err
    chosen = read_rule_file(rules)
    assert (chosen.rule, chosen.frames, chosen.caption) == (Rule(), 2, 1)
    assert str(tmp_path) not in rules.read_text()


def test_choosing_goes_by_videos_and_repeats(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("infer.evaluation.rule_choice.FEWEST_VIDEOS", 2)
    found = []
    for name in ("one.json", "two.json"):
        call = ("--index", world().index, "--frames", 1, "--choose", tmp_path / name)
        result = ran(capsys, "compare.py", questions, *call)
        assert result.code == 0, result.err
        found.append(((tmp_path / name).read_bytes(), result.out))
    assert found[0] == found[1]
    told = json.loads(found[0][1])
    assert told["gains"]["worth"]["questions"] == 13
    assert sum(told["folds"].values()) == 100
    # The row of each rule is the one that its answers have.
    for name, flags in (
        ("hills, 0.6 s", ("--pick", "hills", "--smooth-s", 0.6)),
        ("top, caption 3, each choice, max", ("--pick", "top", "--choices", "each")),
    ):
        answers = tmp_path / "a.jsonl"
        asked = ("--index", world().index, "--frames", 1, "--output", answers)
        ran(capsys, "answer.py", questions, *asked, *flags)
        scored = ran(
            capsys, "score.py", answers, questions, "--index", world().index, "--judge", "none"
        )
        row = scored.records[0]["rows"]["answers"]
        for figure in ("hit", "all@0.5", "precision"):
            assert told["tried"][name][figure]["mean"] == pytest.approx(row[figure]["mean"])


def test_auto_answers_as_the_rule_that_it_stands_for(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, rules = world().index, tmp_path / "rules.json"
    write_rule_file(rules, ChosenRule(**GOOD | {"index": read_profile(index).key}))
    usual = (questions, "--index", index, "--output", "-")
    auto = ran(capsys, "answer.py", *usual, "--pick", "auto", "--rules", rules)
    flags = ("--pick", "hills", "--smooth-s", 0.5, "--choices", "each")
    plain = ran(capsys, "answer.py", *usual, *flags)
    assert (auto.code, auto.records) == (0, plain.records)
    assert (auto.records[0]["pick"], auto.records[0]["smooth_s"]) == ("hills", 0.5)
    compared = ran(capsys, "compare.py", questions, "--index", index, "--rules", rules)
    with_flags = ran(capsys, "compare.py", questions, "--index", index, *flags[2:])
    (one,), (two,) = compared.records, with_flags.records
    assert one["rows"]["auto"] == two["rows"]["hills"]
    assert one["auto"] == {
        "caption": 3,
        "pick": "hills",
        "smooth_s": 0.5,
        "choices": "each",
        "join": "max",
    }


def test_wrong_calls_are_one_line(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, rules = world().index, tmp_path / "rules.json"
    write_rule_file(rules, ChosenRule(**GOOD | {"index": read_profile(index).key}))
    usual = (questions, "--index", index, "--output", tmp_path / "a.jsonl")
    auto = ("--pick", "auto", "--rules", rules)

    def wrong(*flags: object) -> Any:
        return ran(capsys, "answer.py", *usual, *flags)

    refused(wrong("--pick", "auto"), "--pick auto needs --rules")
    refused(wrong("--rules", rules), "needs --pick auto")
    refused(wrong(*auto, "--smooth-s", 1), "--smooth-s 1.0 is given besides --rules")
    for flags in (("--choices", "each"), ("--choices", "joined"), ("--join", "max")):
        refused(wrong(*auto, *flags), f"{' '.join(flags)} is given besides")
    refused(wrong(*auto, "--caption", 1), "--caption 1 is given besides")
    refused(wrong(*auto, "--frames", 3), "for 4 frames, not for 3")
    refused(wrong("--pick", "auto", "--rules", questions), "is no file of rules")
    write_rule_file(rules, ChosenRule(**GOOD))
    refused(wrong(*auto), "another model, rate or size")
    refused(
        ran(capsys, "compare.py", questions, "--index", index, "--rules", rules), "another model"
    )
    both = ("--rules", rules, "--choose", tmp_path / "other.json")
    refused(ran(capsys, "compare.py", questions, "--index", index, *both), "one of them")
    refused(
        ran(capsys, "compare.py", questions, "--index", index, "--choose", questions), "overwrite"
    )


def test_what_is_tried() -> None:
    default = Candidate(Rule(), 1)
    tried = candidates_of(default, 2.0, has_choices=True)
    assert next(iter(tried)) == "quarters"
    assert len(tried) == 16
    assert {one.rule.smooth_s for one in tried.values()} == {0, 0.6}
    assert len(candidates_of(default, 2.0, has_choices=False)) == 8
    assert {c.rule.smooth_s for c in candidates_of(default, 1.0, has_choices=False).values()} == {
        *(0, 1.2)
    }
    own = Candidate(Rule("quarters", 0.3, "each", "mean"), 2)
    tried = candidates_of(own, 4.0, has_choices=True)
    assert next(iter(tried.values())) == own
    assert all(name == name_of(candidate) for name, candidate in tried.items())
