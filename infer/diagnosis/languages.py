"""Checks of the languages: what the questions are written in, and whether the model reads it."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from index.languages import language_among, language_of
from index.progress import bar
from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, Severity, percent, share
from infer.diagnosis.translations import Measured, Nearness
from infer.questions import Question

if TYPE_CHECKING:  # it imports torch
    from index.models.dual_model import DualModel
    from index.models.text_languages import TextLanguages

_FEW = 0.05
"""Share of the questions; the language of a short text may be guessed wrongly."""
_SHORT, _ENOUGH = 20, 1000
"""Characters of a text from which on its language is guessed by itself, and of a guess for all."""
_READ, _NOT_READ = 0.8, 0.5
"""Shares of texts whose own translation is the nearest, from which on a model reads both languages,
and below which not."""
_FEWEST_PAIRS = 10
"""Pairs from which on a measurement says something."""


def guessed_languages(questions: Sequence[Question]) -> list[str]:
    """Guess the language of each question, as ISO 639-1 code.

    That of a short text is guessed among those of the longer ones: "Who?" is English there.
    """
    found: list[str | None] = []
    short = ""
    for question in bar(questions, "question", len(questions)):
        text = _text_of(question)
        found.append(language_of(text) if len(text) >= _SHORT else None)
        short += f"{text} " if found[-1] is None and len(short) < _ENOUGH else ""
    counts = Counter(code for code in found if code is not None)
    common = [code for code, count in counts.most_common() if count >= _FEW * counts.total()]
    expected = common or [language_of(short)]
    return [
        code or language_among(_text_of(questions[place]), expected)
        for place, code in enumerate(found)
    ]


def _text_of(question: Question) -> str:
    return question.question or " ".join(question.events)


def languages_of_questions(languages: Sequence[str]) -> Iterator[Finding]:
    """What the questions are written in."""
    counts, total = Counter(languages), len(languages)
    shown = [f"{code} {count} ({percent(count / total)})" for code, count in counts.most_common(6)]
    more = f" and {len(counts) - 6} more" if len(counts) > 6 else ""
    said = f"languages of the questions: {', '.join(shown)}{more}"
    yield Finding("languages", "fine", said, dict(counts.most_common()))


def languages_read(
    languages: Sequence[str],
    model: "DualModel",
    commands: Commands,
    known: "TextLanguages | None" = None,
    measured: Measured | None = None,
) -> Iterator[Finding]:
    """Whether the model was trained to read them, where that is known and was not measured."""
    counts, total = Counter(languages), len(languages)
    asked = [code for code, count in counts.most_common() if count >= _FEW * total]
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


def nearness(measured: Measured, commands: Commands) -> Iterator[Finding]:
    """How often a text's own translation, or other wording, is the nearest of all."""
    if measured.without:
        yield Finding(
            "without_translation",
            "note",
            f"{measured.without} questions have no translation in the file of --translations",
            {"questions": measured.without},
            advice=("translate them, too, or leave --translations out",),
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
        if severity == "problem":
            said += ", so the model does not read both languages"
        figures = {
            "languages": [source, target],
            "pairs": one.pairs,
            "measured": one.measured,
            "nearest": round(mean, 6),
            "low": None if math.isnan(low) else round(low, 6),
            "high": None if math.isnan(high) else round(high, 6),
            "chance": round(one.chance, 6),
        }
        advice: tuple[str, ...] = ()
        if severity != "fine" and source != target:
            advice = commands.other_language()
        elif severity != "fine":
            advice = ("take a model that holds them together:", commands.doctor_of("MODEL"))
        kind = "other_wordings" if source == target else "translations"
        yield Finding(kind, severity, said, figures, advice=advice)


def _severity(one: Nearness) -> Severity:
    mean, _, high, _ = one.nearest
    if one.measured < _FEWEST_PAIRS or mean >= _READ:
        return "fine"
    if one.languages[0] == one.languages[1]:
        return "note"
    return "problem" if (mean if math.isnan(high) else high) < _NOT_READ else "note"


def _telling(measured: Measured | None) -> Iterator[Nearness]:
    """Yield the groups of translations that are large enough to tell something."""
    for one in measured.groups if measured else ():
        if one.languages[0] != one.languages[1] and one.measured >= _FEWEST_PAIRS:
            yield one


def _named(codes: Sequence[str]) -> str:
    return ", ".join("many languages" if code == "many" else code for code in codes)


def _reads(model: "DualModel", codes: Sequence[str], known: "TextLanguages") -> str:
    return f"{model.name} reads {_named(codes)}: {known.why}"
