"""In which language the texts of a column are, and each of several texts in a few languages.

py3langid guesses a short text badly among its 139 languages ("a dog" is Croatian), and many short
texts together well: of 5 texts in English, French or Indonesian, joined to one, 99 % or more were
right, and no 5 texts in two of English, Vietnamese, French, Chinese and Indonesian were taken for
one language in 400 draws of each; of 2 texts, 1 % were.
"""

import functools
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from index.temporary_files import explain_temporary

FEWEST_TEXTS = 5
"""Of fewer texts nobody should conclude that two columns are in one language."""
_MOST_TEXTS = 500
_MOST_CHARS = 300
"""How much of a column is read: of its texts, and of each text."""
_SURE = 0.5
"""Probability from which a text counts when it is asked which languages there are."""
_SHARE = 0.1
"""Share of those texts that a language has at least."""


def language_of(texts: Sequence[str]) -> str:
    """Return the language that texts are in, taken together, as an ISO 639 code."""
    joined = " ".join(text[:_MOST_CHARS] for text in _spread(texts))
    return str(_identifier().classify(joined)[0])


def languages_of_each(texts: Sequence[str], first: str) -> list[str]:
    """Return the language of each text, among those that many of them are in.

    Args:
        texts: Texts of a few languages, mixed.
        first: A language that is one of the choices in any case.
    """
    best = [_identifier().rank(text[:_MOST_CHARS])[0] for text in _spread(texts)]
    sure = Counter(name for name, probability in best if probability >= _SURE)
    among = {name for name, count in sure.items() if count >= _SHARE * sure.total()} | {first}
    found = {text: _first_of(text, among) for text in set(texts)}
    return [found[text] for text in texts]


def known_languages() -> frozenset[str]:
    """Return the codes of two letters that py3langid knows."""
    return frozenset(name for name in _identifier().labels if len(name) == 2)


def _spread(texts: Sequence[str]) -> Sequence[str]:
    """Return some of the texts, from all parts of the sequence."""
    return texts[:: max(1, len(texts) // _MOST_TEXTS)]


def _first_of(text: str, among: Collection[str]) -> str:
    """Return the most probable of some languages."""
    ranked = _identifier().rank(text[:_MOST_CHARS])
    return next(str(name) for name, _ in ranked if name in among)


@functools.cache
def _identifier() -> Any:
    # It unpacks its model into a temporary file.
    with explain_temporary():
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
