"""Read the inputs of infer/answer.py and check its flags, before a model is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from index.discovery import list_videos
from index.distributed import started_processes
from index.errors import CueframeError
from index.run_command import positive
from index.storage.atomic_write import folder_of, make_folder, refuse_overwriting, refuse_unwritable
from infer.answering.chosen_rule import read_chosen_rule, refuse_bad_coverage, rule_of
from infer.answering.config import AnswerConfig
from infer.answering.submission import submission_columns
from infer.asked_indexes import AskedIndex, asked_indexes, key_of
from infer.flags import DEFAULT_INDEX
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.readers.prompts import Prompt, load_prompt
from infer.readers.registry import OWN_READERS
from infer.records import RecordFile
from infer.selection.rule_file import ChosenRule
from infer.selection.rules import Rule, load_rule
from infer.videos.frame_files import frame_size
from infer.videos.video_names import by_tail


class Inputs(NamedTuple):
    """Content of the files that are read at the start."""

    questions: RecordFile[Question]
    indexes: Sequence[AskedIndex]
    """The first has the rows, times and segments of the answers."""
    prompt: Prompt
    frame_size: tuple[int, int]
    """Width and height in pixels of saved frames."""
    calibration: RecordFile[Question] | None
    """The questions of --calibration."""
    chosen: ChosenRule | None
    """The content of --rules."""
    rule: Rule
    """How frames are picked."""
    caption: int
    """The setting of the texts of questions."""
    elsewhere: dict[str, list[str]]
    """The videos at --videos by tail, from `infer.videos.video_names.by_tail`."""


def read_inputs(config: AnswerConfig) -> Inputs:
    """Read questions, profile and prompt, and refuse a call that could not be carried out.

    Raises:
        CueframeError: A flag's value is wrong, alone or combined with another; an input cannot be
            read, or an output could not be written.
    """
    refuse_bad_values(config)
    indexes = asked_indexes(config.index or (DEFAULT_INDEX,), config.model)
    chosen = read_chosen_rule(config, key_of(indexes))
    rule, caption = rule_of(config, chosen)
    load_rule(rule)
    return Inputs(
        calibration=read_questions(config.calibration) if config.calibration else None,
        chosen=chosen,
        rule=rule,
        caption=caption,
        frame_size=frame_size(config.size),
        prompt=load_prompt(config.prompt),
        questions=read_questions(config.questions, layout=config.format, labels=config.labels),
        indexes=indexes,
        elsewhere=by_tail(map(str, list_videos(config.videos))) if config.videos else {},
    )


def refuse_bad_values(config: AnswerConfig) -> None:
    """Refuse flags and output paths that would otherwise fail only after all the work.

    Raises:
        CueframeError: A flag's value is wrong, alone or combined with another, or a path cannot be
            written.
    """
    refuse_bad_coverage(config)
    positive("--reader-batch", config.reader_batch)
    positive("--reader-side", config.reader_side)
    positive("--max-new-tokens", config.max_new_tokens)
    seen = config.reader_frames
    if not seen or len(set(seen)) < len(seen):
        raise CueframeError(
            f"--reader-frames is {' '.join(seen) or 'empty'}; name each kind of frames once"
        )
    if config.reader == "none" and (config.submission or seen != ("picked",)):
        flag = "--submission" if config.submission else "--reader-frames"
        raise CueframeError(f"{flag} needs answers; name a --reader, clip or a model")
    if config.reader in OWN_READERS and config.free:
        raise CueframeError(
            f"--free with --reader {config.reader} writes nothing; name a vision-language model"
        )
    if config.reader != "clip" and "all" in seen:
        raise CueframeError(
            "--reader-frames all is for --reader clip, which reads the index; a vision-language "
            "reader takes picked, uniform or support"
        )
    processes = started_processes()
    if processes > 1 and config.device_map:
        raise CueframeError(
            f"--device-map auto spreads one reader, and {processes} processes would have one each; "
            "start one process, or leave the flag out"
        )
    if processes > 1 and "-" in (config.output, config.questions):
        raise CueframeError(f"- is read or written by one process, not by {processes}; name a file")
    output = Path(config.output)
    if config.output != "-" and output.exists() and not output.is_file():
        raise CueframeError(f"--output {output} is no file; name a file, or - for stdout")
    submission_columns(config.submission_columns)
    refuse_overwriting(
        {
            "--output": None if config.output == "-" else output,
            "--submission": config.submission,
            "--save-frames": config.save_frames,
        },
        {
            "the questions": [Path(config.questions)] if config.questions != "-" else [],
            "the labels": config.labels,
            "the prompt": [Path(config.prompt)],
            "the rules": [config.rules],
            "the calibration": [config.calibration, config.trained_on],
            "the index": config.index or (DEFAULT_INDEX,),
            "the model": map(folder_of, (*config.model, config.reader)),
        },
    )
    if not config.submission and (config.guess or config.submission_columns != "id,answer"):
        flag = "--guess" if config.guess else "--submission-columns"
        raise CueframeError(f"{flag} is for --submission; name its file")
    if config.submission:
        refuse_unwritable(config.submission, "--submission")
    if config.save_frames:
        make_folder(config.save_frames, "--save-frames")
