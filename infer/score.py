"""Score answers against labels: a table of figures beside uniform, random and oracle picks.

Usage: python infer/score.py ANSWERS QUESTIONS --index video_index

ANSWERS is the output of infer/answer.py, QUESTIONS a file with support_frames, support_ranges or
scenes or, if a reader answered, with answers. The tables go to stderr, the result as one JSON
object to stdout. --report draws a page with each question's curve and frames.

With --picks-format, ANSWERS are frames that another tool picked; neither an index nor a video is
needed.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro

    from index.errors import CueframeError
    from index.run_command import own_default, positive, run
    from index.storage.atomic_write import folder_of, refuse_overwriting
    from infer.flags import (
        CaptionSetting,
        ChoicesSetting,
        JoinSetting,
        LabelFiles,
        LongTextSetting,
        PicksFormat,
        QueryModel,
        QuestionFormat,
    )
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class ScoreConfig:
    """Flags of infer/score.py."""

    answers: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ANSWERS")]
    """File of answers, or - for standard input."""
    questions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTIONS")]
    """File of labelled questions."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    picks_format: PicksFormat = None
    picks_fps: Annotated[float | None, own_default("from the questions or the picks", "FPS")] = None
    """Frames per second of the videos, for picks that are frame numbers."""
    index: Path = Path("video_index")
    """Folder of the index, which has the frames that could be picked."""
    judge: str = "facebook/dinov2-large"
    """Vision model of sim_m, a folder or a name on the hub; none leaves sim_m out."""
    judge_frames: Literal["all", "picked"] = "all"
    """Frames that pass the judge: all of a video's in the index, which random and oracle need, or
    the picked, uniform and true ones alone."""
    videos: Annotated[Path | None, own_default("where they were indexed", "PATH")] = None
    """Current location of the videos, for sim_m and the report: folder, video, or text file of
    paths."""
    check_leak: Annotated[Path | None, own_default("no check", "TRAIN_QUESTIONS")] = None
    """Training questions; a scored video with the content of one of their videos is an error, and
    so is one that looks like a part of one."""
    train_videos: Annotated[Path | None, own_default("beside its file", "DIR")] = None
    """Folder of the videos of --check-leak."""
    train_index: Annotated[Path | None, own_default("--index alone", "PATH")] = None
    """Index of those videos, to compare their vectors; built as --index was."""
    near_copies: Literal["refuse", "warn"] = "refuse"
    """What --check-leak does where a scored video only looks like a part of a training video."""
    export: Annotated[Literal["kfs-bench"] | None, own_default("no export", "kfs-bench")] = None
    """Write the picks' times to --export-path, in the format of KFS-Bench's own scorer."""
    export_path: Path = Path("kfs-bench.json")
    """File of --export."""
    report: Annotated[Path | None, own_default("no report", "FILE.html")] = None
    """HTML page of all questions, the worst first."""
    report_limit: int = 1000
    """Maximum number of questions in the report."""
    caption: CaptionSetting = None
    """Text of the report's curves: 1 the question, 2 its choices, 3 both; as for the answers."""
    choices: ChoicesSetting = None
    join: JoinSetting = None
    long_text: LongTextSetting = "windows"
    model: QueryModel = None
    """Dual encoder of the report's curves; as for the answers."""
    seed: int = 42
    """Seed of the bootstrap."""


def score(config: ScoreConfig) -> int:
    """Score answers; returns the exit code."""
    positive("--report-limit", config.report_limit)
    positive("--picks-fps", config.picks_fps)
    refuse_overwriting(
        {"--report": config.report, "--export-path": config.export_path if config.export else None},
        {
            "the answers": [Path(config.answers)],
            "the questions": [Path(config.questions)],
            "the labels": config.labels,
            "the index": [config.index, config.train_index],
            "the training questions": [config.check_leak],
            "the model": map(folder_of, (config.model, config.judge)),
        },
    )
    if config.answers == config.questions == "-":
        raise CueframeError("standard input is given twice, and can be read once; name a file")
    if config.picks_format is not None:
        return _score_picks(config, config.picks_format)
    if config.picks_fps is not None:
        raise CueframeError(f"--picks-fps {config.picks_fps} is for --picks-format aks; name it")
    from infer.answer_file import load_answers
    from infer.metrics import require_labels
    from infer.question_files.loading import read_questions

    # Before torch is loaded, so that unusable files fail at once.
    file = read_questions(config.questions, layout=config.format, labels=config.labels)
    file.print_refused("question")
    given = load_answers(config.answers)
    given.print_refused("answer")
    questions, answers = file.records, given.records
    if all(q.answer is None for q in questions) or not any(a.by_frames for a in answers):
        require_labels(questions)  # there is nothing else to score
    from infer.scoring import score_answers

    code = score_answers(
        answers,
        questions,
        config.index,
        judge=config.judge,
        judge_frames=config.judge_frames,
        videos=config.videos,
        check_leak=config.check_leak,
        train_videos=config.train_videos,
        train_index=config.train_index,
        warn_of_near_copies=config.near_copies == "warn",
        export_path=config.export_path if config.export else None,
        report=config.report,
        report_limit=config.report_limit,
        caption=config.caption,
        choices=config.choices or "joined",
        join=config.join or "max",
        long_text=config.long_text,
        model=config.model,
        seed=config.seed,
        source=f"{config.answers} · {config.questions} · {config.index}",
    )
    return code if file.complete and given.complete else 1


_NEED_AN_INDEX = (
    "index judge judge_frames videos check_leak train_videos train_index near_copies export "
    "export_path report report_limit caption choices join long_text model"
).split()
"""Flags that play no part with --picks-format."""


def _score_picks(config: ScoreConfig, picks_format: str) -> int:
    """Score another tool's picks; returns the exit code."""
    plain = ScoreConfig(answers="", questions="")
    for name in _NEED_AN_INDEX:
        value = getattr(config, name)
        if value != getattr(plain, name) and (name, value) != ("judge", "none"):
            flag = "--" + name.replace("_", "-")
            raise CueframeError(
                f"{flag} {value} needs an index, and --picks-format scores picks without one; "
                f"leave {flag} out"
            )
    if config.picks_fps is not None and picks_format != "aks":
        raise CueframeError(
            f"--picks-fps {config.picks_fps} is the rate of frame numbers, and picks of "
            f"--picks-format {picks_format} are in seconds; leave it out"
        )
    from infer.picks.files import load_picks
    from infer.picks.run import score_picks
    from infer.question_files.loading import read_questions
    from infer.questions import Question

    file = read_questions(config.questions, layout=config.format, labels=config.labels)
    file.print_refused("question")
    in_order = [one if isinstance(one, Question) else None for one in file.in_order()]
    picks = load_picks(config.answers, picks_format, in_order, config.picks_fps)
    code = score_picks(picks, file.records, seed=config.seed)
    return code if file.complete else 1


if __name__ == "__main__":
    run(score, ScoreConfig, __doc__)
