"""One training of the bench as a user does it, and what its model hits. What is done is kept.

Legend: N questions, M figures.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from examples.labels.measure import Side, encoder_of, figures_by_wording
from examples.labels.recipes import COMMON, QUESTIONS_PER_STEP, RECIPES
from examples.scenes import write_questions
from index.errors import CueframeError
from index.messages import say

ROOT = Path(__file__).parents[2]


class Trained(NamedTuple):
    """What came out of one training."""

    figures: dict[str, npt.NDArray[np.float64]]
    """(N, M) `examples.labels.measure.FIGURES` by wording."""
    cpu_s: float
    """CPU time of train/main.py with all its processes, from its start to its end."""


def mine(folder: Path, seed: int) -> None:
    """Mine the frames of all questions of a side, once for all of its runs."""
    side = folder / "clips" / f"train_{seed}" / f"train_{seed}.json"
    model = _untrained(folder / "mined" / f"model_{seed}", side, seed)
    call(
        *("train/mine.py", "--input_folder", folder / "clips", "--json_path", side),
        *("--output_folder", folder / "mined" / str(seed), "--model", model),
        *("--neg_sim_threshold", 1.1, "--seed", seed),  # an untrained model finds all frames alike
    )


def trained(folder: Path, name: str, questions: int, seed: int, test: Side) -> Trained:
    """Train by a recipe on the first questions of a side, and ask; or read what was kept of it."""
    own = folder / "runs" / f"{name}_{questions}_{seed}"
    kept = own / "result.json"
    if not kept.exists():
        say(f"{name}: {questions} questions, seed {seed}")
        own.mkdir(parents=True, exist_ok=True)
        cpu_s = _train(folder, own, name, questions, seed)
        found = figures_by_wording(encoder_of(own / "trained"), test)
        lists = {wording: table.tolist() for wording, table in found.items()}
        kept.write_text(json.dumps({"cpu_s": cpu_s, "figures": lists}), encoding="utf-8")
    result: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    tables = {wording: np.array(rows) for wording, rows in result["figures"].items()}
    return Trained(tables, result["cpu_s"])


def _train(folder: Path, own: Path, name: str, questions: int, seed: int) -> float:
    """Train in a folder; return the CPU seconds."""
    recipe, side = RECIPES[name], folder / "clips" / f"train_{seed}"
    source = json.loads((side / f"{side.name}.json").read_text(encoding="utf-8"))
    records = source["data"][:questions]
    if not recipe.paraphrases:
        records = [{k: v for k, v in one.items() if k != "paraphrases"} for one in records]
    write_questions(own / "train.json", records)
    model = _untrained(own / "untrained", own / "train.json", seed)
    return call(
        *("train/main.py", "--json_path", own / "train.json", "--video_path", side / "videos"),
        *("--image_path", folder / "mined" / str(seed), "--model", model),
        *("--output_path", own / "trained", "--seed", seed, *COMMON, *recipe.flags),
        *("--batch_size", min(QUESTIONS_PER_STEP, questions)),
    )


def _untrained(model: Path, questions: Path, seed: int) -> Path:
    """Make the demo's untrained encoder, whose tokenizer knows the texts of these questions."""
    call("examples/tiny_clip.py", model, "--questions", questions, "--seed", seed)
    return model


def call(script: str, *arguments: object) -> float:
    """Run a script as a user does, without its result; return its CPU seconds.

    Raises:
        CueframeError: It failed; its error is on stderr.
    """
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603  (own)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CueframeError(f"{script} ended with code {process.returncode}; its error is above")
    return used.ru_utime + used.ru_stime
