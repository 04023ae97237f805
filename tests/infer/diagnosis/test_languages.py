"""Languages: guessed for a file as a whole, and judged by what is known and what was measured."""

import math
from pathlib import Path
from typing import Any

import pytest

from infer.diagnosis.commands import Commands
from infer.diagnosis.guesses import guessed_languages
from infer.diagnosis.languages import languages_read, nearness
from infer.diagnosis.translations import Measured, Nearness
from infer.evaluation.bootstrap import Estimate
from infer.questions import Question

COMMANDS = Commands(questions="q.json", index=None, model="m")
EN, VI = "Which truck passes when the board is red?", "Xe tải nào đi qua khi bảng màu đỏ?"


class Named:
    """All that the check asks of a model."""

    name = "m"


class English:
    """What was read is English."""

    codes = ("en",)
    why = "it is so"

    def reads(self, language: str) -> bool:
        return language == "en"


def question(text: str) -> Question:
    return Question.model_validate({"id": "a", "question": text, "video_path": "v"})


def test_a_short_text_is_of_the_languages_of_the_longer_ones() -> None:
    texts = [EN, VI, "Who?", "Màu gì?", EN]
    assert guessed_languages([*map(question, texts)]) == ["en", "vi", "en", "vi", "en"]
    assert (
        guessed_languages([question("Who?"), question("Where is it?"), question("When?")])
        == ["en"] * 3
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *(
            ("谁?", "zh"),
            ("这是什么?", "zh"),
            ("何色ですか", "ja"),
            ("อะไร", "th"),
            ("뭐야?", "ko"),
        ),
        *(("Что это?", "ru"), ("кто?", "ru"), ("Quelle couleur?", "fr"), ("a dog", "en")),
        *(("🙂🙂", "none"), ("50", "none"), ("10 20 30 40 50 60 70 80", "none")),
    ],
)
def test_a_short_text_that_is_clearly_in_another_language(text: str, language: str) -> None:
    texts = [*[EN] * 20, "Что это?", text]
    assert guessed_languages([*map(question, texts)])[-1] == language


def test_short_texts_alone_are_of_the_language_of_most() -> None:
    texts = ["Who?", "When?", "a dog", "谁?"]
    assert guessed_languages([*map(question, texts)]) == ["en", "en", "en", "zh"]


def test_which_of_two_languages_is_not_read() -> None:
    one = group(0.0, 0.0, 0.1)._replace(file="vi.json", pieces=(1.3, 4.1))
    index = Commands(questions="q.json", index=Path("i"), model=None)
    (found,) = nearness(Measured([one], []), index, English())  # type: ignore[arg-type]  # a stand-in
    assert found.figures["not_read"] == "vi"
    assert found.advice[0].endswith(" --questions vi.json")
    told = one._replace(too_many_pieces=(False, True))
    (found,) = nearness(Measured([told], []), index)
    assert "it is vi that it does not read (4.1 tokens a word)" in found.what
    (found,) = nearness(Measured([one], []), index)
    assert found.figures["not_read"] is None
    assert "if it is vi:" in found.advice


def group(mean: float, low: float, high: float, *, n: int = 50, to: str = "vi") -> Nearness:
    return Nearness(("en", to), n, n, Estimate(mean, low, high, n), 1 / n)


@pytest.mark.parametrize(
    ("measured", "severity"),
    [
        (group(0.8, 0.7, 0.9), "fine"),
        (group(0.79, 0.7, 0.9), "note"),
        (group(0.3, 0.2, 0.5), "note"),
        (group(0.3, 0.2, 0.49), "problem"),
        (group(0.3, math.nan, math.nan), "problem"),
        (group(0.0, 0.0, 0.0, n=9), "fine"),  # too few to tell
        (group(0.0, 0.0, 0.0, to="en"), "note"),
    ],
)
def test_what_a_measurement_says(measured: Nearness, severity: str) -> None:
    (found,) = nearness(Measured([measured], []), COMMANDS)
    assert found.severity == severity
    assert bool(found.advice) == (severity != "fine")
    assert f"chance {100 * measured.chance:.1f} %" in found.what


def read(languages: list[str], known: Any, *groups: Nearness) -> Any:
    model: Any = Named()
    measured = Measured(groups, []) if groups else None
    return [*languages_read(languages, model, COMMANDS, known, measured)]


def test_what_is_known_counts_where_nothing_was_measured() -> None:
    languages = ["en"] * 60 + ["vi"] * 36 + ["hr"] * 4  # hr: guessed wrongly
    (found,) = read(languages, English())
    assert (found.kind, found.severity) == ("languages_not_read", "problem")
    assert found.figures["not_read"] == ["vi"]
    assert found.what.startswith("36 of 100 (36.0 %) questions are in vi, and m reads en: ")
    assert read(languages, English(), group(0.9, 0.8, 1.0)) == []
    (found,) = read(languages, None)
    assert (found.kind, found.severity) == ("languages_not_known", "note")
    (found,) = read(languages, English(), group(0.9, 0.8, 1.0, n=9))
    assert found.kind == "languages_not_read"
    (found,) = read(["en"] * 3, English())
    assert found.severity == "fine"


def test_advice_with_and_without_an_index() -> None:
    assert COMMANDS.other_language() == (
        "python infer/doctor.py q.json --model google/siglip2-so400m-patch14-384",
    )
    with_index = Commands(questions="my q.json", index=Path("i x"), model=None)
    _, _, distil, answer = with_index.other_language()
    assert "--questions 'v i.json'" in with_index.other_language("v i.json")[0]
    assert distil.startswith("python train/distill.py --index 'i x' --student ")
    assert answer.startswith("python infer/answer.py 'my q.json' --index 'i x' --model ")
