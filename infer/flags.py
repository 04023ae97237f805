"""Flags that several commands share, and those that are made from a registry."""

from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from index.run_command import one_of, own_default
from infer.picks.registry import PICKS_FORMATS
from infer.selection.registry import STRATEGIES

CaptionSetting = Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))]
"""See `infer.questions.caption`."""
QueryModel = Annotated[
    str | None,
    tyro.conf.arg(aliases=("--model-name",)),
    own_default("the one that built the index", "STR"),
]
"""A dual encoder's folder or name; see `infer.query_encoder.load_query_encoder`."""

if TYPE_CHECKING:
    PickStrategy = str
    PicksFormat = str | None
else:
    PickStrategy = one_of(
        {name: entry.help for name, entry in STRATEGIES.items()}, "Which frames of a video. "
    )
    PicksFormat = one_of(
        {name: entry.help for name, entry in PICKS_FORMATS.items()},
        "ANSWERS are frames that another tool picked, in this format. ",
        unset="answers of infer/answer.py",
    )
"""Names from `infer.selection.registry.STRATEGIES` and `infer.picks.registry.PICKS_FORMATS`."""
