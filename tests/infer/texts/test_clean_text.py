"""Texts as tokenizers shall see them."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.texts.clean_text import MAX_TEXT_CHARS, clean_text, typed_text

VIETNAMESE = "Biển báo này có đúng không?"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("What&#39;s a &lt;b&gt; &quot;c&quot;?", 'What\'s a <b> "c"?'),
        ("&amp;quot;c&amp;quot; &amp;amp; d", '"c" & d'),
        ("&#x1F600;&eacute;", "😀é"),
        ("AT&T, R&D &copy 2 &region=1; &nosuch;", "AT&T, R&D &copy 2 &region=1; &nosuch;"),
        ("a\u200bb\u2060c\ufeffd\u00ade\u200e", "abcde"),
        ("a\u200db\u200c", "ab"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        (
            unicodedata.normalize("NFD", "Biển báo này có đúng không?"),
            "Biển báo này có đúng không?",
        ),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_what_is_cleaned(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(st.text())
def test_clean_texts_are_composed_and_stay(text: str) -> None:
    clean = clean_text(text)
    assert unicodedata.is_normalized("NFC", clean)
    assert "&" in text or clean_text(clean) == clean


@given(st.text())
def test_escaped_texts_are_as_the_plain_ones(text: str) -> None:
    plain = text.replace("&", "+")
    assert clean_text(html.escape(plain)) == clean_text(plain)


def test_what_a_user_types_is_cleaned_and_not_blank_or_endless() -> None:
    assert typed_text("a&amp;b\u200b", "TEXT") == "a&b"
    for text, why in ((" \u200b", "TEXT is blank"), ("x" * (MAX_TEXT_CHARS + 1), "has 20001")):
        with pytest.raises(CueframeError, match=why):
            typed_text(text, "TEXT")
