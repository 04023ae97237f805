"""Flags of train/distill.py and the checks of their values. No torch, so that --help is quick."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.errors import CueframeError
from index.run_command import own_default, positive
from index.storage.atomic_write import folder_of, refuse_overwriting
from infer.flags import DEFAULT_INDEX, LabelFiles, QueryModel, QuestionFormat

DEFAULT_OUTPUT = Path("saved_models/distilled")
DEFAULT_SUGGESTED = Path("pairs.csv")

PairFiles = Annotated[
    tyro.conf.UseAppendAction[tuple[tuple[Path, ...], ...]],
    own_default("none", "FILE"),
    tyro.conf.arg(
        help="Texts and their translations: csv or JSON Lines, a column for each language, that "
        "of the index's model first; a questions file whose paraphrases are the translations; or "
        "questions files joined by id, the first in the model's language. Several may be given."
    ),
]
"""See `train.distilling.pairs`."""


@dataclass(kw_only=True, slots=True)
class DistillConfig:
    """Flags of train/distill.py."""

    student: str
    """Multilingual text encoder, a folder or a name on the hub: of sentence-transformers, or an
    encoder of transformers with --pooling."""
    pairs: PairFiles = ()
    index: Annotated[Path | None, own_default("video_index", "PATH")] = None
    """Index whose model is the teacher."""
    model: QueryModel = None
    """The index's model, where its folder has moved: a folder or a name on the hub."""
    output_path: Annotated[
        Path | None, own_default("saved_models/distilled; with --suggest pairs.csv", "PATH")
    ] = None
    """Folder for the distilled model, new or empty; with --suggest, file for the texts."""
    questions: Annotated[Path | None, own_default("none", "FILE")] = None
    """Questions with labels in the language of the translations, about indexed videos, to count the
    hits; with --suggest, those whose texts are suggested."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    head: Literal["auto", "ridge", "tuned"] = "auto"
    """ridge: a linear map behind the student as it is. tuned: that, and the student's upper layers
    trained on from it. auto: ridge, unless there are 200 pairs or more, and tuned hits more on
    questions that it has not seen, or without labels is nearer to the teacher, beyond chance."""
    tune_student: int = 2
    """Upper layers of the student that are tuned."""
    pooling: Annotated[str | None, own_default("as the student says", "{mean,cls,...}")] = None
    """How the vectors of a text's tokens become one, of a student whose folder does not say so."""
    prompt: Annotated[str | None, own_default("the student's own", "TEXT")] = None
    """What the student reads before each text."""
    route: bool = False
    """Leave texts in the teacher's language to the teacher, so that nothing changes for them.
    Without it the student reads them, too, and hits less; --mix helps it."""
    mix: bool = False
    """Learn the teacher's language, too: each of its texts as its own translation."""
    suggest: Annotated[int | None, own_default("none", "N")] = None
    """Write N texts of --questions that are worth translating, with an empty column to be filled
    in, and do nothing else."""
    seed: int = 42
    """Seed of the folds, of the order in which layers are tuned, and of the bootstrap."""

    @property
    def pair_files(self) -> list[Path]:
        """The files of all --pairs."""
        return [path for paths in self.pairs for path in paths]

    @property
    def index_folder(self) -> Path:
        """The index that is asked."""
        return self.index or DEFAULT_INDEX

    @property
    def output(self) -> Path:
        """What is written: a folder, or with --suggest a file."""
        return self.output_path or (DEFAULT_SUGGESTED if self.suggest else DEFAULT_OUTPUT)


def refuse_bad_values(config: DistillConfig) -> None:
    """Check the flags before anything heavy is loaded.

    Raises:
        CueframeError: A number out of range, flags that do not go together, or a place that must
            not be written.
    """
    positive("--tune-student", config.tune_student)
    positive("--suggest", config.suggest)
    if not 0 <= config.seed < 2**32:
        raise CueframeError(f"--seed is {config.seed}; give a number from 0 to {2**32 - 1}")
    for path in config.pair_files:
        if path.is_dir():
            raise CueframeError(f"--pairs {path} is a folder; name the file of pairs")
    read: dict[str, list[Path | None]] = {
        "the pairs": [*config.pair_files],
        "the questions": [config.questions, *config.labels],
        "the index": [config.index_folder],
        "the model": [folder_of(config.model)],
        "the student": [folder_of(config.student)],
    }
    refuse_overwriting({"--output-path": config.output}, read)
    if config.suggest:
        if config.questions is None:
            raise CueframeError(
                f"--suggest {config.suggest} chooses among questions; name their file with "
                "--questions"
            )
        if config.pairs:
            raise CueframeError(
                "--suggest writes texts to be translated, and --pairs reads them; give one of them "
                "at a time"
            )
        return
    if not config.pairs:
        raise CueframeError(
            "no --pairs; give texts with their translations, or --suggest 200 --questions FILE for "
            "texts that are worth translating"
        )
    refuse_taken(config.output)


def refuse_taken(output: Path) -> None:
    """Refuse an output folder that holds something.

    Raises:
        CueframeError: It does, or is no folder.
    """
    if output.is_file():
        raise CueframeError(f"--output-path {output} is a file; name a folder")
    if output.is_dir() and any(output.iterdir()):
        raise CueframeError(
            f"--output-path {output} is there and not empty; name another folder, or remove it"
        )
