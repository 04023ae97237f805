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

_CLEARLY = 0.5
"""Probability among all languages from which on a text is of one that was not expected."""


@functools.cache
def _identifier() -> Any:
    # py3langid unpacks its model into a temporary file, when it is imported or first asked.
    with explain_temporary():
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def language_of(text: str) -> str:
    """Guess the language of a text among all that py3langid knows, as an ISO 639-1 code."""
    with explain_temporary():
        from py3langid import classify

        return str(classify(text)[0])


def is_in(text: str, language: str, others: Sequence[str]) -> bool:
    """Return whether a text is in a language rather than in one of some others.

    Args:
        text: Any text.
        language: ISO 639-1 code of the language, for which a text counts that tells nothing, such
            as "50".
        others: Codes of the other languages that are expected.

    Returns:
        True where none of the others is more probable, and no language that is not expected is
        the text's by a probability of a half or more.

    Raises:
        CueframeError: As `refuse_unknown_languages`.
    """
    refuse_unknown_languages([language, *others])
    ranked = _identifier().rank(text)
    first, most = ranked[0]
    if most >= _CLEARLY and first not in (language, *others):
        return False
    chance = dict(ranked)
    return all(chance[language] >= chance[other] for other in others)


def refuse_unknown_languages(codes: Sequence[str]) -> None:
    """Refuse codes of languages that py3langid does not know.

    Raises:
        CueframeError: There is one; the first is named.
    """
    known = _identifier().labels
    for code in codes:
        if code not in known:
            raise CueframeError(
                f"the language {code!r} is none that py3langid tells from others; name one by its "
                "ISO 639-1 code, such as en or vi"
            )
