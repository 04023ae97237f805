"""A mining run: plan, distribute the shards, and merge all lines."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from index.distributed import balanced_shards, join_processes, rendezvous, share_work
from index.errors import CueframeError
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.pipeline import Cost
from index.planning import Job
from index.storage.lock import locked
from infer.metrics import is_labelled
from infer.query_encoder import encode_texts, print_long_texts
from infer.question_files.loading import read_questions
from infer.question_texts import caption
from infer.questions import Question
from infer.records import RecordFile
from train.mining.decoding_pass import ImageFormat
from train.mining.manifest import (
    append,
    claim_folder,
    read_records,
    remove_leftovers,
    tidy,
)
from train.mining.mine_videos import mine_videos
from train.mining.planning import MiningPlan, plan_mining
from train.mining.question_frames import MiningTask, question_key
from train.mining.rules import MiningEncoder, Rules, load_mining_encoder, settings_of
from train.mining.summary import MiningSummary, print_summary


def mine_frames(
    json_path: Path,
    input_folder: Path,
    output: Path,
    *,
    layout: str = "auto",
    labels: Sequence[Path] = (),
    model: str | None = None,
    index: Path | None = None,
    fps: float | None = None,
    dtype: Dtype = "auto",
    negatives: Literal["random", "hard"] = "random",
    num_segments: int = 5,
    neg_sim_threshold: float = 0.95,
    guard_s: float = 0.5,
    seed: int = 42,
    image_format: ImageFormat = "png",
    caption_setting: int = 1,
    long_text: LongText = "windows",
    batch_frames: int = 64,
    workers: int | None = None,
    time_limit_s: float | None = None,
    no_lock: bool = False,
) -> int:
    """Mine the questions that are not mined yet; every process calls this.

    Arguments are the flags of train/mine.py. The result is one JSON object on stdout.

    Returns:
        The exit code: 1 if a video failed or a question cannot be read, else 0.

    Raises:
        CueframeError: Unusable questions, model or index, or an output folder that was mined with
            other settings or that another run is writing to.
    """
    began_s = time.monotonic()
    state = join_processes()
    leads, rank = state.is_main_process, state.process_index
    file = _read(json_path, layout, labels)
    questions = {q.id: q for q in file.records if is_labelled(q)}
    unlabelled = [q.id for q in file.records if q.id not in questions]
    captions: dict[str, str] = {}
    if negatives == "hard":  # otherwise no text affects the result
        captions = {q.id: caption(q, caption_setting) for q in questions.values()}

    def load() -> tuple[MiningEncoder, Rules]:
        encoder = load_mining_encoder(index, model=model, fps=fps, dtype=dtype, device=state.device)
        rules = Rules(
            negatives=negatives,
            num_segments=num_segments,
            neg_sim_threshold=neg_sim_threshold,
            guard_s=guard_s,
            seed=seed,
            fps=encoder.fps,
            image_format=image_format,
        )
        return encoder, rules

    with ExitStack() as stack:
        folder = stack.enter_context(rendezvous(output, state))
        plan = shards = loaded = None
        if leads:
            stack.enter_context(locked(output, "--output_folder", no_lock=no_lock))
            remove_leftovers(output, keep=folder)
            records = read_records(output)
            plan = plan_mining(questions.values(), captions, records, input_folder, output)
            loaded = load()
            claim_folder(output, settings_of(*loaded, caption_setting, long_text))
            tidy(output, list(questions), without=plan.to_do)
            shards = _shards(plan, state.num_processes)

        def work(shard: list[tuple[dict[str, Any], list[str]]]) -> dict[str, Any]:
            """Mine a shard, videos with the ids of their questions; record each as it finishes."""
            encoder, rules = loaded or load()
            videos = [(Job(**job), [questions[name] for name in ids]) for job, ids in shard]
            texts, too_long = _text_vectors(encoder, videos, captions, long_text)
            tasks = {
                job.content_hash: [
                    MiningTask(
                        q, question_key(q, job.content_hash, captions.get(q.id)), texts.get(q.id)
                    )
                    for q in own
                ]
                for job, own in videos
            }
            summary, cost = MiningSummary(too_long=too_long), Cost()
            for video in mine_videos(
                [job for job, _ in videos],
                tasks,
                encoder,
                rules,
                output,
                scratch=folder / f"pictures-{rank}",
                batch_frames=batch_frames,
                workers=workers,
                limit_s=time_limit_s,
                cost=cost,
            ):
                if video.error is not None:
                    summary.failed[video.job.path] = video.error
                    continue
                append(output, rank, video.records)
                summary.videos += 1
                summary.warnings += [f"{video.job.path}: {text}" for text in video.warnings]
            summary.frames = cost.frames
            summary.decode_cpu_s, summary.encode_s = cost.decode_cpu_s, cost.encode_s
            return asdict(summary)

        results = share_work(folder, state, shards, work)
        if plan is None:
            return 0
        total = MiningSummary(failed=plan.failed)
        for result in results:
            total.add(MiningSummary(**result))
        lines = tidy(output, list(questions))
    if loaded:
        print_long_texts(total.too_long, long_text, loaded[0].encoder.max_tokens)
    code = print_summary(
        total,
        path_of=plan.path_of,
        unlabelled=unlabelled,
        refused=len(file.refused),
        records={name: line for name, line in lines.items() if name in questions},
        done_before=plan.done,
        threshold=neg_sim_threshold,
        wall_s=time.monotonic() - began_s,
    )
    return code if file.complete else 1


def _read(path: Path, layout: str, labels: Sequence[Path]) -> RecordFile[Question]:
    """Read the questions, of which one at least must have a label."""
    if not path.is_file():
        raise CueframeError(
            f"{path} is not there; name the file of questions by --json_path, or the folder that "
            "holds train/train.json by --input_folder"
        )
    file = read_questions(path, layout=layout, labels=labels)
    if int(os.environ.get("RANK", "0")) == 0:
        file.print_refused("question")
    if not any(map(is_labelled, file.records)):
        raise CueframeError(
            f"{path}: no question has support_frames, support_ranges or scenes; mining starts from "
            "labelled questions"
        )
    return file


def _shards(plan: MiningPlan, ranks: int) -> list[list[tuple[dict[str, Any], list[str]]]]:
    """Return the shard of each rank: its videos with the ids of their questions."""
    return [
        [(asdict(job), plan.ids[job.content_hash]) for job in shard]
        for shard in balanced_shards(plan.jobs, ranks, lambda job: job.size)
    ]


def _text_vectors(
    encoder: MiningEncoder,
    videos: Iterable[tuple[Job, list[Question]]],
    captions: Mapping[str, str],
    long_text: LongText,
) -> tuple[dict[str, npt.NDArray[np.float32]], list[str]]:
    """Encode the captions: vectors (w, D) by question id, and the ids of long ones."""
    names = [q.id for _, own in videos for q in own if q.id in captions]
    if not names:
        return {}, []
    vectors, too_long = encode_texts(encoder.encoder, [captions[name] for name in names], long_text)
    named = [name for name, long in zip(names, too_long, strict=True) if long]
    return dict(zip(names, vectors, strict=True)), named
