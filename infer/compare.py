"""Compare all strategies of picking on labelled questions, in one pass over the vectors.

Usage: python infer/compare.py QUESTIONS --index video_index

QUESTIONS is a file with support_frames or support_ranges. The table goes to stderr, the result as
one JSON object to stdout.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from index.cli import positive, run
from index.errors import CueframeError
from infer.asking import AskingModel, CaptionSetting

SHOWN = ("hit", "recall", "precision", "all@0.5", "distance_s")
"""Figures of the table; the JSON has all."""


@dataclass(kw_only=True, slots=True)
class CompareConfig:
    """Flags of infer/compare.py."""

    questions: tyro.conf.Positional[str]
    """File of labelled questions, or - for standard input."""
    index: Path = Path("video_index")
    """Folder of the index."""
    frames: int = 4
    """K, frames for a question."""
    caption: CaptionSetting = 1
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    model: AskingModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    seed: int = 42
    """Of the bootstrap."""


def compare(config: CompareConfig) -> int:
    """Score all strategies; returns the exit code."""
    positive("--frames", config.frames)
    from index.store import read_profile
    from infer.metrics import labelled
    from infer.questions import load_questions

    index, k = config.index, config.frames
    questions = load_questions(config.questions)
    labelled(questions)
    profile = read_profile(index)

    import numpy as np
    from accelerate import PartialState

    from index.progress import bar
    from infer.baselines import FIGURES
    from infer.bulk import ask, by_video, on_timelines, tell_failures
    from infer.indexed import encode_texts, load_asking_encoder, read_library
    from infer.panel import as_json, panel, print_table, tables_of, with_interval
    from infer.pick import STRATEGIES
    from infer.scores import score_video

    asked, failed = ask(questions, read_library(index), config.caption)
    tell_failures(failed, "not scored")
    if not asked:
        raise CueframeError(f"none of {len(questions)} questions can be asked of {index}")
    encoder = load_asking_encoder(
        index, profile, model=config.model, dtype=config.dtype, device=PartialState().device
    )
    texts, _ = encode_texts(encoder, [one.text for one in asked])  # (N, D)
    names = [name for name in STRATEGIES if name not in ("uniform", "random")]  # the panel has them
    times_s = {name: [np.empty(0)] * len(asked) for name in names}
    videos = by_video(asked)
    for content, numbers in bar(videos.items(), "video", len(videos)):
        seeds = np.zeros(len(numbers), np.uint64)  # only random reads them
        scored = score_video(index, profile, content, texts[numbers], seeds)
        for name in names:
            for n, rows in zip(numbers, STRATEGIES[name](scored, k), strict=True):
                times_s[name][n] = scored.time_s[rows]

    timed = on_timelines(index, asked)
    result = panel(timed, tables_of(timed, times_s, k), list(FIGURES), config.seed)
    head = ["%, _s: seconds", *SHOWN, "hit − uniform"]
    body = [
        [
            name,
            *(with_interval(figure, row) for figure in SHOWN),
            with_interval("hit", result.minus_uniform.get(name, {})),
        ]
        for name, row in result.rows.items()
    ]
    print_table([head, *body])
    told = {"questions": result.questions, "unlabelled": result.skipped, "frames": k}
    print(json.dumps(told | {"not_scored": len(failed)} | as_json(result), ensure_ascii=False))
    return 1 if failed else 0


if __name__ == "__main__":
    run(compare, CompareConfig, __doc__)
