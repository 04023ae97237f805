"""Letters of choices: what is a marker and what is text, and which choice an answer means."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.choices import LETTERS, chosen, letter_of, lettered, right_letters
from infer.questions import Question
from infer.texts.choice_markers import blank_choices


def question(*choices: str, answer: str | None = None) -> Question:
    record = {"id": "q7", "question": "Which?", "choices": choices, "video_path": "x.mp4"}
    return Question.model_validate({**record, "answer": answer})


def texts(*choices: str) -> list[str]:
    found = lettered(question(*choices))
    assert [letter for letter, _ in found] == list(LETTERS[: len(choices)])
    return [text for _, text in found]


@pytest.mark.parametrize("mark", [". ", ") ", ": ", ".\t", ")  ", ".\n"])
def test_markers_in_order_are_taken_off(mark: str) -> None:
    assert texts(f"A{mark}Red", f"B{mark}Dark blue", f"C{mark}A. Smith") == [
        "Red",
        "Dark blue",
        "A. Smith",
    ]


def test_markers_may_be_mixed_and_indented() -> None:
    assert texts(" A. Đúng ", "B) Sai") == ["Đúng", "Sai"]


@pytest.mark.parametrize(
    "choices",
    [
        ("A. Smith", "Jones"),
        ("B. Red", "A. Blue"),
        ("A. Red", "A. Blue"),
        ("A. Red", "C. Blue"),
        ("A Red", "B Blue"),
    ],
)
def test_anything_else_belongs_to_the_text(choices: tuple[str, str]) -> None:
    assert texts(*choices) == list(choices)


def refusal(queries: Question) -> str:
    with pytest.raises(CueframeError) as caught:
        letter_of(queries)
    line = str(caught.value)
    assert "\n" not in line
    assert "question 'q7'" in line
    return line


def test_too_few_and_too_many_choices_are_one_line() -> None:
    assert "has no choices" in refusal(question(answer="A"))
    assert "has 1 choices" in refusal(question("A. Red", answer="A"))
    assert "has 27 choices" in refusal(question(*map(str, range(27)), answer="A"))
    assert len(lettered(question(*map(str, range(26))))) == 26


@pytest.mark.parametrize(
    "choices", [("Red", "Blue", "Red"), ("A. Red", "B. Blue", "C. Red"), ("a  b", "c", "a\nb ")]
)
def test_choices_with_one_text_are_right_together(choices: tuple[str, ...]) -> None:
    for answer in (choices[0], choices[2]):
        assert sorted(right_letters(question(*choices, answer=answer))) == ["A", "C"]
    assert right_letters(question(*choices, answer="B")) == "B"


def test_like_texts_are_not_the_same() -> None:
    assert texts("Red", "red") == ["Red", "red"]


@pytest.mark.parametrize("answer", ["B. Sai", " B.  Sai", "Sai", "B", " B ", "B) Sai", "B: Sai"])
def test_an_answer_is_a_choice_its_text_or_its_letter(answer: str) -> None:
    assert letter_of(question("A. Đúng", "B. Sai", answer=answer)) == "B"
    assert letter_of(question("Đúng", "Sai", answer=answer)) == "B"


def test_a_text_goes_before_a_letter() -> None:
    assert letter_of(question("B", "A", answer="A")) == "B"
    assert letter_of(question("A. B", "B. A", answer="A")) == "B"


@pytest.mark.parametrize("answer", ["sai", "B.", "b", "(B)", "Option B", "1", "SAI.", "b. sai"])
def test_case_marks_and_numbers_are_understood(answer: str) -> None:
    assert letter_of(question("A. Đúng", "B. Sai", answer=answer)) == "B"


def test_numbers_count_from_the_choices_own_first_number() -> None:
    assert letter_of(question("1. Red", "2. Blue", answer="2")) == "B"
    assert letter_of(question("0. Red", "1. Blue", answer="1")) == "B"
    assert letter_of(question("2", "1", "5", "4", answer="1")) == "B"
    assert letter_of(question("Red", "Blue", answer="1")) == "B"


@pytest.mark.parametrize("answer", ["C", "A. Sai", "C. Sai", "", "2", "-1", "Đúng Sai"])
def test_an_answer_that_is_no_choice_is_one_line(answer: str) -> None:
    line = refusal(question("A. Đúng", "B. Sai", answer=answer))
    assert f"the answer {answer!r} is none of its choices" in line
    assert "from A to B" in line


def test_a_question_without_answer_is_one_line() -> None:
    assert "has no answer" in refusal(question("Đúng", "Sai"))


words = st.text(st.sampled_from(string.ascii_letters + "ắ .):0"), min_size=1).filter(
    lambda text: text.strip() == text and text == " ".join(text.split())
)
choice_lists = st.lists(words, min_size=2, max_size=26, unique=True).filter(
    lambda choices: not blank_choices(choices)
)
unmarked = choice_lists.filter(lambda choices: choices[0][0] not in "Aa0(")


@given(unmarked, st.sampled_from([". ", ") ", ": "]), st.data())
def test_marked_and_unmarked_choices_mean_the_same(
    choices: list[str], mark: str, data: st.DataObject
) -> None:
    graded = [letter + mark + text for letter, text in zip(LETTERS, choices, strict=False)]
    assert texts(*graded) == choices == texts(*choices)
    number = data.draw(st.integers(0, len(choices) - 1))
    for answer in (graded[number], choices[number]):
        assert letter_of(question(*graded, answer=answer)) == LETTERS[number]
    assert letter_of(question(*choices, answer=choices[number])) == LETTERS[number]


@given(choice_lists)
def test_every_choice_is_the_answer_to_itself(choices: list[str]) -> None:
    for choice, letter in zip(choices, LETTERS, strict=False):
        assert letter_of(question(*choices, answer=choice)) == letter


@given(st.lists(st.floats(0, 1), min_size=2, max_size=26))
def test_the_likeliest_choice_is_chosen_and_none_on_a_tie(shares: list[float]) -> None:
    queries = question(*[f"{letter}. text {letter}" for letter in LETTERS[: len(shares)]])
    found = chosen(queries, shares)
    number = shares.index(max(shares))
    assert ("letter" not in found) == (shares.count(max(shares)) > 1)
    if "letter" not in found:
        return
    assert found["letter"] == LETTERS[number]
    assert found["text"] == f"{LETTERS[number]}. text {LETTERS[number]}"
    assert list(found["probabilities"]) == list(LETTERS[: len(shares)])
    assert list(found["probabilities"].values()) == [round(share, 6) for share in shares]
    assert letter_of(question(*queries.choices, answer=found["text"])) == found["letter"]


def test_the_choice_is_made_before_shares_are_rounded() -> None:
    found = chosen(question("Red", "Blue"), [0.49999999, 0.50000001])
    assert found == {"letter": "B", "text": "Blue", "probabilities": {"A": 0.5, "B": 0.5}}


def test_a_share_too_many_is_an_error() -> None:
    with pytest.raises(ValueError):
        chosen(question("Red", "Blue"), [0.5, 0.3, 0.2])


def test_the_most_probable_choice_is_chosen() -> None:
    found = chosen(question("A. Red", "B. Blue", "C. Grey"), [0.2, 0.5, 0.3])
    assert found == {
        "letter": "B",
        "text": "B. Blue",
        "probabilities": {"A": 0.2, "B": 0.5, "C": 0.3},
    }


def test_a_tie_of_different_choices_is_no_answer() -> None:
    found = chosen(question("Red", "Blue", "Grey"), [0.4, 0.2, 0.4])
    assert found == {
        "text": "",
        "undecided": "the reader cannot tell the choices A, C apart",
        "probabilities": {"A": 0.4, "B": 0.2, "C": 0.4},
    }
    near = [0.39999, 0.2, 0.40001]
    assert chosen(question("Red", "Blue", "Grey"), near)["letter"] == "C"
    assert "undecided" in chosen(question("Red", "Blue", "Grey"), near, 1e-4)


def test_choices_of_equal_texts_are_right_together() -> None:
    assert chosen(question("A. Red", "B. Blue", "C.  Red"), [0.4, 0.2, 0.4])["letter"] == "A"
    assert "undecided" in chosen(question("Red", "Blue", "Red"), [0.35, 0.35, 0.3])
    assert "undecided" in chosen(question("Red", "Blue", "Red"), [1 / 3] * 3)
