"""Flags of train/pseudo.py and the checks of their values. No torch, so that --help is quick."""

from dataclasses import dataclass
from pathlib import Path

from index.errors import CueframeError
from index.run_command import positive
from index.storage.atomic_write import refuse_overwriting
from infer.flags import DEFAULT_INDEX, LabelFiles, QueryModel, QuestionFormat


@dataclass(kw_only=True, slots=True)
class PseudoConfig:
    """Flags of train/pseudo.py."""

    json_path: Path
    """File of labelled questions about indexed videos, on which the index's model has not been
    trained."""
    unlabelled: Path
    """File of questions about indexed videos; those that have labels are left out."""
    index: Path = DEFAULT_INDEX
    """Index of the videos."""
    model: QueryModel = None
    """The index's model, where its folder has moved: a folder or a name on the hub."""
    output_path: Path = Path("pseudo.json")
    """File for the labelled questions as they are and those that got a label."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    precision: float = 0.9
    """Share of the picks that show the evidence, on labelled videos that were held out; the margin
    is the least that reaches it."""
    folds: int = 5
    """Folds of the videos for cross-fitting."""
    strength: float = 0.1
    """Strength of the ridge regression."""
    guard_s: float = 0.5
    """Seconds around a pick; it leads the best frame outside of them."""
    regardless: bool = False
    """Write the labels even if they do not help on held-out videos."""
    seed: int = 42
    """Seed of the folds and of the bootstrap."""


def refuse_bad_values(config: PseudoConfig) -> None:
    """Check the flags before anything heavy is loaded.

    Raises:
        CueframeError: A number out of range, a missing file, or an output that is an input.
    """
    positive("--strength", config.strength)
    if not 0 < config.precision <= 1:
        raise CueframeError(f"--precision is {config.precision}; give a share above 0, up to 1")
    if config.folds < 2:
        raise CueframeError(f"--folds is {config.folds}; give 2 or more")
    if not config.guard_s >= 0:
        raise CueframeError(f"--guard_s is {config.guard_s}; give 0 or more")
    for flag, path in (("--json_path", config.json_path), ("--unlabelled", config.unlabelled)):
        if not path.is_file():
            raise CueframeError(f"{path} is not there; name the questions' file by {flag}")
    if config.output_path.is_dir():
        raise CueframeError(f"--output_path {config.output_path} is a folder; name a file")
    refuse_overwriting(
        {"--output_path": config.output_path},
        {"the questions": [config.json_path, config.unlabelled]},
    )
