import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.drawing import COLOURS
from examples.scenes import (
    QUESTIONS_PER_VIDEO,
    RATE_FPS,
    Event,
    Painted,
    Scene,
    ScenesConfig,
    ask,
    draw_frames,
    draw_scenes,
    plan_scene,
    scenes,
)
from index.errors import CueframeError

Pixels = npt.NDArray[np.int64]
SAMPLES_FPS, PICKS = 2, 4


def every_scene(videos: range, seed: int = 0) -> list[tuple[Scene, list[dict[str, Any]]]]:
    plans = [plan_scene(number, seed) for number in videos]
    counts = [QUESTIONS_PER_VIDEO[i % len(QUESTIONS_PER_VIDEO)] for i in range(len(plans))]
    return [(plan, ask(plan, n, "train", seed)) for plan, n in zip(plans, counts, strict=True)]


def asked_event(scene: Scene, record: dict[str, Any]) -> Event:
    (event,) = (e for e in scene.events if [list(e.range_s)] == record["support_ranges"])
    return event


def language(record: dict[str, Any]) -> Any:
    return record["id"].split("-")[1]


@given(number=st.integers(0, 500), seed=st.integers(0, 5))
def test_events_are_apart_and_long_enough_to_be_sampled_twice(number: int, seed: int) -> None:
    scene = plan_scene(number, seed)
    assert 14 <= scene.frames / RATE_FPS <= 16
    ends = [0, *(event.last for event in scene.events)]
    starts = [*(event.first for event in scene.events), scene.frames]
    assert all(end + 4 <= start for end, start in zip(ends, starts, strict=True))
    for event in scene.events:
        start_s, end_s = event.range_s
        samples = [k / SAMPLES_FPS for k in range(scene.frames)]
        assert sum(start_s <= time_s <= end_s for time_s in samples) >= 2
        assert event.last - event.first <= 1.2 * RATE_FPS


@given(number=st.integers(0, 500), seed=st.integers(0, 5))
def test_neither_colour_nor_shape_comes_twice_in_a_video(number: int, seed: int) -> None:
    events = plan_scene(number, seed).events
    for painted in ([e.thing for e in events], [e.sign for e in events]):
        assert len({p.colour for p in painted}) == len({p.name for p in painted}) == len(events)


def test_each_question_names_what_one_event_alone_shows() -> None:
    for scene, records in every_scene(range(60)):
        for record in records:
            question = record["question"].lower()
            named = [
                event
                for event in scene.events
                for painted in (event.thing, event.sign)
                if painted.words(language(record))["both"] in question
            ]
            assert named == [asked_event(scene, record)]
        assert len({record["question"] for record in records}) == len(records)


def test_the_frame_tells_the_answer_and_the_question_does_not() -> None:
    for scene, records in every_scene(range(60)):
        for record in records:
            event, lang = asked_event(scene, record), language(record)
            shown = [p.words(lang)["both"] for e in scene.events for p in (e.thing, e.sign)]
            choices = [choice[3:] for choice in record["choices"]]
            assert [choice[:3] for choice in record["choices"]] == ["A. ", "B. ", "C. ", "D. "]
            (answer,) = set(choices) & set(shown)
            assert answer in (event.thing.words(lang)["both"], event.sign.words(lang)["both"])
            assert record["answer"] == record["choices"][choices.index(answer)]
            assert len(set(choices)) == 4
            assert answer not in record["question"].lower()


def test_choices_use_words_that_other_questions_name_things_by() -> None:
    records = [record for _, records in every_scene(range(60)) for record in records]
    words = {word for r in records for word in r["question"].lower().strip("?").split()}
    assert {word for r in records for c in r["choices"] for word in c[3:].split()} <= words


def test_the_right_letter_cannot_be_guessed() -> None:
    records = [record for _, records in every_scene(range(200)) for record in records]
    letters = [record["answer"][0] for record in records]
    assert all(0.2 < letters.count(letter) / len(letters) < 0.3 for letter in "ABCD")


def test_uniform_frames_find_at_most_four_in_ten_and_the_best_frames_all() -> None:
    for seed, videos in ((0, range(60)), (0, range(60, 80)), (1, range(80)), (2, range(80))):
        uniform, oracle = [], []
        for scene, records in every_scene(videos, seed):
            duration_s = scene.frames / RATE_FPS
            rows_s = np.arange(0, duration_s, 1 / SAMPLES_FPS)
            middles_s = (np.arange(PICKS) + 0.5) / PICKS * duration_s
            picks_s = rows_s[np.abs(rows_s[:, None] - middles_s).argmin(0)]
            for record in records:
                ((start_s, end_s),) = record["support_ranges"]
                uniform.append(any((start_s <= picks_s) & (picks_s <= end_s)))
                oracle.append(any((start_s <= rows_s) & (rows_s <= end_s)))
                assert start_s < record["support_frames"][0] < end_s
        assert np.mean(uniform) <= 0.4
        assert all(oracle)


def painted_pixels(frame: Pixels, painted: Painted, box: tuple[slice, slice]) -> int:
    distance = np.abs(frame[box] - np.array(COLOURS[painted.colour][1])).max(-1)
    return int((distance < 12).sum())


def test_board_and_street_show_an_event_exactly_in_its_range() -> None:
    board, below = (slice(6, 75), slice(126, 195)), (slice(76, 170), slice(70, 250))
    scene = plan_scene(3, 0)
    frames = [np.asarray(frame, dtype=int) for frame in draw_frames(scene, 0)]
    assert len(frames) == scene.frames
    for i, frame in enumerate(frames):
        lit = [event for event in scene.events if event.first <= i <= event.last]
        assert len(lit) <= 1
        for event in scene.events:
            assert (painted_pixels(frame, event.sign, board) > 300) == (event in lit)
            assert (painted_pixels(frame, event.thing, below) > 300) == (event in lit)


@pytest.mark.parametrize("place", ["edges", "sides"])
def test_events_at_the_edges_leave_the_middle_square_alone(place: Any) -> None:
    above, below, middle = slice(0, 76), slice(76, 180), slice(70, 250)
    sides = [slice(0, 70), slice(250, 320)] if place == "edges" else [middle]
    scene = plan_scene(3, 0)
    for i, picture in enumerate(draw_frames(scene, 0, place)):
        frame = np.asarray(picture, dtype=int)
        for event in scene.events:
            lit = event.first <= i <= event.last
            for painted, height in ((event.sign, above), (event.thing, below)):
                there = sum(painted_pixels(frame, painted, (height, side)) for side in sides)
                assert (there > 100) == lit
                if place == "edges":
                    assert painted_pixels(frame, painted, (height, middle)) == 0


def test_the_videos_hold_the_drawn_frames(tmp_path: Path) -> None:
    draw_scenes(tmp_path, train_videos=1, test_videos=1)
    scene = plan_scene(1, 0)
    with av.open(str(tmp_path / "test/videos/scene_001.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        shown = [(frame.time, frame.to_image()) for frame in container.decode(stream)]
    assert [time_s for time_s, _ in shown] == [i / RATE_FPS for i in range(scene.frames)]
    for (_, got), drawn in zip(shown, draw_frames(scene, 0), strict=True):
        assert got.size == drawn.size == (320, 180)
        difference = np.asarray(got, dtype=int) - np.asarray(drawn, dtype=int)
        assert np.abs(difference).mean() < 6


def test_layout_is_the_seeds_and_earlier_scenes_are_gone(tmp_path: Path) -> None:
    assert draw_scenes(tmp_path, train_videos=2, test_videos=1) == tmp_path
    draw_scenes(tmp_path, train_videos=1, test_videos=1)
    videos = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4"))
    assert videos == ["test/videos/scene_001.mp4", "train/videos/scene_000.mp4"]
    for part, video in (("test", videos[0]), ("train", videos[1])):
        questions = json.loads((tmp_path / part / f"{part}.json").read_text(encoding="utf-8"))
        assert questions["__count__"] == len(questions["data"]) == 5
        assert {record["video_path"] for record in questions["data"]} == {video}
        assert len({record["id"] for record in questions["data"]}) == 5


def test_both_languages_are_asked() -> None:
    records = [record for _, records in every_scene(range(60)) for record in records]
    assert len(records) == 280
    assert 100 < sum(language(record) == "vi" for record in records) < 180


def test_a_seed_always_draws_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("same", 4), ("other", 5)):
        draw_scenes(tmp_path / name, train_videos=1, test_videos=0, seed=seed)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 3
    for file in files:
        one = (tmp_path / "one" / file).read_bytes()
        assert one == (tmp_path / "same" / file).read_bytes()
        assert file.name == "test.json" or one != (tmp_path / "other" / file).read_bytes()


def test_the_command_says_what_it_drew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenes(ScenesConfig(folder=tmp_path, train_videos=0, test_videos=1)) == 0
    assert capsys.readouterr().out == f"drew 0 + 1 videos in {tmp_path}\n"


def test_a_wrong_call_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match="cannot draw -1 videos"):
        draw_scenes(tmp_path, test_videos=-1)
    (tmp_path / "file").touch()
    with pytest.raises(CueframeError, match="is a file; name a folder"):
        draw_scenes(tmp_path / "file", train_videos=1)
