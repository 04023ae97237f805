"""The bench's tables in Markdown, from its result. docs/picking.md shows them."""

from collections.abc import Sequence
from typing import Any

from infer.evaluation.text_tables import format_figure

COMPARED = ("quarters", "hills", "dpp", "auto", "auto by kind")
"""The rules of the tables by K and by group; quarters as it is."""
Shown = dict[str, Any]
"""A row of the result: figures of a rule, and paired differences, as estimates."""


def markdown(result: dict[str, Any]) -> str:
    """Write all tables."""
    parts = [_of_rung(name, rung, result) for name, rung in result["rungs"].items()]
    return "\n".join([*parts, _by_k(result), *(_by_group(result, by) for by in result["groups"])])


def _of_rung(name: str, rung: dict[str, Any], result: dict[str, Any]) -> str:
    """Every strategy with the constants that were chosen for it."""
    k = str(result["shown_at"])
    chosen = rung["frames"][k]
    rows = chosen["rows"]
    best = {described: rows[described] for described in chosen["best"].values()}
    shown = {"quarters": rows["quarters"]} | best
    shown |= {name: rows[name] for name in ("auto", "auto by kind")}
    shown |= {name: {"figures": row} for name, row in result["baselines"][k].items()}
    head = ["rule", "hit", "− quarters", "all@0.5", "− quarters", "recall", "precision"]
    body = [
        [
            label,
            _mean(row, "hit"),
            _lead(row, "hit"),
            _mean(row, "all@0.5"),
            _lead(row, "all@0.5"),
            _mean(row, "recall"),
            _mean(row, "precision"),
        ]
        for label, row in shown.items()
    ]
    rules = {"all": chosen["auto"], **chosen["auto by kind"]}
    kept = "; ".join(f"{kind}: {auto['rule']}" for kind, auto in rules.items())
    leads = ", ".join(f"{one} {_lead(rows[one], 'hit', 'top')}" for one in ("auto", "auto by kind"))
    note = f"Chosen for questions of each kind: {kept}. Hit − that of plain `top`: {leads}."
    return f"### {name}, K = {k}\n\n{table(head, body)}\n\n{note}\n"


def _by_k(result: dict[str, Any]) -> str:
    """Hit, precision and all@0.5 of the chosen rules at every K."""
    ks = list(result["baselines"])
    figures = ("hit", "precision", "all@0.5")
    body = []
    for name, rung in result["rungs"].items():
        for label in COMPARED:
            rows = [_compared(rung["frames"][k], rung["frames"][k]["rows"])[label] for k in ks]
            cells = [" / ".join(_mean(row, one) for one in figures) for row in rows]
            body.append([name, label, *cells])
    head = ["encoder", "rule", *(f"K = {k}" for k in ks)]
    return f"### Every K: {' / '.join(figures)}\n\n{table(head, body)}\n"


def _by_group(result: dict[str, Any], by: str) -> str:
    """One figure by kind of question, length of its event or length of its clip."""
    body = []
    for name, rung in result["rungs"].items():
        for group, rows in rung["groups"][by].items():
            figures = ("hit", "all@0.5" if by != "kind" or group == "one" else "recall")
            compared = _compared(rung["frames"][str(result["shown_at"])], rows)
            cells = [" / ".join(_mean(row, one) for one in figures) for row in compared.values()]
            number = str(rows["quarters"]["figures"]["hit"]["questions"])
            body.append([name, group, number, *cells])
    second = "all@0.5 (several, whole: recall)" if by == "kind" else "all@0.5"
    title = f"### By {by.replace('_', ' ')}, K = {result['shown_at']}: hit / {second}"
    return f"{title}\n\n{table(['encoder', by, 'questions', *COMPARED], body)}\n"


def _compared(chosen: dict[str, Any], rows: dict[str, Shown]) -> dict[str, Shown]:
    """Return the rows of the compared rules: strategies with the constants chosen for them."""
    names = {label: chosen["best"][label] for label in ("hills", "dpp")}
    return {label: rows[names.get(label, label)] for label in COMPARED}


def _mean(row: Shown, figure: str) -> str:
    return format_figure(figure, row["figures"][figure]["mean"])


def _lead(row: Shown, figure: str, than: str = "quarters") -> str:
    lead = row.get(f"minus_{than}", {}).get(figure)
    if not lead:
        return ""
    signed = (f"{100 * lead[one]:+.1f}".replace("-", "−") for one in ("mean", "low", "high"))
    mean, low, high = signed
    return f"{mean} ({low} … {high})"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Write a table: the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
