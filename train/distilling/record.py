"""What is written beside a distilled model: distillation.json and a model card."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

from index.messages import escaped
from infer.evaluation.text_tables import format_estimate
from train.distilling.cross_validation import Decision
from train.distilling.hits import HitTable

RECORD = "distillation.json"


def digest_of(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        digest = xxhash.xxh3_128()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write FOLDER/distillation.json."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    # A path that is not UTF-8 becomes a JSON escape.
    (folder / RECORD).write_text(text, errors="backslashreplace")


def write_card(
    folder: Path,
    *,
    name: str,
    student: str,
    teacher: str,
    index: Path,
    pairs: int,
    teacher_language: str,
    languages: Sequence[str],
    route: str | None,
    decision: Decision,
    hits: Mapping[str, HitTable],
) -> None:
    """Write FOLDER/README.md, a model card of one page; `name` is the folder's in the end."""
    taught = ", ".join(languages)
    reads = (
        f"Texts in {route} are read by the teacher, as before; all others by the student."
        if route
        else "All texts are read by the student."
    )
    asked = shlex.join(["--index", str(index), "--model", name])
    lines = [
        "---",
        "library_name: cueframe",
        "tags: [cueframe, video-frame-retrieval]",
        f"language: [{', '.join(dict.fromkeys((teacher_language, *languages)))}]",
        "---",
        f"# {Path(name).name}",
        "",
        f"The vision side of `{teacher}`, and `{student}` in place of its text side: taught with "
        f"Cueframe on {pairs} pairs of a text in {teacher_language} and its translation ({taught}) "
        f"to give the vectors that the teacher gives. {reads} An index that `{teacher}` built is "
        "asked with it as it is:",
        "",
        "```",
        f"python infer/answer.py QUESTIONS {asked}",
        f"accelerate launch train/main.py --json_path QUESTIONS --tune text {asked}",
        "```",
        "",
        f"Head: {decision.head}, since {decision.why}. On held-out pairs, in per cent, with 95 % "
        "intervals:",
        "",
        *_rows(list(next(iter(decision.rows.values()))), decision.rows),
    ]
    for language, table in hits.items():
        rows = {way: {"hit": row} for way, row in table.rows.items()}
        lines += [
            "",
            f"Questions of which one of four frames hits, in per cent: {table.questions} "
            f"questions in {language} on {table.videos} videos, of which the student has seen "
            "neither text nor video:",
            "",
            *_rows(["hit"], rows),
        ]
    lines += [
        "",
        f"`{RECORD}` has all settings and figures. It knows the words and wordings of its pairs; "
        "others it reads as well as its multilingual encoder carries them over.",
    ]
    (folder / "README.md").write_text(escaped_lines(lines))


def escaped_lines(lines: Sequence[str]) -> str:
    """Join lines, each escaped as for a terminal."""
    return "\n".join(map(escaped, lines)) + "\n"


def _rows(columns: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"| | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
        *(
            f"| {name} | {' | '.join(format_estimate(c, dict(row)) for c in columns)} |"
            for name, row in rows.items()
        ),
    ]
