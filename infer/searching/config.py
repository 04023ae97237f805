"""Flags of infer/find.py, and which of them go together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.errors import CueframeError
from index.run_command import own_default, positive
from infer.flags import LongTextSetting, QueryModel


@dataclass(kw_only=True, slots=True)
class FindConfig:
    """Flags of infer/find.py."""

    text: Annotated[
        tyro.conf.Positional[str | None],
        tyro.conf.arg(
            metavar="[TEXT]", help_behavior_hint="(default: none, with one of the next three)"
        ),
    ] = None
    """Description of the wanted moments."""
    texts: Annotated[str | None, own_default("none", "FILE")] = None
    """File of texts, one a line, or of records with text and id (JSON, JSON lines, CSV, Parquet),
    or - for standard input."""
    image: Annotated[Path | None, own_default("none", "FILE")] = None
    """Picture of what is wanted."""
    like: Annotated[str | None, own_default("none", "VIDEO@SECONDS")] = None
    """Moment of an indexed video that others shall look like."""
    then: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], own_default("none", "TEXT")] = ()
    """What shall be seen after it, in the same video; may be given several times, in order. Videos
    are found then, each by its best frames in this order."""
    without: Annotated[str | None, own_default("none", "TEXT"), tyro.conf.arg(name="not")] = None
    """What shall not be seen."""
    index: Path = Path("video_index")
    """Folder of the index."""
    videos: Annotated[str | None, own_default("all", "GLOB")] = None
    """Search only videos whose path, or the end of it, matches this pattern, as "2024/*.mp4"."""
    top: int = 10
    """Number of moments to find, or of videos with --then."""
    per_video: Annotated[int | None, own_default("any number", "INT")] = None
    """Maximum number of moments of one video."""
    long_text: LongTextSetting = "windows"
    model: QueryModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""


def refuse_bad_call(config: FindConfig) -> None:
    """Refuse flags that mean nothing, alone or together.

    Raises:
        CueframeError: They do.
    """
    positive("--top", config.top)
    positive("--per-video", config.per_video)
    asked = {
        "TEXT": config.text,
        "--texts": config.texts,
        "--image": config.image,
        "--like": config.like,
    }
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        what = " and ".join(given) if given else "nothing to find"
        raise CueframeError(f"{what} is given; want one of TEXT, --texts, --image and --like")
    if config.then and given[0] in ("--texts", "--like"):
        raise CueframeError(
            f"--then with {given[0]} is not possible; give what comes first as TEXT or --image"
        )
    if config.then and config.per_video is not None:
        raise CueframeError(
            "--per-video is for moments, and --then finds each video once; leave one of them out"
        )
    plain = FindConfig()
    if config.like is not None and config.without is None:
        unused = [name for name in ("model", "dtype") if _is_given(config, plain, name)]
        if unused:
            raise CueframeError(
                f"--{unused[0]} is for an encoder, and --like alone needs none; leave it out"
            )
    no_text = given[0] in ("--like", "--image") and not config.then and config.without is None
    if no_text and _is_given(config, plain, "long_text"):
        raise CueframeError(f"--long-text is for texts, and {given[0]} has none; leave it out")


def _is_given(config: FindConfig, plain: FindConfig, name: str) -> bool:
    return bool(getattr(config, name) != getattr(plain, name))
