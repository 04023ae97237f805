"""The file of a rule that was chosen on labelled questions: what `--rules` reads."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from index.errors import CueframeError
from index.models.long_texts import LongText
from index.storage.atomic_write import written_whole
from infer.question_texts import ChoiceTexts
from infer.records import short
from infer.selection.frame_scores import Join
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule
from infer.selection.smoothing import LONGEST_SMOOTHING_S

_LARGEST = 1 << 20
"""Bytes; the files that are written here have some two thousand."""


def _known(pick: str) -> str:
    if pick not in STRATEGIES or pick in BASELINES:
        raise ValueError("no strategy of this name")
    return pick


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Gain(_Strict):
    """A difference to the default on videos that the choice has not seen, with its interval."""

    mean: float
    low: float | None
    high: float | None
    questions: int


class ChosenRule(_Strict):
    """A rule of picking with what its scores are made of, and what it was chosen on."""

    rules: Literal[1]
    """The form of the file."""
    pick: Annotated[str, AfterValidator(_known)]
    smooth_s: Annotated[float, Field(ge=0, le=LONGEST_SMOOTHING_S, allow_inf_nan=False)]
    choices: ChoiceTexts
    join: Join
    caption: Annotated[int, Field(ge=1, le=3)]
    long_text: LongText
    frames: Annotated[int, Field(ge=1)]
    """K for which it was chosen."""
    index: str
    """Key of the profile of the index (`index.storage.store.Profile.key`)."""
    questions: int
    """Number of labelled questions that it was chosen on."""
    videos: int
    default: str
    """The rule that it had to be better than, in words."""
    why: str
    gains: dict[str, Gain]
    """By figure."""

    @model_validator(mode="after")
    def _goes_together(self) -> "ChosenRule":
        if self.choices == "each" and self.caption == 1:
            raise ValueError("caption 1 reads no choices")
        if self.choices == "joined" and self.join == "mean":
            raise ValueError("join mean has no texts to join")
        return self

    @property
    def rule(self) -> Rule:
        """How the frames are picked."""
        return Rule(self.pick, self.smooth_s, self.choices, self.join)


def write_rule_file(path: Path, chosen: ChosenRule) -> None:
    """Write a chosen rule, whole or not at all.

    Raises:
        CueframeError: The file cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(chosen.model_dump(), indent=2, ensure_ascii=False) + "\n")


def read_rule_file(path: Path) -> ChosenRule:
    """Read a chosen rule.

    Raises:
        CueframeError: The file cannot be read, or is not what `write_rule_file` writes.
    """
    remedy = "write one with python infer/compare.py QUESTIONS --choose FILE"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise CueframeError(
            f"--rules {path} cannot be read ({error.strerror}); name another, or {remedy}"
        ) from error
    if len(content) > _LARGEST:
        raise CueframeError(f"--rules {path} is no file of rules, but larger; {remedy}")
    try:
        return ChosenRule.model_validate_json(content)
    except ValidationError as invalid:
        raise CueframeError(
            f"--rules {path} is no file of rules: {_wrong(invalid)}; {remedy}"
        ) from (invalid)


def refuse_other_use(path: Path, chosen: ChosenRule, k: int, key: str, long_text: LongText) -> None:
    """Refuse a chosen rule where it is used otherwise than it was chosen.

    Args:
        path: Its file.
        chosen: Its content.
        k: K now.
        key: Key of the profile of the index that is asked.
        long_text: How long texts are read now.

    Raises:
        CueframeError: K, the index's profile or the reading of long texts is another.
    """
    if chosen.frames != k:
        raise CueframeError(
            f"--rules {path} was chosen for {chosen.frames} frames, not for {k}; give --frames "
            f"{chosen.frames}, or choose anew with python infer/compare.py --choose --frames {k}"
        )
    if chosen.index != key:
        raise CueframeError(
            f"--rules {path} was chosen on an index of another model, rate or size; choose anew "
            "on this one with python infer/compare.py --choose"
        )
    if chosen.long_text != long_text:
        raise CueframeError(
            f"--rules {path} was chosen with --long-text {chosen.long_text}, not {long_text}; give "
            "that"
        )


def _wrong(invalid: ValidationError) -> str:
    """Return what is wrong with the first wrong field, in one line."""
    error: Any = invalid.errors(include_url=False)[0]
    if not error["loc"]:
        told = error.get("ctx", {}).get("error")
        return str(told) if error["type"] == "value_error" else "it is not a JSON object of a rule"
    where = short(".".join(map(str, error["loc"])))
    return f"{where} is missing" if error["type"] == "missing" else f"{where} cannot be used"
