"""Peak memory of the commands, on a short video and on a long one."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.frame import Figure, Row, command, file_in, spent_by
from tests.bench.materials import make_clip, make_video, write_questions


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield a row for each command that reads a video or its vectors."""
    lengths = {"short": 1, "long": 60 if whole else 10}
    model = file_in(folder, "tiny", lambda path: make_clip(path, "tiny"))
    sides: dict[str, dict[str, Sequence[str]]] = {}
    for name, minutes in lengths.items():
        for row, argv in _commands(folder, model, minutes).items():
            sides.setdefault(row, {})[name] = argv
    for row, of_lengths in sides.items():
        yield Row(
            name=f"memory: {row}",
            sides=of_lengths,
            figures=[
                Figure(what="peak memory of a process, MB", of=lambda one: one["long"].peak_mb),
                Figure(
                    what=f"the same at {lengths['long']} min / at 1 min",
                    of=lambda one: one["long"].peak_mb / one["short"].peak_mb,
                    at_most=1.1,
                ),
            ],
            rounds=1,
            note="320 × 180, a tiny model",
        )


def _commands(folder: Path, model: Path, minutes: int) -> Mapping[str, Sequence[str]]:
    """Return the commands on a video of so many minutes; each needs those before it."""
    name = f"{minutes}-min"
    video = file_in(
        folder, f"{name}.mp4", lambda path: make_video(path, 60 * minutes, size=(320, 180))
    )
    questions = file_in(
        folder, f"{name}.json", lambda path: write_questions(path, [video], 50, 30 * minutes)
    )
    index = ["--index", folder / f"{name}-index"]
    answers = folder / f"{name}.jsonl"
    asked = ["infer/answer.py", questions, *index, "--output", answers]
    commands: dict[str, Sequence[object]] = {
        "index/build.py": ["index/build.py", video, *index, "--model", model, "--rebuild"],
        "infer/answer.py": asked,
        "infer/answer.py --save-frames": [*asked, "--save-frames", folder / f"{name}-frames"],
        "infer/find.py": ["infer/find.py", "a red car", *index],
        "infer/score.py": ["infer/score.py", answers, questions, *index, "--judge", "none"],
        "infer/compare.py": ["infer/compare.py", questions, *index],
        "train/mine.py": [
            *("train/mine.py", "--json-path", questions, "--input-folder", folder),
            *("--output-folder", folder / f"{name}-mined", "--model", model),
        ],
    }
    # What is mined already is not mined again.
    anew = 'rm -rf "$0" && exec "$@"'
    made = {row: command(str(first), *words) for row, (first, *words) in commands.items()}
    made["train/mine.py"] = [*("sh", "-c", anew, f"{folder / name}-mined"), *made["train/mine.py"]]
    if not (folder / f"{name}-index").exists():
        spent_by(made["index/build.py"], "the index")
    if not answers.exists():
        spent_by(made["infer/answer.py"], "the answers")
    return made
