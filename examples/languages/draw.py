"""Draw videos and ask about them in English and in Vietnamese: three sides that share no video.

    python examples/languages/draw.py languages/clips

    languages/clips/train/train.json        in English alone, to train the encoder on
    languages/clips/pairs/english.json, vietnamese.json    the same questions, joined by id
    languages/clips/pairs/captions.csv      more pairs of texts, which belong to no video
    languages/clips/test/english.json, vietnamese.json, other_1.json, other_2.json, other_3.json

and beside the questions of each side its videos. No text of a question of the test side is among
the pairs, where each text is asked once. `other_wordings.py` has the words of other_1 to 3.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import tyro

from examples.drawing import COLOURS, SIGNS, THINGS
from examples.languages.other_wordings import OTHER_WORDINGS
from examples.languages.pairs import write_captions
from examples.picks.processes import cores
from examples.scenes import (
    QUESTIONS_PER_VIDEO,
    Scene,
    ask,
    ask_about,
)
from examples.sides import Records, draw_each_side
from examples.wording import ENGLISH, VIETNAMESE, Language, Wording
from examples.wording import WORDINGS as BY_LANGUAGE
from index.run_command import run

WORDINGS: Mapping[str, Wording] = {
    "english": ENGLISH,
    "vietnamese": VIETNAMESE,
    **{f"other_{n}": wording for n, wording in enumerate(OTHER_WORDINGS, 1)},
}
TEST_SHARE = 1 / 3
"""Of all texts of questions, those that are asked on the test side."""
CAPTIONS = 1_000
CAPTION: Mapping[Language, str] = {
    "en": "{thing} passes while the board shows {sign}.",
    "vi": "{thing} đi qua trong lúc bảng hiện {sign}.",
}


@dataclass(kw_only=True, slots=True)
class DrawConfig:
    """Flags of examples/languages/draw.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to draw in; what an earlier run drew is replaced."""
    train_videos: int = 60
    """Number of videos to train the encoder on."""
    pair_videos: int = 100
    """Number of videos whose questions are given in both languages."""
    test_videos: int = 75
    """Number of videos to measure on."""
    seed: int = 0
    """The same seed draws the same videos."""


def draw_sides(config: DrawConfig, processes: int) -> dict[str, int]:
    """Draw all videos and write their questions; return the number of questions by side."""
    counts = {
        "train": config.train_videos,
        "pairs": config.pair_videos,
        "test": config.test_videos,
    }
    questions = draw_each_side(config.folder, counts, config.seed, processes, ask_side)
    write_captions(config.folder / "pairs" / "captions.csv", captions(config.seed))
    return questions


def ask_side(side: str, scenes: Sequence[Scene], seed: int) -> dict[str, Records]:
    """Ask about the scenes of a side; return its records by the name of their file."""
    if side == "train":
        records: Records = []
        for number, scene in enumerate(scenes):
            count = QUESTIONS_PER_VIDEO[number % len(QUESTIONS_PER_VIDEO)]
            records += ask(scene, count, side, seed, ENGLISH)
        return {side: records}
    names = list(WORDINGS) if side == "test" else ["english", "vietnamese"]
    asked: dict[str, Records] = {name: [] for name in names}
    known: set[str] = set()
    for scene in scenes:
        for record in ask_all(scene, side, seed, ENGLISH):
            text = record["question"]
            if for_test(text, seed) is not (side == "test") or (side == "pairs" and text in known):
                continue
            known.add(text)
            asked["english"].append(record)
    for name in names[1:]:
        by_id = {
            one["id"]: one for scene in scenes for one in ask_all(scene, side, seed, WORDINGS[name])
        }
        asked[name] = [by_id[one["id"]] for one in asked["english"]]
    return asked


def ask_all(scene: Scene, folder: str, seed: int, wording: Wording) -> Records:
    """Ask each kind of question about each event of a scene; the same in every wording."""
    rng = random.Random(f"{seed}/{scene.name}/all")  # noqa: S311  (questions, not secrets)
    kinds = product(scene.events, wording.questions.items())
    return [
        ask_about(event, scene, n, folder, rng, replace(wording, questions=dict([kind])))
        for n, (event, kind) in enumerate(kinds)
    ]


def for_test(text: str, seed: int) -> bool:
    """Tell whether a question in English belongs to the test side, wherever it may be asked."""
    return random.Random(f"{seed}/{text}").random() < TEST_SHARE  # noqa: S311


def captions(seed: int) -> list[tuple[str, str]]:
    """Say what events might show, in English and in Vietnamese."""
    events = list(product(COLOURS, THINGS, COLOURS, SIGNS))
    return [
        (_caption("en", *event), _caption("vi", *event))
        for event in random.Random(seed).sample(events, CAPTIONS)  # noqa: S311
    ]


def _caption(language: Language, colour: str, thing: str, other: str, sign: str) -> str:
    wording = BY_LANGUAGE[language]
    shown = {
        "thing": wording.words(colour, thing)["both"],
        "sign": wording.words(other, sign)["both"],
    }
    return CAPTION[language].format(**shown).capitalize()


def draw(config: DrawConfig) -> int:
    """Draw all sides and print what was drawn; returns 0."""
    for side, questions in draw_sides(config, cores()).items():
        print(f"drew the side {side} with {questions} questions in {config.folder / side}")
    return 0


if __name__ == "__main__":
    run(draw, DrawConfig, __doc__)
