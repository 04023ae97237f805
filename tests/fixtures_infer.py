"""A small index of videos with drawn numbers, built once in a process, and commands run over it."""

import atexit
import functools
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from transformers import BitImageProcessorPil, CLIPModel, CLIPProcessor, Dinov2Config, Dinov2Model

from examples.tiny_clip import make_tiny_clip
from index.build import BuildConfig, build
from index.discovery import HashedFile
from index.storage.catalog import all_paths, open_catalog
from index.storage.store import vectors_path
from tests.paths import ROOT
from tests.videos import Truth, make

TEXTS = ("Which colour has the car?", "Xe màu gì?", "What stands left of the bridge?", "A. Red")
KINDS = {  # path: kind of tests.videos; x/same.mp4 and y/same.mp4 differ
    "a/constant.mp4": "constant",
    "b_frames.mp4": "b_frames",
    "vp9.webm": "vp9",
    "few.mp4": "slow",
    "one.mp4": "one_frame",
    "x/same.mp4": "ntsc",
    "y/same.mp4": "variable",
    "bad.mp4": "text",
}
INDEXED = ["a/constant.mp4", "b_frames.mp4", "vp9.webm", "few.mp4", "one.mp4", "x/same.mp4"]
"""Videos of which each has its own content, and is named by its path alone."""


@dataclass(frozen=True)
class World:
    """Folders of videos, model and index; nothing in them may be changed."""

    folder: Path
    truth: dict[str, Truth]

    @property
    def videos(self) -> Path:
        return self.folder / "videos"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def index(self) -> Path:
        return self.folder / "index"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@functools.cache
def world() -> World:
    """Two frames a second; b/constant.mp4 is a copy of a/constant.mp4."""
    folder = Path(tempfile.mkdtemp(prefix="cueframe-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    here = World(folder, {})
    for name, kind in KINDS.items():
        path = here.videos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        here.truth[name] = make(path, kind)
    (here.videos / "b").mkdir()
    shutil.copy(here.videos / "a/constant.mp4", here.videos / "b/constant.mp4")
    make_tiny_clip(here.model, TEXTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.discovery._TICK_NS", -1)  # as if they were written a while ago
        assert build_index(here.videos, here.index, here.model) == 1  # bad.mp4
    return here


def build_index(videos: Path, index: Path, model: Path) -> int:
    """Build in this process; returns the exit code."""
    return build(BuildConfig(videos=videos, index=index, model=str(model), workers=1))


def write_questions(path: Path, *records: dict[str, Any]) -> Path:
    """A file of questions; id and question are made up where they are missing."""
    full = [{"id": f"q{n}", "question": TEXTS[0]} | record for n, record in enumerate(records)]
    path.write_text(json.dumps({"data": full}, ensure_ascii=False), encoding="utf-8")
    return path


def run_script(script: str, *args: object) -> None:
    """Run infer/SCRIPT as `python infer/SCRIPT ARGS` does, in this process."""
    old = sys.argv
    sys.argv = [script, *map(str, args)]
    try:
        runpy.run_path(str(ROOT / "infer" / script), run_name="__main__")
    finally:
        sys.argv = old


def ran(capsys: pytest.CaptureFixture[str], script: str, *args: object) -> Ran:
    """How `run_script` ended."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_script(script, *args)
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Ran(ended.value.code, said.out, said.err)


def as_a_user(script: str, *args: object, stdin: str = "") -> Ran:
    """`python infer/SCRIPT ARGS` in the repository, without the model hub."""
    done = subprocess.run(
        [sys.executable, f"infer/{script}", *map(str, args)],
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def refused(result: Ran, *wanted: str) -> None:
    """A wrong call: exit 2, one line on stderr that names what is wanted, nothing on stdout."""
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1, result.err
    for text in wanted:
        assert text in result.err


@functools.cache
def hf_model(folder: Path) -> tuple[CLIPModel, CLIPProcessor]:
    """A model and its processor as a user of transformers loads them."""
    return CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)


def text_vectors(folder: Path, texts: Iterable[str]) -> np.ndarray:
    """Unit vectors, (Q, D) float64, one text at a time through the HF model alone."""
    model, processor = hf_model(folder)
    vectors = []
    with torch.inference_mode():
        for text in texts:
            tokens = processor.tokenizer([text], return_tensors="pt")
            vector = model.get_text_features(**tokens).pooler_output[0].double().numpy()
            vectors.append(vector / np.linalg.norm(vector))
    return np.stack(vectors)


def seen_as(index: Path, path: Path) -> HashedFile:
    """What the catalog knows of a path."""
    catalog = open_catalog(index, must_exist=True)
    seen = all_paths(catalog)[str(path)]
    catalog.close()
    return seen


def stored(index: Path, path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """The vectors (F, D) float64, times (F,) and duration of a video, read by h5py alone."""
    with h5py.File(vectors_path(index, seen_as(index, path).content_hash)) as file:
        return (
            file["embeddings"][:, 0].astype(np.float64),
            file["time_s"][:],
            float(file.attrs["duration_s"]),
        )


def ends_of(index: Path, path: Path) -> np.ndarray:
    """The ends (F,) of the spans of a video's rows, read by h5py alone."""
    with h5py.File(vectors_path(index, seen_as(index, path).content_hash)) as file:
        ends_s: np.ndarray = file["end_s"][:]
    return ends_s


def best_of_segments(
    scores: np.ndarray, time_s: np.ndarray, duration_s: float, k: int
) -> list[int]:
    """The rows that the README promises, by a plain reading: scores (F,), time_s (F,)."""
    rows: list[int] = []
    for segment in range(k):
        inside = [
            row for row, t in enumerate(time_s) if min(k - 1, int(k * t / duration_s)) == segment
        ]
        if inside:
            rows.append(min(inside, key=lambda row: (-scores[row], row)))
    others = sorted(set(range(len(scores))) - set(rows), key=lambda row: (-scores[row], row))
    return sorted((rows + others[: k - len(rows)])[:k])


def number_at(truth: Truth, time_s: float) -> int:
    """The number drawn on the frame shown at a time."""
    return [number for number, shown_s in truth.frames if shown_s <= time_s + 1e-4][-1]


@functools.cache
def judge_folder() -> Path:
    """The folder of `make_judge`'s model."""
    return make_judge(world().folder / "judge")


def make_judge(folder: Path) -> Path:
    """A small DINOv2 of random weights, to which not all frames are alike."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    model = Dinov2Model(config)
    # As it is drawn, the token's own embedding drowns the picture, and all images are alike.
    torch.nn.init.zeros_(model.embeddings.cls_token)
    model.save_pretrained(folder)
    side = {"height": 28, "width": 28}
    BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=side).save_pretrained(folder)
    return folder
