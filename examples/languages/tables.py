"""The bench's result over all encoders, and its tables in Markdown. docs/languages.md shows them.

Legend: N questions, E encoders.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from examples.languages.measure import Hits, mean_hit, ratio
from examples.picks.tables import table

ENGLISH, AS_IT_IS = "English", "Vietnamese as it is"
MIXED_UP, UNIFORM = "English, of another question", "uniform"
OWN = dict.fromkeys((ENGLISH, MIXED_UP, UNIFORM), "english")
"""The wording by which a row is shown; of all others Vietnamese."""
Figure = Mapping[str, float]
"""A mean with its interval, low and high."""


def summary(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    videos: Sequence[str],
    held_out: Sequence[bool],
    seed: int,
) -> dict[str, Any]:
    """Average the hits over the encoders, with intervals over videos.

    Args:
        rows: By name, E dictionaries: "hits", (N,) by wording, and what else was noted of a run.
        videos: (N,) each question's video.
        held_out: (N,) whether a question has one of the words that a row has no pair with.
        seed: Seed of the bootstrap.
    """
    english = _stacked(rows[ENGLISH])["english"]
    uniform, mixed_up = (_stacked(rows[name])["english"] for name in (UNIFORM, MIXED_UP))
    groups = {"words held out": np.array(held_out), "other words": ~np.array(held_out)}

    def figures(own: Hits, some: Any = slice(None)) -> dict[str, Any]:
        chosen = np.array(videos)[some].tolist()
        own, whole = own[:, some], english[:, some]
        even, unread = uniform[:, some], mixed_up[:, some]
        return {
            "by_encoder": own.mean(axis=1).tolist(),
            "hit": mean_hit(own, chosen, seed)._asdict(),
            "of_english": ratio(own, whole, chosen, seed)._asdict(),
            "minus_uniform": mean_hit(own - even, chosen, seed)._asdict(),
            "minus_mixed_up": mean_hit(own - unread, chosen, seed)._asdict(),
        }

    found: dict[str, Any] = {}
    for name, runs in rows.items():
        hits = _stacked(runs)
        others = [one for wording, one in hits.items() if wording.startswith("other")]
        if others:
            hits["all_others"] = np.mean(others, axis=0)
        noted = {key: [run[key] for run in runs] for key in runs[0] if key != "hits"}
        shown = hits[OWN.get(name, "vietnamese")]
        found[name] = noted | {
            "wordings": {wording: figures(one) for wording, one in hits.items()},
            "by_words": {group: figures(shown, some) for group, some in groups.items()},
        }
    return {
        "questions": len(videos),
        "videos": len(set(videos)),
        "with_words": int(sum(held_out)),
        "rows": found,
    }


def _stacked(runs: Sequence[Mapping[str, Any]]) -> dict[str, Hits]:
    """Return (E, N) hits by wording."""
    return {
        wording: np.stack([run["hits"][wording] for run in runs]) for wording in runs[0]["hits"]
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Write all tables."""
    rows = result["rows"]
    return "\n\n".join([_hits(rows), _others(rows), _words(rows), _runs(rows)]) + "\n"


def _hits(rows: Mapping[str, Any]) -> str:
    encoders = range(len(rows[ENGLISH]["wordings"]["english"]["by_encoder"]))
    head = ["read by, taught with", "hit", *(f"encoder {n}" for n in encoders)]
    body = []
    for name, row in rows.items():
        own = row["wordings"][OWN.get(name, "vietnamese")]
        each = [_percent(mean) for mean in own["by_encoder"]]
        more = (own["of_english"], own["minus_uniform"], own["minus_mixed_up"])
        body.append([name, _interval(own["hit"]), *each, *map(_interval, more)])
    return table([*head, "of English's", "− uniform", "− of another question"], body)


def _others(rows: Mapping[str, Any]) -> str:
    wordings = ("vietnamese", "other_1", "other_2", "other_3", "all_others", "english")
    head = ["of English's hit", "as in the pairs", *"123", "all three", "English by the student"]
    body = [
        [
            name,
            *(
                _interval(row["wordings"][one]["of_english"]) if one in row["wordings"] else ""
                for one in wordings
            ),
        ]
        for name, row in rows.items()
        if "all_others" in row["wordings"]
    ]
    return table(head, body)


def _words(rows: Mapping[str, Any]) -> str:
    groups = list(next(iter(rows.values()))["by_words"])
    body = [
        [name, *(_interval(row["by_words"][group]["of_english"]) for group in groups)]
        for name, row in rows.items()
        if "pairs" in row
    ]
    return table(["of English's hit, questions with", *groups], body)


def _runs(rows: Mapping[str, Any]) -> str:
    body = [
        [
            name,
            ", ".join(str(number) for number in dict.fromkeys(row["pairs"])),
            ", ".join(row["head"]),
            ", ".join(f"{wall_s:.0f}" for wall_s in row["wall_s"]),
            "yes" if all(row["english_is_equal"]) else "NO",
        ]
        for name, row in rows.items()
        if "pairs" in row
    ]
    return table(["", "pairs", "head", "seconds", "English the same to the bit"], body)


def _interval(figure: Figure) -> str:
    return f"{_percent(figure['mean'])} ({_percent(figure['low'])} … {_percent(figure['high'])})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")
