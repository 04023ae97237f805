"""Frames for a reader: each video decoded once, whatever is asked of it, and errors that stay."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from index.decoding.frame_types import Frame
from index.errors import CueframeError, VideoError
from index.spans import Timeline
from infer.answer_file import ReaderFrames
from infer.queries import AnswerRecord, Query, failure_record
from infer.questions import Question
from infer.readers.bulk_reading import Placed, _shrunk, read_answers
from infer.readers.prompts import load_prompt
from infer.readers.vision_language import (
    ReaderInput,
    generate,
    letter_probabilities,
    load_reader,
)
from tests.fixtures_readers import MAKERS, make_reader

CLOCK_S = np.array([0.0, 1.0, 2.0, 3.0])
CHOICES = ["A. Red", "B. Blue"]


def queries(place: int, content: str, choices: Sequence[str] = CHOICES, **labels: Any) -> Query:
    record = {"id": f"q{place}", "question": f"{place}?", "choices": choices, "video_path": content}
    return Query(
        place=place,
        question=Question.model_validate(record | labels),
        texts=("?",),
        path=content,
        content_hash=content,
    )


class Desk:
    """Videos that are colours, a reader that tells what it was shown, and what was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decoded: list[tuple[str, list[float]]] = []
        self.batches: list[list[int]] = []
        monkeypatch.setattr("infer.readers.bulk_reading.read_timeline", self.timeline)
        monkeypatch.setattr("infer.readers.bulk_reading.frames_at", self.frames)

    def timeline(self, index: Path, content: str) -> Timeline:
        if content == "damaged":
            raise CueframeError("the vector file is damaged")
        return Timeline(CLOCK_S, CLOCK_S + 0.04, 4.0)

    def file_of(self, content: str) -> Path:
        if content == "gone":
            raise VideoError("gone is gone")
        return Path(content)

    def frames(self, path: Path, times_s: list[float]) -> Iterator[Frame]:
        self.decoded.append((path.name, times_s))
        if path.name == "torn":
            raise VideoError("is torn")
        for time_s in times_s:
            colour = (sum(path.name.encode()) % 256, int(time_s * 10), 0)
            yield Frame(time_s, time_s + 0.04, Image.new("RGB", (64, 32), colour))

    def answer(
        self, queries: Sequence[Query], shown: Sequence[ReaderInput]
    ) -> list[dict[str, Any]]:
        self.batches.append([one.place for one in queries])
        for one, own in zip(queries, shown, strict=True):
            assert own.question == one.question.question
        return [
            {
                "colours": [frame.getpixel((0, 0)) for frame in own.frames],
                "sizes": [frame.size for frame in own.frames],
                "times_s": list(own.times_s),
                "choices": list(own.choices),
            }
            for own in shown
        ]

    def read(
        self,
        questions: Sequence[Query],
        *which: ReaderFrames,
        batch: int = 2,
        side: int = 640,
        free: bool = False,
        wrong: Callable[[int], str] = lambda place: "",
    ) -> list[list[Placed]]:
        by_place = {one.place: one for one in questions}
        videos: dict[str, list[Placed]] = {}
        for one in questions:
            record = picked(one)
            if wrong(one.place):
                record = failure_record(one.question, wrong(one.place))
            videos.setdefault(one.content_hash, []).append((one.place, record))
        made = read_answers(
            videos.values(),
            by_place.__getitem__,
            self.answer,
            index=Path("index"),
            file_of=self.file_of,
            which=which,
            batch=batch,
            side=side,
            free=free,
        )
        return list(made)


def picked(one: Query) -> AnswerRecord:
    """The record of picks at whole seconds that hang on the place."""
    times_s = sorted({float(one.place % 4), 3.0})
    return {
        "id": one.question.id,
        "video": one.path,
        "pick": "top",
        "frames": [{"time_s": time_s} for time_s in times_s],
    }


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def flat(parts: list[list[Placed]]) -> dict[int, AnswerRecord]:
    found = [pair for part in parts for pair in part]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_each_kind_shows_its_frames_and_the_video_is_decoded_once(desk: Desk) -> None:
    questions = [
        queries(0, "x", support_frames=[2.5]),
        queries(1, "y", support_ranges=[[1.0, 2.0]]),
        queries(2, "x", support_frames=[0.5, 0.7]),
    ]
    records = flat(desk.read(questions, "uniform", "picked", "support"))
    # The middles of two segments of 4 s are at 1 and 3 s.
    assert desk.decoded == [("x", [0.0, 0.5, 0.7, 1.0, 2.0, 2.5, 3.0]), ("y", [1.0, 1.5, 3.0])]
    shown = {
        0: {"uniform": [1.0, 3.0], "picked": [0.0, 3.0], "support": [2.5]},
        1: {"uniform": [1.0, 3.0], "picked": [1.0, 3.0], "support": [1.5]},
        2: {"uniform": [1.0, 3.0], "picked": [2.0, 3.0], "support": [0.5, 0.7]},
    }
    for one in questions:
        record = records[one.place]
        assert {key: record[key] for key in record if key != "answers"} == picked(one)
        assert list(record["answers"]) == ["uniform", "picked", "support"]
        for kind, times_s in shown[one.place].items():
            answer = record["answers"][kind]
            assert answer["times_s"] == times_s
            colour = sum(one.content_hash.encode()) % 256
            assert answer["colours"] == [(colour, int(t * 10), 0) for t in times_s]
            assert answer["choices"] == [("A", "Red"), ("B", "Blue")]


def test_large_pictures_are_shrunk_and_small_ones_are_not(desk: Desk) -> None:
    for side, size in ((16, (16, 8)), (64, (64, 32)), (640, (64, 32))):
        (record,) = flat(desk.read([queries(0, "x")], "picked", side=side)).values()
        assert record["answers"]["picked"]["sizes"] == [size, size]


def test_free_questions_go_without_their_choices(desk: Desk) -> None:
    questions = [queries(0, "x"), queries(1, "x", []), queries(2, "x", ["one"])]
    for record in flat(desk.read(questions, "picked", free=True)).values():
        assert record["answers"]["picked"]["choices"] == []


def test_what_cannot_be_read_is_an_error_and_never_asked(desk: Desk) -> None:
    questions = [
        queries(0, "x"),
        queries(1, "x", []),
        queries(2, "x", ["Red"], support_frames=[0.5]),
        queries(3, "gone", support_frames=[1.0]),
        queries(4, "torn", support_frames=[1.0]),
        queries(5, "damaged", support_frames=[1.0]),
        queries(6, "x", support_frames=[1.0]),
        queries(7, "y", support_frames=[1.0]),
        queries(8, "z"),
    ]
    for which in (("picked", "support"), ("support", "picked")):
        desk.batches.clear()
        desk.decoded.clear()
        records = flat(
            desk.read(questions, *which, wrong=lambda place: "of picking" if place == 7 else "")
        )
        reasons = {
            0: "'q0' has no support_frames",
            1: "no choices",
            2: "has 1 choices",
            3: "gone is gone",
            4: "is torn",
            5: "the vector file is damaged",
            7: "of picking",
            8: "'q8' has no support_frames",
        }
        assert set(records) == set(range(9))
        for place, reason in reasons.items():
            assert list(records[place]) == ["id", "video_path", "error"]
            assert reason in records[place]["error"]
        assert list(records[6]["answers"]) == list(which)
        assert sorted(sum(desk.batches, [])) == [6, 6]  # noqa: RUF017 - few
        assert desk.decoded == [("x", [1.0, 2.0, 3.0]), ("torn", [0.0, 1.0, 3.0])]


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=9),
    st.integers(1, 12),
    st.sampled_from([("picked",), ("uniform", "picked"), ("support", "uniform", "picked")]),
    st.sets(st.integers(0, 8)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_batches_are_bounded_and_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
    videos: list[str],
    batch: int,
    which: tuple[ReaderFrames, ...],
    unreadable: set[int],
) -> None:
    desk = Desk(monkeypatch)
    questions = [
        queries(place, name, [] if place in unreadable else CHOICES, support_frames=[0.5])
        for place, name in enumerate(videos)
    ]
    records = flat(desk.read(questions, *which, batch=batch))
    assert set(records) == set(range(len(videos)))
    assert records == flat(desk.read(questions, *which, batch=1))
    good = [place for place in range(len(videos)) if place not in unreadable]
    for place, record in records.items():
        assert ("error" in record) == (place not in good)
        assert list(record.get("answers", which)) == list(which)
    asked_for = Counter(place for own in desk.batches for place in own)
    assert asked_for == dict.fromkeys(good, 2 * len(which))
    assert all(len(own) <= batch for own in desk.batches)
    assert all(n <= 2 for n in Counter(name for name, _ in desk.decoded).values())


def test_records_come_while_later_videos_are_not_yet_decoded(desk: Desk) -> None:
    questions = [queries(place, f"video {place}") for place in range(9)]
    by_place = {one.place: one for one in questions}
    videos = ([(one.place, picked(one))] for one in questions)
    made = read_answers(
        videos,
        by_place.__getitem__,
        desk.answer,
        index=Path("index"),
        file_of=desk.file_of,
        which=("picked",),
        batch=1,
        side=64,
        free=False,
    )
    for place in range(9):
        assert [one for one, _ in next(made)] == [place]
        assert len(desk.decoded) <= place + 2  # one ahead
    assert list(made) == []


def test_a_question_that_the_model_cannot_take_costs_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = desk.answer

    def refusing(queries: Sequence[Query], shown: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        if any(one.place == 1 for one in queries):
            raise ValueError("absolute aspect ratio must be smaller than 200")
        return answer(queries, shown)

    asked = [queries(place, content) for place, content in enumerate("aab")]
    alone = flat(desk.read(asked, "picked", "uniform", batch=3))
    monkeypatch.setattr(desk, "answer", refusing)
    found = flat(desk.read(asked, "picked", "uniform", batch=3))
    why = "ValueError: absolute aspect ratio must be smaller than 200"
    assert found[1] == failure_record(asked[1].question, why)
    assert (found[0], found[2]) == (alone[0], alone[2])


def test_a_batch_that_is_too_large_for_the_memory_is_read_in_smaller_ones(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [queries(place, "ab"[place % 2]) for place in range(8)]
    alone = flat(desk.read(asked, "picked", batch=8))
    answer = desk.answer

    def full(queries: Sequence[Query], shown: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        if len(queries) > 3 or any(one.place == 5 for one in queries):
            raise CueframeError("out of memory; lower --reader-batch")
        return answer(queries, shown)

    monkeypatch.setattr(desk, "answer", full)
    desk.batches.clear()
    found = flat(desk.read(asked, "picked", batch=8))
    assert found.pop(5) == failure_record(asked[5].question, "out of memory; lower --reader-batch")
    assert found == {place: record for place, record in alone.items() if place != 5}
    assert sorted(map(len, desk.batches)) == [1, 2, 2, 2]


@pytest.mark.parametrize("kind", MAKERS)
def test_an_odd_frame_costs_its_own_question_at_most(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """Qwen's processors refuse what is longer than 200 times its width; others take it."""
    reader = load_reader(str(make_reader(tmp_path, kind)), device_map=torch.device("cpu"))

    def choose(_queries: Sequence[Query], shown: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        found = letter_probabilities(reader, load_prompt("en"), shown)
        return [dict(zip("AB", shares.tolist(), strict=True)) for shares in found]

    def write(_queries: Sequence[Query], shown: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        return [{"text": text} for text in generate(reader, load_prompt("en"), shown, 3)]

    shapes = {"wide": (4000, 2), "thin": (1, 256), "point": (1, 1)}

    def frames(path: Path, times_s: list[float]) -> Iterator[Frame]:
        for time_s in times_s:
            colour = (sum(path.name.encode()) % 256, int(time_s * 10), 0)
            size = shapes.get(path.name, (64, 36))
            yield Frame(time_s, time_s + 0.04, Image.new("RGB", size, colour))

    monkeypatch.setattr("infer.readers.bulk_reading.frames_at", frames)
    asked = [queries(place, name) for place, name in enumerate(["a", *shapes, "b", "c", "d"])]
    for answer in (choose, write):
        monkeypatch.setattr(desk, "answer", answer)
        found = flat(desk.read(asked, "picked", batch=8))
        plain = flat(desk.read([one for one in asked if one.path not in shapes], "picked"))
        for place, record in plain.items():
            own, wanted = (one["answers"]["picked"] for one in (found[place], record))
            assert own == wanted if "text" in wanted else own == pytest.approx(wanted, abs=1e-5)
        refused = [one.path for one in asked if "error" in found[one.place]]
        assert refused == (["wide", "thin"] if kind.startswith("qwen") else [])
        for path in refused:
            assert "aspect ratio must be smaller than 200" in found["awt".index(path[0])]["error"]


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 700))
@example(4000, 2, 640)
@example(256, 1, 16)
def test_a_picture_of_any_shape_is_shrunk_to_one_of_a_pixel_at_least(
    width: int, height: int, side: int
) -> None:
    small = _shrunk(Image.new("RGB", (width, height)), side)
    assert min(small.size) >= 1
    assert max(small.size) == min(side, max(width, height))


def test_an_error_that_nobody_foresaw_costs_its_video(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames(path: Path, times_s: list[float]) -> Iterator[Frame]:
        if path.name == "a":
            raise ZeroDivisionError
        return desk.frames(path, times_s)

    monkeypatch.setattr("infer.readers.bulk_reading.frames_at", frames)
    found = flat(desk.read([queries(0, "a"), queries(1, "b")], "picked"))
    assert found[0]["error"] == "ZeroDivisionError"
    assert "answers" in found[1]
