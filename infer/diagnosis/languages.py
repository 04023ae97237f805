"""Checks of the languages: what the questions are written in, and whether the model reads it."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, Severity, percent, share, some
from infer.diagnosis.guesses import FEW, NONE
from infer.diagnosis.translations import Measured, Nearness
from infer.questions import Question

if TYPE_CHECKING:  # it imports torch
    from index.models.dual_model import DualModel
    from index.models.text_languages import TextLanguages

_READ, _NOT_READ = 0.8, 0.5
"""Shares of texts whose own translation is the nearest, from which on a model reads both languages,
and below which not."""
FEWEST_PAIRS = 10
"""Pairs from which on a measurement says something."""


def languages_of_questions(languages: Sequence[str]) -> Iterator[Finding]:
    """What the questions are written in."""
    counts, total = Counter(languages), len(languages)
    shown = [f"{code} {count} ({percent(count / total)})" for code, count in counts.most_common(6)]
    more = f" and {len(counts) - 6} more" if len(counts) > 6 else ""
    said = f"languages of the questions: {', '.join(shown)}{more}"
    said += " (none: no letters)" if NONE in counts else ""
    yield Finding("languages", "fine", said, dict(counts.most_common()))


def languages_read(
    languages: Sequence[str],
    model: "DualModel",
    commands: Commands,
    known: "TextLanguages | None" = None,
    measured: Measured | None = None,
    questions: Sequence[Question] = (),
) -> Iterator[Finding]:
    """Whether the model was trained to read them, where that is known and was not measured."""
    counts, total = Counter(languages), len(languages)
    large = [code for code, count in counts.most_common() if count >= FEW * total]
    asked = [code for code in large if code != NONE]
    settled = {code for one in _telling(measured) for code in one.languages}
    open_ = [code for code in asked if code not in settled]
    unread = [code for code in open_ if known and not known.reads(code)]
    figures = {
        "asked": {code: counts[code] for code in asked},
        "known": [*known.codes] if known else None,
        "measured": sorted(settled & {*asked}),
        "not_read": unread,
    }
    if unread and known:
        lost = sum(counts[code] for code in unread)
        yield Finding(
            "languages_not_read",
            "problem",
            f"{share(lost, total)} questions are in {_named(unread)}, and {model.name} reads "
            f"{_named(known.codes)}: {known.why}",
            figures,
            advice=commands.other_language(),
            ids=[one.id for one, code in zip(questions, languages, strict=False) if code in unread],
        )
    elif open_ and known is None:
        yield Finding(
            "languages_not_known",
            "note",
            f"nothing tells whether {model.name} reads {_named(open_)}",
            figures,
            advice=(
                "have some 100 questions translated into a language that it reads, with the same "
                "ids, and measure it:",
                commands.doctor("--translations", "TRANSLATED"),
            ),
        )
    elif open_ and known:
        yield Finding("languages_read", "fine", _reads(model, open_, known), figures)


def nearness(
    measured: Measured, commands: Commands, known: "TextLanguages | None" = None
) -> Iterator[Finding]:
    """How often a text's own translation, or other wording, is the nearest of all."""
    if measured.without:
        yield Finding(
            "without_translation",
            "note",
            f"{some(len(measured.without), 'question')} without a translation in the file of "
            "--translations",
            {"questions": len(measured.without)},
            advice=("translate them, too, or leave --translations out",),
            ids=measured.without,
        )
    for one in measured.groups:
        source, target = one.languages
        severity = _severity(one)
        mean, low, high, _ = one.nearest
        interval = "" if math.isnan(low) else f", {percent(low)} to {percent(high)}"
        what = f"translations from {source} to {target}"
        if source == target:
            what = f"other wordings in {source}"
        said = (
            f"{what}: {percent(mean)} of {one.measured} texts have their own as the nearest "
            f"(chance {percent(one.chance)}{interval})"
        )
        unread, why = _not_read(one, known) if severity != "fine" and source != target else ("", "")
        if severity == "problem":
            said += ", so the model does not read both languages"
        if unread:
            said += f"; it is {unread} that it does not read ({why})"
        figures = {
            "languages": [source, target],
            "pairs": one.pairs,
            "measured": one.measured,
            "nearest": round(mean, 6),
            "low": None if math.isnan(low) else round(low, 6),
            "high": None if math.isnan(high) else round(high, 6),
            "chance": round(one.chance, 6),
            "tokens_per_word": [round(count, 3) for count in one.pieces],
            "not_read": unread or None,
        }
        advice: tuple[str, ...] = ()
        if severity != "fine" and source != target:
            advice = commands.other_language(one.file if unread == target else None)
            if not unread:
                advice = (f"if {source} is what it does not read:", *advice)
                if one.file:
                    advice += (f"if it is {target}:", *commands.other_language(one.file))
        elif severity != "fine":
            advice = ("take a model that holds them together:", commands.doctor_of("MODEL"))
        kind = "other_wordings" if source == target else "translations"
        yield Finding(kind, severity, said, figures, advice=advice)


def _severity(one: Nearness) -> Severity:
    mean, _, high, _ = one.nearest
    if one.measured < FEWEST_PAIRS or mean >= _READ:
        return "fine"
    if one.languages[0] == one.languages[1]:
        return "note"
    return "problem" if (mean if math.isnan(high) else high) < _NOT_READ else "note"


def _not_read(one: Nearness, known: "TextLanguages | None") -> tuple[str, str]:
    """Return which of two languages a model does not read, and what tells; "" where nothing does.

    What it was trained to read tells first, then the tokens that it makes of a word.
    """
    both = list(zip(one.languages, one.pieces, one.too_many_pieces, strict=True))
    if known and sum(not known.reads(code) for code in one.languages) == 1:
        code = next(code for code in one.languages if not known.reads(code))
        return code, f"it reads {_named(known.codes)}: {known.why}"
    if sum(one.too_many_pieces) == 1:
        code, pieces, _ = next(each for each in both if each[2])
        return code, f"{pieces:.1f} tokens a word"
    return "", ""


def _telling(measured: Measured | None) -> Iterator[Nearness]:
    """Yield the groups of translations that are large enough to tell something."""
    for one in measured.groups if measured else ():
        if one.languages[0] != one.languages[1] and one.measured >= FEWEST_PAIRS:
            yield one


def _named(codes: Sequence[str]) -> str:
    return ", ".join("many languages" if code == "many" else code for code in codes)


def _reads(model: "DualModel", codes: Sequence[str], known: "TextLanguages") -> str:
    return f"{model.name} reads {_named(codes)}: {known.why}"
