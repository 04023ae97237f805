"""Validation by the lower floors' own code: index the videos, pick frames, score the picks.

K is 4: the best frame of each quarter, beside uniform, random and oracle picks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from PIL import Image

from index.embed import Cost, embed
from index.encoder import Encoder
from index.errors import CueframeError
from index.opening import DEFAULT_FPS
from index.plan import Job
from index.sampling import Sampling
from index.store import Profile, read_vectors, written_whole
from index.team import await_message, publish, share_out
from index.video import frames_at
from index.workers import default_workers
from infer import baselines, bulk
from infer.indexed import encode_texts
from infer.judge import load_judge, sim_m_many
from infer.metrics import SIM_THRESHOLDS
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

    table: Table
    questions: int
    records: list[Record]

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
    records = [record for _, record in sorted(answers, key=lambda answer: answer[0])]
    failed = [record for record in records if "error" in record]
    for record in failed[:_SHOWN_FAILURES]:
        print(f"failed: {record['id']}: {record['error']}", file=sys.stderr)
    if len(failed) == len(records):
        raise CueframeError(
            f"none of {len(records)} validation questions could be answered; see the lines above, "
            "or leave validation out by --ratio 0"
        )
    labelled, picks = [], []
    clocks = {}
    for one, record in zip(asked, records, strict=True):
        if "frames" in record:
            if one.content_hash not in clocks:
                vectors = read_vectors(index, one.content_hash)
                clocks[one.content_hash] = (vectors.time_s, vectors.clip.duration_s)
            labelled.append(baselines.Asked(one.question, *clocks[one.content_hash]))
            picks.append(np.array([frame["time_s"] for frame in record["frames"]]))
    panel = baselines.panel(labelled, {"trained": picks}, K)
    return Validation(panel.rows, panel.questions, records)


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
    videos: dict[str, list[tuple[list[float], list[float]]]] = {}
    for record in records:
        if "frames" in record:
            one = by_id[record["id"]]
            picked_s = [frame["time_s"] for frame in record["frames"]]
            times_s = (picked_s, sorted(one["question"].support_frames))
            videos.setdefault(one["video_path"], []).append(times_s)

    def pictures() -> Iterator[tuple[list[Image.Image], list[Image.Image]]]:
        for path, questions in videos.items():  # each is decoded once, for all its questions
            wanted_s = sorted({time_s for both in questions for times in both for time_s in times})
            shown = [frame.image for frame in frames_at(Path(path), wanted_s)]
            image_at = dict(zip(wanted_s, shown, strict=True))
            for picked_s, true_s in questions:
                yield [image_at[s] for s in picked_s], [image_at[s] for s in true_s]

    try:
        passed = sim_m_many(pictures(), load_judge(judge_name, device=device))
    except CueframeError as error:
        print(f"no sim_m: {error}", file=sys.stderr)
        return {}
    means = passed.mean(axis=0).tolist()
    sim = {f"sim_{m}": mean for m, mean in zip(SIM_THRESHOLDS, means, strict=True)}
    shown = "  ".join(f"{name} {100 * mean:.1f}" for name, mean in sim.items())
    print(f"{judge_name}, %: {shown}", file=sys.stderr)
    return sim
