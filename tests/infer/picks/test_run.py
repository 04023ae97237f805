"""infer/score.py --picks-format as a user runs it: no index, no video."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures_infer import Ran, as_a_user, ran, refused, write_questions

LABELS: list[dict[str, Any]] = [
    {"video_path": "a.mp4", "duration_s": 40.0, "support_ranges": [[10, 12], [30, 31]]},
    {"video_path": "a.mp4", "duration": 40, "support_frames": [35.0], "question": "Xe màu gì?"},
    {"video_path": "b.mp4", "duration_s": 8.0, "support_ranges": [[0, 1]]},
    {"video_path": "b.mp4", "duration_s": 8.0},
]
PICKS = {"q0": [5.0, 11.0, 25.0, 35.0], "q1": [1.0, 34.6], "q2": [3.0, 6.0], "q3": [1.0]}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.json", *LABELS)


@pytest.fixture
def scored(tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def score(
        picks: object, picks_format: str = "times", *args: object, questions: Path = questions
    ) -> Ran:
        path = tmp_path / "picks.json"
        path.write_text(json.dumps(picks))
        return ran(capsys, "score.py", path, questions, "--picks-format", picks_format, *args)

    return score


def test_the_figures_are_those_of_the_picks(scored: Any) -> None:
    result = scored(PICKS)
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["unlabelled"], told["not_scored"]) == (3, 1, 0)
    assert (told["videos"], told["without_duration"]) == (2, 0)
    assert told["frames"] == {"least": 1, "most": 4}
    assert list(told["rows"]) == ["answers", "uniform", "random", "oracle"]
    own = told["rows"]["answers"]
    assert own["hit"]["mean"] == pytest.approx(2 / 3, abs=1e-6)
    assert own["recall"]["mean"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert own["precision"]["mean"] == pytest.approx((1 / 4 + 1 / 2 + 0) / 3)
    assert own["distance_s"]["mean"] == pytest.approx(0.4)
    # Uniform: 5, 15, 25, 35 in q0, 10, 30 in q1, 2, 6 in q2.
    assert told["rows"]["uniform"]["hit"]["mean"] == 0
    assert told["rows"]["uniform"]["distance_s"]["mean"] == pytest.approx(5.0)
    assert told["rows"]["oracle"]["hit"]["mean"] == 1
    assert 0 < told["rows"]["random"]["hit"]["mean"] < 1
    assert set(told["by"]) == {"choices", "support_frames", "clip_length", "language"}
    lines = result.err.splitlines()
    assert lines[0].split()[:2] == ["%,", "_s:"]
    assert any(line.startswith("language: vi") for line in lines)


def test_uniform_is_equal_to_uniform_picks(scored: Any) -> None:
    (told,) = scored({"q0": [5.0, 15.0, 25.0, 35.0], "q1": [10.0, 30.0], "q2": [4.0]}).records
    assert told["rows"]["answers"] == told["rows"]["uniform"]
    assert told["frames"] == {"least": 1, "most": 4}


def test_the_formats_agree(scored: Any) -> None:
    (told,) = scored(PICKS).records
    numbers = {name: [round(25 * s) for s in own] for name, own in PICKS.items()}
    names = {"q0": ("a", "Which colour has the car?"), "q1": ("a", "Xe màu gì?")}
    names |= {"q2": ("b", "Which colour has the car?")}
    bolt: dict[str, list[dict[str, object]]] = {"a": [], "b": []}
    for name, (video, text) in names.items():
        bolt[video] += [{"question_id": name, "question": text, "frames": PICKS[name]}]
    bolt["b"] += [{"question_id": "q3", "question": "Who?", "frames": PICKS["q3"]}]
    for args in (
        ([{"id": name, "frame_timestamps": own} for name, own in PICKS.items()], "kfs-bench"),
        (bolt, "bolt"),
        ([*numbers.values()], "aks", "--picks-fps", 25),
        (
            [{"id": name, "frame_idx": own} for name, own in numbers.items()],
            "aks",
            "--picks-fps",
            25,
        ),
    ):
        result = scored(*args)
        assert result.code == 0, result.err
        assert result.records == [told]


def test_without_a_duration_the_own_figures_stay(scored: Any, tmp_path: Path) -> None:
    bare = [{k: v for k, v in one.items() if not k.startswith("duration")} for one in LABELS]
    (whole,) = scored(PICKS).records
    for records, unknown in ((bare, 4), ([bare[0], *LABELS[1:]], 1)):
        result = scored(PICKS, questions=write_questions(tmp_path / "q.json", *records))
        assert result.code == 0, result.err
        (told,) = result.records
        assert told["without_duration"] == unknown
        assert f"no uniform, random, oracle and segments for {unknown} of 4 questions" in result.err
        assert "give duration_s" in result.err
        for name, estimate in whole["rows"]["answers"].items():
            if name != "segments":
                assert told["rows"]["answers"][name]["mean"] == estimate["mean"]
        assert "not known" in told["by"]["clip_length"]
        counts = told["rows"]["uniform"].get("hit", {"questions": 0})["questions"]
        assert counts == 3 - min(unknown, 3)


def test_a_bad_record_costs_its_own_question(scored: Any) -> None:
    result = scored({"q0": [11.0], "q1": ["soon"], "z": [1.0]})
    assert result.code == 1
    (told,) = result.records
    assert (told["questions"], told["not_scored"], told["frames"]) == (1, 1, 1)
    assert "not scored: question 'q1' has 'soon' in times; want finite numbers" in result.err
    assert "warning: 1 records have no question" in result.err
    assert "warning: 2 questions have no picks" in result.err


def test_picks_after_the_end_are_told(scored: Any) -> None:
    result = scored({"q0": [11.0, 41.5], "q2": [8.5]})
    assert result.code == 0
    assert "warning: 1 of 2 questions have picks after the end of the video" in result.err


def test_a_rate_that_was_assumed_is_told(scored: Any) -> None:
    result = scored([[290, 319], [29], [58, 87], [0, 29]], "aks")
    assert result.code == 0, result.err
    assert result.err.startswith("assumed: frames per second by the step between frame numbers")
    assert "29.97 (step 29): 4;" in result.err
    unknown = scored([[1, 2], [3, 4], [5, 6], [7, 8]], "aks")
    refused_after_lines(unknown, "no picks can be scored for any of 4 questions", "--picks-fps")


def refused_after_lines(result: Ran, *wanted: str) -> None:
    """A wrong call, whose questions were told first."""
    assert (result.code, result.out) == (2, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert all(text in last for text in wanted), last


def test_nothing_to_score_is_one_line(scored: Any, tmp_path: Path) -> None:
    refused_after_lines(scored({"z": [1.0]}), "no picks can be scored for any of 4 questions")
    refused_after_lines(scored({"q3": [1.0]}), "none of 1 questions has support_frames")
    refused(scored(7), "picks.json")
    refused(scored(PICKS, "times", questions=tmp_path / "nowhere"), "nowhere")


@pytest.mark.parametrize(
    "args",
    [
        ("--report", "r.html"),
        ("--check-leak", "train.json"),
        ("--train-videos", "videos"),
        ("--export", "kfs-bench"),
        ("--videos", "videos"),
        ("--index", "elsewhere"),
        ("--judge", "facebook/dinov2-base"),
        ("--judge-frames", "picked"),
        ("--caption", 3),
        ("--model", "clip"),
    ],
)
def test_what_needs_an_index_is_refused(scored: Any, args: tuple[object, object]) -> None:
    refused(scored(PICKS, "times", *args), str(args[0]), "needs an index", "leave")


def test_rates_are_for_frame_numbers(scored: Any, questions: Path, capsys: Any) -> None:
    refused(scored(PICKS, "times", "--picks-fps", 25), "--picks-fps 25.0 is the rate of frame")
    refused(scored([[1]], "aks", "--picks-fps", 0), "--picks-fps is 0")
    alone = ran(capsys, "score.py", "answers.jsonl", questions, "--picks-fps", 25)
    refused(alone, "--picks-fps 25.0", "--picks-format aks")


def test_the_judge_plays_no_part(scored: Any) -> None:
    assert scored(PICKS, "times", "--judge", "none") == scored(PICKS)


def test_as_a_user_from_standard_input(questions: Path) -> None:
    result = as_a_user(
        "score.py", "-", questions, "--picks-format", "times", stdin=json.dumps(PICKS)
    )
    assert result.code == 0, result.err
    assert result.records[0]["questions"] == 3
