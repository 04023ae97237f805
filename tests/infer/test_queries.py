"""A question becomes a query, or says why not."""

import shutil
from pathlib import Path

import pytest

from index.storage.store import read_profile, vectors_path
from infer.queries import group_by_video, make_queries, on_timelines, print_failures
from infer.questions import Question
from infer.videos.indexed_videos import read_indexed_videos
from tests.fixtures_infer import seen_as, stored, world

NAMES = ("few.mp4", "one.mp4", "absent.mp4", "x/few.mp4", "b/constant.mp4", "a/constant.mp4")


def questions() -> list[Question]:
    return [
        Question.model_validate({"id": n, "question": f" What is {n}? ", "video_path": name})
        for n, name in enumerate(NAMES)
    ]


def test_ask() -> None:
    here = world()
    queries, failed = make_queries(questions(), read_indexed_videos(here.index), 1)
    assert [one.place for one in queries] == [0, 1, 3, 4, 5]
    assert [one.texts[0] for one in queries] == [f"What is {n}?" for n in (0, 1, 3, 4, 5)]
    assert [one.path for one in queries[2:4]] == [
        str(here.videos / name) for name in ("few.mp4", "b/constant.mp4")
    ]
    assert list(failed) == [2]
    assert list(failed[2]) == ["id", "video_path", "error"]
    few, one, constant = (
        seen_as(here.index, here.videos / name).content_hash for name in NAMES[:2] + NAMES[5:]
    )
    assert group_by_video(queries) == {
        few: [0, 2],
        one: [1],
        constant: [3, 4],
    }  # copies are one video


def test_questions_on_the_timelines_of_their_parts() -> None:
    here = world()
    spans: list[list[float] | None] = [None, [0.6, 1.2], [90, 91]]
    record = {"question": "?", "video_path": "vp9.webm"}
    asked = [
        Question.model_validate(record | {"id": n, "span_s": span}) for n, span in enumerate(spans)
    ]
    queries, _ = make_queries(asked, read_indexed_videos(here.index), 1)
    there, timed, failed = on_timelines(here.index, read_profile(here.index), queries)
    assert [one.place for one in there] == [0, 1]
    assert list(failed) == [2]
    assert "lies past the end" in failed[2]["error"]
    _, time_s, duration_s = stored(here.index, here.videos / "vp9.webm")
    whole, part = timed
    assert (whole.time_s.tolist(), whole.duration_s, whole.start_s) == (
        time_s.tolist(),
        duration_s,
        0.0,
    )
    assert part.time_s.tolist() == [t for t in time_s if 0.6 <= t <= 1.2]
    assert part.start_s == 0.6
    assert part.duration_s == pytest.approx(0.6)


def test_questions_about_the_same_part_share_its_rows() -> None:
    here = world()
    spans: list[list[float] | None] = [None, [0.6, 1.2], None, [0.6, 1.2]]
    record = {"question": "?", "video_path": "vp9.webm"}
    asked = [
        Question.model_validate(record | {"id": n, "span_s": span}) for n, span in enumerate(spans)
    ]
    queries, _ = make_queries(asked, read_indexed_videos(here.index), 1)
    _, timed, _ = on_timelines(here.index, read_profile(here.index), queries)
    assert timed[0].time_s is timed[2].time_s
    assert timed[1].time_s is timed[3].time_s
    assert timed[0].end_s is timed[2].end_s


def test_a_damaged_vector_file_costs_the_questions_about_its_video(tmp_path: Path) -> None:
    here = world()
    index = Path(shutil.copytree(here.index, tmp_path / "index"))
    vectors_path(index, seen_as(index, here.videos / "one.mp4").content_hash).write_bytes(b"")
    queries, _ = make_queries(questions(), read_indexed_videos(index), 1)
    there, timed, failed = on_timelines(index, read_profile(index), queries)
    assert [one.place for one in there] == [0, 3, 4, 5]
    assert len(timed) == 4
    assert list(failed) == [1]
    assert "is damaged" in failed[1]["error"]


def test_many_failures_are_told_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failed = {place: {"id": f"q{place}", "error": "lost"} for place in reversed(range(12))}
    print_failures(failed, "not scored", ", see elsewhere")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *(f"not scored: q{place}: lost" for place in range(8)),
        "not scored: 4 more, see elsewhere",
    ]
    print_failures({3: failed[3]}, "failed")
    assert capsys.readouterr().err == "failed: q3: lost\n"
