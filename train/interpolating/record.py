"""What is written beside an interpolated model: interpolation.json and a model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from index.storage.atomic_write import folder_of
from infer.evaluation.text_tables import format_figure
from train.interpolating.config import InterpolateConfig


def write_interpolation(folder: Path, content: Mapping[str, Any]) -> None:
    """Write FOLDER/interpolation.json."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    # A path that is not UTF-8 becomes a JSON escape.
    (folder / "interpolation.json").write_text(text, errors="backslashreplace")


def write_card(
    folder: Path, config: InterpolateConfig, library: str, result: Mapping[str, Any]
) -> None:
    """Write FOLDER/README.md, a model card; of a model in a folder it has the folder's name."""
    a, b = (Path(name).name if folder_of(name) else name for name in (config.a, config.b))
    lines = [
        "---",
        f"library_name: {library}",
        "tags: [cueframe, video-frame-retrieval]",
        "---",
        f"# {config.output_path.name}",
        "",
        f"A dual encoder of texts and video frames. Each weight is (1 - α) times that of `{a}` "
        f"plus α times that of `{b}`, with α = {result['alpha']} (WiSE-FT, Wortsman et al. 2022).",
    ]
    if table := result.get("validation"):
        columns = list(table["trained"])
        lines += [
            "",
            f"α was chosen among 0, 0.1 … 1 on questions about videos that neither model was "
            f"trained on. Four frames for each of {result['validation_questions']} questions "
            f"about {'others' if result['chosen_on'] else 'the same'} of these videos, in per cent "
            "(_s: seconds):",
            "",
            f"| picks | {' | '.join(columns)} |",
            f"|---|{'---:|' * len(columns)}",
            *(
                f"| {name} | {' | '.join(format_figure(c, row[c]) for c in columns)} |"
                for name, row in table.items()
            ),
        ]
    (folder / "README.md").write_text("\n".join(lines) + "\n")
