"""Languages of texts, among all and among those that are expected."""

import pytest

from index.errors import CueframeError
from index.languages import is_in, language_of, refuse_unknown_languages

ENGLISH = [
    "a red car on a wet road",
    "a dog",
    "umbrella",
    "STOP sign",
    "Which truck passes when the board shows a red star?",
    "A. Yes",
    "The video shows Nguyen Hue street",
]
VIETNAMESE = [
    "xe đỏ",
    "Xe tải nào đi qua khi bảng hiện ngôi sao đỏ?",
    "màu gì",
    "Hà Nội",
    "Giới hạn tốc độ 50",
    "bien bao cam dung xe",
]


def test_languages_among_all() -> None:
    assert language_of("Biển báo nào ở bên phải đường?") == "vi"
    assert language_of("Which sign stands on the right side of the road?") == "en"


@pytest.mark.parametrize("others", [["vi"], ["vi", "de"], ["vi", "en"]])
def test_short_texts_among_two(others: list[str]) -> None:
    assert all(is_in(text, "en", others) for text in ENGLISH)
    assert not any(is_in(text, "en", others) for text in VIETNAMESE)


def test_the_other_way_round() -> None:
    assert all(is_in(text, "vi", ["en"]) for text in VIETNAMESE)
    assert not any(is_in(text, "vi", ["en"]) for text in ENGLISH)


# The last is Vietnamese without its marks, which looks like Ligurian.
@pytest.mark.parametrize("text", ["красная машина", "une voiture rouge", "xe o to mau do"])
def test_a_text_that_is_clearly_of_another_language(text: str) -> None:
    assert not is_in(text, "en", ["vi"])


@pytest.mark.parametrize("text", ["", "50", "?!"])
def test_a_text_that_tells_nothing(text: str) -> None:
    assert is_in(text, "en", ["vi"])
    assert is_in(text, "vi", ["en"])


@pytest.mark.parametrize("code", ["xx", "", "EN", "english"])
def test_a_code_that_is_not_known(code: str) -> None:
    with pytest.raises(CueframeError, match="is none that py3langid tells from others") as caught:
        is_in("a", "en", [code])
    assert "\n" not in str(caught.value)
    refuse_unknown_languages(["en", "vi", "de"])
