"""Bring an index up to date: plan, encode what is new, write vectors, catalog and search index.

A model whose files are as they were is loaded where there is something to encode, and not before;
without that, a run does not even import torch.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.boundary import costs_one
from index.discovery import Scan
from index.distributed import balanced_shards, ranks, rendezvous, share_work
from index.how_to_encode import HowToEncode
from index.index_folder import (
    is_built_by,
    model_name,
    own_profile,
    prune_vectors,
    refuse_foreign_folder,
    remove_leftovers,
)
from index.messages import name_some, say
from index.planning import Job, Plan, make_plan
from index.recording import recording
from index.storage.catalog import Catalog, VideoRow, all_videos, open_catalog, put_video
from index.storage.faiss_index import FaissUpdate
from index.storage.lock import locked
from index.storage.store import Profile, read_profile

if TYPE_CHECKING:  # torch
    from index.models.encoder import Encoder


@dataclass(frozen=True)
class _Leader:
    """The resources that rank 0 holds open while it updates the index."""

    encoder: "Encoder | None"
    """None where the model need not be loaded to know that it built the index."""
    profile: Profile
    catalog: Catalog
    search: FaissUpdate
    plan: Plan


def build_index(
    scan: Scan,
    index: Path,
    how: HowToEncode,
    *,
    prune: bool = False,
    retry: bool = False,
    rehash: bool = False,
    no_lock: bool = False,
) -> int:
    """Bring an index up to date with the videos that were found; every process calls this.

    Beside `scan`, which only rank 0 reads, the arguments are the flags of index/build.py; one that
    is None is taken from the index, or is the default. The result is one JSON object on stdout.

    Returns:
        The exit code: 1 if a video failed, else 0.

    Raises:
        CueframeError: The folder is not an index, the model cannot be used or did not build the
            index, or another run is writing to it.
    """
    began_s = time.monotonic()
    state = ranks()
    leader: _Leader | None = None
    shards = None

    with ExitStack() as stack:
        if state.is_main_process:
            refuse_foreign_folder(index)
        folder = stack.enter_context(rendezvous(index, state))
        if state.is_main_process:
            stack.enter_context(locked(index, "--index", no_lock=no_lock))
            remove_leftovers(index, keep=folder)
            encoder, profile = _builder(index, how)
            catalog = stack.enter_context(closing(open_catalog(index, no_lock=no_lock)))
            leader = _open(
                index,
                catalog,
                scan.videos,
                encoder,
                profile,
                retry=retry,
                prune=prune,
                rehash=rehash,
            )
            shards = [
                [asdict(job) for job in shard]
                for shard in balanced_shards(
                    leader.plan.jobs, state.num_processes, lambda job: job.size
                )
            ]

        def work(shard: list[dict[str, Any]]) -> dict[str, Any]:
            """Index the videos of a shard; rank 0 records its own as they finish."""
            jobs = [Job(**job) for job in shard]
            if not jobs:  # nor is the model loaded
                return {"videos": [], "unrecorded": {}, "cost": {}}
            return _work(index, how, jobs, leader)

        results = share_work(folder, state, shards, work)
        if leader is None:
            return 0
        rows: list[VideoRow] = []
        unrecorded: dict[str, str] = {}
        cost: Counter[str] = Counter()
        for rank, result in enumerate(results):
            cost.update(result["cost"])
            unrecorded |= result["unrecorded"]
            for video in result["videos"]:
                row = VideoRow(**{**video, "warnings": tuple(video["warnings"])})
                with costs_one(unrecorded, leader.plan.paths[row.content_hash][0]):
                    if rank:  # rank 0 has recorded its own
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


def _builder(index: Path, how: HowToEncode) -> "tuple[Encoder | None, Profile]":
    """Return the index's profile, with the encoder where that had to be loaded for it."""
    old = own_profile(index, rebuild=how.rebuild, fps=how.fps, resize=how.resize, view=how.view)
    if old and not how.rebuild and is_built_by(index, old, model_name(how.model, old)):
        return None, old
    from index.builder import load_encoder_and_profile

    return load_encoder_and_profile(index, old, how)


def _work(
    index: Path, how: HowToEncode, jobs: Sequence[Job], leader: _Leader | None
) -> dict[str, Any]:
    """Encode videos of one process, and record them where it is rank 0."""
    from index.builder import load_encoder_and_profile
    from index.shard import encode_shard, follower_of

    if leader:
        profile = leader.profile
        encoder = leader.encoder or load_encoder_and_profile(index, profile, how)[0]
        recorder = recording(index, leader.catalog, leader.search)
    else:  # the shards are published, so the profile is written
        profile = read_profile(index)
        encoder = follower_of(profile, how)
        recorder = recording(index)
    with recorder as recorded:
        cost = encode_shard(jobs, index, profile, encoder, how, recorded)
    rows, unrecorded = [asdict(row) for row in recorded.rows], recorded.unrecorded
    return {"videos": rows, "unrecorded": unrecorded, "cost": cost}


def _open(
    index: Path,
    catalog: Catalog,
    files: Sequence[Path],
    encoder: "Encoder | None",
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


def _report(
    scan: Scan,
    plan: Plan,
    rows: Sequence[VideoRow],
    unrecorded: Mapping[str, str],
    cost: Mapping[str, float],
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
        "frames": cost["frames"],
        "wall_s": round(wall_s, 3),
        "decode_cpu_s": round(cost["decode_cpu_s"], 3),
        "encode_s": round(cost["encode_s"], 3),
        "frames_per_s": round(cost["frames"] / wall_s, 1),
    }
    print(json.dumps(result))
    return 1 if failed else 0
