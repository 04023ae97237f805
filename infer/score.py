"""Score answers against labels: a panel of figures beside uniform, random and oracle picks.

Usage: python infer/score.py ANSWERS QUESTIONS --index video_index

ANSWERS is what infer/answer.py wrote, QUESTIONS a file with support_frames or support_ranges, or,
where a reader answered, with answers. The tables go to stderr, the result as one JSON object to
stdout. --report draws a page with each question's curve and frames.
"""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from index.cli import own_default, positive, run
from index.errors import CueframeError, ModelError
from infer.asking import AskingModel, CaptionSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from index.encoder import Encoder
    from infer.answers import Answer
    from infer.judge import Judge
    from infer.metrics import Timed
    from infer.panel import Panel
    from infer.questions import Question


@dataclass(kw_only=True, slots=True)
class ScoreConfig:
    """Flags of infer/score.py."""

    answers: tyro.conf.Positional[str]
    """File of answers, or - for standard input."""
    questions: tyro.conf.Positional[str]
    """File of labelled questions."""
    index: Path = Path("video_index")
    """Folder of the index: it tells which frames could be picked."""
    judge: str = "facebook/dinov2-large"
    """Vision model of sim_m, a folder or a name on the hub; none for no sim_m."""
    judge_frames: Literal["all", "picked"] = "all"
    """Frames that pass the judge: all of a video's in the index, which random and oracle need, or
    the picked, uniform and true ones alone."""
    videos: Annotated[Path | None, own_default("where they were indexed", "PATH")] = None
    """Where the videos are now, for sim_m and the report: folder, video, or text file of paths."""
    check_leak: Annotated[Path | None, own_default("no check", "TRAIN_QUESTIONS")] = None
    """Questions of training; a scored video whose content they are about is an error."""
    train_videos: Annotated[Path | None, own_default("beside its file", "DIR")] = None
    """Folder of the videos of --check-leak."""
    export: Annotated[Literal["kfs-bench"] | None, own_default("no export", "kfs-bench")] = None
    """Write the picks' times as KFS-Bench's own scorer reads them, to --export-path."""
    export_path: Path = Path("kfs-bench.json")
    """File of --export."""
    report: Annotated[Path | None, own_default("no report", "FILE.html")] = None
    """Page of all questions, the worst first."""
    report_limit: int = 1000
    """Questions in the report at most."""
    caption: CaptionSetting = 1
    """Text of the report's curves: 1 the question, 2 its choices, 3 both; as for the answers."""
    model: AskingModel = None
    """Dual encoder of the report's curves; as for the answers."""
    seed: int = 42
    """Of the bootstrap."""


def score(config: ScoreConfig) -> int:
    """Score answers; returns the exit code."""
    positive("--report-limit", config.report_limit)
    from index.files import list_videos
    from infer.answers import load_answers
    from infer.metrics import labelled
    from infer.questions import by_tail, load_questions

    questions, given = load_questions(config.questions), load_answers(config.answers)
    if all(one.answer is None for one in questions) or not any(one.by_frames for one in given):
        labelled(questions)  # for there is nothing else to score
    answers, questions = _pair(given, questions)
    if config.export:
        _export(config.export_path, answers.values())
    elsewhere = by_tail(map(str, list_videos(config.videos))) if config.videos else {}

    import numpy as np

    from infer.accuracy import reading, reading_cells, reading_json, reading_line
    from infer.bulk import ask, on_timelines, tell_failures
    from infer.cases import summary, with_curves, worst_cases
    from infer.indexed import read_library
    from infer.leak import refuse_trained
    from infer.marks import frames_seen, mark
    from infer.originals import find_original
    from infer.panel import as_json, print_table, uniform_picks
    from infer.report import times_to_show, write_report
    from infer.thumbnails import thumbnails_of

    index = config.index
    library = read_library(index)
    asked, failed = ask(questions, library, config.caption if config.report else 1)
    tell_failures(failed, "not scored")
    if not asked:
        raise CueframeError(
            f"none of {len(questions)} answered questions is about a video of {index}; name the "
            "index that was asked by --index"
        )
    if config.check_leak:
        own = config.check_leak.parent
        refuse_trained(
            {one.content_hash: one.path for one in asked},
            config.check_leak,
            [config.train_videos] if config.train_videos else [own, own.parent],
            library,
        )
    timed = on_timelines(index, asked)
    chosen = [answers[one.question.id] for one in asked]
    k = _picks_each(chosen, timed)
    picks = [np.array([frame.time_s for frame in answer.frames]) for answer in chosen]
    marks = mark(timed, chosen, frames_seen(timed, picks, uniform_picks(timed, k)), k)
    if not marks.marked:
        labelled(one.question for one in timed)
    _tell_foreign(picks, timed, index)

    file_of = partial(find_original, library, elsewhere=elsewhere)
    columns, table, result, groups = _of_frames(config, timed, picks, k, file_of)
    told: dict[str, Any] = {
        "questions": result.questions,
        "unlabelled": result.skipped,
        "not_scored": len(failed),
        "videos": len({one.video for one in timed}),
        "frames": k,
        **as_json(result),
        "by": {by: {name: as_json(of) for name, of in own.items()} for by, own in groups.items()},
    }
    lines = [f"{config.answers} · {config.questions} · {index}"]
    if marks.marked:
        reader, found = _reader(chosen), reading(marks.marked, config.seed)
        print(file=sys.stderr)
        print_table(reading_cells(found, reader))
        told["reader"] = reading_json(found, marks, reader, config.seed)
        lines.append(reading_line(found, reader))
    elif any(answer.by_frames for answer in chosen):
        print("no accuracy: no question has a right answer and a letter", file=sys.stderr)
    print(json.dumps(told, ensure_ascii=False))
    if config.report:
        cases = worst_cases(asked, timed, chosen, table, columns, config.report_limit)
        if encoder := _asking_encoder(config):
            cases = with_curves(cases, asked, encoder, index)
        pictures = thumbnails_of(
            times_to_show(cases), lambda path: file_of(library.seen[path].content_hash)
        )
        labels = f"{result.questions} labelled" if result.questions else f"{len(timed)}"
        top = (
            f"{labels} questions about {told['videos']} videos, {k} picks each; {len(cases)} are "
            "shown, the worst first"
        )
        write_report(config.report, summary(result, "answers", [top, *lines], k), cases, pictures)
    return 1 if failed else 0


def _of_frames(
    config: ScoreConfig,
    timed: "Sequence[Timed]",
    picks: "Sequence[npt.NDArray[np.float64]]",
    k: int,
    file_of: "Callable[[str], Path]",
) -> "tuple[list[str], npt.NDArray[np.float64], Panel, dict[str, dict[str, Panel]]]":
    """Score the frames and print it; a line says so where no question is labelled.

    Returns:
        The figures' names, the answers' own by question, the panel and that of each group.
    """
    import numpy as np

    from infer.baselines import FIGURES
    from infer.breakdown import breakdown
    from infer.likeness import SIM_COLUMNS, sim_tables
    from infer.metrics import is_labelled
    from infer.panel import (
        Panel,
        group_cells,
        panel,
        panel_cells,
        print_table,
        tables_of,
        uniform_picks,
    )

    columns = list(FIGURES)
    if not any(is_labelled(one.question) for one in timed):
        print(
            f"no figures of frames: none of {len(timed)} questions has support_frames or "
            "support_ranges",
            file=sys.stderr,
        )
        unknown = np.full((len(timed), len(columns)), np.nan)
        return columns, unknown, Panel({}, {}, 0, len(timed)), {}
    judge = None if config.judge == "none" else _judge(config.judge)
    tables = tables_of(timed, {"answers": picks}, k)
    if judge:
        likeness = sim_tables(
            timed,
            {"answers": picks, "uniform": uniform_picks(timed, k)},
            file_of,
            judge,
            k,
            every_row=config.judge_frames == "all",
        )
        columns += SIM_COLUMNS
        tables = {name: np.hstack([table, likeness[name]]) for name, table in tables.items()}
    result = panel(timed, tables, columns, config.seed)
    groups = breakdown(timed, tables, columns, config.seed)
    print_table(panel_cells(result, ["answers"]))
    print(file=sys.stderr)
    print_table(group_cells(groups, "answers", "hit"))
    return columns, tables["answers"], result, groups


def _reader(answers: "Iterable[Answer]") -> str | None:
    """Who answered; of several, all their names."""
    names = {answer.reader for answer in answers if answer.by_frames and answer.reader}
    return ", ".join(sorted(names)) or None


def _pair(
    answers: "list[Answer]", questions: "list[Question]"
) -> "tuple[dict[str, Answer], list[Question]]":
    """The answers by id, and the questions that have one; what has no counterpart is told."""
    asked = {question.id for question in questions}
    by_id = {answer.id: answer for answer in answers if answer.id in asked}
    if not by_id:
        raise CueframeError(
            f"none of {len(answers)} answers has the id of one of {len(questions)} questions, "
            f"{answers[0].id!r} for one; give the questions that were answered"
        )
    for count, what in (
        (len(answers) - len(by_id), "answers have no question"),
        (len(questions) - len(by_id), "questions have no answer"),
        (sum(answer.error is not None for answer in by_id.values()), "answers are errors"),
    ):
        if count:
            print(f"warning: {count} {what} and are not scored", file=sys.stderr)
    there = {name: answer for name, answer in by_id.items() if answer.error is None}
    if not there:
        raise CueframeError(f"all {len(by_id)} answers are errors; answer the questions again")
    return there, [question for question in questions if question.id in there]


def _picks_each(answers: "Sequence[Answer]", timed: "Sequence[Timed]") -> int:
    """K; every answer must have as many frames, or all frames of a shorter video."""
    k = max(len(answer.frames) for answer in answers)
    for answer, one in zip(answers, timed, strict=True):
        if len(answer.frames) != min(k, len(one.time_s)):
            raise CueframeError(
                f"answer {answer.id!r} has {len(answer.frames)} frames where others have {k}, so "
                "no baseline compares; score answers with one number of frames"
            )
    return k


def _tell_foreign(
    picks: "Sequence[npt.NDArray[np.float64]]", timed: "Sequence[Timed]", index: Path
) -> None:
    """Warn of picks at times that the index's rows do not have."""
    import numpy as np

    from index.video import TIME_SLACK_S

    foreign = sum(
        bool((np.abs(times_s[:, None] - one.time_s).min(axis=1) > TIME_SLACK_S).any())
        for times_s, one in zip(picks, timed, strict=True)
    )
    if foreign:
        print(
            f"warning: {foreign} of {len(timed)} answers have frames at times that are none of "
            f"{index}'s; random and oracle are held to the index's frames",
            file=sys.stderr,
        )


def _judge(name: str) -> "Judge | None":
    """The judge; where it is not to be had, a line says so, and the other figures come."""
    from accelerate import PartialState

    from infer.judge import load_judge

    try:
        return load_judge(name, device=PartialState().device)
    except ModelError as error:
        print(f"no sim_m: {error}", file=sys.stderr)
        return None


def _asking_encoder(config: ScoreConfig) -> "Encoder | None":
    """The encoder of the curves; where it is not to be had, a line says so."""
    from accelerate import PartialState

    from index.store import read_profile
    from infer.indexed import load_asking_encoder

    profile, device = read_profile(config.index), PartialState().device
    try:
        return load_asking_encoder(
            config.index, profile, model=config.model, dtype="auto", device=device
        )
    except ModelError as error:
        print(f"no curves: {error}", file=sys.stderr)
        return None


def _export(path: Path, answers: "Iterable[Answer]") -> None:
    """The picks as KFS-Bench's eval.py reads them."""
    from index.store import written_whole

    records = [
        {"id": answer.id, "frame_timestamps": [frame.time_s for frame in answer.frames]}
        for answer in answers
    ]
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(records, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"the picks' times are in {path}", file=sys.stderr)


if __name__ == "__main__":
    run(score, ScoreConfig, __doc__)
