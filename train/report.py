"""What a run leaves behind beside the model: training.json, a model card, a loss curve."""

import json
import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from index.errors import CueframeError
from index.store import written_whole
from infer.panel import shown
from train.checkpoint import read_metrics
from train.data import Example

_TRAINING = "training.json"

_PACKAGES = ("cueframe", "torch", "transformers", "accelerate", "numpy", "pillow", "av")


def save_model(model: PreTrainedModel, processor: Any, output: Path) -> None:
    """`save_pretrained` of both into the output folder; each file is replaced whole."""
    temporary = output / ".model.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    processor.save_pretrained(temporary)
    for path in sorted(temporary.iterdir()):
        path.replace(output / path.name)
    temporary.rmdir()


def versions() -> dict[str, str]:
    """Of Python and the packages that decide a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def split_of(train_list: Sequence[Example], val_list: Sequence[Example]) -> dict[str, Any]:
    """Which questions and videos, by content, are on which side."""
    return {
        side: {
            "questions": [one["id"] for one in examples],
            "videos": sorted({one["content_hash"] for one in examples}),
        }
        for side, examples in (("train", train_list), ("validation", val_list))
    }


def write_training_json(output: Path, content: dict[str, Any]) -> None:
    """Write OUTPUT/training.json."""
    with written_whole(output / _TRAINING) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def refuse_trained_videos(output: Path, examples: Sequence[Example]) -> None:
    """Refuse to validate a model on what it has learned from; one without training.json passes.

    Raises:
        CueframeError: The first such question is named.
    """
    path = output / _TRAINING
    if not path.is_file():
        return
    trained = set(json.loads(path.read_bytes())["split"]["train"]["videos"])
    for one in examples:
        if one["content_hash"] in trained:
            raise CueframeError(
                f"question {one['id']} is about {one['video_path']}, on which the model in "
                f"{output} was trained; give the --ratio and --seed of its training, or "
                "questions about other videos with --ratio 1"
            )


def draw_loss(output: Path) -> None:
    """Draw OUTPUT/loss.png from metrics.jsonl: the loss by step, and hits where validated."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = list(read_metrics(output))
    steps = [line for line in lines if "loss" in line]
    validations = [line for line in lines if "validation" in line]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([line["step"] for line in steps], [line["loss"] for line in steps], color="tab:blue")
    axes.set_xlabel("step")
    axes.set_ylabel("loss", color="tab:blue")
    if validations:
        hits = axes.twinx()
        hits.plot(
            [line["step"] for line in validations],
            [100 * line["validation"]["trained"]["hit"] for line in validations],
            "o-",
            color="tab:orange",
        )
        hits.set_ylim(0, 100)
        hits.set_ylabel("validation hits, %", color="tab:orange")
    with written_whole(output / "loss.png") as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def write_card(output: Path, training: dict[str, Any]) -> None:
    """Write OUTPUT/README.md, a model card of one page, from what is in training.json."""
    config, split, result = training["configuration"], training["split"], training["result"]
    view = f" --view {config['view']}" if config["view"] else ""
    lines = [
        "---",
        "library_name: transformers",
        "tags: [cueframe, video-frame-retrieval]",
        "---",
        f"# {output.name}",
        "",
        f"A dual encoder of texts and video frames, fine-tuned from `{config['model']}` with "
        f"Cueframe: loss {config['loss_setting']}, tuned: {config['tune']}.",
        "",
        f"- {len(split['train']['questions'])} questions on {len(split['train']['videos'])} "
        f"videos; {result['steps']} steps of {training['questions_per_step']} questions, "
        f"learning rate {config['lr']}, mixed precision {training['mixed_precision']}, "
        f"seed {config['seed']}",
        f"- the weights are those of step {result['saved_step']}; `loss.png` has the loss by step, "
        "`training.json` all settings and versions",
        "",
        "```",
        f"python index/build.py VIDEOS --index video_index --model {output}{view}",
        "python infer/answer.py QUESTIONS --index video_index",
        "```",
    ]
    table = result["validation"]
    if table:
        columns = list(table["trained"])
        lines += [
            "",
            f"Four frames for each of {len(split['validation']['questions'])} questions about "
            f"{len(split['validation']['videos'])} videos that it has not seen, in per cent (_s: "
            "seconds):",
            "",
            f"| picks | {' | '.join(columns)} |",
            f"|---|{'---:|' * len(columns)}",
            *(
                f"| {name} | {' | '.join(shown(c, row[c]) for c in columns)} |"
                for name, row in table.items()
            ),
        ]
    if result["sim_m"]:
        shares = ", ".join(f"{name} {100 * m:.1f} %" for name, m in result["sim_m"].items())
        lines += [
            "",
            f"Every true frame has a pick that looks like it to {config['judge']}: {shares}.",
        ]
    lines += ["", "It knows what these questions and videos show, and their blind spots."]
    with written_whole(output / "README.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
