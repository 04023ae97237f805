"""Index videos once: sampled frames become unit vectors on disk.

Usage: python index/build.py VIDEOS --index video_index

With accelerate launch index/build.py VIDEOS all processes and machines share the work.

VIDEOS is a folder (searched recursively), a video, or a text file with a path on each line. A
second run decodes only what is new or changed. The result is one JSON object on stdout.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

try:
    import tyro

    from index.decoding.registry import DECODERS
    from index.run_command import NoLock, one_of, own_default, positive, run
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


if TYPE_CHECKING:
    DecoderName = str
else:
    DecoderName = one_of({name: entry.help for name, entry in DECODERS.items()})


@dataclass(kw_only=True, slots=True)
class BuildConfig:
    """Flags of index/build.py."""

    videos: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEOS")]
    """Folder, video, or text file of paths."""
    all_files: bool = False
    """Try every regular file of the folder, whatever its ending."""
    index: Path = Path("video_index")
    """Folder of the index."""
    model: Annotated[
        str | None,
        tyro.conf.arg(aliases=("--model-name",)),
        own_default("openai/clip-vit-large-patch14, or the index's own", "STR"),
    ] = None
    """Dual encoder: a folder written by save_pretrained, or a name on the hub."""
    fps: Annotated[float | None, own_default("2.0, or the index's own", "FLOAT")] = None
    """Sample times per second of video."""
    batch_frames: int = 64
    """Number of pictures per encoder batch: frames, or their tiles."""
    workers: Annotated[
        int | None, own_default("cores - 1, or all cores if the encoder is on a GPU", "INT")
    ] = None
    """Number of decoding processes, with one thread each."""
    decoder: DecoderName = "auto"
    resize: Annotated[
        Literal["exact", "decoder"] | None,
        own_default("exact, or the index's own", "{exact,decoder}"),
    ] = None
    """exact: bit-identical to the model's own processor; decoder: the decoder's scaler, faster."""
    view: Annotated[
        Literal["center", "stretch", "pad", "tiles"] | None,
        own_default(
            "as the model's processor says, or the index's own", "{center,stretch,pad,tiles}"
        ),
    ] = None
    """How a wide frame becomes the model's input: center crop, squeezed, whole with borders, or as
    squares that cover it, each with a vector of its own; the best one is the frame's score."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    time_limit_s: Annotated[
        float | None, own_default("120 s + 20 s per second of video", "FLOAT")
    ] = None
    """Time limit in seconds for decoding one video."""
    max_pixels: int = 40_000_000
    """Refuse videos with larger pictures (8K is 33 million); a pixel costs a worker ten bytes."""
    prune: bool = False
    """Forget videos whose files are gone, and delete vectors that nothing points to."""
    retry: bool = False
    """Retry the videos that failed before."""
    rehash: bool = False
    """Read every file again, also those that look unchanged by size, dates and inode."""
    rebuild: bool = False
    """Delete the index and build it from scratch."""
    no_lock: NoLock = False


def build(config: BuildConfig) -> int:
    """Bring an index up to date; return the exit code."""
    for flag, value in (
        ("--fps", config.fps),
        ("--batch-frames", config.batch_frames),
        ("--workers", config.workers),
        ("--time-limit-s", config.time_limit_s),
        ("--max-pixels", config.max_pixels),
    ):
        positive(flag, value)
    from index.discovery import Scan, scan_videos

    # Before torch is loaded, so that a typo fails at once; only rank 0 needs the files.
    scan = Scan()
    if os.environ.get("RANK", "0") == "0":
        scan = scan_videos(config.videos, all_files=config.all_files, without=config.index)
    from index.building import build_index
    from index.how_to_encode import HowToEncode

    how = HowToEncode(
        model=config.model,
        fps=config.fps,
        resize=config.resize,
        view=config.view,
        dtype=config.dtype,
        rebuild=config.rebuild,
        decoder=config.decoder,
        batch_frames=config.batch_frames,
        workers=config.workers,
        time_limit_s=config.time_limit_s,
        max_pixels=config.max_pixels,
    )
    return build_index(
        scan,
        config.index,
        how,
        prune=config.prune,
        retry=config.retry,
        rehash=config.rehash,
        no_lock=config.no_lock,
    )


if __name__ == "__main__":
    run(build, BuildConfig, __doc__)
