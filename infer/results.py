"""What a run of infer/answer.py leaves behind: answers, a submission, frames, and what it says."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from index.errors import VideoError
from index.progress import bar
from index.store import written_whole
from infer.bulk import Asked, Record, by_video, tell_failures
from infer.frames import save_frames
from infer.journal import as_line, close_journal
from infer.questions import Question


def write_answers(
    output: str,
    questions: Sequence[Question],
    lines: Mapping[str, bytes],
    failed: Mapping[int, Record],
) -> None:
    """A line for each question, in the questions' order: the whole file or none of it.

    Args:
        output: The file, or - for stdout.
        questions: All of them.
        lines: Of the answered ones, by id.
        failed: Records of the others, by place.

    Raises:
        CueframeError: The file cannot be written.
    """
    ordered = (
        lines[question.id] if question.id in lines else as_line(failed[place])
        for place, question in enumerate(questions)
    )
    if output == "-":
        sys.stdout.buffer.writelines(ordered)
    else:
        close_journal(Path(output), ordered)


def write_submission(path: Path, questions: Sequence[Question], lines: Mapping[str, bytes]) -> None:
    """Rows of id and answer, a letter or a free text; empty where there is no answer.

    Raises:
        CueframeError: It cannot be written.
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


def tell(failed: Mapping[int, Record], cut: Sequence[str], max_tokens: int) -> None:
    """What went wrong, on stderr."""
    tell_failures(failed, "failed", ", see --output")
    if cut:
        print(
            f"warning: the model reads {max_tokens} tokens and did not see the end of {len(cut)} "
            f"longer texts, the first that of {cut[0]}",
            file=sys.stderr,
        )


def save_all(
    folder: Path,
    asked: Sequence[Asked],
    lines: Mapping[str, bytes],
    file_of: Callable[[str], Path],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Save the picked frames, video by video; returns how many, and of how many videos none."""
    answered = [one for one in asked if one.question.id in lines]
    videos = by_video(answered)
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
