"""Flags that all commands which ask an index share."""

from typing import Annotated, Literal

import tyro

from index.cli import own_default

CaptionSetting = Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))]
"""See `infer.questions.caption`."""
AskingModel = Annotated[
    str | None,
    tyro.conf.arg(aliases=("--model-name",)),
    own_default("the one that built the index", "STR"),
]
"""A dual encoder's folder or name; see `infer.indexed.load_asking_encoder`."""
