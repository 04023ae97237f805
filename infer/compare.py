"""Compare all picking strategies on labelled questions, in one pass over the vectors.

Usage: python infer/compare.py QUESTIONS --index video_index

QUESTIONS is a file with support_frames, support_ranges or scenes. The table goes to stderr, the
result as one JSON object to stdout.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro

    from index.run_command import positive, run
    from infer.flags import (
        ChoicesSetting,
        JoinSetting,
        LabelFiles,
        LongTextSetting,
        QueryModel,
        QuestionFormat,
        ReadCaption,
        SmoothSeconds,
    )
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class CompareConfig:
    """Flags of infer/compare.py."""

    questions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTIONS")]
    """File of labelled questions, or - for standard input."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    index: Path = Path("video_index")
    """Folder of the index."""
    frames: int = 4
    """K, frames per question."""
    smooth_s: SmoothSeconds = 0.0
    caption: ReadCaption = None
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    choices: ChoicesSetting = "joined"
    join: JoinSetting = "max"
    long_text: LongTextSetting = "windows"
    model: QueryModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    seed: int = 42
    """Seed of the bootstrap."""


def compare(config: CompareConfig) -> int:
    """Score all strategies; returns the exit code."""
    positive("--frames", config.frames)
    from infer.metrics import require_labels
    from infer.question_files.loading import read_questions

    # Before torch is loaded, so that unusable questions fail at once.
    file = read_questions(config.questions, layout=config.format, labels=config.labels)
    file.print_refused("question")
    require_labels(file.records)
    from infer.comparing import compare_strategies

    code = compare_strategies(
        file.records,
        config.index,
        k=config.frames,
        smooth_s=config.smooth_s,
        caption=config.caption,
        choices=config.choices,
        join=config.join,
        long_text=config.long_text,
        model=config.model,
        dtype=config.dtype,
        seed=config.seed,
    )
    return code if file.complete else 1


if __name__ == "__main__":
    run(compare, CompareConfig, __doc__)
