"""One question, asked of an index of a large model: what its process takes.

python -m tests.bench.one_answer MODEL     load the text tower alone and encode one text
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.frame import Figure, Round, Row, command, file_in, python, ratio, spent_by
from tests.bench.materials import make_clip, make_video, question, write_questions


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield the rows of one answer and of one search, always in their whole size."""
    del whole
    model = file_in(folder, "vit-l-14", lambda path: make_clip(path, "ViT-L/14"))
    video = file_in(folder, "video.mp4", lambda path: make_video(path, 3, size=(320, 180)))

    def build(path: Path) -> None:
        spent_by(command("index/build.py", video, "--index", path, "--model", model), "the index")

    index = file_in(folder, "index", build)
    questions = file_in(folder, "one.json", lambda path: write_questions(path, [video], 1))
    commands = {
        "answer": command(
            *("infer/answer.py", questions, "--index", index),
            *("--output", folder / "answers.jsonl"),
        ),
        "find": command("infer/find.py", question(3), "--index", index),
    }
    modules = {
        "answer": ("infer.answer", "infer.answering.inputs", "infer.answering.run"),
        "find": ("infer.find", "infer.finding"),
    }
    for name, argv in commands.items():
        spent_by(argv, name)  # the first one after a build proves the text side, and notes it
        yield Row(
            name=f"one question: infer/{name}.py",
            sides={
                name: argv,
                "imports": python("tests.bench.imports", *modules[name]),
                "text tower": python("tests.bench.one_answer", model),
            },
            figures=[
                Figure(what="seconds beside imports", of=_beside_imports_s(name), at_most=1.5),
                Figure(what="seconds of imports", of=lambda one: one["imports"].wall_s),
                ratio("peak_mb", name, "text tower", at_most=1.3),
                Figure(what="peak memory, MB", of=_peak_mb(name)),
            ],
            note="a folder of ViT-L/14's shape",
        )


def _beside_imports_s(name: str) -> Callable[[Round], float]:
    return lambda one: one[name].wall_s - one["imports"].wall_s


def _peak_mb(name: str) -> Callable[[Round], float]:
    return lambda one: one[name].peak_mb


def _text_tower(model: str) -> None:
    """Load the text tower with its projection, nothing else, and encode a text."""
    import torch
    from transformers import AutoTokenizer, CLIPTextModelWithProjection

    tower = CLIPTextModelWithProjection.from_pretrained(model).eval()
    inputs = AutoTokenizer.from_pretrained(model)([question(3)], return_tensors="pt")
    with torch.inference_mode():
        tower(**inputs)


if __name__ == "__main__":
    _text_tower(sys.argv[1])
