"""Every video comes out once, with its own vectors in its own order, whatever shares a batch."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import xxhash

from index.decoding.frame_types import PixelStream
from index.discovery import HashedFile, hash_files
from index.errors import CueframeError
from index.models.encoder import Encoder
from index.pipeline import Cost, EncodedVideo, FailedVideo, _Batch, _UnderWay, encode_videos
from tests.index.grey_videos import (
    METADATA,
    SIDE,
    broken_meanwhile,
    frames,
    full_disk,
    meddled,
    sends_what_cannot_be_read,
    told_to_end,
)
from tests.index.storage.test_store import PROFILE


class Transform:
    height = width = SIDE


class Recorder:
    """An encoder that writes grey, and the size of the batch, into a vector."""

    transform = Transform()
    name, dtype = "grey", "float16"
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def images(self, pixels: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(pixels))
        grey = pixels[:, 0, 0, 0].float()
        return torch.stack([grey, torch.full_like(grey, len(pixels))], dim=1)


def encoded(
    paths: list[str],
    batch_frames: int = 8,
    workers: int = 2,
    read: Callable[[str], PixelStream] = frames,
    **more: Any,
) -> tuple[dict[str, EncodedVideo | FailedVideo], Recorder, Cost]:
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            Path(folder, path).write_text(path)
        return _encoded(Path(folder), paths, batch_frames, workers, read, **more)


def _encoded(
    folder: Path,
    paths: list[str],
    batch_frames: int,
    workers: int,
    read: Callable[[str], PixelStream],
    **more: Any,
) -> tuple[dict[str, EncodedVideo | FailedVideo], Recorder, Cost]:
    hashed = hash_files([folder / path for path in paths])
    jobs = [job for _, job in hashed if isinstance(job, HashedFile)]
    recorder, cost = Recorder(), Cost()
    found: dict[str, EncodedVideo | FailedVideo] = {}
    for video in encode_videos(
        jobs,
        cast("Encoder", recorder),
        read,
        **{
            "batch_frames": batch_frames,
            "workers": workers,
            "limit_s": None,
            "cost": cost,
            **more,
        },
    ):
        name = Path(video.job.path).name
        assert name not in found
        found[name] = video
    assert set(found) == set(paths)
    return found, recorder, cost


def greys(video: EncodedVideo | FailedVideo) -> list[float]:
    assert isinstance(video, EncodedVideo)
    greys: list[float] = video.vectors[:, :, 0].ravel().astype(np.float64).tolist()
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


@pytest.mark.parametrize("batch_frames", [1, 7, 64])
def test_frames_of_several_tiles_have_as_many_vectors(mix: bool, batch_frames: int) -> None:
    shapes = {"a:37x3": (37, 3), "b:1x5": (1, 5), "c:20": (20, 1), "d:2x64": (2, 64)}
    found, recorder, cost = encoded(list(shapes), batch_frames, mix_videos=mix)
    for path, (count, tiles) in shapes.items():
        video = found[path]
        assert isinstance(video, EncodedVideo)
        assert video.vectors.shape == (count, tiles, 2)
        assert greys(video) == list(range(count * tiles))
        assert video.time_s.tolist() == [number / 2 for number in range(count)]
    assert cost.frames == sum(count for count, _ in shapes.values())
    assert sum(recorder.sizes) == sum(count * tiles for count, tiles in shapes.values())
    assert max(recorder.sizes) <= batch_frames


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
    with pytest.raises(
        CueframeError, match=r"no finite numbers in float16; choose --dtype float32 or"
    ):
        encoded(["a:3"], mix_videos=mix)


def test_what_is_stored_is_what_was_encoded(tmp_path: Path) -> None:
    found, _, _ = encoded(["a:3"])
    video = found["a:3"]
    assert isinstance(video, EncodedVideo)
    vectors = video.to_store(PROFILE)
    assert (vectors.embeddings == video.vectors).all()
    assert vectors.embeddings.shape == (3, 1, 2)
    assert vectors.time_s.tolist() == [0.0, 0.5, 1.0]
    assert vectors.end_s.tolist() == [0.04, 0.54, 1.04]
    assert (vectors.content_hash, vectors.path_hint) == (
        xxhash.xxh3_128_hexdigest(b"a:3"),
        video.job.path,
    )
    assert (vectors.profile, vectors.metadata) == (PROFILE, METADATA)


REPLACED = "was replaced while it was read; run again"
GONE = "was moved or deleted while it was read; run again"


def test_what_is_handed_over_is_what_was_hashed(mix: bool) -> None:
    moments = (0, 16, 20, 37)  # before the first, between chunks, within one, after the last
    reasons = {"renamed over": REPLACED, "written into": REPLACED, "deleted": GONE, "touched": None}
    paths = {f"{name}@{at}:37": why for name, why in reasons.items() for at in moments}
    found, _, _ = encoded([*paths, "intact@0:9"], read=meddled, mix_videos=mix)
    assert greys(found["intact@0:9"]) == list(range(9))
    for path, reason in paths.items():
        video = found[path]
        if reason is None:
            assert greys(video) == list(range(37))
        else:
            assert isinstance(video, FailedVideo)
            assert (video.reason, video.passing) == (reason, True)


def test_a_failure_of_a_file_that_is_being_replaced_is_not_the_contents() -> None:
    found, _, _ = encoded(["a", "b"], read=broken_meanwhile)
    a, b = found["a"], found["b"]
    assert isinstance(a, FailedVideo)
    assert isinstance(b, FailedVideo)
    assert (a.reason, a.passing) == ("breaks off", False)
    assert (b.reason, b.passing) == (REPLACED, True)


def test_a_worker_that_is_told_to_end_is_no_fault_of_its_video() -> None:
    found, _, _ = encoded(["SIGTERM:", "SIGKILL:", ":"], read=told_to_end)
    assert len(greys(found[":"])) == 1
    for path, passing in (("SIGTERM:", True), ("SIGKILL:", False)):
        failed = found[path]
        assert isinstance(failed, FailedVideo)
        assert failed.reason.startswith("its worker process was killed by signal ")
        assert failed.passing == passing


def test_what_the_parent_cannot_read_costs_its_own_video() -> None:
    found, _, _ = encoded(["a", "b", "c"], read=sends_what_cannot_be_read)
    failed = found["b"]
    assert isinstance(failed, FailedVideo)
    assert failed.reason.startswith("ValueError: invalid literal for int()")
    assert len(greys(found["a"])) == len(greys(found["c"])) == 1


def test_a_worker_that_cannot_write_ends_the_run() -> None:
    with pytest.raises(CueframeError, match="cannot be written; make room"):
        encoded(["a", "b", "c"], read=full_disk)


def test_an_absurd_limit_is_a_limit() -> None:
    assert greys(encoded(["a:3"], limit_s=1e300)[0]["a:3"]) == [0, 1, 2]


def test_an_error_in_the_parent_costs_its_own_video(
    mix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(parts: list[np.ndarray]) -> np.ndarray:
        if sum(map(len, parts)) == 3:
            raise ValueError("three\nframes")
        return concatenate(parts)

    concatenate = np.concatenate
    monkeypatch.setattr("index.pipeline.np.concatenate", refusing)
    found, _, _ = encoded(["a:20", "b:3", "c:5"], mix_videos=mix)
    assert found["b:3"] == FailedVideo(found["b:3"].job, "ValueError: three frames", passing=True)
    assert greys(found["a:20"]) == list(range(20))
    assert greys(found["c:5"]) == list(range(5))


def test_a_batch_is_kept_until_its_vectors_are_collected() -> None:
    """As on a GPU, where a batch is read after `images` has returned."""

    class Late(Recorder):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []

        def images(self, pixels: torch.Tensor) -> torch.Tensor:
            self.batches.append((pixels, vectors := super().images(pixels)))
            if len(self.batches) > 1:
                before, made = self.batches[-2]
                assert torch.equal(before[:, 0, 0, 0].float(), made[:, 0])
            return vectors

    late = Late()
    buffers = _Batch(cast("Encoder", late), 4, Cost())
    video = _UnderWay(HashedFile("a", 1, 1, "a"), 1.0)
    for number in range(40):
        for _ in buffers.add(video, np.full((1, SIDE, SIDE, 3), number, np.uint8)):
            pass
    for _ in buffers.flush():
        pass
    assert np.concatenate(video.vectors)[:, 0].tolist() == [*range(40)]
    assert len(late.batches) == 10


def test_pixels_that_may_not_be_written_are_encoded_too() -> None:
    recorder = Recorder()
    video = _UnderWay(HashedFile("a", 1, 1, "a"), 1.0)
    pixels = np.full((3, SIDE, SIDE, 3), 7, np.uint8)
    pixels.flags.writeable = False
    buffers = _Batch(cast("Encoder", recorder), 2, Cost())
    assert [*buffers.add(video, pixels), *buffers.flush()] == [video, video]
    assert np.concatenate(video.vectors)[:, 0].tolist() == [7, 7, 7]


def test_too_little_memory_for_a_batch_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.\nSee the manual")

    monkeypatch.setattr(Recorder, "images", full)
    with pytest.raises(CueframeError, match=r"out of memory \(CUDA .*; lower --batch-frames$"):
        encoded(["a:3"])
