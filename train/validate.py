"""Validation by the lower floors' own code: index the videos, pick frames, score the picks.

K is 4: the best frame of each quarter, beside uniform, random and oracle picks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from index.embed import Cost, embed
from index.encoder import Encoder
from index.errors import CueframeError
from index.opening import DEFAULT_FPS
from index.plan import Job
from index.sampling import Sampling
from index.store import Profile, written_whole
from index.team import await_message, publish, share_out
from index.workers import default_workers
from infer import bulk
from infer.baselines import FIGURES
from infer.indexed import encode_texts
from infer.judge import load_judge
from infer.likeness import SIM_COLUMNS, sim_tables
from infer.metrics import Timed
from infer.panel import Panel, means, panel, tables_of
from train.data import Example

K = 4
_BATCH_FRAMES = 32
_SHOWN_FAILURES = 5

Record = dict[str, Any]
"""As infer/answer.py writes it."""
Table = dict[str, dict[str, float]]
"""Figures, 0 to 1, by picker and metric."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of it."""

    panel: Panel
    records: list[Record]

    @property
    def table(self) -> Table:
        """The means of the panel, for files."""
        return means(self.panel.rows)

    @property
    def rank_of(self) -> list[float]:
        """By this the best validation is chosen: hits, then recall, then precision."""
        return [self.table["trained"][name] for name in ("hit", "recall", "precision")]


def refuse_missing_videos(examples: Sequence[Example], video_path: Path) -> None:
    """Find before training that validation could not see its videos.

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
    examples: Sequence[Example], encoder: Encoder, folder: Path, state: PartialState
) -> Profile:
    """Embed the examples' videos into a new folder, an index without a catalog; all share."""
    profile = Profile(
        model=encoder.name,
        fingerprint="in training",
        width=encoder.width,
        fps=DEFAULT_FPS,
        resize="exact",
        view=encoder.view.mode,
        dtype=encoder.dtype,
    )
    paths = {one["content_hash"]: one["video_path"] for one in examples}
    jobs = [Job(path, content, Path(path).stat().st_size) for content, path in paths.items()]
    jobs.sort(key=lambda job: (-job.size, job.path))
    for video in embed(
        share_out(jobs, state.num_processes)[state.process_index],
        encoder,
        Sampling(fps=profile.fps, view=encoder.view),
        folder,
        profile,
        batch_frames=_BATCH_FRAMES,
        workers=default_workers(),
        limit_s=None,
        cost=Cost(),
    ):
        if video.error:
            print(f"failed: {paths[video.content_hash]}: {video.error}", file=sys.stderr)
    # Not in a collective, which would die while another process decodes for half an hour.
    publish(folder, f"indexed-{state.process_index}.json", True)
    for rank in range(state.num_processes):
        await_message(folder, f"indexed-{rank}.json")
    return profile


def score(
    examples: Sequence[Example], encoder: Encoder, index: Path, profile: Profile, seed: int
) -> Validation:
    """Answer the examples' questions from an index, and score the picks.

    Raises:
        CueframeError: No question could be answered.
    """
    asked = [
        bulk.Asked(
            place=place,
            question=one["question"],
            text=one["caption"],
            path=one["video_path"],
            content_hash=one["content_hash"],
        )
        for place, one in enumerate(examples)
    ]
    texts, _ = encode_texts(encoder, [one.text for one in asked])
    answers = bulk.answer_all(index, profile, asked, texts, pick="quarters", k=K, seed=seed)
    records = [record for _, record in sorted(chain.from_iterable(answers), key=itemgetter(0))]
    failed = [record for record in records if "error" in record]
    for record in failed[:_SHOWN_FAILURES]:
        print(f"failed: {record['id']}: {record['error']}", file=sys.stderr)
    if len(failed) == len(records):
        raise CueframeError(
            f"none of {len(records)} validation questions could be answered; see the lines above, "
            "or leave validation out by --ratio 0"
        )
    answered = [
        (one, record) for one, record in zip(asked, records, strict=True) if "frames" in record
    ]
    timed = bulk.on_timelines(index, [one for one, _ in answered])
    picks = [np.array([f["time_s"] for f in record["frames"]]) for _, record in answered]
    tables = tables_of(timed, {"trained": picks}, K)
    return Validation(panel(timed, tables, list(FIGURES), seed), records)


def validate(
    examples: Sequence[Example],
    encoder: Encoder,
    state: PartialState,
    *,
    index: tuple[Path, Profile] | None,
    scratch: Path,
    seed: int,
) -> Validation | None:
    """Index with the encoder as it is now, or take an index that stays valid, and score.

    All processes call this with the same folder `scratch`, which is the caller's to clear away.
    Returns the result on rank 0, None elsewhere.
    """
    if index is None:
        index = scratch, index_videos(examples, encoder, scratch, state)
    result = score(examples, encoder, *index, seed) if state.is_main_process else None
    state.wait_for_everyone()
    return result


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Keep the picks of a validation, a JSON line for each question."""
    with written_whole(path) as temporary:
        temporary.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def read_records(path: Path) -> list[Record]:
    """What `write_records` wrote."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def judge_picks(
    records: Sequence[Record],
    examples: Sequence[Example],
    judge_name: str,
    device: torch.device,
) -> dict[str, float]:
    """Mean `sim_m` of the picks at all thresholds; where no judge is to be had a line, and {}."""
    if judge_name == "none":
        return {}
    by_id = {one["id"]: one for one in examples}
    timed, picks, files = [], [], {}
    for record in records:
        if "frames" in record:
            one = by_id[record["id"]]
            picks.append(np.array([frame["time_s"] for frame in record["frames"]]))
            # The index is gone, and with it the times of the rows that were not picked.
            timed.append(Timed(one["question"], picks[-1], picks[-1][-1], one["content_hash"]))
            files[one["content_hash"]] = Path(one["video_path"])
    try:
        judge = load_judge(judge_name, device=device)
    except CueframeError as error:
        print(f"no sim_m: {error}", file=sys.stderr)
        return {}
    own = {"trained": picks}
    tables = sim_tables(timed, own, files.__getitem__, judge, K, every_row=False)
    judged = tables["trained"][~np.isnan(tables["trained"]).any(axis=1)]
    if not len(judged):
        return {}
    sim = dict(zip(SIM_COLUMNS, judged.mean(axis=0).tolist(), strict=True))
    shown = "  ".join(f"{name} {100 * mean:.1f}" for name, mean in sim.items())
    print(f"{judge_name}, %: {shown}", file=sys.stderr)
    return sim
