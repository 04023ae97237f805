"""Small pictures show the frames they say, and a bad video costs its pictures alone."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from index.errors import VideoError
from infer.report.thumbnails import SIDE, thumbnails, thumbnails_of
from tests.truths import Generated
from tests.videos import read_number


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def test_each_time_has_the_frame_shown_then(generated: Generated) -> None:
    path, _ = generated("constant")  # 25 frames a second, 4 s
    times_s = [0.0, 0.5, 0.51, 2.0, 99.0]
    made = dict(thumbnails(path, times_s))
    assert list(made) == times_s
    assert [read_number(opened(made[t])) for t in times_s] == [0, 12, 12, 50, 99]
    assert made[0.5] is made[0.51]
    assert {opened(jpeg).size for jpeg in made.values()} == {(SIDE, 135)}
    assert max(map(len, made.values())) < 12_000


def test_a_tall_or_turned_video_is_as_small(generated: Generated) -> None:
    for kind in ("tall", "rotation"):
        ((_, jpeg),) = thumbnails(generated(kind)[0], [1.0])
        width, height = opened(jpeg).size
        assert (height, width < height) == (SIDE, True)


def test_videos_that_cannot_be_had_cost_a_line_each(
    generated: Generated, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = generated("constant")
    files = {"good.mp4": path, "text.mp4": generated("text")[0]}

    def find(video: str) -> Path:
        if video not in files:
            raise VideoError(f"{video} is gone")
        return files[video]

    made = thumbnails_of({"gone.mp4": [0.0], "text.mp4": [0.0], "good.mp4": [0.0, 1.0]}, find)
    assert {video: list(times) for video, times in made.items()} == {
        "gone.mp4": [],
        "text.mp4": [],
        "good.mp4": [0.0, 1.0],
    }
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in lines] == [
        " no pictures of gone.mp4",
        " no pictures of text.mp4",
    ]


def test_no_video_needs_nothing() -> None:
    assert thumbnails_of({}, Path) == {}


def test_an_error_that_nobody_foresaw_costs_its_own_video(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def made(path: Path, times_s: list[float]) -> Iterator[tuple[float, bytes]]:
        yield 0.0, b"jpeg"
        if path.name == "b\n.mp4":
            raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("infer.report.thumbnails.thumbnails", made)
    found = thumbnails_of({name: [0.0] for name in ("a.mp4", "b\n.mp4", "c.mp4")}, Path)
    assert found["a.mp4"] == found["c.mp4"] == {0.0: b"jpeg"}
    assert capsys.readouterr().err == (
        "warning: no pictures of b\\n.mp4: ZeroDivisionError: by zero\n"
    )
