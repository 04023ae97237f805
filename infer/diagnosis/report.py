"""Findings as a text for a terminal, and as JSON."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from index.messages import escaped
from infer.diagnosis.findings import Finding, Severity

WIDTH = 79
"""Columns of the text; a command stands on a line of its own, however long."""
_MARGIN = 9
PROGRAMS = ("python ", "pip ", "iconv ")
"""How a line of advice begins that is a command."""
_SIGNS: dict[Severity, str] = {"problem": "PROBLEM", "note": "note", "fine": "fine"}
_SEVERITIES: tuple[Severity, ...] = ("problem", "note", "fine")


def as_text(head: str, findings: Sequence[Finding]) -> str:
    """Return findings as a text, the worst first, with what to do under each."""
    return "\n".join(_lines(head, findings)) + "\n"


def as_json(head: dict[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return findings as one object, the worst first."""
    return {
        **head,
        "problems": _count(findings, "problem"),
        "notes": _count(findings, "note"),
        "findings": [one._asdict() | {"ids": [*one.ids]} for one in _sorted(findings)],
    }


def verdict(findings: Sequence[Finding]) -> str:
    """Say in one line how many problems and notes there are."""
    numbers = {kind: _count(findings, kind) for kind in ("problem", "note")}
    said = [f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in numbers.items() if n]
    return " and ".join(said) if said else "nothing is wrong"


def _lines(head: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield from textwrap.wrap(escaped(head), WIDTH)
    before: Severity | None = None
    for one in _sorted(findings):
        if one.severity != "fine" or before != "fine":
            yield ""
        before = one.severity
        yield from _wrapped(one.what, _SIGNS[one.severity].ljust(_MARGIN), " " * _MARGIN)
        short = all(len(example) < 40 for example in one.examples)
        if short and one.examples:
            yield from _wrapped(", ".join(one.examples), " " * _MARGIN, " " * _MARGIN)
        else:
            for example in one.examples:
                yield from _wrapped(example, " " * _MARGIN + "- ", " " * _MARGIN + "  ")
        for advice in one.advice:
            arrow = " " * (_MARGIN - 3) + "-> "
            if advice.startswith(PROGRAMS):
                yield arrow + escaped(advice)
            else:
                yield from _wrapped(advice, arrow, " " * _MARGIN)
    yield ""
    yield verdict(findings)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        escaped(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: _SEVERITIES.index(one.severity))


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(one.severity == severity for one in findings)
