"""Which language a text is in, as py3langid guesses it.

Among all languages that it knows, a short text is often taken for one of another language ("a dog"
for Croatian); among the two or three that are known to be asked in, hardly ever. So where the
languages are known, the most probable of them counts, unless the text is clearly of none of them.
"""

import functools
from collections.abc import Sequence
from typing import Any

from index.errors import CueframeError
from index.temporary_files import explain_temporary

_CLEARLY = 20
"""Times as probable as any expected language is one that was not expected, where the text is its.
Of 3,000 pieces of English prose of six words none is so lost, with English and Vietnamese expected
(of one or two words 3 in 1,000, such as "JSON"); a probability of a half loses more of the long
ones, and finds less Russian or French."""


@functools.cache
def _identifier() -> Any:
    # py3langid unpacks its model into a temporary file.
    with explain_temporary():
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def language_of(text: str) -> str:
    """Guess the language of a text among all that py3langid knows, as an ISO 639-1 code."""
    return str(_identifier().classify(text)[0])


def probabilities(text: str) -> dict[str, float]:
    """Return the probability of each language that py3langid knows, the most probable first."""
    return dict(_identifier().rank(text))


def known_languages() -> frozenset[str]:
    """Return the codes of the languages that py3langid knows, most of two letters."""
    return frozenset(_identifier().labels)


def language_among(text: str, languages: Sequence[str]) -> str:
    """Return the most probable of some languages, of equals the first; one at least is given.

    Raises:
        CueframeError: As `refuse_unknown_languages`.
    """
    refuse_unknown_languages(languages)
    chance = probabilities(text)
    return max(languages, key=lambda code: chance[code])


def is_in(text: str, language: str, others: Sequence[str]) -> bool:
    """Return whether a text is in a language rather than in one of some others.

    Args:
        text: Any text.
        language: ISO 639-1 code of the language, for which a text counts that tells nothing, such
            as "50".
        others: Codes of the other languages that are expected.

    Returns:
        True where none of the others is more probable, and no language that is not expected is
        `_CLEARLY` times as probable.

    Raises:
        CueframeError: As `refuse_unknown_languages`.
    """
    refuse_unknown_languages([language, *others])
    chance = probabilities(text)
    expected = max(chance[one] for one in (language, *others))
    return bool(chance[language] == expected and max(chance.values()) < _CLEARLY * expected)


def refuse_unknown_languages(codes: Sequence[str]) -> None:
    """Refuse codes of languages that py3langid does not know.

    Raises:
        CueframeError: There is one; the first is named.
    """
    for code in codes:
        if code not in known_languages():
            raise CueframeError(
                f"the language {code!r} is none that py3langid tells from others; name one by its "
                "ISO 639-1 code, such as en or vi"
            )
