"""Mine true and negative frames of labelled questions from their videos.

Usage: python train/mine.py --input_folder ../dataset --output_folder dataset

With accelerate launch train/mine.py all processes and machines share the work.

Each question gets dataset/frames_true/<id>/, the frames shown at its support times, and
dataset/frames_neg/<id>/, frames of the same video that are neither near those nor like them.
dataset/mined.jsonl says of each frame when it is shown. A second run mines only what is new or
changed; an interrupted one goes on where it was. The result is one JSON object on stdout.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from index.cli import own_default, positive, run
from index.errors import CueframeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from accelerate import PartialState

    from infer.questions import Question
    from train.outcome import Outcome
    from train.rules import Judge, Rules


@dataclass(kw_only=True, slots=True)
class MineConfig:
    """Flags of train/mine.py."""

    input_folder: Path = Path("../dataset")
    """Folder from which the questions' video_path counts."""
    output_folder: Path = Path("dataset")
    """Folder for the frames."""
    json_path: Annotated[Path | None, own_default("INPUT_FOLDER/train/train.json", "PATH")] = None
    """File of questions with support_frames."""
    model: Annotated[
        str | None,
        tyro.conf.arg(aliases=("--model-name",)),
        own_default("openai/clip-vit-large-patch14, or the index's own", "STR"),
    ] = None
    """Dual encoder that compares frames: a folder written by save_pretrained, or a hub name."""
    num_segments: int = 5
    """Equal parts of the timeline; each gives one negative at most."""
    neg_sim_threshold: float = 0.95
    """A negative's cosine to every true frame is below this; above 1 the test is off."""
    negatives: Literal["random", "hard"] = "random"
    """Of the frames of a part that pass, any, or the one most like the question's text."""
    guard_s: float = 0.5
    """Seconds around a true frame in which there is no negative."""
    caption: Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))] = 1
    """Text of a question: 1 the question, 2 its choices, 3 both. Read by --negatives hard alone."""
    image_format: Literal["png", "jpg"] = "png"
    """png keeps every pixel; jpg, of quality 95, takes a third of the disk."""
    index: Annotated[Path | None, own_default("none", "PATH")] = None
    """Index of the videos: what it has encoded is not encoded again. The result is the same."""
    fps: Annotated[float | None, own_default("2.0, or the index's own", "FLOAT")] = None
    """Candidates for negatives per second of video."""
    seed: int = 42
    """Of the random draws."""
    batch_frames: int = 64
    """Frames that the encoder takes at once."""
    workers: Annotated[int | None, own_default("cores - 1, at least 1", "INT")] = None
    """Decoding processes, of one thread each."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    time_limit_s: Annotated[
        float | None, own_default("120 s + 20 s per second of video", "FLOAT")
    ] = None
    """Seconds that decoding one video may take."""


def mine(config: MineConfig) -> int:
    """Mine what is not mined yet; returns the exit code."""
    for flag, value in (
        ("--num_segments", config.num_segments),
        ("--fps", config.fps),
        ("--batch_frames", config.batch_frames),
        ("--workers", config.workers),
        ("--time_limit_s", config.time_limit_s),
    ):
        positive(flag, value)
    if not 0 <= config.guard_s < math.inf:
        raise CueframeError(f"--guard_s is {config.guard_s}; give seconds, 0 or more")
    if not math.isfinite(config.neg_sim_threshold):
        raise CueframeError(f"--neg_sim_threshold is {config.neg_sim_threshold}; give a number")
    from index.team import join_team

    state = join_team()
    return _lead(config, state) if state.is_main_process else _follow(config, state)


def _lead(config: MineConfig, state: "PartialState") -> int:
    """Rank 0: find what is to do, do its own share, and bring all lines together."""
    from index.lock import locked
    from index.team import await_message, meeting_place, publish, share_out
    from train.backlog import backlog
    from train.ledger import agree, clear_leftovers, read_records, tidy
    from train.outcome import Outcome, report
    from train.rules import settings_of

    began_s = time.monotonic()
    output = config.output_folder
    questions, unlabelled = _questions(config)
    captions = _captions(config, questions.values())
    with meeting_place(output, state) as folder, locked(output, "--output_folder"):
        clear_leftovers(output, keep=folder)
        todo = backlog(
            questions.values(), captions, read_records(output), config.input_folder, output
        )
        judge, rules = _judge(config, state.device)
        agree(output, settings_of(rules, judge, config.caption))
        tidy(output, list(questions), without=todo.to_do)
        shares = [
            [(asdict(job), todo.ids[job.content_hash]) for job in share]
            for share in share_out(todo.jobs, state.num_processes)
        ]
        publish(folder, "plan.json", shares)
        outcome = _work(config, judge, rules, shares[0], questions, captions, folder, rank=0)
        for rank in range(1, state.num_processes):
            outcome.add(Outcome(**await_message(folder, f"rank-{rank}.json")))
        outcome.failed |= todo.failed
        lines = tidy(output, list(questions))
    return report(
        outcome,
        path_of=todo.path_of,
        unlabelled=unlabelled,
        records={name: line for name, line in lines.items() if name in questions},
        done_before=todo.done,
        threshold=config.neg_sim_threshold,
        wall_s=time.monotonic() - began_s,
    )


def _follow(config: MineConfig, state: "PartialState") -> int:
    """Any other rank: do its share, and tell rank 0."""
    from index.team import await_message, meeting_place, publish

    rank = state.process_index
    with meeting_place(config.output_folder, state) as folder:
        share = await_message(folder, "plan.json")[rank]
        questions, _ = _questions(config)
        captions = _captions(config, questions.values())
        judge, rules = _judge(config, state.device)
        outcome = _work(config, judge, rules, share, questions, captions, folder, rank)
        publish(folder, f"rank-{rank}.json", asdict(outcome))
    return 0


def _questions(config: MineConfig) -> "tuple[dict[str, Question], list[str]]":
    """The questions with a support time by id, and the ids of the others."""
    from infer.questions import load_questions

    path = config.json_path or config.input_folder / "train" / "train.json"
    if not path.is_file():
        raise CueframeError(
            f"{path} is not there; name the file of questions by --json_path, or the folder that "
            "holds train/train.json by --input_folder"
        )
    questions = load_questions(path)
    labelled = {q.id: q for q in questions if q.support_frames}
    if not labelled:
        raise CueframeError(
            f"{path}: no question has support_frames; mining starts from labelled questions"
        )
    return labelled, [q.id for q in questions if not q.support_frames]


def _captions(config: MineConfig, questions: "Iterable[Question]") -> dict[str, str]:
    """The questions' texts by id, where they matter."""
    from infer.questions import caption

    if config.negatives == "random":
        return {}
    return {q.id: caption(q, config.caption) for q in questions}


def _judge(config: MineConfig, device: "torch.device") -> "tuple[Judge, Rules]":
    from train.rules import Rules, load_judge

    judge = load_judge(
        config.index, model=config.model, fps=config.fps, dtype=config.dtype, device=device
    )
    rules = Rules(
        negatives=config.negatives,
        num_segments=config.num_segments,
        neg_sim_threshold=config.neg_sim_threshold,
        guard_s=config.guard_s,
        seed=config.seed,
        fps=judge.fps,
        image_format=config.image_format,
    )
    return judge, rules


def _work(
    config: MineConfig,
    judge: "Judge",
    rules: "Rules",
    share: "list[tuple[dict[str, Any], list[str]]]",
    questions: "dict[str, Question]",
    captions: dict[str, str],
    folder: Path,
    rank: int,
) -> "Outcome":
    """Mine a share, videos with the ids of their questions, and write down each as it ends."""
    from index.embed import Cost
    from index.plan import Job
    from index.workers import default_workers
    from infer.indexed import encode_texts
    from train.harvest import Asked, question_key
    from train.ledger import append
    from train.miner import mine_videos
    from train.outcome import Outcome

    jobs = [Job(**job) for job, _ in share]
    texts: dict[str, npt.NDArray[np.float32]] = {}
    outcome, cost = Outcome(), Cost()
    if config.negatives == "hard":
        names = [name for _, ids in share for name in ids]
        vectors, too_long = encode_texts(judge.encoder, [captions[name] for name in names])
        texts = dict(zip(names, vectors, strict=True))
        outcome.too_long = [name for name, long in zip(names, too_long, strict=True) if long]
    asked = {
        job.content_hash: [
            Asked(q, question_key(q, job.content_hash, captions.get(q.id)), texts.get(q.id))
            for q in (questions[name] for name in ids)
        ]
        for job, (_, ids) in zip(jobs, share, strict=True)
    }
    for ended in mine_videos(
        jobs,
        asked,
        judge,
        rules,
        config.output_folder,
        scratch=folder / f"pictures-{rank}",
        batch_frames=config.batch_frames,
        workers=config.workers or default_workers(),
        limit_s=config.time_limit_s,
        cost=cost,
    ):
        if ended.error is not None:
            outcome.failed[ended.job.path] = ended.error
            continue
        append(config.output_folder, rank, ended.records)
        outcome.videos += 1
        outcome.warnings += [f"{ended.job.path}: {warning}" for warning in ended.warnings]
    outcome.frames = cost.frames
    outcome.decode_cpu_s, outcome.encode_s = cost.decode_cpu_s, cost.encode_s
    return outcome


if __name__ == "__main__":
    run(mine, MineConfig, __doc__)
