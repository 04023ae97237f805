"""Validation with the code of `index` and `infer`: index the videos, pick frames, score the picks.

K is 4: the best frame of each quarter, beside uniform, random and oracle picks; of a question with
events, the best sequence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from index.boundary import costs_one
from index.decoding.sampler import DEFAULT_FPS, FrameSampler
from index.decoding.worker_pool import decode_all
from index.discovery import as_hashed, stat_regular
from index.distributed import balanced_shards, barrier
from index.errors import CueframeError, ModelError
from index.messages import print_some, say
from index.models.encoder import Encoder
from index.models.long_texts import LongText
from index.pipeline import Cost, FailedVideo, encode_videos
from index.planning import Job
from index.spans import Timeline
from index.storage.atomic_write import written_whole
from index.storage.store import Profile, vectors_path, write_vectors
from infer.answering.bulk import answer_all
from infer.answering.run_log import as_json_line
from infer.evaluation.baselines import FIGURES
from infer.evaluation.frame_similarity import SIM_COLUMNS, sim_tables
from infer.evaluation.score_table import ScoreTable, figure_tables, score_table
from infer.judge import load_judge
from infer.metrics import TimedQuestion
from infer.queries import (
    AnswerRecord,
    EncodedQuery,
    Query,
    group_by_video,
    on_timelines,
)
from infer.query_encoder import encode_each
from infer.question_texts import event_texts
from infer.questions import frames_asked
from infer.selection.rules import Rule
from train.halves import Half, halves_of
from train.pictures.videos import decoded_or_kept
from train.split import Example
from train.validation_result import Validation

K = 4
_BATCH_FRAMES = 32


def refuse_missing_videos(examples: Sequence[Example], video_path: Path) -> None:
    """Check, before training, that the videos to validate on exist.

    Raises:
        CueframeError: A video file is not there.
    """
    gone = list(
        dict.fromkeys(
            one["video_path"] for one in examples if not Path(one["video_path"]).is_file()
        )
    )
    if gone:
        raise CueframeError(
            f"{len(gone)} videos to validate on are not in {video_path}, the first {gone[0]}; name "
            "their folder by --video_path, or leave validation out by --ratio 0"
        )


def index_videos(
    examples: Sequence[Example],
    encoder: Encoder,
    folder: Path,
    state: PartialState,
    pictures: Path | None = None,
) -> Profile:
    """Embed the examples' videos into an index without a catalog, a shard on each process.

    Args:
        examples: The examples.
        encoder: The encoder.
        folder: Folder of the index; a video that has vectors there is not encoded again.
        state: The processes.
        pictures: Folder of prepared pictures, where sampled frames are kept; None decodes anew.
    """
    profile = Profile(
        model=encoder.name,
        fingerprint="in training",
        width=encoder.width,
        fps=DEFAULT_FPS,
        resize="exact",
        view=encoder.transform.mode,
        dtype=encoder.dtype,
    )
    paths = {one["content_hash"]: one["video_path"] for one in examples}
    jobs: list[Job] = []
    failed: dict[str, str] = {}
    for content, path in paths.items():
        with costs_one(failed, path):
            file = stat_regular(Path(path))
            if not vectors_path(folder, content).is_file():
                jobs.append(as_hashed(Path(path), file, content))
    jobs.sort(key=lambda job: (-job.size, job.path))
    shards = balanced_shards(jobs, state.num_processes, lambda job: job.size)
    for video in encode_videos(
        shards[state.process_index],
        encoder,
        FrameSampler(fps=profile.fps, transform=encoder.transform),
        batch_frames=_BATCH_FRAMES,
        workers=None,
        limit_s=None,
        cost=Cost(),
        decode=partial(decoded_or_kept, pictures=pictures) if pictures else decode_all,
    ):
        if isinstance(video, FailedVideo):
            failed[video.job.path] = video.reason
            continue
        with costs_one(failed, video.job.path):
            write_vectors(folder, video.to_store(profile))
    print_some("failed", [f"{path}: {reason}" for path, reason in failed.items()], most=len(failed))
    # Not a collective, which would time out while another process decodes for half an hour.
    barrier(folder, state, "indexed")
    return profile


def score(
    examples: Sequence[Example],
    encoder: Encoder,
    index: Path,
    profile: Profile,
    seed: int,
    long_text: LongText = "windows",
) -> Validation:
    """Answer the examples' questions from an index, and score the picks.

    The halves depend on the videos and the seed alone, not on what could be answered.

    Raises:
        CueframeError: No question could be answered.
    """
    queries = [
        Query(
            place=place,
            question=one["question"],
            texts=event_texts(one["question"]) or (one["caption"],),
            path=one["video_path"],
            content_hash=one["content_hash"],
        )
        for place, one in enumerate(examples)
    ]
    texts, _ = encode_each(encoder, [one.texts for one in queries], long_text)
    places = chain.from_iterable(group_by_video(queries).values())
    encoded = (EncodedQuery(queries[n], texts[n]) for n in places)
    answers = answer_all(index, profile, encoded, rule=Rule(), k=K, seed=seed)
    records = [record for _, record in sorted(chain.from_iterable(answers), key=itemgetter(0))]
    failed = [record for record in records if "error" in record]
    print_some("failed", [f"{record['id']}: {record['error']}" for record in failed])
    if len(failed) == len(records):
        raise CueframeError(
            f"none of {len(records)} validation questions could be answered; see the lines above, "
            "or leave validation out by --ratio 0"
        )
    answered = [
        (one, record) for one, record in zip(queries, records, strict=True) if "frames" in record
    ]
    _, timed, _ = on_timelines(index, profile, [one for one, _ in answered])
    picks = [np.array([f["time_s"] for f in record["frames"]]) for _, record in answered]
    ks = [frames_asked(one.question, K) for one in timed]
    tables = figure_tables(timed, {"trained": picks}, ks)
    halves = halves_of((one["content_hash"] for one in examples), seed)

    def scored(half: Half | None) -> ScoreTable:
        rows = [n for n, one in enumerate(timed) if half in (None, halves.of(one.video))]
        own = {name: table[rows] for name, table in tables.items()}
        return score_table([timed[n] for n in rows], own, list(FIGURES), seed)

    found = {halves.of(one.video) for one in timed}
    table = scored(None)
    if len(found) == 1:  # one video, or no question of a half could be answered
        return Validation(table, table, table, records)
    for one, record in zip(queries, records, strict=True):
        record["half"] = halves.of(one.content_hash)
    return Validation(table, scored("chosen_on"), scored("reported_on"), records)


def validate(
    examples: Sequence[Example],
    encoder: Encoder,
    state: PartialState,
    *,
    index: tuple[Path, Profile] | None,
    scratch: Path,
    seed: int,
    long_text: LongText = "windows",
    pictures: Path | None = None,
) -> Validation | None:
    """Index the videos with the current encoder, or take an index that is still valid, and score.

    All processes call this with the same folder `scratch`, which the caller must delete; vectors
    that are there already are taken as they are. `pictures` is as for `index_videos`. Returns the
    result on rank 0, None elsewhere.
    """
    if index is None:
        index = scratch, index_videos(examples, encoder, scratch, state, pictures)
    result = None
    if state.is_main_process:
        result = score(examples, encoder, *index, seed, long_text)
    state.wait_for_everyone()
    return result


def write_records(path: Path, records: Sequence[AnswerRecord]) -> None:
    """Write the picks of a validation, a JSON line for each question."""
    with written_whole(path) as temporary:
        temporary.write_bytes(b"".join(map(as_json_line, records)))


def read_records(path: Path) -> list[AnswerRecord]:
    """Read the file that `write_records` wrote."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def try_judge(name: str) -> str:
    """Check, before the work starts, that a judge can be loaded.

    Returns:
        Its name, or "none" if it is not available, with a line on stderr.

    Raises:
        CueframeError: It is available, but cannot be used.
    """
    if name == "none":
        return name
    try:
        load_judge(name, device=torch.device("cpu"))
    except ModelError as error:
        say(f"no sim_m: {error}")
        return "none"
    return name


def judge_picks(
    records: Sequence[AnswerRecord],
    examples: Sequence[Example],
    judge_name: str,
    device: torch.device,
) -> dict[str, float]:
    """Return the mean `sim_m` of the picks at each threshold; {} if `try_judge` gave "none"."""
    if judge_name == "none":
        return {}
    by_id = {one["id"]: one for one in examples}
    timed, picks, files = [], [], {}
    for record in records:
        if "frames" in record:
            one = by_id[record["id"]]
            picks.append(np.array([frame["time_s"] for frame in record["frames"]]))
            # The index is gone, and with it the rows that were not picked and the ends of spans.
            moments = Timeline(picks[-1], picks[-1], picks[-1][-1])
            timed.append(TimedQuestion(one["question"], *moments, one["content_hash"]))
            files[one["content_hash"]] = Path(one["video_path"])
    judge = load_judge(judge_name, device=device)
    own = {"trained": picks}
    tables = sim_tables(timed, own, files.__getitem__, judge, K, every_row=False)
    judged = tables["trained"][~np.isnan(tables["trained"]).any(axis=1)]
    if not len(judged):
        return {}
    sim = dict(zip(SIM_COLUMNS, judged.mean(axis=0).tolist(), strict=True))
    shown = "  ".join(f"{name} {100 * mean:.1f}" for name, mean in sim.items())
    say(f"{judge_name}, %: {shown}")
    return sim
