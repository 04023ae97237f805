"""Index videos once: sampled frames become unit vectors on disk.

Usage: python index/build.py VIDEOS --index video_index

With accelerate launch index/build.py VIDEOS all processes and machines share the work.

VIDEOS is a folder (searched deep), a video, or a text file with a path on each line. A second run
decodes only what is new or changed. The result is one JSON object on stdout.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from index.cli import own_default, positive, run

if TYPE_CHECKING:
    from accelerate import PartialState

    from index.catalog import Video
    from index.embed import Cost
    from index.encoder import Encoder
    from index.plan import Job, Plan
    from index.store import Profile


@dataclass(kw_only=True, slots=True)
class BuildConfig:
    """Flags of index/build.py."""

    videos: tyro.conf.Positional[Path]
    """Folder, video, or text file of paths."""
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
    """Frames that the encoder takes at once."""
    workers: Annotated[int | None, own_default("cores - 1, at least 1", "INT")] = None
    """Decoding processes, of one thread each."""
    decoder: Literal["auto", "pyav", "decord"] = "auto"
    """auto: PyAV, every frame in order; decord skips, which pays at an --fps below 1."""
    resize: Annotated[
        Literal["exact", "decoder"] | None,
        own_default("exact, or the index's own", "{exact,decoder}"),
    ] = None
    """exact: to the bit as the model's own processor; decoder: the decoder's scaler, faster."""
    view: Annotated[
        Literal["center", "stretch", "pad"] | None,
        own_default("as the model's processor says, or the index's own", "{center,stretch,pad}"),
    ] = None
    """How a wide frame becomes the model's square: its middle, squeezed, or whole with borders."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    time_limit_s: Annotated[
        float | None, own_default("120 s + 20 s per second of video", "FLOAT")
    ] = None
    """Seconds that decoding one video may take."""
    prune: bool = False
    """Forget videos whose files are gone, and delete vectors that nothing points to."""
    retry: bool = False
    """Try again the videos that failed before."""
    rebuild: bool = False
    """Throw the index away and make it anew."""


def build(config: BuildConfig) -> int:
    """Bring an index up to date; returns the exit code."""
    for flag, value in (
        ("--fps", config.fps),
        ("--batch-frames", config.batch_frames),
        ("--workers", config.workers),
        ("--time-limit-s", config.time_limit_s),
    ):
        positive(flag, value)
    from index.files import list_videos

    # Before torch is loaded, so that a typing error costs no seconds; rank 0 alone needs them.
    files = list_videos(config.videos) if os.environ.get("RANK", "0") == "0" else []
    from index.team import join_team

    state = join_team()
    return _lead(config, state, files) if state.is_main_process else _follow(config, state)


def _lead(config: BuildConfig, state: "PartialState", files: list[Path]) -> int:
    """Rank 0: plan, do its own share, and write down what became of every video."""
    from index.catalog import all_videos, open_catalog, put_video
    from index.embed import Cost
    from index.lock import locked
    from index.opening import prune_vectors, refuse_strange, settle, sweep
    from index.plan import make_plan
    from index.search import faiss_path, update_search
    from index.team import meeting_place, publish, results_of, share_out

    began_s = time.monotonic()
    index = config.index
    refuse_strange(index)
    with meeting_place(index, state) as folder, locked(index, "--index"):
        sweep(index)
        encoder, profile = settle(
            index,
            rebuild=config.rebuild,
            model=config.model,
            fps=config.fps,
            resize=config.resize,
            view=config.view,
            dtype=config.dtype,
            device=state.device,
        )
        if not (index / "catalog.sqlite").exists():
            faiss_path(index).unlink(missing_ok=True)  # its ids are another catalog's numbers
        with closing(open_catalog(index)) as catalog:
            plan = make_plan(
                index, catalog, files, profile=profile.key, retry=config.retry, prune=config.prune
            )
            if plan.dropped:
                update_search(index, profile.width, all_videos(catalog).values())
            shares = share_out(plan.jobs, state.num_processes)
            publish(folder, "plan.json", [[asdict(job) for job in share] for share in shares])

            cost = Cost()
            ended = []
            for video in _embed(config, shares[0], encoder, profile, cost):
                put_video(catalog, video)
                ended.append(video)
            for video in results_of(folder, state.num_processes, cost):
                put_video(catalog, video)
                ended.append(video)

            update_search(index, profile.width, all_videos(catalog).values())
            if config.prune:
                prune_vectors(index, set(all_videos(catalog)))
    return _report(plan, ended, cost, time.monotonic() - began_s)


def _follow(config: BuildConfig, state: "PartialState") -> int:
    """Any other rank: do its share, and tell rank 0."""
    from index.embed import Cost
    from index.encoder import load_encoder
    from index.plan import Job
    from index.store import read_profile
    from index.team import await_message, meeting_place, pack_result, publish

    with meeting_place(config.index, state) as folder:
        share = [Job(**job) for job in await_message(folder, "plan.json")[state.process_index]]
        profile = read_profile(config.index)
        name = config.model or profile.model
        encoder, _ = load_encoder(name, dtype=config.dtype, view=profile.view, device=state.device)
        cost = Cost()
        ended = list(_embed(config, share, encoder, profile, cost))
        publish(folder, f"rank-{state.process_index}.json", pack_result(ended, cost))
    return 0


def _embed(
    config: BuildConfig, jobs: "list[Job]", encoder: "Encoder", profile: "Profile", cost: "Cost"
) -> "Iterator[Video]":
    from index.embed import embed
    from index.sampling import Sampling
    from index.workers import default_workers

    return embed(
        jobs,
        encoder,
        Sampling(fps=profile.fps, view=encoder.view, resize=profile.resize, decoder=config.decoder),
        config.index,
        profile,
        batch_frames=config.batch_frames,
        workers=config.workers or default_workers(),
        limit_s=config.time_limit_s,
        cost=cost,
    )


def _report(plan: "Plan", ended: "list[Video]", cost: "Cost", wall_s: float) -> int:
    """Failures to stderr, the result to stdout; returns the exit code."""
    path_of = {job.content_hash: job.path for job in plan.jobs}
    failed = plan.unreadable | plan.failed
    for video in ended:
        path = path_of[video.content_hash]
        if video.status == "failed":
            failed[path] = video.error or ""
        for warning in video.warnings:
            print(f"warning: {path}: {warning}", file=sys.stderr)
    for path, reason in sorted(failed.items()):
        print(f"failed: {path}: {reason}", file=sys.stderr)
    if failed:
        print("a failed video is tried again when it changes, or with --retry", file=sys.stderr)
    result = {
        "videos": len(plan.reused) + len(failed) + sum(v.status == "indexed" for v in ended),
        "indexed": sum(v.status == "indexed" for v in ended),
        "reused": len(plan.reused),
        "failed": len(failed),
        "frames": cost.frames,
        "wall_s": round(wall_s, 3),
        "decode_cpu_s": round(cost.decode_cpu_s, 3),
        "encode_s": round(cost.encode_s, 3),
        "frames_per_s": round(cost.frames / wall_s, 1),
    }
    print(json.dumps(result))
    return 1 if failed else 0


if __name__ == "__main__":
    run(build, BuildConfig, __doc__)
