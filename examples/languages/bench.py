"""Measure what pairs of texts are worth: an index made in English is asked in Vietnamese.

    python examples/languages/bench.py languages

The folder holds what `make bench-languages` made before: clips/ of examples/languages/draw.py, e5/
of examples/languages/e5.py, and for each seed an encoder trained in English alone with its indexes,
encoders/SEED/trained, pairs and test. Each choice of pairs is given to train/distill.py as a user
does, which sees the side of the pairs alone and chooses by itself. Then the questions of the test
side are asked once in every wording.

    languages/languages.md    the tables

The tables go to stderr as well, the result as one JSON object to stdout.
"""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from examples.languages.draw import WORDINGS
from examples.languages.measure import ask, ask_mixed_up, hits, same_scores, uniform_hits
from examples.languages.pairs import (
    HELD_OUT,
    Pairs,
    asking,
    has,
    read_pairs,
    some,
    without,
    write_pairs,
)
from examples.languages.tables import AS_IT_IS, ENGLISH, MIXED_UP, UNIFORM, markdown, summary
from index.errors import CueframeError
from index.messages import json_line, say
from index.run_command import run

FEW, MORE, MOST = (20, 50), (200, 500), 500
SUGGESTED = FEW[-1]
DISTILL = Path(__file__).parents[2] / "train" / "distill.py"


def of_encoder(folder: Path, seed: int, *, tuned: bool) -> dict[str, Any]:
    """Distil with each choice of pairs and ask; return the hits (N,) of each row by wording.

    English is asked twice: by the teacher, which is left to it and must score as before, and by the
    student, whose hits are kept.
    """
    own = folder / "encoders" / str(seed)
    files = {name: folder / "clips" / "test" / f"{name}.json" for name in WORDINGS}
    plain = ask(own / "test", files)
    english = plain.pop("english")
    rows: dict[str, Any] = {
        ENGLISH: {"hits": {"english": hits(english)}},
        AS_IT_IS: {"hits": {wording: hits(curves) for wording, curves in plain.items()}},
        MIXED_UP: {"hits": {"english": hits(ask_mixed_up(own / "test", files["english"], seed))}},
        UNIFORM: {"hits": {"english": uniform_hits(english.timed)}},
    }
    for name, choice in choices_of(folder, seed, tuned=tuned).items():
        say(f"encoder {seed}: {name}")
        model = own / "distilled"
        shutil.rmtree(model, ignore_errors=True)
        given = write_pairs(choice.pairs, own / "some")
        told = distil(folder, own / "pairs", given, model, seed, choice.head)
        asked = ask(own / "test", files, str(model))
        english_is_equal = same_scores(asked["english"], english)
        take_route(model)
        asked |= ask(own / "test", {"english": files["english"]}, str(model))
        rows[name] = {
            "pairs": len(choice.pairs),
            "head": told["head"],
            "wall_s": told["wall_s"],
            "english_is_equal": english_is_equal,
            "hits": {wording: hits(curves) for wording, curves in asked.items()},
        }
        shutil.rmtree(model)  # half a gigabyte
    return {"rows": rows, "asked": english.timed}


class Choice(NamedTuple):
    """A row of the table."""

    pairs: Pairs
    head: str = "auto"
    """As --head."""


def choices_of(folder: Path, seed: int, *, tuned: bool) -> dict[str, Choice]:
    """Choose pairs in all ways that the table has, by the names of its rows."""
    pairs = read_pairs(folder / "clips" / "pairs")

    def at_random(sizes: Sequence[int]) -> dict[str, Choice]:
        return {f"{number} pairs": Choice(some(pairs, number, seed)) for number in sizes}

    chosen = {
        **at_random(FEW),
        f"{SUGGESTED} suggested": Choice(asking(pairs, suggest(folder, SUGGESTED))),
        **at_random(MORE),
        f"{len(pairs)} pairs": Choice(pairs),
        f"{MOST} without {len(HELD_OUT)} words": Choice(some(without(pairs, HELD_OUT), MOST, seed)),
    }
    if tuned:
        chosen[f"{MOST} pairs, tuned"] = Choice(some(pairs, MOST, seed), "tuned")
    return chosen


def suggest(folder: Path, number: int) -> list[str]:
    """Return the texts of the pairs' side that train/distill.py suggests to translate."""
    written = folder / "suggested.csv"
    written.unlink(missing_ok=True)
    questions = folder / "clips" / "pairs" / "english.json"
    call(
        *("--student", folder / "e5", "--suggest", number),
        *("--questions", questions, "--output-path", written),
    )
    with written.open(encoding="utf-8-sig", newline="") as file:
        _, *rows = csv.reader(file)
    return [row[0] for row in rows]


def distil(
    folder: Path, index: Path, pairs: Sequence[Sequence[Path]], model: Path, seed: int, head: str
) -> dict[str, Any]:
    """Run train/distill.py on some pairs; return what it says of itself."""
    given = [part for files in pairs for part in ("--pairs", *files)]
    said = call(
        *("--student", folder / "e5", "--index", index, *given),
        *("--output-path", model, "--seed", seed, "--head", head, "--route"),
    )
    told: dict[str, Any] = json.loads(said)
    return told


def take_route(model: Path) -> None:
    """Let the student of a distilled model read English, too, as without --route."""
    path = model / "distilled.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | {"route": None}
    path.write_text(json.dumps(settings), encoding="utf-8")


def call(*arguments: object) -> str:
    """Run train/distill.py as a user does; return what it writes to stdout."""
    command = [sys.executable, str(DISTILL), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CueframeError(
            f"train/distill.py ended with code {done.returncode}; its error is above"
        )
    return done.stdout


@dataclass(kw_only=True, slots=True)
class BenchConfig:
    """Flags of examples/languages/bench.py."""

    folder: tyro.conf.Positional[Path]
    """Folder with clips/, e5/ and encoders/."""
    seed: int = 42
    """Seed of the bootstrap."""
    tuned: bool = False
    """Measure tuned layers, too, which takes ten minutes more."""


def command(config: BenchConfig) -> int:
    """Run the bench and print its result; returns 0."""
    seeds = sorted(int(path.name) for path in (config.folder / "encoders").iterdir())
    found = [of_encoder(config.folder, seed, tuned=config.tuned) for seed in seeds]
    asked = found[0]["asked"]  # the same questions for all encoders
    result = summary(
        {name: [one["rows"][name] for one in found] for name in found[0]["rows"]},
        [one.video for one in asked],
        [has(one.question.question, HELD_OUT) for one in asked],
        config.seed,
    )
    (config.folder / "languages.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result), file=sys.stderr)
    print(json_line(result))
    return 0


if __name__ == "__main__":
    run(command, BenchConfig, __doc__)
