"""Ask about the bench's scenes: one piece of evidence, several, the whole video, and a sequence.

    one        the demo's questions, about an event that happens once
    several    about one that happens two or three times: each of them is evidence
    whole      which of four things passes first, or how many pass: every one of them is evidence
    events     three texts in the order of what they describe

Each record has its kind as the field "kind".
"""

import random
from collections.abc import Sequence
from typing import Any

from examples.picks.clips import by_pair
from examples.scenes import Event, Painted, Scene, ask_about, lettered, support_s
from examples.wording import Language

COUNTABLE = 8
"""Most events of a clip in which it is asked how many there are."""
SEQUENCE = 3

TIMES = {
    "en": ("once", "twice", "three times", "four times"),
    "vi": ("một lần", "hai lần", "ba lần", "bốn lần"),
}
TEMPLATES = {
    "sign": {
        "en": "How many times does the board show {painted}?",
        "vi": "Bảng hiện {painted} mấy lần?",
    },
    "thing": {"en": "How many times does {painted} pass?", "vi": "{painted} đi qua mấy lần?"},
    "first": {
        "en": "Which of these things passes first?",
        "vi": "Vật nào trong số này đi qua đầu tiên?",
    },
    "all": {
        "en": "How many things pass in the whole video?",
        "vi": "Có bao nhiêu vật đi qua trong cả đoạn phim?",
    },
    "events": {"en": "First {0}, then {1}, then {2}", "vi": "Đầu tiên {0}, rồi {1}, rồi {2}"},
}


def ask_side_questions(scene: Scene, folder: str, seed: int) -> list[dict[str, Any]]:
    """Ask about a scene: return the records of its questions, three to nine."""
    rng = random.Random(f"{seed}/{scene.name}/questions")  # noqa: S311  (not secrets)
    pairs = by_pair(scene)
    single = [events[0] for events in pairs if len(events) == 1]
    records: list[dict[str, Any]] = []

    def add(kind: str, record: dict[str, Any]) -> None:
        records.append(record | {"kind": kind})

    for event in in_time(rng.sample(single, min(len(single), 3 if len(single) < 8 else 5))):
        add("one", ask_about(event, scene, len(records), folder, rng))
    for events in pairs:
        if len(events) > 1:
            add("several", _ask_of_several(events, scene, len(records), folder, rng))
    if len(pairs) >= 4 or len(scene.events) <= COUNTABLE:
        add("whole", _ask_of_whole(pairs, scene, len(records), folder, rng))
    if len(single) >= SEQUENCE:
        chosen = in_time(rng.sample(single, SEQUENCE))
        add("events", _ask_of_sequence(chosen, scene, len(records), folder, rng))
    return records


def in_time(events: Sequence[Event]) -> list[Event]:
    """Return events in order of time."""
    return sorted(events, key=lambda event: event.first)


def _ask_of_several(
    events: Sequence[Event], scene: Scene, number: int, folder: str, rng: random.Random
) -> dict[str, Any]:
    """Ask what an event shows each time, in the demo's words, or how many times it happens."""
    evidence = _evidence(events, rng)
    if rng.random() < 0.5:
        return ask_about(events[0], scene, number, folder, rng) | evidence
    language: Language = rng.choice(("en", "vi"))
    part, painted = rng.choice((("sign", events[0].sign), ("thing", events[0].thing)))
    question = TEMPLATES[part][language].format(painted=painted.words(language)["both"])
    options = lettered(TIMES[language])
    return _record(scene, number, folder, language, question) | {
        "choices": options,
        "answer": options[len(events) - 1],
        **evidence,
    }


def _ask_of_whole(
    pairs: Sequence[Sequence[Event]], scene: Scene, number: int, folder: str, rng: random.Random
) -> dict[str, Any]:
    """Ask which of four things passes first; in clips of few events, or how many pass."""
    language: Language = rng.choice(("en", "vi"))
    if len(pairs) < 4 or (len(scene.events) <= COUNTABLE and rng.random() < 0.5):
        least = len(scene.events) - rng.randrange(4)
        options = lettered([str(least + more) for more in range(4)])
        question, right, events = "all", len(scene.events) - least, scene.events
    else:
        four = rng.sample(pairs, 4)
        options = lettered([own[0].thing.words(language)["both"] for own in four])
        right = min(range(4), key=lambda n: four[n][0].first)
        question, events = "first", in_time([event for own in four for event in own])
    return _record(scene, number, folder, language, TEMPLATES[question][language]) | {
        "choices": options,
        "answer": options[right],
        **_evidence(events, rng),
    }


def _ask_of_sequence(
    events: Sequence[Event], scene: Scene, number: int, folder: str, rng: random.Random
) -> dict[str, Any]:
    """Ask for three events in their order, each by its thing or by its sign."""
    language: Language = rng.choice(("en", "vi"))
    shown: list[Painted] = [rng.choice((event.thing, event.sign)) for event in events]
    texts = [painted.words(language)["both"] for painted in shown]
    question = TEMPLATES["events"][language].format(*texts)
    return _record(scene, number, folder, language, question) | {
        "events": texts,
        **_evidence(events, rng),
    }


def _record(
    scene: Scene, number: int, folder: str, language: Language, question: str
) -> dict[str, Any]:
    return {
        "id": f"{scene.name}-{language}-{number}",
        "question": question[0].upper() + question[1:],
        "video_path": f"{folder}/videos/{scene.name}.mp4",
    }


def _evidence(events: Sequence[Event], rng: random.Random) -> dict[str, Any]:
    return {
        "support_frames": [support_s(event, rng) for event in events],
        "support_ranges": [list(event.range_s) for event in events],
    }
