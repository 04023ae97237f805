"""The commands that advice names, with the files of the call at hand."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MULTILINGUAL = "google/siglip2-so400m-patch14-384"
"""An encoder of many languages, where there is no index yet that has to be kept."""
STUDENT = "intfloat/multilingual-e5-small"
DISTILLED = "saved_models/distilled"
PAIRS = "pairs.csv"
"""Where train/distill.py --suggest writes."""
FILE = "FILE"
"""Stands for the questions where they came from standard input."""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Makes commands that can be copied into a shell."""

    questions: str
    """The file, as it was given, or `FILE`."""
    index: Path | None
    """Value of --index."""
    model: str | None
    """Value of --model."""

    def answer(self, *flags: str) -> str:
        """Ask the questions."""
        return _typed("infer/answer.py", self.questions, *self._of_the_call(), *flags)

    def doctor(self, *flags: str) -> str:
        """Look at them again."""
        return _typed("infer/doctor.py", self.questions, *self._of_the_call(), *flags)

    def doctor_of(self, model: str) -> str:
        """Look at them again for another encoder."""
        return _typed("infer/doctor.py", self.questions, "--model", model)

    def build(self, videos: str, *flags: str) -> str:
        """Add videos to the index."""
        return _typed("index/build.py", videos, "--index", str(self.index), *flags)

    def own_model(self, other: str) -> tuple[str, ...]:
        """Ask an index by the encoder that built it, or build another by the one that was named."""
        own = _typed("infer/doctor.py", self.questions, "--index", str(self.index))
        videos = ("VIDEOS", "--index", "OTHER_INDEX", "--model", other)
        return (own, "or, to ask by that encoder:", _typed("index/build.py", *videos))

    def repair(self) -> str:
        """Mend the index."""
        return _typed("index/check.py", str(self.index), "--repair")

    def other_language(self, questions: str | None = None) -> tuple[str, ...]:
        """Make questions of a language readable that the encoder does not read.

        They are those of the call, or of another file that has the same in another language.
        """
        if self.index is None:
            return (self.doctor_of(MULTILINGUAL),)
        questions = questions or self.questions
        student = ("--student", STUDENT)
        index = ("--index", str(self.index))
        asked = ("infer/answer.py", questions, *index, "--model", DISTILLED)
        return (
            _typed("train/distill.py", *student, "--suggest", "200", "--questions", questions),
            f"write the translation of each text into the empty column of {PAIRS}, then",
            _typed("train/distill.py", *index, *student, "--pairs", PAIRS, "--route"),
            _typed(*asked),
        )

    def _of_the_call(self) -> list[str]:
        index = ["--index", str(self.index)] if self.index else []
        return index + (["--model", self.model] if self.model else [])


def folder_of_all(paths: Iterable[str]) -> str:
    """Return the folder in which all videos of an index are, or VIDEOS where there is none now."""
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 - many, as they are written
    common = os.path.commonpath(folders) if folders else ""
    return common if len(common) > 1 and Path(common).is_dir() else "VIDEOS"


def _typed(*words: str) -> str:
    return " ".join(["python", *map(shlex.quote, words)])
