"""A worker that raises, hangs, exits or is killed loses its own video; nothing else is harmed.

No heavy module is imported here, because every worker imports this one.
"""

import math
import multiprocessing
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from index.decoding.frame_types import PixelStream, VideoMetadata
from index.decoding.sampler import FrameSampler
from index.decoding.worker_pool import (
    CHUNK_SQUARES,
    Chunk,
    Done,
    Event,
    Opened,
    Sampler,
    decode_all,
    default_workers,
)
from index.errors import VideoError
from tests.paths import ROOT
from tests.truths import CENTER, Generated, check_numbers, pictures_of

SIDE = (4, 6)
CLIP = VideoMetadata(duration_s=9.0, start_s=0.5, width=6, height=4, warnings=["a warning"])


def squares_of(job: str) -> Iterator[tuple[float, float, npt.NDArray[np.uint8]]]:
    """What a job such as "name:40" or "name:40:raise" yields: 40 frames, all different.

    "name:40x3" has three squares in each.
    """
    count, _, tiles = job.split(":")[1].partition("x")
    shape = (int(tiles or 1), *SIDE, 3)
    for row in range(int(count)):
        draw = np.random.default_rng([row, *job.encode()])
        yield row / 10, (row + 1) / 10, draw.integers(0, 256, shape, dtype=np.uint8)


def play(job: str) -> PixelStream:
    """Frames, then the end that the job's name asks for."""
    yield from squares_of(job)
    end = job.split(":")[2:]
    if end == ["raise"]:
        raise ValueError("it broke\nin two lines")
    if end == ["refuse"]:
        raise VideoError("has no timestamps")
    if end == ["exit"]:
        os._exit(3)
    if end == ["hang"]:
        time.sleep(600)
    while end == ["drip"]:
        time.sleep(0.01)
        yield time.monotonic(), time.monotonic(), np.zeros((1, *SIDE, 3), np.uint8)
    return CLIP


def slow(job: str) -> PixelStream:
    """As `play`, but videos named "slow" take 20 ms a frame."""
    for frame in squares_of(job):
        time.sleep(0.02 if job.startswith("slow") else 0.002)
        yield frame
    return CLIP


def signed(job: str) -> PixelStream:
    """As `play`, each square with the process's number in it, and slow enough to be killed."""
    for time_s, end_s, square in squares_of(job):
        square.ravel()[:4] = list(os.getpid().to_bytes(4, "big"))
        time.sleep(0.002)
        yield time_s, end_s, square
    return CLIP


def counted(job: str) -> PixelStream:
    """Leaves a trace of each frame in the file that the job names."""
    for row in range(200):
        with Path(job).open("a") as trace:
            trace.write(".")
        yield row / 10, (row + 1) / 10, np.zeros((1, *SIDE, 3), np.uint8)
    return CLIP


def telling(path: str) -> PixelStream:
    """A real video, with the worker's modules in place of the warnings."""
    clip = yield from FrameSampler(fps=2.0, transform=CENTER)(path)
    return replace(clip, warnings=sorted(sys.modules))


@dataclass
class Outcome:
    claimed_s: float = -1.0
    time_s: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    tiles: set[int] = field(default_factory=set)
    pixels: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    clip: VideoMetadata | None = None
    cpu_s: float = 0.0
    reason: str = ""


def collect(
    jobs: list[str],
    read: Sampler,
    *,
    side: tuple[int, int] = SIDE,
    workers: int = 2,
    limit_s: float | None = None,
    meanwhile: Callable[[Event], None] = lambda event: None,
) -> dict[str, Outcome]:
    """Every job's outcome; the order of the events is checked on the way."""
    found = {job: Outcome() for job in jobs}
    ended = set()
    for event in decode_all(jobs, read, side=side, workers=workers, limit_s=limit_s):
        assert event.job not in ended
        outcome = found[event.job]
        if isinstance(event, Opened):
            assert outcome.claimed_s == -1.0
            outcome.claimed_s = event.claimed_s
        elif isinstance(event, Chunk):
            assert outcome.claimed_s >= 0
            assert 0 < len(event.pixels) <= CHUNK_SQUARES
            assert len(event.time_s) == len(event.end_s) <= len(event.pixels)
            outcome.tiles.add(event.tiles)
            outcome.time_s += event.time_s
            outcome.end_s += event.end_s
            outcome.pixels += list(event.pixels.copy())
        elif isinstance(event, Done):
            outcome.clip, outcome.cpu_s = event.metadata, event.cpu_s
            ended.add(event.job)
        else:
            outcome.reason = event.reason
            ended.add(event.job)
        meanwhile(event)
    assert ended == set(jobs)
    return found


def check_whole(job: str, outcome: Outcome) -> None:
    assert outcome.reason == ""
    assert outcome.clip == CLIP
    expected = list(squares_of(job))
    assert outcome.time_s == [time_s for time_s, _, _ in expected]
    assert outcome.end_s == [end_s for _, end_s, _ in expected]
    assert outcome.tiles <= {len(squares) for _, _, squares in expected}
    others = [square for _, _, squares in expected for square in squares]
    for square, other in zip(outcome.pixels, others, strict=True):
        assert (square == other).all()


def children() -> list[psutil.Process]:
    """Living child processes but for multiprocessing's own tracker."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in str(child.cmdline())
    ]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    children_before = set(children())  # those of other tests, such as a fork server
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - freed memory is kept for reuse
    yield
    assert multiprocessing.active_children() == []
    assert set(children()) <= children_before
    assert list(Path("/dev/shm").glob(f"pym-{os.getpid()}-*")) == []
    assert len(os.listdir("/proc/self/fd")) <= open_before + 8  # noqa: PTH208


def test_all_frames_arrive_in_order_and_unharmed() -> None:
    jobs = ["a:0", "b:1", "c:16", "d:17", "e:32", "f:33", "g:100", "h:250"]
    for job, outcome in collect(jobs, play).items():
        check_whole(job, outcome)
        assert outcome.claimed_s == 0.0  # no such file, so nobody knows
        assert outcome.cpu_s > 0


def test_frames_of_several_squares_arrive_whole_also_those_larger_than_a_chunk() -> None:
    jobs = ["a:0x3", "b:5x3", "c:40x3", "d:16x2", "e:3x16", "f:7x17", "g:4x64", "h:50"]
    for job, outcome in collect(jobs, play).items():
        check_whole(job, outcome)


def test_no_jobs_need_no_worker() -> None:
    assert collect([], play) == {}


def test_no_more_workers_than_jobs_are_hired() -> None:
    most = 0

    def count(event: Event) -> None:
        nonlocal most
        most = max(most, len(multiprocessing.active_children()))

    collect(["a:40", "b:40"], play, workers=9, meanwhile=count)
    assert most == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reader_that_fails_loses_its_own_video_alone(workers: int) -> None:
    jobs = ["a:40", "b:40:raise", "c:40", "d:5:refuse", "e:0:raise", "f:40:exit", "g:40", "h:40"]
    found = collect(jobs, play, workers=workers)
    assert found["b:40:raise"].reason == "ValueError: it broke in two lines"
    assert found["e:0:raise"].reason == "ValueError: it broke in two lines"
    assert found["d:5:refuse"].reason == "has no timestamps"
    assert found["f:40:exit"].reason == "its worker process ended with code 3"
    for job in ("a:40", "c:40", "g:40", "h:40"):
        check_whole(job, found[job])


def test_a_reader_that_hangs_is_ended_at_the_time_limit() -> None:
    began_s = time.monotonic()
    found = collect(["a:20:hang", "b:100", "c:0:hang", "d:100"], play, workers=2, limit_s=2.0)
    assert time.monotonic() - began_s < 30
    for job in ("a:20:hang", "c:0:hang"):
        assert found[job].reason.startswith("took longer than 2 s to decode; raise --time-limit-s")
    for job in ("b:100", "d:100"):
        check_whole(job, found[job])


def test_a_video_without_end_is_ended_at_the_time_limit() -> None:
    began_s = time.monotonic()
    found = collect(["a:0:drip", "b:100"], play, limit_s=2.0)
    assert time.monotonic() - began_s < 30
    assert len(found["a:0:drip"].time_s) > CHUNK_SQUARES  # each chunk is no new beginning
    assert found["a:0:drip"].reason.startswith("took longer than 2 s")
    check_whole("b:100", found["b:100"])


def test_a_slow_consumer_does_not_use_up_the_time_limit() -> None:
    slept = 0

    def sleep(event: Event) -> None:
        nonlocal slept
        if isinstance(event, Opened | Chunk) and slept < 3:
            slept += 1
            time.sleep(2.2)

    found = collect(["a:100", "b:100"], play, limit_s=2.0, meanwhile=sleep)
    assert slept == 3
    for job, outcome in found.items():
        check_whole(job, outcome)


def test_what_a_worker_said_while_the_consumer_was_slow_counts() -> None:
    """Its deadline passes between the moment the pipes are looked at and its turn."""
    jobs = ["a:100", "slow:40", *(f"{name}:100" for name in range(6))]
    moments = []

    def sleep(event: Event) -> None:
        if isinstance(event, Opened) and event.job == "slow:40":
            moments.append("opened")
        elif isinstance(event, Chunk) and event.job != "slow:40" and moments == ["opened"]:
            moments.append("slept")
            time.sleep(10.2)  # longer than the limit

    found = collect(jobs, slow, limit_s=10.0, meanwhile=sleep)
    assert moments == ["opened", "slept"]
    for job, outcome in found.items():
        check_whole(job, outcome)


def test_a_worker_waits_when_its_slots_are_full(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    made: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, Chunk) and len(made) < 3:
            time.sleep(0.5)
            made.append(trace.stat().st_size)

    found = collect([str(trace)], counted, meanwhile=look)
    # The chunk just yielded is still lent, and the one behind it is filled.
    assert made == [2 * CHUNK_SQUARES, 3 * CHUNK_SQUARES, 4 * CHUNK_SQUARES]
    assert len(found[str(trace)].time_s) == 200


@pytest.mark.parametrize("workers", [2])
def test_a_worker_killed_in_mid_video_ten_times_over(workers: int) -> None:
    jobs = [f"{name}:{80 + name}" for name in range(20)]
    victims = set(jobs[::2])
    killed: set[str] = set()

    def kill(event: Event) -> None:
        if isinstance(event, Chunk) and event.job in victims - killed:
            pid = int.from_bytes(event.pixels[0].tobytes()[:4], "big")
            assert pid in {child.pid for child in multiprocessing.active_children()}
            os.kill(pid, signal.SIGKILL)
            killed.add(event.job)

    found = collect(jobs, signed, workers=workers, meanwhile=kill)
    assert killed == victims
    assert len(killed) == 10
    for job, outcome in found.items():
        if job in victims:
            assert outcome.reason.startswith("its worker process was killed by signal 9")
        else:
            count = int(job.split(":")[1])
            assert (outcome.clip, outcome.time_s) == (CLIP, [row / 10 for row in range(count)])


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_kills_at_any_moment_end_in_a_report(kills: int) -> None:
    """Before a worker's first word, in the middle of one, between two videos."""
    jobs = [f"{name}:{name % 7 * 30}" for name in range(4 * kills)]
    draw = random.Random(kills)
    over = Flag()

    def hunt() -> None:
        for _ in range(kills):
            if over.wait(draw.uniform(0.0, 0.6)):
                return
            for child in multiprocessing.active_children()[:1]:
                child.kill()

    hunter = Thread(target=hunt)
    hunter.start()
    try:
        found = collect(jobs, play, workers=2)
    finally:
        over.set()
        hunter.join()
    lost = {job for job, outcome in found.items() if outcome.reason}
    assert len(lost) <= kills
    for job in lost:
        assert "killed by signal 9" in found[job].reason
    for job in set(jobs) - lost:
        check_whole(job, found[job])


def test_a_stopped_run_takes_its_workers_along() -> None:
    before = set(children())
    events = decode_all(["a:20:hang", "b:20:hang"], play, side=SIDE, workers=2, limit_s=None)
    assert isinstance(events, Generator)
    assert any(isinstance(event, Chunk) for event in events)
    assert len(set(children()) - before) == 2
    events.close()
    assert set(children()) <= before


def test_workers_die_with_a_killed_parent() -> None:
    code = (
        "from index.decoding.worker_pool import *\n"
        "from tests.index.decoding.test_worker_pool import SIDE, play\n"
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    for event in decode_all(['a:20:hang'], play, side=SIDE, workers=1, limit_s=None):\n"
        "        if isinstance(event, Chunk):\n"
        "            print(multiprocessing.active_children()[0].pid, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([worker], timeout=20)
    assert not worker.is_running()


def test_real_videos_are_the_same_with_one_worker_and_three(generated: Generated) -> None:
    kinds = ("b_frames", "vp9", "mpegts", "variable", "rotation", "raw")
    paths = {kind: generated(kind)[0] for kind in kinds}
    jobs = [str(path) for path in paths.values()]
    sampling = FrameSampler(fps=7.3, transform=CENTER)
    one = collect(jobs, sampling, side=(224, 224), workers=1)
    three = collect(jobs, sampling, side=(224, 224), workers=3)
    for kind, path in paths.items():
        first, second = one[str(path)], three[str(path)]
        assert (first.time_s, first.clip, first.reason) == (
            second.time_s,
            second.clip,
            second.reason,
        )
        assert all((a == b).all() for a, b in zip(first.pixels, second.pixels, strict=True))
        if kind == "raw":
            assert "no timestamps" in first.reason
            continue
        assert first.claimed_s == pytest.approx(generated(kind)[1].duration_s, abs=0.2)
        frames = [square[None] for square in first.pixels]  # of one square each
        rows = zip(first.time_s, first.end_s, frames, strict=True)
        assert check_numbers(generated(kind)[1], pictures_of(kind, rows)) == len(first.time_s) > 20


def test_a_worker_does_without_torch(generated: Generated) -> None:
    path = str(generated("b_frames")[0])
    found = collect([path], telling, side=(224, 224))
    clip = found[path].clip
    assert clip is not None
    assert "av" in clip.warnings
    assert not {"torch", "transformers", "faiss", "h5py", "pydantic"} & set(clip.warnings)


def declare(path: Path, duration_s: float) -> None:
    """Write another duration into the header of a Matroska file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # the element's name and its size, 8
    struct.pack_into(">d", data, at, 1000 * duration_s)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "duration_s", [31 * 3600.0, 9e11, 9e99, math.inf, math.nan, -math.inf, -5.0, 0.0]
)
def test_an_absurd_declared_duration_costs_nothing(
    duration_s: float, generated: Generated, tmp_path: Path
) -> None:
    path = tmp_path / "video.mkv"
    path.write_bytes(generated("mkv")[0].read_bytes())
    declare(path, duration_s)
    sampler = FrameSampler(fps=2.0, transform=CENTER)
    outcome = collect([str(path)], sampler, side=(224, 224))[str(path)]
    assert outcome.reason == ""
    assert 0 <= outcome.claimed_s < math.inf
    assert len(outcome.time_s) == 8
    assert outcome.clip is not None
    assert outcome.clip.duration_s == 4.0


def test_a_limit_of_years_is_no_error() -> None:
    outcome = collect(["a:5"], play, limit_s=1e12)["a:5"]
    check_whole("a:5", outcome)


def test_each_workers_memory_is_pinned_while_it_works() -> None:
    pinned: dict[int, bool] = {}

    def pin(memory: npt.NDArray[np.uint8]) -> Callable[[], None]:
        place = memory.ctypes.data
        assert memory.nbytes == 2 * CHUNK_SQUARES * np.prod(SIDE) * 3
        pinned[place] = True

        def unpin() -> None:
            memory[:] = 0  # it is still mapped
            pinned[place] = False

        return unpin

    for event in decode_all(
        ["a:40", "b:3:exit", "c:40"], play, side=SIDE, workers=2, limit_s=None, pin=pin
    ):
        if isinstance(event, Chunk):
            place = event.pixels.ctypes.data
            assert any(
                held and start <= place < start + 2 * CHUNK_SQUARES * np.prod(SIDE) * 3
                for start, held in pinned.items()
            )
    assert set(pinned.values()) == {False}


def test_an_encoder_on_a_gpu_leaves_all_cores_to_the_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert (default_workers(on_gpu=True), default_workers(on_gpu=False)) == (16, 15)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert (default_workers(on_gpu=True), default_workers(on_gpu=False)) == (2, 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert (default_workers(on_gpu=True), default_workers(on_gpu=False)) == (1, 1)
