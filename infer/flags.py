"""Flags that several commands share, and those that are made from a registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from index.models.long_texts import LongText
from index.run_command import one_of, own_default
from infer.picks.registry import PICKS_FORMATS
from infer.question_files.formats import FORMATS
from infer.selection.registry import STRATEGIES

CaptionSetting = Annotated[
    Literal[1, 2, 3] | None,
    own_default("1, or 3 with --choices each", "{1,2,3}"),
    tyro.conf.arg(aliases=("--caption-setting",)),
]
"""See `infer.question_texts.caption_setting`, which also chooses where it is None."""
ChoicesSetting = Annotated[
    Literal["joined", "each"] | None,
    own_default("joined", "{joined,each}"),
    tyro.conf.arg(
        help="joined: one text of a question, with its choices where --caption says so. each: one "
        "text for each choice beside the question's own, whose scores are joined."
    ),
]
"""See `infer.question_texts.question_texts`."""
JoinSetting = Annotated[
    Literal["max", "mean"] | None,
    own_default("max", "{max,mean}"),
    tyro.conf.arg(help="How the scores of --choices each are joined, frame by frame."),
]
"""See `infer.selection.frame_scores.question_scores`."""
SmoothSeconds = Annotated[
    float | None,
    own_default("0", "SECONDS"),
    tyro.conf.arg(
        help="Average each frame's score with those of frames less than so many seconds away, the "
        "nearer the more; 0: scores as they are.",
    ),
]
"""See `infer.selection.smoothing.smoothed`."""
RulesFile = Annotated[
    Path | None,
    own_default("none", "FILE.json"),
    tyro.conf.arg(help="A rule chosen by infer/compare.py --choose: what --pick auto stands for."),
]
"""See `infer.selection.rule_file`."""
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

DEFAULT_INDEX = Path("video_index")
"""The folder without --index."""
IndexFolders = Annotated[
    tyro.conf.UseAppendAction[tuple[Path, ...]],
    own_default("video_index", "PATH"),
    tyro.conf.arg(
        help="Folder of the index. Given several times, frames are those of the first, and each "
        "index scores them by its own encoder."
    ),
]
"""See `infer.asked_indexes.asked_indexes`."""
QueryModels = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(
        aliases=("--model-name",),
        help="Dual encoder, a folder or a name on the hub; its vision side must be the index's. Of "
        "several indexes one each, in their order.",
    ),
    own_default("the one that built the index", "STR"),
]
"""The same for each index that is asked."""

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
    PickStrategy = str | None
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
        {name: entry.help for name, entry in STRATEGIES.items()}
        | {"auto": "the rule in the file of --rules"},
        "Which frames of a video. ",
        unset="quarters, or hills with --frames auto",
    )
    PicksFormat = one_of(
        {name: entry.help for name, entry in PICKS_FORMATS.items()},
        "ANSWERS are frames that another tool picked, in this format. ",
        unset="answers of infer/answer.py",
    )
"""Names from the registries: `infer.selection.registry.STRATEGIES`,
`infer.question_files.formats.FORMATS` and `infer.picks.registry.PICKS_FORMATS`."""
