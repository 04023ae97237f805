"""Bring an index up to date: plan, encode what is new, write vectors, catalog and search index."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from index.boundary import costs_one
from index.decoding.sampler import FrameSampler
from index.decoding.worker_pool import default_workers
from index.discovery import Scan
from index.distributed import balanced_shards, join_processes, rendezvous, share_work
from index.index_folder import (
    load_encoder_and_profile,
    prune_vectors,
    refuse_foreign_folder,
    remove_leftovers,
)
from index.messages import escaped, name_some, say
from index.models.encoder import Encoder, load_encoder
from index.models.model_loading import Dtype
from index.models.preprocess import Resize, ViewMode
from index.pipeline import Cost, EncodedVideo, FailedVideo, encode_videos
from index.planning import Job, Plan, make_plan
from index.storage.catalog import Catalog, VideoRow, all_videos, open_catalog, put_video, row_of
from index.storage.faiss_index import FaissUpdate
from index.storage.lock import locked
from index.storage.store import Profile, read_profile, vectors_fault, write_vectors


@dataclass(frozen=True)
class _Leader:
    """The resources that rank 0 holds open while it updates the index."""

    encoder: Encoder
    profile: Profile
    catalog: Catalog
    search: FaissUpdate
    plan: Plan


def build_index(
    scan: Scan,
    index: Path,
    *,
    model: str | None = None,
    fps: float | None = None,
    resize: Resize | None = None,
    view: ViewMode | None = None,
    dtype: Dtype = "auto",
    decoder: str = "auto",
    batch_frames: int = 64,
    workers: int | None = None,
    time_limit_s: float | None = None,
    max_pixels: int | None = None,
    prune: bool = False,
    retry: bool = False,
    rehash: bool = False,
    rebuild: bool = False,
    no_lock: bool = False,
) -> int:
    """Bring an index up to date with the videos that were found; every process calls this.

    The arguments are the flags of index/build.py; only rank 0 reads `scan`. An argument that is
    None is taken from the index, or is the default. The result is one JSON object on stdout.

    Returns:
        The exit code: 1 if a video failed, else 0.

    Raises:
        CueframeError: The folder is not an index, the model cannot be used or did not build the
            index, or another run is writing to it.
    """
    began_s = time.monotonic()
    state = join_processes()
    leader: _Leader | None = None
    shards = None
    cost = Cost()
    rows: list[VideoRow] = []
    unrecorded: dict[str, str] = {}
    """Path to reason, of videos that failed and whose content is not at fault."""

    with ExitStack() as stack:
        if state.is_main_process:
            refuse_foreign_folder(index)
        folder = stack.enter_context(rendezvous(index, state))
        if state.is_main_process:
            stack.enter_context(locked(index, "--index", no_lock=no_lock))
            remove_leftovers(index, keep=folder)
            encoder, profile = load_encoder_and_profile(
                index,
                rebuild=rebuild,
                model=model,
                fps=fps,
                resize=resize,
                view=view,
                dtype=dtype,
                device=state.device,
            )
            catalog = stack.enter_context(closing(open_catalog(index, no_lock=no_lock)))
            how = {"retry": retry, "prune": prune, "rehash": rehash}
            leader = _open(index, catalog, scan.videos, encoder, profile, **how)
            shards = [
                [asdict(job) for job in shard]
                for shard in balanced_shards(
                    leader.plan.jobs, state.num_processes, lambda job: job.size
                )
            ]

        def work(shard: list[dict[str, Any]]) -> dict[str, Any]:
            """Index the videos of a shard; rank 0 records each of its own as it finishes."""
            if leader:
                encoder, profile = leader.encoder, leader.profile
            else:  # the shards are published, so the profile is written
                profile = read_profile(index)
                encoder, _ = load_encoder(
                    model or profile.model, dtype=dtype, view=profile.view, device=state.device
                )
            videos = encode_videos(
                [Job(**job) for job in shard],
                encoder,
                FrameSampler(
                    fps=profile.fps,
                    transform=encoder.transform,
                    resize=profile.resize,
                    decoder=decoder,
                    max_pixels=max_pixels,
                ),
                batch_frames=batch_frames,
                workers=workers or default_workers(),
                limit_s=time_limit_s,
                cost=cost,
            )
            with closing(videos):
                for video in videos:
                    if isinstance(video, FailedVideo) and video.passing:
                        unrecorded[video.job.path] = video.reason
                        continue
                    with costs_one(unrecorded, video.job.path):
                        row = _written(index, profile, video)
                        if leader:
                            number = put_video(leader.catalog, row)
                            if row.status == "indexed" and isinstance(video, EncodedVideo):
                                content = video.job.content_hash
                                leader.search.add(number, content, video.vectors)
                        rows.append(row)
            return {
                "videos": [asdict(row) for row in rows],
                "unrecorded": unrecorded,
                "cost": asdict(cost),
            }

        results = share_work(folder, state, shards, work)
        if leader is None:
            return 0
        for result in results[1:]:
            cost.add(Cost(**result["cost"]))
            unrecorded |= result["unrecorded"]
            for video in result["videos"]:
                row = VideoRow(**{**video, "warnings": tuple(video["warnings"])})
                with costs_one(unrecorded, leader.plan.paths[row.content_hash][0]):
                    put_video(leader.catalog, row)
                    rows.append(row)
        unusable = leader.search.add_missing(all_videos(leader.catalog).values(), leader.profile)
        leader.search.write()
        if prune:
            prune_vectors(index, set(all_videos(leader.catalog)))
    leader.plan.failed |= {
        path: reason
        for content, reason in unusable.items()
        for path in leader.plan.paths.get(content, [f"a video of content {content}"])
    }
    return _report(scan, leader.plan, rows, unrecorded, cost, time.monotonic() - began_s)


def _open(
    index: Path,
    catalog: Catalog,
    files: Sequence[Path],
    encoder: Encoder,
    profile: Profile,
    *,
    retry: bool,
    prune: bool,
    rehash: bool,
) -> _Leader:
    """Make the plan and open the search index; drop videos that are gone from both."""
    plan = make_plan(
        index, catalog, files, profile=profile, retry=retry, prune=prune, rehash=rehash
    )
    search = FaissUpdate(index, profile.width)
    if search.keep_only(all_videos(catalog).values()):
        search.write()
    return _Leader(encoder, profile, catalog, search, plan)


def _written(index: Path, profile: Profile, video: EncodedVideo | FailedVideo) -> VideoRow:
    """Write a video's vectors; return its catalog row."""
    if isinstance(video, FailedVideo):
        reason = escaped(video.reason)  # a library may name the file in it
        return VideoRow(content_hash=video.job.content_hash, status="failed", error=reason)
    vectors = video.to_store(profile)
    if fault := vectors_fault(vectors, profile.width):
        return VideoRow(content_hash=video.job.content_hash, status="failed", error=fault)
    write_vectors(index, vectors)
    return row_of(index, vectors)


def _report(
    scan: Scan,
    plan: Plan,
    rows: Sequence[VideoRow],
    unrecorded: Mapping[str, str],
    cost: Cost,
    wall_s: float,
) -> int:
    """Print failures to stderr and the result to stdout; return the exit code."""
    failed = scan.unreadable | plan.unreadable | plan.failed
    for row in rows:
        paths = plan.paths[row.content_hash]
        if row.status == "failed":
            failed |= dict.fromkeys(paths, row.error or "")
        for warning in row.warnings:
            say(f"warning: {paths[0]}: {warning}")
    recorded = bool(failed)
    for path, *copies in plan.paths.values():
        if path in unrecorded:
            failed[path] = unrecorded[path]
            failed |= dict.fromkeys(copies, f"not indexed with its copy {path}; run again")
    if scan.left_out:
        say(f"left out: {name_some(scan.left_out)}; --all-files tries every regular file")
    for path, reason in sorted(failed.items()):
        say(f"failed: {path}: {reason}")
    if recorded:
        say("a failed video is tried again when it changes, or with --retry")
    indexed = sum(row.status == "indexed" for row in rows)
    result = {
        "videos": len(plan.reused) + indexed,
        "indexed": indexed,
        "reused": len(plan.reused),
        "failed": len(failed),
        "left_out": len(scan.left_out),
        "hashed": plan.hashed,
        "frames": cost.frames,
        "wall_s": round(wall_s, 3),
        "decode_cpu_s": round(cost.decode_cpu_s, 3),
        "encode_s": round(cost.encode_s, 3),
        "frames_per_s": round(cost.frames / wall_s, 1),
    }
    print(json.dumps(result))
    return 1 if failed else 0
