"""The model that a run saves, with training.json and a model card."""

import json
import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from huggingface_hub import ModelCardData

from index.errors import CueframeError
from index.messages import escaped
from index.models.model_folder import is_folder
from index.storage.atomic_write import written_whole
from infer.evaluation.text_tables import format_figure
from train.halves import halves_of
from train.provenance import base_on_hub, commit
from train.saving import give_usual_rights
from train.split import Example

_TRAINING = "training.json"

_PACKAGES = ("cueframe", "torch", "transformers", "accelerate", "numpy", "pillow", "av")


class Savable(Protocol):
    """A `DualModel`, or one in training."""

    def save(self, folder: Path) -> None:
        """Write it into a folder from which it can be loaded again."""


def save_model(model: Savable, output: Path) -> None:
    """Save a model into the output folder; each file is replaced atomically."""
    temporary = output / ".model.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model.save(temporary)
        give_usual_rights(temporary)
        for path in sorted(path for path in temporary.rglob("*") if path.is_file()):
            to = output / path.relative_to(temporary)
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def versions() -> dict[str, str]:
    """Versions of Python and packages that affect results; "unknown" if one has no metadata.

    Of Cueframe also the `commit`, where it runs from a checkout.
    """
    own = commit()
    return (
        {"python": platform.python_version()}
        | {name: _version(name) for name in _PACKAGES}
        | ({"commit": own} if own else {})
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that runs without having been installed
        return "unknown"


def split_of(
    train_list: Sequence[Example], val_list: Sequence[Example], seed: int
) -> dict[str, Any]:
    """Return the questions and videos, by content, of either side of the split.

    The videos to validate on are given by their halves, too (`train.halves`).
    """
    halves = halves_of((one["content_hash"] for one in val_list), seed)
    return {
        side: {
            "questions": [one["id"] for one in examples],
            "videos": sorted({one["content_hash"] for one in examples}),
        }
        for side, examples in (("train", train_list), ("validation", val_list))
    } | {name: {"videos": sorted(videos)} for name, videos in halves._asdict().items()}


def write_training_json(output: Path, content: dict[str, Any]) -> None:
    """Write OUTPUT/training.json."""
    with written_whole(output / _TRAINING) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        # A path that is not UTF-8 becomes a JSON escape.
        temporary.write_text(text, errors="backslashreplace")


def trained_videos(output: Path) -> set[str]:
    """Return the contents of the videos on which the model in a folder was trained.

    None where it has no training.json.
    """
    path = output / _TRAINING
    if not path.is_file():
        return set()
    return set(json.loads(path.read_bytes())["split"]["train"]["videos"])


def refuse_trained_videos(output: Path, examples: Sequence[Example]) -> None:
    """Refuse to validate a model on its training videos; one without training.json passes.

    Raises:
        CueframeError: A question is about such a video; the first is named.
    """
    trained = trained_videos(output)
    for one in examples:
        if one["content_hash"] in trained:
            raise CueframeError(
                f"question {one['id']} is about {one['video_path']}, on which the model in "
                f"{output} was trained; give the --ratio and --seed of its training, or "
                "questions about other videos with --ratio 1"
            )


def write_card(output: Path, training: dict[str, Any]) -> None:
    """Write OUTPUT/README.md, a model card of one page, from the content of training.json.

    It names no path of this machine; MODEL stands for the folder.
    """
    config, split, result = training["configuration"], training["split"], training["result"]
    base = base_on_hub(config["model"])
    front = ModelCardData(
        language=training["languages"],
        base_model=base,
        library_name=training["library"],
        tags=["cueframe", "video-frame-retrieval"],
    )
    source = config["model"] if base == config["model"] else Path(config["model"]).name
    view = f" --view {config['view']}" if config["view"] else ""
    lora = f", by LoRA of rank {config['lora_rank']}" if config["lora_rank"] else ""
    long_text = "" if config["long_text"] == "windows" else " --long-text truncate"
    lines = [
        f"# {output.resolve().name}",
        "",
        f"A dual encoder of texts and video frames, fine-tuned from `{source}` with "
        f"Cueframe: loss {config['loss_setting']}, tuned: {config['tune']}{lora}.",
        "",
        f"- {len(split['train']['questions'])} questions of `{Path(config['json_path']).name}` "
        f"({', '.join(training['languages'])}) on {len(split['train']['videos'])} videos; data of "
        f"fingerprint `{training['data']}`",
        f"- {result['steps']} steps of {training['questions_per_step']} questions, learning rate "
        f"{config['lr']}, mixed precision {training['mixed_precision']}, seed {config['seed']}; "
        f"processes: {training['processes']}, on {training['device']['name']}",
        f"- the weights are those of step {result['saved_step']}; `loss.png` has the loss by step, "
        "`training.json` all settings and versions",
        "- no licence is named: those of the base model, of the questions and of the videos count",
        "",
        "```",
        f"python index/build.py VIDEOS --index video_index --model MODEL{view}",
        f"python infer/answer.py QUESTIONS --index video_index{long_text}",
        "```",
        *_figures(split, result),
    ]
    if result["sim_m"]:
        judge = config["judge"] if not is_folder(config["judge"]) else Path(config["judge"]).name
        shares = ", ".join(f"{name} {100 * m:.1f} %" for name, m in result["sim_m"].items())
        lines += ["", f"Every true frame has a pick that looks like it to {judge}: {shares}."]
    lines += ["", "It knows what these questions and videos show, and their blind spots."]
    head = f"---\n{front.to_yaml()}\n---\n"
    with written_whole(output / "README.md") as temporary:
        temporary.write_text(head + "\n".join(map(escaped, lines)) + "\n", encoding="utf-8")


def _figures(split: dict[str, Any], result: dict[str, Any]) -> list[str]:
    """Return the table of the validation as lines; none without one."""
    table = result["validation"]
    if not table:
        return []
    intervals = result.get("intervals", {})
    questions = result.get("validation_questions", len(split["validation"]["questions"]))
    columns = list(table["trained"])
    known = any(between for row in intervals.values() for between in row.values())

    def cell(picker: str, figure: str) -> str:
        between = intervals.get(picker, {}).get(figure)
        ends = [format_figure(figure, end) for end in between or ()]
        mean = format_figure(figure, table[picker][figure])
        return f"{mean} ({ends[0]} … {ends[1]})" if ends else mean

    return [
        "",
        f"Four frames for each of {questions} questions about videos that it has not seen, in per "
        "cent (_s: seconds)"
        f"{', with 95 % intervals by bootstrap over the videos' if known else ''}:",
        "",
        f"| | {' | '.join(table)} |",
        f"|---|{'---:|' * len(table)}",
        *(
            f"| {figure} | {' | '.join(cell(picker, figure) for picker in table)} |"
            for figure in columns
        ),
    ]
