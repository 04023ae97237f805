"""Answer questions with frames: the best of each part of the video, from an index.

Usage: python infer/answer.py QUESTIONS --index video_index

QUESTIONS is a JSON file (an object with "data", or a list), JSON lines, or - for standard input.
Each question becomes one JSON line of --output, in the questions' order. The result of the run is
one JSON object on stdout. Nothing is decoded but what --save-frames asks for.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from index.cli import own_default, positive, run
from index.errors import CueframeError, VideoError

if TYPE_CHECKING:
    from infer.bulk import Asked, Record
    from infer.indexed import Library

_SHOWN_FAILURES = 10


@dataclass(kw_only=True, slots=True)
class AnswerConfig:
    """Flags of infer/answer.py."""

    questions: tyro.conf.Positional[str]
    """File of questions, or - for standard input."""
    index: Path = Path("video_index")
    """Folder of the index."""
    output: str = "answers.jsonl"
    """File of the answers, or - for stdout; the result of the run then goes to stderr."""
    pick: Literal["quarters", "uniform", "random", "top", "top-apart", "mmr", "aks", "bolt"] = (
        "quarters"
    )
    """Which frames. Of each of K equal segments of a video:
    quarters the best, uniform the middle, random any one.
    top: the best, anywhere; top-apart: at a distance; mmr:
    that look unlike each other. aks: the best where they
    stand out, else of each half; bolt: at equal steps of
    the scores' running sum."""
    frames: int = 4
    """K, frames for a question."""
    caption: Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))] = 1
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    model: Annotated[
        str | None,
        tyro.conf.arg(aliases=("--model-name",)),
        own_default("the one that built the index", "STR"),
    ] = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    seed: int = 42
    """Read by --pick random alone."""
    save_frames: Annotated[Path | None, own_default("none are saved", "DIR")] = None
    """Folder for the picked frames: DIR/<id>/<k>_<time>s.jpg."""
    videos: Annotated[Path | None, own_default("where they were indexed", "PATH")] = None
    """Where --save-frames finds the videos now: folder, video, or text file of paths."""
    size: str = "1920x1080"
    """Width x height of a saved frame in pixels."""


def answer(config: AnswerConfig) -> int:
    """Answer a file of questions; returns the exit code."""
    began_s = time.monotonic()
    positive("--frames", config.frames)
    _refuse_places(config)
    # What can be wrong with the call is found before torch is loaded.
    from index.files import list_videos
    from index.store import read_profile
    from infer.frames import frame_size
    from infer.questions import by_tail, load_questions

    index = config.index
    size = frame_size(config.size)
    questions = load_questions(config.questions)
    profile = read_profile(index)
    elsewhere = by_tail(map(str, list_videos(config.videos))) if config.videos else {}

    from accelerate import PartialState

    from index.progress import bar
    from infer.bulk import answer_all, ask
    from infer.indexed import encode_texts, load_asking_encoder, read_library

    library = read_library(index)
    asked, records = ask(questions, library, config.caption)
    device = PartialState().device
    encoder = load_asking_encoder(
        index, profile, model=config.model, dtype=config.dtype, device=device
    )
    loaded_s = time.monotonic()

    texts, too_long = encode_texts(encoder, [one.text for one in asked])  # (N, D), (N,)
    encoded_s = time.monotonic()

    k, seed = config.frames, config.seed
    answers = answer_all(index, profile, asked, texts, pick=config.pick, k=k, seed=seed)
    records |= bar(answers, "question", len(asked))
    picked_s = time.monotonic()

    _write(config.output, [records[place] for place in range(len(questions))])
    failed = [records[place] for place in sorted(records) if "error" in records[place]]
    cut = [one.question.id for one, long in zip(asked, too_long, strict=True) if long]
    _tell(failed, cut, encoder.max_tokens)
    result: dict[str, Any] = {
        "questions": len(questions),
        "answered": len(questions) - len(failed),
        "failed": len(failed),
        "too_long": len(cut),
    }
    unsaved = 0
    if config.save_frames:
        saved, unsaved = _save(config.save_frames, asked, records, library, elsewhere, size)
        result |= {"saved_frames": saved, "unsaved_videos": unsaved}
    ended_s = time.monotonic()
    result |= {
        "wall_s": round(ended_s - began_s, 3),
        "load_s": round(loaded_s - began_s, 3),
        "text_s": round(encoded_s - loaded_s, 3),
        "pick_s": round(picked_s - encoded_s, 3),
        "save_s": round(ended_s - picked_s, 3),
        "questions_per_s": round(len(questions) / (ended_s - began_s), 1),
    }
    print(json.dumps(result), file=sys.stderr if config.output == "-" else sys.stdout)
    return 1 if failed or unsaved else 0


def _refuse_places(config: AnswerConfig) -> None:
    """Refuse at once what could not be written after all the work."""
    output = Path(config.output)
    if config.output != "-" and output.exists() and not output.is_file():
        raise CueframeError(f"--output {output} is no file; name a file, or - for stdout")
    if config.save_frames:
        try:
            config.save_frames.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CueframeError(
                f"--save-frames {config.save_frames} is no folder and cannot be made "
                f"({error.strerror}); name another"
            ) from error


def _write(output: str, records: "list[Record]") -> None:
    """A JSON line for each record, the whole file or none of it."""
    from index.store import written_whole

    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    if output == "-":
        sys.stdout.buffer.write(lines)
        return
    with written_whole(Path(output)) as temporary:
        temporary.write_bytes(lines)


def _tell(failed: "list[Record]", cut: list[str], max_tokens: int) -> None:
    """What went wrong, on stderr."""
    for record in failed[:_SHOWN_FAILURES]:
        print(f"failed: {record['id']}: {record['error']}", file=sys.stderr)
    if len(failed) > _SHOWN_FAILURES:
        print(f"failed: {len(failed) - _SHOWN_FAILURES} more, see --output", file=sys.stderr)
    if cut:
        print(
            f"warning: the model reads {max_tokens} tokens and did not see the end of {len(cut)} "
            f"longer texts, the first that of {cut[0]}",
            file=sys.stderr,
        )


def _save(
    folder: Path,
    asked: "list[Asked]",
    records: "dict[int, Record]",
    library: "Library",
    elsewhere: dict[str, list[str]],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Save the picked frames, video by video; returns how many, and of how many videos none."""
    from index.progress import bar
    from infer.bulk import by_video
    from infer.frames import save_frames
    from infer.originals import find_original

    answered = [one for one in asked if "frames" in records[one.place]]
    videos = by_video(answered)
    saved = unsaved = 0
    for content, numbers in bar(videos.items(), "video", len(videos)):
        picks = [
            (answered[n].question.id, [f["time_s"] for f in records[answered[n].place]["frames"]])
            for n in numbers
        ]
        try:
            saved += save_frames(find_original(library, content, elsewhere), picks, folder, size)
        except VideoError as error:
            path = answered[numbers[0]].path
            print(f"failed: no frames of {path} are saved: {error}", file=sys.stderr)
            unsaved += 1
    return saved, unsaved


if __name__ == "__main__":
    run(answer, AnswerConfig, __doc__)
