"""Outputs of infer/answer.py: answers, a submission, saved frames, and messages on stderr."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from index.errors import VideoError
from index.progress import bar
from index.storage.atomic_write import written_whole
from infer.answering.run_log import as_json_line, write_and_remove_log
from infer.frame_files import save_frames
from infer.queries import AnswerRecord, Query, group_by_video, print_failures
from infer.questions import Question


def write_answers(
    output: str,
    questions: Sequence[Question],
    lines: Mapping[str, bytes],
    failed: Mapping[int, AnswerRecord],
) -> None:
    """Write a line for each question, in the questions' order: the whole file or nothing.

    Args:
        output: The file, or - for stdout.
        questions: All questions.
        lines: JSON lines of the answered questions, by id.
        failed: Records of the failed questions, by place.

    Raises:
        CueframeError: The file cannot be written.
    """
    ordered = (
        lines[question.id] if question.id in lines else as_json_line(failed[place])
        for place, question in enumerate(questions)
    )
    if output == "-":
        sys.stdout.buffer.writelines(ordered)
    else:
        write_and_remove_log(Path(output), ordered)


def write_submission(path: Path, questions: Sequence[Question], lines: Mapping[str, bytes]) -> None:
    """Write rows of id and answer, a letter or a free text; empty if there is no answer.

    Raises:
        CueframeError: The file cannot be written.
    """
    with (
        written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "answer"])
        for question in questions:
            given = json.loads(lines[question.id])["answer"] if question.id in lines else {}
            rows.writerow([question.id, given.get("letter", given.get("text", ""))])


def print_problems(failed: Mapping[int, AnswerRecord], cut: Sequence[str], max_tokens: int) -> None:
    """Print to stderr the failures, and a warning about the texts that were cut."""
    print_failures(failed, "failed", ", see --output")
    if cut:
        print(
            f"warning: the model reads {max_tokens} tokens and did not see the end of {len(cut)} "
            f"longer texts, the first that of {cut[0]}",
            file=sys.stderr,
        )


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
    saved = unsaved = 0
    for content, numbers in bar(videos.items(), "video", len(videos)):
        records = [json.loads(lines[answered[n].question.id]) for n in numbers]
        picks = [(one["id"], [frame["time_s"] for frame in one["frames"]]) for one in records]
        try:
            saved += save_frames(file_of(content), picks, folder, size)
        except VideoError as error:
            path = answered[numbers[0]].path
            print(f"failed: no frames of {path} are saved: {error}", file=sys.stderr)
            unsaved += 1
    return saved, unsaved
