"""A dual encoder whose texts are read by a student that was taught another language.

The teacher is the model that built an index. Its vision side stays as it is, and so does its text
side, which texts in its own language may be sent to (`Distilled.route`).

B: images or texts of a batch, D: width of a vector, H, W: height and width of the model's input.
"""

import json
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from index.errors import CueframeError
from index.languages import is_in, refuse_unknown_languages
from index.models.dual_model import DualModel, Side, Tokens
from index.models.libraries import DISTILLED, STUDENT, TEACHER
from index.models.model_loading import in_one_line
from index.models.sentence_model import SentenceModel

VERSION = 1
"""Of distilled.json."""
_TRAINING = "training.json"
"""What train/main.py writes beside a model: the videos that it was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """What distilled.json says."""

    route: str | None
    """Language, as an ISO 639-1 code, whose texts go to the teacher; None: none do."""
    languages: tuple[str, ...]
    """Codes of the languages that the student was taught."""


class DistilledModel(DualModel):
    """A teacher's vision side, and a student in place of its text side."""

    library = "cueframe"

    def __init__(
        self, name: str, teacher: DualModel, student: SentenceModel, settings: Distilled
    ) -> None:
        """Take a teacher and a student with a head (`index.models.student.with_head`).

        Raises:
            CueframeError: The teacher has no vision side or is distilled itself, the student has
                one, their vectors are not of one width, or a language of the route is not known.
        """
        self.name = name
        self.teacher, self.student, self.settings = teacher, student, settings
        _refuse_no_teacher(name, teacher)
        _refuse_other_student(name, teacher, student)
        _refuse_other_route(name, settings)
        self.module: Any = nn.ModuleDict({TEACHER: teacher.module, STUDENT: student.module})
        self.transform = teacher.transform
        self.own_transform = teacher.own_transform
        self.max_tokens = student.max_tokens

    def image_vectors(self, pixels: Tensor) -> Tensor:
        """See `DualModel`."""
        return self.teacher.image_vectors(pixels)

    def text_vectors(self, tokens: Tokens) -> Tensor:
        """See `DualModel`; those of the student."""
        return self.student.text_vectors(tokens)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """See `DualModel`."""
        return self.student.tokens(_composed(texts))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`."""
        return self.student.count_tokens(_composed(texts))

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        """See `DualModel`."""
        return self.student.plain_texts(_composed(texts))

    def text_sides(self) -> tuple[DualModel, ...]:
        """See `DualModel`; where there is a route, the teacher is the other side."""
        return (self, self.teacher) if self.settings.route else (self,)

    def side_of_texts(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`."""
        route, languages = self.settings.route, self.settings.languages
        if route is None:
            return [0] * len(texts)
        return [int(is_in(text, route, languages)) for text in texts]

    @property
    def unknown_token(self) -> int | None:
        """See `DualModel`; the student's."""
        return self.student.unknown_token

    def side_of(self, weight: str) -> Side:
        """See `DualModel`; the teacher's text side never learns."""
        owner, _, own = weight.partition(".")
        if owner == STUDENT:
            return "text"
        side = self.teacher.side_of(own)
        return "unused" if side == "text" else side

    def is_projection(self, weight: str) -> bool:
        """See `DualModel`; it is the student's head."""
        owner, _, own = weight.partition(".")
        return owner == STUDENT and self.student.is_head(own)

    def preprocessing(self) -> Any:
        """See `DualModel`."""
        return self.teacher.preprocessing()

    def configuration(self) -> Any:
        """See `DualModel`."""
        return [self.teacher.configuration(), self.student.configuration()]

    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """See `DualModel`."""
        return self.teacher.own_image_vectors(images)

    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """See `DualModel`; those of the student."""
        return self.student.own_text_vectors(_composed(texts))

    def ready_to_save(self) -> None:
        """See `DualModel`."""
        self.teacher.ready_to_save()
        self.student.ready_to_save()

    def save(self, folder: Path) -> None:
        """See `DualModel`; `ready_to_save` comes first.

        A training.json of teacher or student goes along, so that it stays known which videos they
        were trained on.
        """
        for part, model in ((TEACHER, self.teacher), (STUDENT, self.student)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            model.save(folder / part)
            record = Path(model.name) / _TRAINING
            if record.is_file():
                shutil.copyfile(record, folder / part / _TRAINING)
        content = {"version": VERSION, **asdict(self.settings)}
        (folder / DISTILLED).write_text(json.dumps(content, indent=2) + "\n")

    def keep_no_activations(self) -> None:
        """See `DualModel`."""
        self.teacher.keep_no_activations()
        self.student.keep_no_activations()

    @property
    def log_scale(self) -> nn.Parameter | None:
        """See `DualModel`; the teacher's, as are all below."""
        return self.teacher.log_scale

    def set_log_scale(self, value: float) -> None:
        """See `DualModel`."""
        self.teacher.set_log_scale(value)

    @property
    def scale(self) -> float:
        """See `DualModel`."""
        return self.teacher.scale

    @property
    def highest_scale(self) -> float:
        """See `DualModel`."""
        return self.teacher.highest_scale

    @property
    def bias(self) -> nn.Parameter | None:
        """See `DualModel`."""
        return self.teacher.bias


def _composed(texts: Sequence[str]) -> list[str]:
    """Return texts with each letter and its marks as one character, as the student was taught."""
    return [unicodedata.normalize("NFC", text) for text in texts]


def _refuse_no_teacher(name: str, teacher: DualModel) -> None:
    if isinstance(teacher, DistilledModel):
        raise CueframeError(
            f"the teacher of {name} is a distilled model itself; name the model that built the "
            "index as teacher"
        )
    if not teacher.has_vision:
        raise CueframeError(
            f"the teacher of {name} has no vision side; name the model of images that built the "
            "index as teacher"
        )


@torch.inference_mode()
def _refuse_other_student(name: str, teacher: DualModel, student: SentenceModel) -> None:
    if student.has_vision:
        raise CueframeError(f"the student of {name} has a vision side; name a text encoder")
    with in_one_line(name, "--model"):
        widths = [one.text_vectors(one.tokens(["a"])).shape[1] for one in (student, teacher)]
    if widths[0] != widths[1]:
        raise CueframeError(
            f"the student of {name} gives texts {widths[0]} values and its teacher {widths[1]}; "
            "distill it anew"
        )


def _refuse_other_route(name: str, settings: Distilled) -> None:
    if settings.route is None:
        return
    if not settings.languages:
        raise CueframeError(
            f"{name} sends texts in {settings.route} to its teacher, and names no language that "
            "its student was taught; name one, or no route"
        )
    try:
        refuse_unknown_languages([settings.route, *settings.languages])
    except CueframeError as error:
        raise CueframeError(f"{name} cannot tell texts apart: {error}") from error
