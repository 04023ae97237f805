"""Many questions: the time of answering them beside that of encoding their distinct texts.

python -m tests.bench.answers QUESTIONS INDEX     encode the texts alone
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Figure, Row, command, file_in, python, spent_by
from tests.bench.materials import make_clip, make_copies, make_video, write_questions


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield the row of answers in bulk."""
    count = 10_000 if whole else 2_000
    model = file_in(folder, "vit-b-32", lambda path: make_clip(path, "ViT-B/32"))
    video = file_in(folder, "video.mp4", lambda path: make_video(path, 12, size=(320, 180)))
    videos = file_in(folder, "videos", lambda path: make_copies(path, video, 5))

    def build(path: Path) -> None:
        spent_by(command("index/build.py", videos, "--index", path, "--model", model), "the index")

    index = file_in(folder, "index", build)
    paths = sorted(videos.iterdir())
    questions = file_in(
        folder, f"questions-{count}.json", lambda path: write_questions(path, paths, count)
    )
    output = ["--output", folder / "answers.jsonl"]
    yield Row(
        name="answers in bulk",
        sides={
            "answer": command("infer/answer.py", questions, "--index", index, *output),
            "encode": python("tests.bench.answers", questions, index),
        },
        figures=[
            Figure(
                what="time without loading / encoding the distinct texts",
                of=lambda one: (
                    (one["answer"].said["wall_s"] - one["answer"].said["load_s"])
                    / one["encode"].said["text_s"]
                ),
                at_most=1.05,
            ),
            Figure(
                what="milliseconds a question, without encoding",
                of=lambda one: (
                    1000 * (one["answer"].said["pick_s"] + one["answer"].said["save_s"]) / count
                ),
            ),
        ],
        note=f"{count:,} questions with texts of their own, 5 videos of 12 s, ViT-B/32",
    )


def _encode(questions: Path, index: Path) -> None:
    import torch

    from index.storage.store import read_profile
    from infer.query_encoder import encode_texts, load_query_encoder

    profile = read_profile(index)
    encoder = load_query_encoder(
        index, profile, model=None, dtype="auto", device=torch.device("cpu")
    )
    records = json.loads(questions.read_text())["data"]
    texts = [one["question"] for one in records]
    began_s = time.monotonic()
    encode_texts(encoder, list(dict.fromkeys(texts)), "windows")
    print(json.dumps({"text_s": time.monotonic() - began_s}))


if __name__ == "__main__":
    _encode(*map(Path, sys.argv[1:]))
