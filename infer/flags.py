"""Flags that several commands share, and those that are made from a registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from index.models.long_texts import LongText
from index.run_command import one_of, own_default
from infer.picks.registry import PICKS_FORMATS
from infer.question_files.formats import FORMATS
from infer.selection.registry import STRATEGIES

CaptionSetting = Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))]
"""See `infer.question_texts.caption`."""
LongTextSetting = Annotated[
    LongText,
    tyro.conf.arg(
        help="How a text that is longer than the encoder reads is encoded. windows: sentence by "
        "sentence, of which the best counts; truncate: its beginning alone."
    ),
]
"""See `index.models.long_texts.read_as`."""
QueryModel = Annotated[
    str | None,
    tyro.conf.arg(aliases=("--model-name",)),
    own_default("the one that built the index", "STR"),
]
"""A dual encoder's folder or name; see `infer.query_encoder.load_query_encoder`."""

LabelFiles = Annotated[
    tuple[Path, ...],
    own_default("none", "FILE"),
    tyro.conf.arg(
        help="Files with answers or evidence by question id: EgoSchema's or ActivityNet-QA's "
        "answers, NExT-GQA's grounding, KFS-Bench's scenes, or any with the fields of a question."
    ),
]
"""See `infer.question_files.labels`."""

if TYPE_CHECKING:
    PickStrategy = str
    QuestionFormat = str
    PicksFormat = str | None
else:
    QuestionFormat = Annotated[
        Literal[("auto", *FORMATS)],
        tyro.conf.arg(
            metavar="NAME",
            help="Layout of QUESTIONS: " + ", ".join(("auto", *FORMATS)) + ". auto finds it by the "
            "keys of each record.",
        ),
    ]
    PickStrategy = one_of(
        {name: entry.help for name, entry in STRATEGIES.items()}, "Which frames of a video. "
    )
    PicksFormat = one_of(
        {name: entry.help for name, entry in PICKS_FORMATS.items()},
        "ANSWERS are frames that another tool picked, in this format. ",
        unset="answers of infer/answer.py",
    )
"""Names from the registries: `infer.selection.registry.STRATEGIES`,
`infer.question_files.formats.FORMATS` and `infer.picks.registry.PICKS_FORMATS`."""
