"""Outputs of infer/answer.py: answers, a submission, saved frames, and messages on stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from index.boundary import costs_one
from index.messages import escaped, print_some, say
from index.progress import bar
from infer.answering.run_log import as_json_line, write_and_remove_log
from infer.queries import AnswerRecord, Query, group_by_video, print_failures
from infer.questions import Question
from infer.records import RecordFile, RefusedRecord
from infer.videos.frame_files import save_frames


def write_answers(
    output: str,
    questions: RecordFile[Question],
    lines: Mapping[str, bytes],
    failed: Mapping[int, AnswerRecord],
) -> None:
    """Write a line for each record of a file of questions, in its order: the whole or nothing.

    Args:
        output: The file, or - for stdout.
        questions: All questions, and the records that cannot be used.
        lines: JSON lines of the answered questions, by id.
        failed: Records of the failed questions, by place among the questions.

    Raises:
        CueframeError: The file cannot be written.
    """

    def ordered() -> Iterator[bytes]:
        place = 0
        for one in questions.in_order():
            if isinstance(one, RefusedRecord):
                yield as_json_line(refused_record(one))
                continue
            yield lines[one.id] if one.id in lines else as_json_line(failed[place])
            place += 1

    if output == "-":
        sys.stdout.buffer.writelines(ordered())
    else:
        write_and_remove_log(Path(output), ordered())


def refused_record(one: RefusedRecord) -> AnswerRecord:
    """Return the answer record of a record that is no question; its place stands for a lost id."""
    return {"id": one.id or one.place, "video_path": one.video_path, "error": escaped(one.error)}


def print_problems(
    questions: RecordFile[Question],
    failed: Mapping[int, AnswerRecord],
    undecided: Sequence[str],
) -> None:
    """Print to stderr all failures together, and which questions a reader could not decide."""
    questions.print_refused("question", ", see --output")
    print_failures(failed, "failed", ", see --output")
    print_some("not answered", undecided, ", see --output")


def undecided_of(lines: Mapping[str, bytes]) -> list[str]:
    """Return the questions that a reader could not decide, each with the reason."""
    few = {name: json.loads(line) for name, line in lines.items() if b'"undecided":' in line}
    given = {name: record["answer"].get("undecided") for name, record in few.items()}
    return [f"{name}: {why}" for name, why in given.items() if why]


def save_all(
    folder: Path,
    queries: Sequence[Query],
    lines: Mapping[str, bytes],
    file_of: Callable[[str], Path],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Save the picked frames, video by video.

    Returns:
        The number of frames saved, and of videos whose frames could not be saved.
    """
    answered = [one for one in queries if one.question.id in lines]
    videos = group_by_video(answered)
    saved = 0
    failed: dict[str, str] = {}
    for content, numbers in bar(videos.items(), "video", len(videos)):
        records = [json.loads(lines[answered[n].question.id]) for n in numbers]
        picks = [(one["id"], [frame["time_s"] for frame in one["frames"]]) for one in records]
        with costs_one(failed, answered[numbers[0]].path):
            saved += save_frames(file_of(content), picks, folder, size)
    for path, reason in failed.items():
        say(f"failed: no frames of {path} are saved: {reason}")
    return saved, len(failed)
