"""Score answers: figures of their frames, figures of a reader's choices, and the report."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from accelerate import PartialState

from index.arrays import Floats
from index.discovery import list_videos
from index.errors import CueframeError, ModelError
from index.messages import json_line, print_some, say
from index.models.encoder import Encoder
from index.models.long_texts import LongText
from index.spans import shown_during
from index.storage.atomic_write import refuse_unwritable, written_whole
from index.storage.store import read_profile
from infer.answer_file import Answer
from infer.evaluation.baselines import FIGURES
from infer.evaluation.frame_similarity import SIM_COLUMNS, sim_tables
from infer.evaluation.grading import frames_seen, grade
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.leakage import refuse_leakage
from infer.evaluation.near_leakage import refuse_near_copies
from infer.evaluation.panel import OWN_ROW, Panel, make_panel, panel_json, print_panel
from infer.evaluation.reader_metrics import reader_cells, reader_json, reader_line, score_reader
from infer.evaluation.score_table import ScoreTable, figure_tables, uniform_picks
from infer.evaluation.text_tables import print_table
from infer.judge import Judge, load_judge
from infer.metrics import TimedQuestion, is_labelled, require_labels
from infer.queries import make_queries, on_timelines, print_failures
from infer.query_encoder import load_query_encoder
from infer.question_texts import ChoiceTexts, caption_setting
from infer.questions import Question, frames_asked
from infer.report.cases import summary, with_curves, worst_cases
from infer.report.page import times_to_show, write_report
from infer.report.thumbnails import thumbnails_of
from infer.selection.frame_scores import Join
from infer.videos.indexed_videos import read_indexed_videos
from infer.videos.video_files import find_video_file
from infer.videos.video_names import by_tail


def score_answers(
    answers: Sequence[Answer],
    questions: Sequence[Question],
    index: Path,
    *,
    judge: str = "facebook/dinov2-large",
    judge_frames: Literal["all", "picked"] = "all",
    videos: Path | None = None,
    check_leak: Path | None = None,
    train_videos: Path | None = None,
    train_index: Path | None = None,
    warn_of_near_copies: bool = False,
    export_path: Path | None = None,
    report: Path | None = None,
    report_limit: int = 1000,
    caption: int | None = None,
    choices: ChoiceTexts = "joined",
    join: Join = "max",
    long_text: LongText = "windows",
    model: str | None = None,
    seed: int = 42,
    source: str = "",
) -> int:
    """Score answers: tables to stderr, all figures as one JSON object to stdout.

    Arguments are the flags of infer/score.py; `source` is the report's line on what was scored.

    Returns:
        The exit code: 1 where a question could not be scored, else 0.

    Raises:
        CueframeError: Answers and questions do not match, a scored video was trained on, a file
            cannot be written, or a model cannot be used.
    """
    # Errors are found before anything is computed.
    by_id, questions = _pair(answers, questions)
    for path, flag in ((export_path, "--export-path"), (report, "--report")):
        if path:
            refuse_unwritable(path, flag)
    elsewhere = by_tail(map(str, list_videos(videos))) if videos else {}
    indexed = read_indexed_videos(index)
    queries, failed = make_queries(
        questions, indexed, caption_setting(caption, choices) if report else None, choices
    )
    queries, timed, without_part = on_timelines(index, read_profile(index), queries)
    failed |= without_part
    print_failures(failed, "not scored")
    if not queries:
        raise CueframeError(
            f"none of {len(questions)} answered questions is about a video of {index}; name the "
            "index that was asked by --index"
        )
    if check_leak:
        folders = [train_videos] if train_videos else [check_leak.parent, check_leak.parent.parent]
        scored = {query.content_hash: query.path for query in queries}
        trained = refuse_leakage(scored, check_leak, folders, indexed)
        refuse_near_copies(scored, trained, index, train_index, only_warn=warn_of_near_copies)
    chosen = [by_id[query.question.id] for query in queries]
    ks = _picks_each(chosen, timed)
    picks = [np.array([frame.time_s for frame in answer.frames]) for answer in chosen]
    graded = grade(timed, chosen, frames_seen(timed, picks, uniform_picks(timed, ks)), ks)
    print_some("not graded", graded.wrong)
    if not graded.graded:
        require_labels(one.question for one in timed)
    encoder = _curve_encoder(index, model) if report else None
    labelled = any(is_labelled(one.question) for one in timed)
    loaded_judge = _judge(judge) if labelled and judge != "none" else None
    if export_path:
        _export(export_path, by_id.values())
    _warn_of_foreign_times(picks, timed, index)
    warn_of_late_labels(timed)

    file_of = partial(find_video_file, indexed, elsewhere=elsewhere)
    frames = _score_frames(
        timed, picks, ks, loaded_judge, file_of, every_row=judge_frames == "all", seed=seed
    )
    result: dict[str, Any] = {
        "questions": frames.table.questions,
        "unlabelled": frames.table.skipped,
        "not_scored": len(failed),
        "videos": len({one.video for one in timed}),
        "frames": ks[0] if len(set(ks)) == 1 else {"least": min(ks), "most": max(ks)},
        **panel_json(frames),
    }
    lines = [source]
    if graded.graded:
        reader, scores = _reader_name(chosen), score_reader(graded.graded, seed)
        print(file=sys.stderr)
        print_table(reader_cells(scores, reader))
        result["reader"] = reader_json(scores, graded, reader, seed)
        lines.append(reader_line(scores, reader))
    elif any(answer.by_frames for answer in chosen):
        say("no accuracy: no question has a right answer and a letter")
    print(json_line(result))
    if report:
        cases = worst_cases(queries, timed, chosen, frames.own, frames.columns, report_limit)
        if encoder:
            cases = with_curves(cases, queries, encoder, index, long_text, join)
        pictures = thumbnails_of(
            times_to_show(cases), lambda path: file_of(indexed.seen[path].content_hash)
        )
        scored_questions = frames.table.questions
        labels = f"{scored_questions} labelled" if scored_questions else f"{len(timed)}"
        top = (
            f"{labels} questions about {result['videos']} videos, {_from_to(ks)} picks each; "
            f"{len(cases)} are shown, the worst first"
        )
        plain = (own for own, one in zip(ks, timed, strict=True) if not one.question.events)
        head = summary(frames.table, OWN_ROW, [top, *lines], next(plain, max(ks)))
        write_report(report, head, cases, pictures)
    return 1 if failed else 0


def _score_frames(
    timed: Sequence[TimedQuestion],
    picks: Sequence[Floats],
    ks: Sequence[int],
    judge: Judge | None,
    file_of: Callable[[str], Path],
    *,
    every_row: bool,
    seed: int,
) -> Panel:
    """Score the frames and print the panel, or a line if no question is labelled."""
    columns = list(FIGURES)
    if not any(is_labelled(one.question) for one in timed):
        say(
            f"no figures of frames: none of {len(timed)} questions has support_frames, "
            "support_ranges or scenes"
        )
        unknown = np.full((len(timed), len(columns)), np.nan)
        return Panel(columns, unknown, ScoreTable({}, {}, 0, len(timed)), {})
    tables = figure_tables(timed, {OWN_ROW: picks}, ks)
    if judge:
        pickers = {OWN_ROW: picks, "uniform": uniform_picks(timed, ks)}
        similarity = sim_tables(timed, pickers, file_of, judge, ks, every_row=every_row)
        columns += SIM_COLUMNS
        tables = {name: np.hstack([table, similarity[name]]) for name, table in tables.items()}
    panel = make_panel(timed, tables, columns, seed)
    print_panel(panel)
    return panel


def _reader_name(answers: Iterable[Answer]) -> str | None:
    """Return the reader's name; all names if there are several readers."""
    names = {answer.reader for answer in answers if answer.by_frames and answer.reader}
    return ", ".join(sorted(names)) or None


def _pair(
    answers: Sequence[Answer], questions: Sequence[Question]
) -> tuple[dict[str, Answer], list[Question]]:
    """Pair answers with questions by id: return both without the rest, which warnings count."""
    known = {question.id for question in questions}
    by_id = {answer.id: answer for answer in answers if answer.id in known}
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
            say(f"warning: {count} {what} and are not scored")
    good = {name: answer for name, answer in by_id.items() if answer.error is None}
    if not good:
        raise CueframeError(f"all {len(by_id)} answers are errors; answer the questions again")
    return good, [question for question in questions if question.id in good]


def _picks_each(answers: Sequence[Answer], timed: Sequence[TimedQuestion]) -> list[int]:
    """Return (N,) each question's K: its number of events, or that of all without any.

    Every answer must have K frames, or all frames of a shorter video. One of --frames auto, which
    has `coverage`, may have any number, and K is that.
    """
    numbers = [len(answer.frames) for answer in answers]
    own = [(answer.model_extra or {}).get("coverage") is not None for answer in answers]
    fixed = [
        n
        for n, one, is_own in zip(numbers, timed, own, strict=True)
        if not one.question.events and not is_own
    ]
    k = max(fixed, default=0)
    ks = [
        n if is_own else frames_asked(one.question, k)
        for n, one, is_own in zip(numbers, timed, own, strict=True)
    ]
    for answer, one, own_k in zip(answers, timed, ks, strict=True):
        if len(answer.frames) != min(own_k, len(one.time_s)):
            remedy = (
                f"where its question has {own_k} events; answer it again with python "
                "infer/answer.py"
                if one.question.events
                else f"where others have {own_k}, so no baseline compares; score answers with one "
                "number of frames"
            )
            raise CueframeError(f"answer {answer.id!r} has {len(answer.frames)} frames {remedy}")
    return ks


def _from_to(ks: Sequence[int]) -> str:
    return f"{min(ks)} to {max(ks)}" if len(set(ks)) > 1 else str(ks[0])


def _warn_of_foreign_times(
    picks: Sequence[Floats], timed: Sequence[TimedQuestion], index: Path
) -> None:
    """Warn of picks at times at which no row of the index, or of the part asked about, is shown."""
    foreign = sum(
        not shown_during(one.time_s, one.end_s, np.stack([times_s] * 2, axis=1)).any(axis=1).all()
        for times_s, one in zip(picks, timed, strict=True)
    )
    if foreign:
        say(
            f"warning: {foreign} of {len(timed)} answers have frames at times at which none of "
            f"{index}'s is shown; random and oracle are held to the index's frames"
        )


def _judge(name: str) -> Judge | None:
    """Load the judge; if it is not available, print a line and leave sim_m out."""
    try:
        return load_judge(name, device=PartialState().device)
    except ModelError as error:
        say(f"no sim_m: {error}")
        return None


def _curve_encoder(index: Path, model: str | None) -> Encoder | None:
    """Load the encoder of the report's curves; if it is not available, print a line."""
    try:
        return load_query_encoder(
            index,
            read_profile(index),
            model=model,
            dtype="auto",
            device=PartialState().device,
            text_only=True,
        )
    except ModelError as error:
        say(f"no curves: {error}")
        return None


def _export(path: Path, answers: Iterable[Answer]) -> None:
    """Write the picks in the format that KFS-Bench's eval.py reads."""
    records = [
        {"id": answer.id, "frame_timestamps": [frame.time_s for frame in answer.frames]}
        for answer in answers
    ]
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(records, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"the picks' times are in {path}")
