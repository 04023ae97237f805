"""Every video comes out once, with its own vectors in its own order, whatever shares a batch."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from index.decoding.frame_types import PixelStream, VideoMetadata
from index.encoder import Encoder
from index.errors import CueframeError, VideoError
from index.pipeline import Cost, EncodedVideo, FailedVideo, encode_videos
from index.planning import Job
from tests.index.storage.test_store import PROFILE

METADATA = VideoMetadata(duration_s=9.0, start_s=0.0, width=8, height=8, warnings=["odd"])
SIDE = 4


def frames(path: str) -> PixelStream:
    """A video of a path such as "a:37": so many frames, each of one grey that tells which it is."""
    name, _, count = path.partition(":")
    if name == "broken":
        raise VideoError("has no video stream")
    for number in range(int(count)):
        if name == "late" and number == 20:
            raise VideoError("breaks off")
        yield number / 2, number / 2 + 0.04, np.full((SIDE, SIDE, 3), number % 251, np.uint8)
    return METADATA


class Transform:
    height = width = SIDE


class Recorder:
    """An encoder that writes grey, and the size of the batch, into a vector."""

    transform = Transform()

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def images(self, pixels: np.ndarray) -> torch.Tensor:
        self.sizes.append(len(pixels))
        grey = torch.from_numpy(pixels[:, 0, 0, 0].astype(np.float32))
        return torch.stack([grey, torch.full_like(grey, len(pixels))], dim=1)


def encoded(
    paths: list[str], batch_frames: int = 8, workers: int = 2, **more: Any
) -> tuple[dict[str, EncodedVideo | FailedVideo], Recorder, Cost]:
    jobs = [Job(path, f"{number:032x}", 100) for number, path in enumerate(paths)]
    recorder, cost = Recorder(), Cost()
    found: dict[str, EncodedVideo | FailedVideo] = {}
    for video in encode_videos(
        jobs,
        cast("Encoder", recorder),
        frames,
        batch_frames=batch_frames,
        workers=workers,
        limit_s=None,
        cost=cost,
        **more,
    ):
        assert video.job.path not in found
        found[video.job.path] = video
    assert set(found) == set(paths)
    return found, recorder, cost


def greys(video: EncodedVideo | FailedVideo) -> list[float]:
    assert isinstance(video, EncodedVideo)
    greys: list[float] = video.vectors[:, 0].astype(np.float64).tolist()
    return greys


@pytest.fixture(params=[True, False])
def mix(request: pytest.FixtureRequest) -> bool:
    mixed: bool = request.param
    return mixed


@pytest.mark.parametrize("batch_frames", [1, 7, 64])
def test_each_video_has_its_own_frames_in_order(mix: bool, batch_frames: int) -> None:
    counts = {"a": 37, "b": 1, "c": 64, "d": 15, "e": 16}
    paths = [f"{name}:{count}" for name, count in counts.items()]
    found, recorder, cost = encoded(paths, batch_frames, mix_videos=mix)
    for path, count in zip(paths, counts.values(), strict=True):
        video = found[path]
        assert greys(video) == list(range(count))
        assert isinstance(video, EncodedVideo)
        assert video.time_s.tolist() == [number / 2 for number in range(count)]
        assert video.vectors.dtype == np.float16
        assert video.metadata == METADATA
    assert sum(recorder.sizes) == cost.frames == sum(counts.values())
    assert max(recorder.sizes) <= batch_frames
    if mix:  # all batches but the last are full
        assert recorder.sizes[:-1] == [batch_frames] * (len(recorder.sizes) - 1)


def test_without_mixing_a_video_depends_on_itself_alone() -> None:
    alone = {}
    for path in ("a:37", "c:20"):
        found, _, _ = encoded([path], mix_videos=False)
        alone[path] = found[path]
    found, _, _ = encoded(["a:37", "b:3", "c:20", "d:5"], workers=3, mix_videos=False)
    for path, video in alone.items():
        other = found[path]
        assert isinstance(video, EncodedVideo)
        assert isinstance(other, EncodedVideo)
        assert (video.vectors == other.vectors).all()  # the second number is the batch's size


def test_a_video_that_fails_costs_itself_alone(mix: bool) -> None:
    found, _, cost = encoded(["a:30", "broken:1", "late:40", "b:9"], mix_videos=mix)
    assert greys(found["a:30"]) == list(range(30))
    assert greys(found["b:9"]) == list(range(9))
    for path, reason in (("broken:1", "has no video stream"), ("late:40", "breaks off")):
        failed = found[path]
        assert isinstance(failed, FailedVideo)
        assert failed.reason == reason
    assert cost.frames >= 39


def test_a_video_without_a_frame_fails_with_a_reason(mix: bool) -> None:
    found, _, _ = encoded(["a:3", "none:0"], mix_videos=mix)
    failed = found["none:0"]
    assert isinstance(failed, FailedVideo)
    assert failed.reason == "gives no frame to encode"
    assert greys(found["a:3"]) == [0, 1, 2]


def test_no_job_is_no_video() -> None:
    assert encoded([])[0] == {}


def test_vectors_that_are_not_finite_end_the_run(
    mix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Recorder, "images", lambda _, pixels: torch.full((len(pixels), 2), float("nan"))
    )
    with pytest.raises(CueframeError, match=r"not finite; choose --dtype float32 or bfloat16"):
        encoded(["a:3"], mix_videos=mix)


def test_what_is_stored_is_what_was_encoded(tmp_path: Path) -> None:
    found, _, _ = encoded(["a:3"])
    video = found["a:3"]
    assert isinstance(video, EncodedVideo)
    vectors = video.to_store(PROFILE)
    assert (vectors.whole_frames == video.vectors).all()
    assert vectors.embeddings.shape == (3, 1, 2)
    assert vectors.time_s.tolist() == [0.0, 0.5, 1.0]
    assert vectors.end_s.tolist() == [0.04, 0.54, 1.04]
    assert (vectors.content_hash, vectors.path_hint) == (f"{0:032x}", "a:3")
    assert (vectors.profile, vectors.metadata) == (PROFILE, METADATA)
