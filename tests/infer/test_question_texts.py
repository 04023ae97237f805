"""The texts of a question."""

import pytest

from index.errors import CueframeError
from infer.question_texts import (
    caption,
    caption_setting,
    question_texts,
    texts_of_choices,
)
from infer.questions import Question
from infer.texts.clean_text import MAX_TEXT_CHARS


def question(**fields: object) -> Question:
    return Question.model_validate({"id": "q", "question": "Why?", "video_path": "x.mp4"} | fields)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (1, "What colour?"),
        (2, "A. Red B. Blue"),
        (3, "What colour? A. Red B. Blue"),
    ],
)
def test_a_caption_is_the_parts_of_its_setting(setting: int, text: str) -> None:
    assert (
        caption(question(question="What colour?", choices=["A. Red", "B. Blue"]), setting) == text
    )


def test_a_caption_has_single_spaces() -> None:
    spaced = question(question="What  colour\nis it?", choices=[" A.\tRed", "B. Blue "])
    assert caption(spaced, 3) == "What colour is it? A. Red B. Blue"


def test_a_question_without_choices_is_itself_in_setting_3_and_an_error_in_2() -> None:
    assert caption(question(), 3) == caption(question(), 1) == "Why?"
    with pytest.raises(CueframeError, match=r"^question 'q' has no choices.*use --caption 1$"):
        caption(question(), 2)


@pytest.mark.parametrize("setting", [0, 4, -1])
def test_another_setting_is_refused(setting: int) -> None:
    with pytest.raises(CueframeError, match=rf"^--caption {setting} is unknown; want 1 "):
        caption(question(choices=["A"]), setting)


def test_each_choice_has_a_text_with_the_question_in_front() -> None:
    two = question(choices=["(A) Red ", "(B)  dark\nblue"])
    assert texts_of_choices(two) == (("Why?", "Red"), ("Why?", "dark blue"))
    assert question_texts(two, 3, "each") == ("Why?", *texts_of_choices(two))
    assert question_texts(two, 2, "each") == ("Red", "dark blue")
    assert question_texts(question(choices=["A. Red"]), 3, "each") == ("Why?", ("Why?", "Red"))
    assert texts_of_choices(question(choices=["B. Red", "A. Blue"]))[0] == ("Why?", "B. Red")
    assert question_texts(two, 1) == question_texts(question(), 3, "each") == ("Why?",)
    with pytest.raises(CueframeError, match="has no choices"):
        texts_of_choices(question())


def test_a_caption_of_its_own_for_each_choice_reads_choices() -> None:
    assert [caption_setting(None, "joined"), caption_setting(None, "each")] == [1, 3]
    assert [caption_setting(2, "each"), caption_setting(1, "joined")] == [2, 1]
    with pytest.raises(CueframeError, match=r"^--caption 1 reads no choices, so --choices each"):
        caption_setting(1, "each")


def test_many_long_choices_are_refused() -> None:
    long = question(choices=[str(n) + "x" * (MAX_TEXT_CHARS - 2) for n in range(4)])
    with pytest.raises(CueframeError, match="has 79999 characters, and a text has 40000 at most"):
        caption(long, 2)
    assert caption(long, 1) == "Why?"


def test_events_are_texts_of_their_own_and_training_reads_the_question() -> None:
    ordered = question(events=["a  car\nstops", "a man gets out"], choices=["A. Red", "B. Blue"])
    for setting in (1, 2, 3):
        assert question_texts(ordered, setting) == ("a car stops", "a man gets out")
        assert question_texts(ordered, setting, "each") == question_texts(ordered, 1)
    assert caption(ordered, 3) == "Why? A. Red B. Blue"
