"""Commands that read or write an index, run in the warm process and looked at from outside."""

import re
from pathlib import Path
from typing import Any

from tests.faults.conftest import ALONE, World
from tests.faults.dying import Faults
from tests.faults.warm import Ended, Warm

ERROR = re.compile(r"^error: .*$", re.MULTILINE)


def reading(world: World, index: Path, folder: Path) -> dict[str, tuple[object, ...]]:
    """The commands that read an index."""
    answers = folder / "a.jsonl"
    return {
        "answer": ("infer/answer.py", world.questions, "--index", index, "--output", "-"),
        "find": ("infer/find.py", "a red car", "--index", index),
        "score": ("infer/score.py", answers, world.questions, "--index", index, "--judge", "none"),
        "check": ("index/check.py", index),
    }


def writing(world: World, index: Path) -> dict[str, tuple[object, ...]]:
    """The commands that write it."""
    model = ("--model", world.model, *ALONE)
    return {
        "build": ("index/build.py", world.videos, "--index", index, *model),
        "repair": ("index/check.py", index, "--repair"),
        "purge": ("index/check.py", index, "--purge"),
    }


def run(warm: Warm, command: tuple[object, ...], **faults: Any) -> Ended:
    ended = warm.run(str(command[0]), *command[1:], faults=[Faults(**faults)])
    assert not ended.crash, ended.err
    return ended


def refusal(ended: Ended) -> str:
    """The one line with which it ends."""
    found = ERROR.findall(ended.err)
    assert (ended.code, len(found)) == (2, 1), ended.err
    return str(found[0])


def told(ended: Ended) -> str:
    """What is wrong: the line of an error, or of `check` on stdout."""
    return ended.out if ended.code == 1 else refusal(ended)
