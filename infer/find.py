"""Find the frames of all videos of an index that fit a text best. The search is exact.

Usage: python infer/find.py "a red car on a bridge" --index video_index --top 10

Each hit is one JSON line on stdout, the best first.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro

    from index.run_command import positive, run
    from infer.flags import LongTextSetting, QueryModel
    from infer.texts.clean_text import typed_text
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class FindConfig:
    """Flags of infer/find.py."""

    text: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TEXT")]
    """Description of the wanted frames."""
    index: Path = Path("video_index")
    """Folder of the index."""
    top: int = 10
    """Number of frames to find."""
    long_text: LongTextSetting = "windows"
    model: QueryModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""


def find(config: FindConfig) -> int:
    """Print the best frames; returns the exit code."""
    positive("--top", config.top)
    text = typed_text(" ".join(config.text.split()), "TEXT")
    from infer.finding import find_frames

    return find_frames(
        text,
        config.index,
        top=config.top,
        long_text=config.long_text,
        model=config.model,
        dtype=config.dtype,
    )


if __name__ == "__main__":
    run(find, FindConfig, __doc__)
