"""The bench's tables in Markdown, from its result. docs/picking.md shows them."""

from collections.abc import Sequence
from typing import Any

from infer.evaluation.text_tables import format_figure

Shown = dict[str, Any]
"""A row of the result: its rule in words, `figures` and `minus_quarters`, each as estimates."""


def markdown(result: dict[str, Any]) -> str:
    """Write all tables."""
    parts = [_of_rung(name, rung, result) for name, rung in result["rungs"].items()]
    return "\n".join([*parts, _by_k(result), *(_by_group(result, by) for by in result["groups"])])


def _of_rung(name: str, rung: dict[str, Any], result: dict[str, Any]) -> str:
    """Every strategy as it was chosen, at the K that it was chosen for."""
    k = str(result["chosen_at"])
    rows = rung["frames"][k]
    best = {rows[described]["rule"]: rows[described] for described in rung["constants"]}
    shown = {"quarters": rows["quarters"]} | best | {f"auto: {rung['auto']}": rows["auto"]}
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
    return f"### {name}, K = {k}\n\n{table(head, body)}\n"


def _by_k(result: dict[str, Any]) -> str:
    """Hit, precision and all@0.5 of the chosen rules at every K."""
    ks = list(result["baselines"])
    figures = ("hit", "precision", "all@0.5")
    body = []
    for name, rung in result["rungs"].items():
        for label, key in _columns(rung).items():
            cells = [" / ".join(_mean(rung["frames"][k][key], one) for one in figures) for k in ks]
            body.append([name, label, *cells])
    head = ["encoder", "rule", *(f"K = {k}" for k in ks)]
    return f"### Every K: {' / '.join(figures)}\n\n{table(head, body)}\n"


def _by_group(result: dict[str, Any], by: str) -> str:
    """One figure by kind of question, length of its event or length of its clip."""
    body = []
    for name, rung in result["rungs"].items():
        for group, rows in rung["groups"][by].items():
            figures = ("hit", "all@0.5" if by != "kind" or group == "one" else "recall")
            cells = [
                " / ".join(_mean(rows[key], one) for one in figures)
                for key in _columns(rung).values()
            ]
            number = str(rows["quarters"]["figures"]["hit"]["questions"])
            body.append([name, group, number, *cells])
    labels = ["quarters", "hills", "dpp", "auto"]
    second = "all@0.5 (several, whole: recall)" if by == "kind" else "all@0.5"
    title = f"### By {by.replace('_', ' ')}, K = {result['chosen_at']}: hit / {second}"
    return f"{title}\n\n{table(['encoder', by, 'questions', *labels], body)}\n"


def _columns(rung: dict[str, Any]) -> dict[str, str]:
    """The rules that are compared at every K, as named in a table and in the result."""
    best = rung["best"]
    return {"quarters": "quarters"} | {n: best[n] for n in ("hills", "dpp")} | {"auto": "auto"}


def _mean(row: Shown, figure: str) -> str:
    return format_figure(figure, row["figures"][figure]["mean"])


def _lead(row: Shown, figure: str) -> str:
    lead = row.get("minus_quarters", {}).get(figure)
    if not lead:
        return ""
    mean, low, high = (f"{100 * lead[one]:+.1f}" for one in ("mean", "low", "high"))
    return f"{mean} ({low} … {high})"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Write a table: the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
