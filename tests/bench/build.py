"""An index: the time of building it beside that of decoding alone and of encoding alone.

python -m tests.bench.build decode VIDEOS MODEL     decode alone, in this process
python -m tests.bench.build encode FRAMES MODEL     encode alone, so many frames
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Figure, Round, Row, command, file_in, python
from tests.bench.materials import make_clip, make_copies, make_video

_CORES = os.cpu_count() or 1


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield the row of a build."""
    minutes = 70 if whole else 8
    model = file_in(folder, "vit-b-32", lambda path: make_clip(path, "ViT-B/32"))
    video = file_in(folder, "minute.mp4", lambda path: make_video(path, 60))
    short = file_in(folder, "second.mp4", lambda path: make_video(path, 1))
    videos = file_in(folder, f"videos-{minutes}", lambda path: make_copies(path, video, minutes))
    index = folder / "index"
    fresh = ["--index", index, "--model", model, "--rebuild"]
    yield Row(
        name="building an index",
        sides={
            "build": command("index/build.py", videos, *fresh),
            "start": command("index/build.py", short, *fresh),
            "decode": python("tests.bench.build", "decode", videos, model),
            "encode": python("tests.bench.build", "encode", 120 * minutes, model),
        },
        figures=[
            Figure(
                what="time without start / the longest of decoding, encoding, and both CPU / cores",
                of=lambda one: (one["build"].wall_s - one["start"].wall_s) / _least_s(one),
                at_most=1.05,
            ),
            Figure(
                what="seconds of decoding alone, CPU",
                of=lambda one: float(one["decode"].said["cpu_s"]),
            ),
            Figure(
                what="seconds of encoding alone, CPU",
                of=lambda one: float(one["encode"].said["cpu_s"]),
            ),
        ],
        rounds=2,
        note=f"{minutes} minutes of 720p, 2 frames a second, ViT-B/32",
    )


def _least_s(one: Round) -> float:
    """Return the least time that a build can take with the cores there are."""
    decode, encode = one["decode"].said, one["encode"].said
    both = (decode["cpu_s"] + encode["cpu_s"]) / _CORES
    return float(max(both, decode["cpu_s"] / _CORES, encode["wall_s"]))


def _decode(videos: Path, model: str) -> None:
    from index.decoding.sampler import DEFAULT_FPS, FrameSampler
    from index.models.encoder import load_dual_model

    sampler = FrameSampler(fps=DEFAULT_FPS, transform=load_dual_model(model, None).transform)
    began_s, cpu_s = time.monotonic(), time.process_time()
    for path in sorted(videos.iterdir()):
        for _ in sampler(str(path)):
            pass
    _print(began_s, cpu_s)


def _encode(frames: int, model: str) -> None:
    import numpy as np
    import torch

    from index.models.encoder import load_encoder

    encoder, _ = load_encoder(model, device=torch.device("cpu"))
    side = (encoder.transform.height, encoder.transform.width)
    pixels = np.random.default_rng(0).integers(0, 256, (64, *side, 3), dtype=np.uint8)
    began_s, cpu_s = time.monotonic(), time.process_time()
    for start in range(0, frames, len(pixels)):
        encoder.images(pixels[: frames - start])
    _print(began_s, cpu_s)


def _print(began_s: float, cpu_s: float) -> None:
    spent = {"wall_s": time.monotonic() - began_s, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps(spent))


if __name__ == "__main__":
    what, given, name = sys.argv[1:]
    if what == "decode":
        _decode(Path(given), name)
    else:
        _encode(int(given), name)
