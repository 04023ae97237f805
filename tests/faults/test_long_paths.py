"""A path that is too long is one line wherever it is given; a video's costs its own record."""

import json
import os
from pathlib import Path

import pytest

from tests.faults.commands import refusal, run
from tests.faults.conftest import World
from tests.faults.warm import Warm

LONG = "n" * 3000


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ("index/build.py", ("{long}", "--index", "{folder}/i", "--model", "{model}")),
        ("index/build.py", ("{videos}", "--index", "{long}", "--model", "{model}")),
        ("index/build.py", ("{videos}", "--index", "{deep}", "--model", "{model}")),
        ("index/build.py", ("{videos}", "--index", "{folder}/i", "--model", "{long}")),
        ("index/check.py", ("{long}",)),
        ("index/check.py", ("{index}", "--repair", "--videos", "{long}")),
        ("infer/find.py", ("car", "--index", "{long}")),
        ("infer/find.py", ("car", "--index", "{index}", "--model", "{long}")),
        ("infer/answer.py", ("{long}", "--index", "{index}", "--output", "-")),
        ("infer/answer.py", ("{questions}", "--index", "{long}", "--output", "-")),
        ("infer/answer.py", ("{questions}", "--index", "{index}", "--output", "{long}")),
        ("infer/answer.py", (*("{questions}", "--index", "{index}"), "--model", "{long}")),
        ("infer/answer.py", (*("{questions}", "--index", "{index}"), "--videos", "{long}")),
        ("infer/answer.py", (*("{questions}", "--index", "{index}"), "--labels", "{long}")),
        ("infer/answer.py", (*("{questions}", "--index", "{index}"), "--save-frames", "{long}")),
        (
            "infer/answer.py",
            ("{questions}", "--index", "{index}", "--reader", "clip", "--submission", "{long}"),
        ),
        ("infer/score.py", ("{long}", "{questions}", "--index", "{index}")),
        ("infer/score.py", ("{answers}", "{questions}", "--index", "{long}")),
        (
            "infer/score.py",
            ("{answers}", "{questions}", "--index", "{index}", "--report", "{long}"),
        ),
        ("infer/compare.py", ("{questions}", "--index", "{long}")),
        ("train/mine.py", ("--json_path", "{long}")),
        ("train/mine.py", ("--json_path", "{questions}", "--input_folder", "{long}")),
        ("train/mine.py", ("--json_path", "{questions}", "--output_folder", "{long}")),
        ("train/main.py", ("--json_path", "{long}")),
        ("train/main.py", ("--json_path", "{questions}", "--output_path", "{long}")),
        ("train/main.py", ("--json_path", "{questions}", "--image_path", "{long}")),
    ],
)
def test_a_path_that_is_too_long_is_one_line(
    script: str, flags: tuple[str, ...], warm: Warm, world: World, tmp_path: Path, answered: Path
) -> None:
    places = {
        "long": tmp_path / LONG,
        "deep": tmp_path.joinpath(*["d" * 200] * 3),
        "folder": tmp_path,
        "index": world.index,
        "videos": world.videos,
        "questions": world.questions,
        "model": world.model,
        "answers": answered / "a.jsonl",
    }
    before = sorted(world.index.iterdir())
    line = refusal(run(warm, (script, *(flag.format(**places) for flag in flags))))
    assert ("nnnnnnnn" in line) or "SQLite takes 504" in line
    assert sorted(world.index.iterdir()) == before


def test_a_name_of_a_video_that_is_too_long_or_has_a_nul_costs_its_own_record(
    warm: Warm, world: World, index: Path, tmp_path: Path
) -> None:
    good = world.videos / "few.mp4"
    names = [LONG, f"{tmp_path}/" + "d/" * 3000 + "x.mp4", "a\0b.mp4"]
    lines = [os.fsencode(name) for name in (*names, str(good))]
    (tmp_path / "list.txt").write_bytes(b"\n".join(lines[:2] + lines[3:]))
    build = ("index/build.py", tmp_path / "list.txt", "--index", index, "--model", world.model)
    built = run(warm, build)
    assert built.code == 1
    assert built.err.count("cannot be read: File name too long") == 2
    assert json.loads(built.out)["reused"] == 1

    record = json.loads(world.questions.read_text())["data"][0] | {"video_path": "few.mp4"}
    records = [record | {"id": str(n), "video_path": name} for n, name in enumerate(names)]
    (tmp_path / "q.json").write_text(json.dumps([*records, record]))
    output = ("--output", tmp_path / "a.jsonl", "--videos", world.videos)
    frames = ("--save-frames", tmp_path / "frames")
    ended = run(
        warm, ("infer/answer.py", tmp_path / "q.json", "--index", world.index, *output, *frames)
    )
    assert (ended.code, json.loads(ended.out)["answered"]) == (1, 1), ended.err
    mine = ("--json_path", tmp_path / "q.json", "--input_folder", world.videos)
    folder = ("--output_folder", tmp_path / "mined", "--model", world.model, "--workers", 1)
    mined = run(warm, ("train/mine.py", *mine, *folder))
    assert (mined.code, json.loads(mined.out)["mined"]) == (1, 1), mined.err
