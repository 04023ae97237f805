"""A few drawn scenes with their frames as train/mine.py lays them out, and training over them."""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from PIL import Image
from safetensors.torch import load_file

from examples.scenes import RATE_FPS, draw_scenes
from examples.tiny_clip import make_tiny_clip, read_texts
from index.decoding.decoders import read
from index.decoding.frame_types import every
from index.discovery import HashedFile, hash_files
from tests.paths import ROOT
from train.config import TrainConfig
from train.main import main

VIDEOS = 8
QUESTIONS = 38


@dataclass(frozen=True)
class World:
    """Folders of scenes, mined frames and an untrained model; nothing in them may be changed."""

    folder: Path

    @property
    def json_path(self) -> Path:
        return self.folder / "train" / "train.json"

    @property
    def videos(self) -> Path:
        return self.folder / "train" / "videos"

    @property
    def mined(self) -> Path:
        return self.folder / "mined"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def questions(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = json.loads(self.json_path.read_text())["data"]
        return records


@functools.cache
def world() -> World:
    """Question n has n mod 4 negatives."""
    folder = Path(tempfile.mkdtemp(prefix="cueframe-train-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    here = World(folder)
    draw_scenes(folder, train_videos=VIDEOS, test_videos=0)
    scenes = {path.stem: _frames(path) for path in here.videos.iterdir()}
    for number, question in enumerate(here.questions()):
        frames = scenes[Path(question["video_path"]).stem]
        shown = [round(time_s * RATE_FPS) for time_s in question["support_frames"]]
        far = [n for n in range(0, len(frames), 5) if min(abs(n - s) for s in shown) > 15]
        for kind, numbers in (("true", shown), ("neg", far[: number % 4])):
            pictures = here.mined / f"frames_{kind}" / question["id"]
            pictures.mkdir(parents=True)
            for n in numbers:
                frames[n].save(pictures / f"{n:04d}.png")
    hashes = {path.name: seen for path, seen in hash_files(here.videos.iterdir())}
    with (here.mined / "mined.jsonl").open("w") as file:
        for question in here.questions():
            seen = hashes[Path(question["video_path"]).name]
            assert isinstance(seen, HashedFile)
            file.write(json.dumps({"id": question["id"], "content_hash": seen.content_hash}) + "\n")
    tiny_model(here.model, here)
    return here


def _frames(video: Path) -> list[Image.Image]:
    return [frame.image.resize((80, 45)) for frame in read(video, every(RATE_FPS))]


def tiny_model(folder: Path, here: World, seed: int = 0) -> Path:
    """An untrained CLIP that is faster still than the demo's."""
    texts = read_texts(here.json_path)
    make_tiny_clip(folder, texts, seed=seed, image_size=32, width=32, layers=1)
    return folder


def config(output: Path, **flags: Any) -> TrainConfig:
    """Two epochs of five steps, four of eight questions and one of six, without validation."""
    here = world()
    usual: dict[str, Any] = {
        "json_path": here.json_path,
        "image_path": here.mined,
        "video_path": here.videos,
        "output_path": output,
        "model": str(here.model),
        "loss_setting": 3,
        "batch_size": 4,
        "accumulation_steps": 2,
        "epochs": 2,
        "negatives_per_question": 1,
        "lr": 1e-3,
        "ratio": 0.0,
        "num_workers": 0,
        "judge": "none",
    }
    return TrainConfig(**(usual | flags))


def with_paraphrases(folder: Path) -> Path:
    """Write the questions with two other wordings each, one of them long; returns their file."""
    data = json.loads(world().json_path.read_text())
    for one in data["data"]:
        one["paraphrases"] = [f"tell me {one['question']}", "say so, please. " * 30 + one["id"]]
    path = folder / "paraphrases.json"
    path.write_text(json.dumps(data))
    return path


def forget_accelerate() -> None:
    """Let the next run in this process choose device and precision anew."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    PartialState._reset_state()


def trained(output: Path, **flags: Any) -> Path:
    """Train in this process, on one thread; returns the output folder."""
    forget_accelerate()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main(config(output, **flags)) == 0
    finally:
        torch.set_num_threads(threads)
        forget_accelerate()
    return output


def as_flags(flags: TrainConfig) -> list[str]:
    """The command line of a configuration."""
    words: list[str] = []
    for name in TrainConfig.__dataclass_fields__:
        value = getattr(flags, name)
        if isinstance(value, bool):
            words += [f"--{name}"] * value
        elif isinstance(value, tuple):
            words += [f"--{name}", *map(str, value)] if value else []
        elif value is not None:
            words += [f"--{name}", str(value)]
    return words


def command(flags: TrainConfig, processes: int = 1) -> list[str]:
    """The words that train in processes of their own."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
        start += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    return [*start, str(ROOT / "train" / "main.py"), *as_flags(flags)]


def environment() -> dict[str, str]:
    """Of a process of its own: one thread, no GPU, no model hub."""
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "HF_HUB_OFFLINE": "1",
    }


def started(flags: TrainConfig, processes: int = 1) -> "subprocess.CompletedProcess[str]":
    """Train in processes of their own, to the end."""
    return subprocess.run(
        command(flags, processes), env=environment(), capture_output=True, text=True, timeout=250
    )


CLOCK = ("step_s", "data_s", "questions_per_s", "memory_bytes", "left_s")
"""Figures of a step that differ from run to run."""


def metrics(output: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without the figures that differ from run to run."""
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in metrics(output) if "loss" in line]


def weights(output: Path) -> torch.Tensor:
    """The saved model's weights as one vector."""
    tensors = load_file(output / "model.safetensors")
    return torch.cat([tensors[name].flatten().double() for name in sorted(tensors)])


def refusal(output: Path, **flags: Any) -> str:
    """The one line with which a call is refused."""
    from index.errors import CueframeError

    with pytest.raises(CueframeError) as refused:
        trained(output, **flags)
    line = str(refused.value)
    assert "\n" not in line
    return line
