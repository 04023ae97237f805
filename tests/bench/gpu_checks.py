"""The checks of tests/bench/gpu_check.py on speed and pixels.

A check yields lines for people and raises where something is wrong. Commands run in processes of
their own, as for a user.
"""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np
import numpy.typing as npt
import torch

from index.decoding import cuda_decoder
from index.decoding.decoders import read
from index.decoding.frame_types import every
from index.decoding.shared_memory import mapped, reserved_memory
from index.errors import CueframeError
from index.models.encoder import Encoder, load_encoder
from index.pinned_memory import pin
from index.storage.catalog import all_videos, open_catalog
from index.storage.store import read_own_vectors, read_profile
from tests.bench.gpu_scene import Scene
from tests.bench.materials import write_questions


def machine(scene: Scene) -> Iterator[str]:
    """The machine, and that torch computes on its GPU."""
    yield f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    yield f"PyAV {av.__version__}, {'tiny shapes' if scene.tiny else _gpu()}"
    assert float(torch.ones(3, device=scene.device).sum()) == 3


def _gpu() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()


def build(scene: Scene) -> Iterator[str]:
    """A build, beside the encoder alone and the decoding alone."""
    index = scene.folder / "index"
    model = scene.model("ViT-L/14")
    fresh = ["--index", index, "--model", model, "--rebuild"]
    said = scene.run("index/build.py", scene.videos(), *fresh).said
    assert said["failed"] == 0, said
    yield f"{said['frames_per_s']} frames/s with loading: {said}"
    first = scene.run(
        "index/build.py", scene.video(1), *fresh[:1], scene.folder / "one", *fresh[2:]
    )
    wall_s = said["wall_s"] - first.said["wall_s"]
    yield (
        f"{said['frames'] / wall_s:.0f} frames/s without loading: {wall_s:.1f} s; the cores alone "
        f"need {said['decode_cpu_s'] / (os.cpu_count() or 1):.1f} s, the encoder {said['encode_s']}"
    )
    encoder, _ = load_encoder(str(model), device=scene.device)
    side = (encoder.transform.height, encoder.transform.width)
    pixels = np.random.default_rng(0).integers(0, 256, (64, *side, 3), dtype=np.uint8)
    there = torch.from_numpy(pixels).to(scene.device)
    for name, images in (("from the host", pixels), ("on the device", there)):
        yield f"the encoder alone, {name}: {_frames_per_s(encoder, images, scene):.0f} frames/s"


def _frames_per_s(
    encoder: Encoder, images: npt.NDArray[np.uint8] | torch.Tensor, scene: Scene
) -> float:
    rounds = scene.sized(40, 2)
    for warm in (True, False):
        began_s = time.monotonic()
        for _ in range(1 if warm else rounds):
            vectors = encoder.images(images)
        vectors.cpu()
    return rounds * len(images) / (time.monotonic() - began_s)


def card_pixels(scene: Scene) -> Iterator[str]:
    """Every frame that the card decodes, beside the software decoder's."""
    if scene.tiny:
        try:
            next(read(scene.video(3), every(2), decoder="cuda"))
        except CueframeError as error:
            yield f"refused, as it should be: {error}"
        return
    x265 = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=4"}
    coded = [
        scene.video(6),
        scene.video(6, "libx265", **x265),
        scene.video(6, "libvpx-vp9", deadline="realtime", **{"cpu-used": "8"}),
    ]
    with _counted() as by_card:
        for path in coded:
            before = len(by_card)
            ours = read(path, every(25), decoder="cuda")
            theirs = read(path, every(25), decoder="pyav")
            other = frames = 0
            for one, same in zip(ours, theirs, strict=True):
                frames += 1
                other += one[:2] != same[:2] or one.image.tobytes() != same.image.tobytes()
            yield f"{path.name}: {other} of {frames} frames differ, {len(by_card) - before} by card"
            assert not other
            assert len(by_card) > before, "the card decoded none of them"
    long = scene.video(60)
    for name in ("cuda", "pyav", "auto"):
        began_s, cpu_s = time.monotonic(), time.process_time()
        for _ in read(long, every(2), decoder=name):
            pass
        spent = f"{time.process_time() - cpu_s:.2f} CPU s, {time.monotonic() - began_s:.2f} s"
        yield f"60 s of 720p, 2 a second, {name}: {spent}"


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Yield a list that collects the times of the frames that come from a card."""
    found: list[int] = []
    own = cuda_decoder.laid_out

    def laid_out(frame: av.VideoFrame, layout: str) -> av.VideoFrame:
        if frame.format.name == "nv12":
            found.append(frame.pts or 0)
        return own(frame, layout)

    with patch.object(cuda_decoder, "laid_out", laid_out):
        yield found


def card_build(scene: Scene) -> Iterator[str]:
    """A build that decodes on the card: as fast as what, and with the same vectors."""
    if scene.tiny:
        return
    index = scene.folder / "card-index"
    model = scene.model("ViT-L/14")
    words = ["--index", index, "--model", model, "--decoder", "cuda"]
    said = scene.run("index/build.py", scene.videos(), *words).said
    assert said["failed"] == 0, said
    yield f"{said['frames_per_s']} frames/s with loading: {said}"
    ours, theirs = _vectors(index), _vectors(scene.index())
    assert ours.keys() == theirs.keys()
    least = min(float((ours[key] * theirs[key]).sum(-1).min()) for key in ours)
    yield f"the least cosine to the vectors of software: {least:.6f}"
    assert least > 0.999  # the same pixels, in batches of other frames


def _vectors(index: Path) -> dict[str, npt.NDArray[np.float32]]:
    profile = read_profile(index)
    catalog = open_catalog(index)
    try:
        return {
            content: read_own_vectors(index, profile, content).embeddings.astype(np.float32)
            for content in all_videos(catalog)
        }
    finally:
        catalog.close()


def answers(scene: Scene) -> Iterator[str]:
    """Many questions, and one."""
    videos = sorted(scene.videos().iterdir())
    for count in (scene.sized(10_000, 40), 1):
        questions = scene.folder / f"{count}.json"
        write_questions(questions, videos, count)
        output = scene.folder / f"{count}.jsonl"
        words = [questions, "--index", scene.index(), "--output", output]
        spent = scene.run("infer/answer.py", *words)
        assert spent.said["answered"] == count, spent.said
        yield f"{spent.wall_s:.1f} s, {spent.peak_mb:.0f} MB: {spent.said}"


def pinned(scene: Scene) -> Iterator[str]:
    """The workers' kind of memory can be pinned, and is copied from right."""
    if scene.tiny:
        return
    with reserved_memory(64 * 2**20) as file:
        memory = mapped(file.fileno())
    memory[:] = np.arange(len(memory)) % 251
    tensor = torch.from_numpy(memory)
    tensor.to("cuda")  # the first copy sets up more than the copy
    speeds = {}
    for how in ("pageable", "pinned"):
        unpin = pin(memory) if how == "pinned" else lambda: None
        assert tensor.is_pinned() == (how == "pinned"), f"memory is not {how}"
        began_s = time.monotonic()
        there = tensor.to("cuda")
        torch.cuda.synchronize()
        speeds[how] = len(memory) / (time.monotonic() - began_s) / 1e9
        assert bool((there.cpu() == tensor).all())
        unpin()
    yield ", ".join(f"{how}: {speed:.1f} GB/s" for how, speed in speeds.items())
