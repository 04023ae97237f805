"""The sides of the bench of languages: the same questions in every wording, and no shared text."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.drawing import COLOURS, SIGNS, THINGS
from examples.languages.draw import (
    CAPTIONS,
    WORDINGS,
    DrawConfig,
    ask_all,
    ask_side,
    captions,
    draw,
    for_test,
)
from examples.scenes import plan_scene
from examples.wording import ENGLISH, VIETNAMESE

SAME = ("id", "video_path", "support_frames", "support_ranges")


@settings(max_examples=30)
@given(number=st.integers(0, 500), seed=st.integers(0, 5))
def test_every_wording_asks_the_same(number: int, seed: int) -> None:
    scene = plan_scene(number, seed)
    english = ask_all(scene, "test", seed, ENGLISH)
    assert len(english) == 4 * len(scene.events)
    for wording in WORDINGS.values():
        asked = ask_all(scene, "test", seed, wording)
        for one, other in zip(english, asked, strict=True):
            assert [one[key] for key in SAME] == [other[key] for key in SAME]
            assert one["answer"][0] == other["answer"][0]


def test_a_wording_has_all_words_and_other_wordings_have_templates_of_their_own() -> None:
    templates = [text for one in WORDINGS.values() for text in one.questions.values()]
    assert len(set(templates)) == len(templates)
    for wording in WORDINGS.values():
        assert set(wording.questions) == set(ENGLISH.questions)
        assert set(wording.names) == {*THINGS, *SIGNS}
        assert set(wording.colours) == set(COLOURS)
        for words in (wording.names, wording.colours):  # else a question would mean two things
            assert len(set(words.values())) == len(words)


def every_side(seed: int = 0) -> dict[str, dict[str, list[dict[str, Any]]]]:
    numbers = {"train": range(6), "pairs": range(6, 26), "test": range(26, 46)}
    return {
        side: ask_side(side, [plan_scene(n, seed) for n in own], seed)
        for side, own in numbers.items()
    }


def test_no_text_of_the_test_side_is_among_the_pairs_and_no_pair_comes_twice() -> None:
    sides = every_side()
    for name in ("english", "vietnamese"):
        pairs = [one["question"] for one in sides["pairs"][name]]
        asked = [one["question"] for one in sides["test"][name]]
        assert len(set(pairs)) == len(pairs) > 100
        assert len(asked) > 100
        assert not set(pairs) & set(asked)


def test_training_is_in_english_alone_and_files_of_a_side_are_joined_by_id() -> None:
    sides = every_side()
    (records,) = sides["train"].values()
    assert len(records) == 28
    assert all(one["question"].startswith("Which ") for one in records)
    assert list(sides["pairs"]) == ["english", "vietnamese"]
    for files in (sides["pairs"], sides["test"]):
        (first, *others) = ([one["id"] for one in own] for own in files.values())
        assert len(set(first)) == len(first)
        assert all(own == first for own in others)


def test_a_third_of_all_texts_is_for_the_test() -> None:
    texts = {
        one["question"] for n in range(60) for one in ask_all(plan_scene(n, 0), "", 0, ENGLISH)
    }
    assert len(texts) > 600
    assert 0.28 < sum(for_test(text, 0) for text in texts) / len(texts) < 0.38


def test_captions_are_translations_and_none_comes_twice() -> None:
    pairs = captions(0)
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == CAPTIONS
    for english, vietnamese in pairs[:50]:
        (colour,) = (one for one in COLOURS if english.startswith(f"A {one} "))
        assert VIETNAMESE.colours[colour] in vietnamese
        assert vietnamese[0].isupper()


def test_the_command_draws_what_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.languages.draw.cores", lambda: 1)
    config = DrawConfig(folder=tmp_path, train_videos=1, pair_videos=1, test_videos=1)
    assert draw(config) == 0
    assert capsys.readouterr().out.count("drew the side") == 3
    for side, name in (("train", "train"), ("pairs", "vietnamese"), ("test", "other_3")):
        records = json.loads((tmp_path / side / f"{name}.json").read_text(encoding="utf-8"))["data"]
        assert records
        assert all((tmp_path / one["video_path"]).is_file() for one in records)
    assert (tmp_path / "pairs" / "captions.csv").read_text(encoding="utf-8").startswith("en,vi\n")
