"""The language of each question, guessed with an eye to those of the others.

py3langid often takes a short text for one of another language ("a dog" for Croatian), so that of a
short one is guessed among those of the longer ones, unless it is clearly none of them.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from index.languages import is_in, language_among, language_of, probabilities
from index.progress import bar
from infer.questions import Question

FEW = 0.05
"""Share of the questions; the language of a short text may be guessed wrongly."""
NONE = "none"
"""Stands for the language of a text without letters, such as a number or an emoji."""
_SHORT, _ENOUGH = 20, 1000
"""Characters of a text from which on its language is guessed by itself, and of a guess for all."""
_SURE = 0.5
"""Probability from which on a short text tells its language by itself, where its letters have
already told that it is none of the expected ones."""
_NO_LANGUAGE = "zxx"
"""py3langid's code of what is in no language."""
_PART_OF = {"wuu": "zh", "yue": "zh", "ary": "ar", "arz": "ar"}
"""Languages that py3langid tells from the one that they are written as, and are part of in ISO
639."""
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA")


def guessed_languages(questions: Sequence[Question]) -> list[str]:
    """Guess the language of each question, as ISO 639-1 code, or `NONE`.

    A short text is in one of the languages of the longer ones: "Who?" is English there. It is in
    another where its letters are of a script that they do not have, or another language is much
    more probable, as `index.languages.is_in` says.
    """
    found: list[str | None] = []
    short: dict[int, tuple[str, str]] = {}  # its place: its text and script
    scripts: dict[str, set[str]] = {}  # of each language of the longer ones
    for place, question in enumerate(bar(questions, "question", len(questions))):
        text = question.question or " ".join(question.events)
        script = _script(text)
        code = NONE if script is None else _guess(text) if len(text) >= _SHORT else None
        found.append(code)
        if script and code is None:
            short[place] = text, script
        elif script and code:
            scripts.setdefault(code, set()).add(script)
    counts = Counter(code for code in found if code not in (None, NONE))
    expected = [str(code) for code, n in counts.most_common() if n >= FEW * counts.total()]
    told = set[str]().union(*(scripts[code] for code in expected))
    if not expected and short:  # of short ones alone, most tell
        told = {Counter(script for _, script in short.values()).most_common(1)[0][0]}
        expected = _expected([text for text, script in short.values() if script in told])
    of_short = {
        place: code
        for script in dict.fromkeys(script for _, script in short.values())
        for place, code in _of_script(short, script, expected if script in told else []).items()
    }
    return [code or of_short[place] for place, code in enumerate(found)]


def _of_script(
    short: Mapping[int, tuple[str, str]], script: str, expected: Sequence[str]
) -> dict[int, str]:
    """Return the languages of the short texts of one script, by their places.

    Args:
        short: All short texts with their scripts, by place.
        script: The script.
        expected: Languages that are written in it; none: those that are sure among these texts.
    """
    texts = {place: text for place, (text, own) in short.items() if own == script}
    if not expected:
        sure = {code for text in texts.values() if (code := _sure(text))}
        expected = sorted(sure) or _expected([*texts.values()])
    found = {}
    for place, text in texts.items():
        code = language_among(text, expected)
        found[place] = code if is_in(text, code, expected) else _guess(text)
    return found


def _guess(text: str) -> str:
    code = language_of(text)
    return NONE if code == _NO_LANGUAGE else _PART_OF.get(code, code)


def _sure(text: str) -> str | None:
    code, chance = next(iter(probabilities(text).items()))
    return _PART_OF.get(code, code) if chance >= _SURE and code != _NO_LANGUAGE else None


def _expected(texts: Sequence[str]) -> list[str]:
    """Guess the language of short texts as one text."""
    together = ""
    for text in texts:
        together += f"{text} " if len(together) < _ENOUGH else ""
    return [language_of(together)]


def _script(text: str) -> str | None:
    """Return the script of most letters of a text; None where it has no letter.

    The first word of a letter's Unicode name is its script ("LATIN SMALL LETTER A"); Chinese and
    Japanese characters are one, since Japanese is written with both.
    """
    names = (unicodedata.name(sign, "?").split()[0] for sign in text if sign.isalpha())
    counts = Counter(_EAST_ASIAN[0] if name in _EAST_ASIAN else name for name in names)
    return counts.most_common(1)[0][0] if counts else None
