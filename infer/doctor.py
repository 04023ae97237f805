"""Say what is wrong with a questions file for an encoder and an index, before the computing.

Usage: python infer/doctor.py QUESTIONS
       python infer/doctor.py QUESTIONS --model openai/clip-vit-large-patch14
       python infer/doctor.py QUESTIONS --index video_index

Each finding says what to do, mostly as a command. Without --index nothing is said of the videos,
and without either flag nothing of the encoder. The exit code is 1 where there is a problem. Nothing
is written.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro

    from index.run_command import own_default, positive, run
    from infer.flags import (
        CaptionSetting,
        ChoicesSetting,
        LabelFiles,
        LongTextSetting,
        QuestionFormat,
    )
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class DoctorConfig:
    """Flags of infer/doctor.py."""

    questions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTIONS")]
    """File of questions, or - for standard input."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    model: Annotated[
        str | None,
        tyro.conf.arg(aliases=("--model-name",)),
        own_default("the one that built the index; without --index none", "STR"),
    ] = None
    """Dual encoder, a folder or a name on the hub."""
    index: Annotated[Path | None, own_default("none", "PATH")] = None
    """Folder of the index that will be asked."""
    translations: Annotated[str | None, own_default("none", "FILE")] = None
    """The same questions in another language, with the same ids: whether the encoder reads both is
    measured, as it is on paraphrases in QUESTIONS."""
    caption: CaptionSetting = None
    """How the questions will be asked, as in infer/answer.py: 1 the question, 2 its choices, 3
    both."""
    choices: ChoicesSetting = None
    long_text: LongTextSetting = "windows"
    frames: int = 4
    """K, frames per question."""
    json: bool = False
    """Print one JSON object, with all counts."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    seed: int = 42
    """Seed of the bootstrap of what is measured."""


def doctor(config: DoctorConfig) -> int:
    """Print what is found; returns the exit code."""
    positive("--frames", config.frames)
    from infer.diagnosing import diagnose_and_print

    return diagnose_and_print(
        config.questions,
        layout=config.format,
        labels=config.labels,
        model=config.model,
        index=config.index,
        translations=config.translations,
        caption=config.caption,
        choices=config.choices or "joined",
        long_text=config.long_text,
        frames=config.frames,
        as_json_object=config.json,
        dtype=config.dtype,
        seed=config.seed,
    )


if __name__ == "__main__":
    run(doctor, DoctorConfig, __doc__)
