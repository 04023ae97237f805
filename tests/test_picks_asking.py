"""The bench's questions and their evidence."""

import itertools
from collections import Counter
from typing import Any

from examples.picks.asking import TIMES, ask_side_questions
from examples.picks.clips import SIDES, by_pair, plan_side
from examples.scenes import Event, Scene
from infer.questions import Question


def sides() -> dict[str, list[tuple[Scene, list[dict[str, Any]]]]]:
    return {
        side: [(scene, ask_side_questions(scene, side, 0)) for scene in plan_side(side, clips, 0)]
        for side, clips in SIDES.items()
    }


def evidence(scene: Scene, record: dict[str, Any]) -> list[Event]:
    return [e for e in scene.events if list(e.range_s) in record["support_ranges"]]


def test_there_are_enough_questions_of_every_kind() -> None:
    for (side, asked), least in zip(sides().items(), (250, 500), strict=True):
        records = [record for _, of_scene in asked for record in of_scene]
        kinds = Counter(record["kind"] for record in records)
        assert sum(kinds.values()) - kinds["events"] >= least
        assert min(kinds.values()) >= (40 if side == "choosing" else 80)
        assert len({record["id"] for record in records}) == len(records)
        for record in records:
            Question.model_validate(record)
            assert record["video_path"].startswith(f"{side}/videos/{side}_")


def test_each_piece_of_evidence_is_an_event_and_inside_it_a_time() -> None:
    for scene, records in itertools.chain(*sides().values()):
        for record in records:
            events = evidence(scene, record)
            assert [list(event.range_s) for event in events] == record["support_ranges"]
            for event, time_s in zip(events, record["support_frames"], strict=True):
                start_s, end_s = event.range_s
                assert start_s <= time_s <= end_s


def test_the_evidence_is_all_that_a_question_asks_about() -> None:
    for scene, records in itertools.chain(*sides().values()):
        pairs = {tuple(events): len(events) for events in by_pair(scene)}
        for record in records:
            events, kind = evidence(scene, record), record["kind"]
            language = record["id"].split("-")[1]
            if kind in ("one", "several"):  # the pair of what it names, each time that it comes
                assert pairs[tuple(events)] == len(events)
                assert (len(events) == 1) == (kind == "one")
                named = {events[0].thing, events[0].sign}
                words = {painted.words(language)["both"] for painted in named}
                assert any(one in record["question"].lower() for one in words)
            elif kind == "whole":
                shown = {event.thing.words(language)["both"] for event in events}
                named_things = {choice[3:] for choice in record["choices"]}
                assert events == list(scene.events) or shown == named_things
            else:
                for text, event in zip(record["events"], events, strict=True):
                    assert text in (p.words(language)["both"] for p in (event.thing, event.sign))
            if "choices" in record:
                assert record["answer"] in record["choices"]


def test_the_answers_are_right() -> None:
    for scene, records in itertools.chain(*sides().values()):
        for record in records:
            events, answer = evidence(scene, record), record.get("answer", "")[3:]
            language = record["id"].split("-")[1]
            if answer in TIMES[language]:
                assert TIMES[language].index(answer) == len(events) - 1
            elif answer.isdigit():
                assert int(answer) == len(scene.events)
            elif record["kind"] == "whole":
                assert answer == events[0].thing.words(language)["both"]
            elif answer:
                shown = (events[0].thing, events[0].sign)
                assert answer in {painted.words(language)["both"] for painted in shown}
