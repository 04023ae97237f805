"""A hundred questions about one video, beside decoding and encoding it for each of them.

    python -m tests.bench.per_question VIDEO MODEL     one question, by decoding and encoding

Per question, the video is decoded at 15 frames a second, every frame goes through the model's own
processor and its vision side, and the best frame of each quarter is resized to 1920 × 1080. Two
questions are asked in a process that has loaded the model; the second one is counted a hundred
times.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Figure, Round, Row, command, file_in, python
from tests.bench.materials import make_clip, make_video, question, write_questions

_QUESTIONS = 100
_SECONDS = 31
_FPS = 15.0
_BATCH = 112


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield the row of a hundred questions, always in its whole size."""
    del whole
    model = file_in(folder, "vit-b-32", lambda path: make_clip(path, "ViT-B/32"))
    video = file_in(folder, "video.mp4", lambda path: make_video(path, _SECONDS))
    questions = file_in(
        folder, "questions.json", lambda path: write_questions(path, [video], _QUESTIONS)
    )
    index = ["--index", folder / "index"]
    output = ["--output", folder / "answers.jsonl"]

    def theirs_s(one: Round) -> float:
        return _QUESTIONS * float(one["per question"].said["question_s"])

    def beside_loading_s(one: Round) -> float:
        said = one["answer"].said
        return float(said["wall_s"] - said["load_s"])

    yield Row(
        name="a hundred questions about one video",
        sides={
            "build": command("index/build.py", video, *index, "--model", model, "--rebuild"),
            "answer": command("infer/answer.py", questions, *index, *output),
            "per question": python("tests.bench.per_question", video, model),
        },
        figures=[
            Figure(
                what="time per question / ours with building",
                of=lambda one: theirs_s(one) / (one["build"].wall_s + one["answer"].wall_s),
                at_least=300,
            ),
            Figure(
                what="the same without building",
                of=lambda one: theirs_s(one) / one["answer"].wall_s,
                at_least=700,
            ),
            Figure(
                what="the same beside loading",
                of=lambda one: theirs_s(one) / beside_loading_s(one),
                at_least=2500,
            ),
            Figure(what="seconds of a question, by decoding and encoding", of=_question_s),
        ],
        rounds=2,
        note=f"{_SECONDS} s of 720p, ViT-B/32; one question is measured for the hundred",
    )


def _question_s(one: Round) -> float:
    return float(one["per question"].said["question_s"])


def _ask(video: Path, model: str) -> None:
    """Ask two questions by decoding and encoding, and print the seconds of the second one."""
    import numpy as np
    import torch
    from PIL import Image
    from transformers import CLIPModel, CLIPProcessor

    from infer.predict import read_video_frames

    loaded = CLIPModel.from_pretrained(model).eval()
    processor = CLIPProcessor.from_pretrained(model, backend="pil")
    for number in range(2):
        began_s = time.monotonic()
        frames = read_video_frames(video, _FPS)
        parts = []
        for start in range(0, len(frames), _BATCH):
            batch = frames[start : start + _BATCH]
            how = {"return_tensors": "pt", "padding": True}
            with torch.inference_mode():
                inputs = processor(text=[question(number)], images=batch, **how)
                parts.append(loaded(**inputs).logits_per_image[:, 0].numpy())
        scores = np.concatenate(parts)
        quarters = np.array_split(np.arange(len(frames)), 4)
        best = [rows[scores[rows].argmax()] for rows in quarters]
        pictures = [frames[row].resize((1920, 1080), Image.Resampling.BICUBIC) for row in best]
        assert len(pictures) == 4
        spent_s = time.monotonic() - began_s
    print(json.dumps({"question_s": spent_s}))


if __name__ == "__main__":
    _ask(Path(sys.argv[1]), sys.argv[2])
