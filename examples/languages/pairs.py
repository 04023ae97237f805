"""Choose some of the pairs, as files that train/distill.py takes.

Legend: N pairs. Questions come first; captions follow where there are not enough of them.
"""

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from examples.scenes import write_questions

LANGUAGES = ("english", "vietnamese")
HELD_OUT = frozenset({"tractor", "cross", "purple"})
"""Words of a thing, a sign and a colour; a row of the table leaves out all pairs with one."""


class Pairs(NamedTuple):
    """Texts in English with their translations."""

    questions: list[tuple[dict[str, Any], dict[str, Any]]]
    """Records with equal ids."""
    captions: list[tuple[str, str]]

    def __len__(self) -> int:
        """Return N."""
        return len(self.questions) + len(self.captions)


def read_pairs(folder: Path) -> Pairs:
    """Read all pairs of the side that examples/languages/draw.py drew."""
    english, vietnamese = (read_records(folder / f"{name}.json") for name in LANGUAGES)
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return Pairs(list(zip(english, vietnamese, strict=True)), [(one, other) for one, other in rows])


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the records of a questions file that the bench wrote."""
    data: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["data"]
    return data


def some(pairs: Pairs, number: int, seed: int) -> Pairs:
    """Choose `number` pairs at random; fewer are among more of the same seed."""
    rng = random.Random(seed)  # noqa: S311  (a choice, no secret)
    questions = rng.sample(pairs.questions, len(pairs.questions))[:number]
    captions = rng.sample(pairs.captions, len(pairs.captions))
    return Pairs(questions, captions[: number - len(questions)])


def asking(pairs: Pairs, texts: Sequence[str]) -> Pairs:
    """Keep the questions whose text in English is one of some, as train/distill.py suggests."""
    wanted = set(texts)
    return Pairs([one for one in pairs.questions if one[0]["question"] in wanted], [])


def without(pairs: Pairs, words: frozenset[str]) -> Pairs:
    """Leave out all pairs whose text in English has one of some words."""
    return Pairs(
        [one for one in pairs.questions if not has(one[0]["question"], words)],
        [one for one in pairs.captions if not has(one[0], words)],
    )


def has(text: str, words: frozenset[str]) -> bool:
    """Tell whether a text in English has one of some words."""
    return not words.isdisjoint(text.lower().rstrip("?.").split())


def write_pairs(pairs: Pairs, folder: Path) -> list[list[Path]]:
    """Write pairs to files in a folder; return those to give to each --pairs.

    Questions are written without their choices, which would be texts of a pair, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    questions = [folder / f"{name}.json" for name in LANGUAGES]
    for path, records in zip(questions, zip(*pairs.questions, strict=True), strict=True):
        write_questions(path, [_without_choices(one) for one in records])
    if not pairs.captions:
        return [questions]
    write_captions(folder / "captions.csv", pairs.captions)
    return [questions, [folder / "captions.csv"]]


def _without_choices(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("choices", "answer")}


def write_captions(path: Path, captions: Sequence[tuple[str, str]]) -> None:
    """Write pairs of texts as a CSV with the columns en and vi."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("en", "vi"), *captions])
