"""Windows cover a text, each fits, and a text that fits is left as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.tiny_clip import make_tiny_clip
from index.models.dual_model import DualModel
from index.models.encoder import load_dual_model
from index.models.long_texts import CountTokens, LongText, Read, TwoParts, read_as, windows


def words(texts: Sequence[str]) -> list[int]:
    """A token a word, and two around the text."""
    return [2 + len(text.split()) for text in texts]


def odd(texts: Sequence[str]) -> list[int]:
    """A token a byte, and some more where many words are joined, as no tokenizer should."""
    return [2 + len(text.encode()) + text.count(" ") // 3 for text in texts]


PIECES = [
    *("red", "truck", "3.5", "Mr.", "xe", "tải", "đỏ", "nghiêng", "ngoằn-ngoèo", "x" * 40),
    *("红色的卡车经过", "路牌亮了。", "トラック、", "รถบรรทุกสีแดง", "…", "?", "!", ". ", ", ", "; "),
    *("\n", " ", "  ", "”", "\N{KHMER SIGN KHAN}", "👍🏽"),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=30)


def bare(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("count", [words, odd])
@given(pieces=TEXTS, joint=st.sampled_from(["", " ", ". "]), room=st.integers(7, 40))
def test_windows_cover_the_text_and_fit(
    count: CountTokens, pieces: list[str], joint: str, room: int
) -> None:
    text = joint.join(pieces)
    found = windows(text, count, room)
    assert found
    assert bare("".join(found)) == bare(text)
    assert max(count(found)) <= room or not text.strip()
    if count([text])[0] <= room:
        assert found == [text]
    else:
        assert all(one == one.strip() for one in found) or found == [text]


@given(st.lists(st.sampled_from(["red", "truck.", "xe,", "tải", "đỏ?"]), min_size=1, max_size=80))
def test_no_word_that_fits_is_divided(parts: list[str]) -> None:
    found = windows(" ".join(parts), odd, 20)
    assert " ".join(found).split() == parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two. Three four? Five six!", ["One two.", "Three four?", "Five six!"]),
        ("“One two.” Three 3.5 four.", ["“One two.”", "Three 3.5 four."]),
        ("One two, three four, five six", ["One two, three four,", "five six"]),
        ("One two three four five six", ["One two three four", "five six"]),
        ("One two\nthree four\nfive six", ["One two", "three four", "five six"]),
    ],
)
def test_a_sentence_is_a_window_else_parts_of_them_else_words(
    text: str, expected: list[str]
) -> None:
    assert windows(text, words, 6) == expected


def test_scripts_without_blanks_are_divided_at_their_own_marks() -> None:
    def characters(texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    chinese = "红色的卡车经过。路牌亮了！街上没有人，天黑了"
    assert windows(chinese, characters, 8) == [
        "红色的卡车经过。",
        "路牌亮了！",
        "街上没有人，",
        "天黑了",
    ]
    assert windows("路" * 20, characters, 8) == ["路" * 8, "路" * 8, "路" * 4]


def test_a_character_that_does_not_fit_is_a_window_of_its_own() -> None:
    assert windows("a👍b", odd, 4) == ["a", "👍", "b"]
    assert windows(" " * 50, odd, 4) == [" " * 50]


@pytest.mark.parametrize(
    "text", ["red truck. " * 4000, "x" * 40_000, "路" * 20_000, "a, b " * 9000]
)
def test_a_long_text_is_counted_few_times(text: str) -> None:
    seen = 0

    def counted(texts: Sequence[str]) -> list[int]:
        nonlocal seen
        seen += sum(map(len, texts))
        return odd(texts)

    assert max(odd(windows(text, counted, 77))) <= 77
    assert seen <= 8 * len(text)


class Words:
    """As much of a model as counting needs."""

    max_tokens = 6

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return words(texts)

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        return [text.replace("<end>", "< end>") for text in texts]


def read(texts: Sequence[Any], how: LongText) -> tuple[list[Read], list[bool]]:
    return read_as(texts, how, cast("DualModel", Words()))


def test_few_words_go_with_the_next_sentence_where_both_fit() -> None:
    text = "Mr. Two three four five six seven eight. No. " + "word " * 30
    assert windows(text, words, 32) == [
        "Mr. Two three four five six seven eight.",
        "No.",
        ("word " * 30).strip(),
    ]


def test_two_parts_that_fit_are_one_text() -> None:
    two = TwoParts("Which?", "Red <end>")
    hows: tuple[LongText, ...] = ("windows", "truncate")
    for how in hows:
        short = [Read(["Which? Red < end>"]), Read(["a b"])]
        assert read([two, "a b"], how) == (short, [False, False])
        assert read([TwoParts("Why?", "")], how) == ([Read(["Why?"])], [False])


def test_of_two_parts_its_own_is_never_cut_off() -> None:
    two = TwoParts("Which one? It is long.", "the red one")
    assert read([two, "a b c d e"], "truncate") == (
        [Read(["the red one Which one? It is long."]), Read(["a b c d e"])],
        [True, True],
    )
    assert read([two, "a b c d e"], "windows") == (
        [Read(["Which one?", "It is long."], ["the red one"]), Read(["a b c d", "e"])],
        [True, True],
    )


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory: pytest.TempPathFactory) -> DualModel:
    """A CLIP that knows some English, so that Vietnamese falls apart as with OpenAI's tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "bytewise"
    make_tiny_clip(folder, ["Which red truck passes the green sign?"] * 9, width=32, layers=1)
    return load_dual_model(str(folder), None)


VIETNAMESE = (
    "Trong đoạn video, khi biển báo trên cao hiện hình trái tim màu vàng thì chiếc xe tải nào đi "
    "qua dưới cầu vượt, và người tài xế đã dừng lại ở đâu trước khi rẽ phải? "
)


def test_a_real_tokenizer_s_windows_fit(bytewise: DualModel) -> None:
    assert bytewise.count_tokens([VIETNAMESE])[0] > 2 * 77
    for text in (VIETNAMESE, VIETNAMESE * 20, bare(VIETNAMESE) * 5, "路牌亮了" * 100):
        ((found, _),), (too_long,) = read_as([text], "windows", bytewise)
        assert too_long
        assert max(bytewise.count_tokens(found)) <= 77
        assert bare("".join(found)) == bare(text)
        assert len(found) <= 2 + 2 * bytewise.count_tokens([text])[0] // 75  # they are filled


def test_control_words_of_a_text_tower_are_read_as_text(
    bytewise: DualModel, tmp_path: Path
) -> None:
    assert bytewise.plain_texts(["red", "a <|endoftext|> b", "a <end> b!"]) == [
        "red",
        "a < |endoftext|> b",
        "a <end> b!",
    ]
