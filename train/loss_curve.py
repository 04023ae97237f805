"""The plot of the loss by step."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from index.storage.atomic_write import written_whole
from train.checkpoint import read_metrics


def draw_loss(output: Path) -> None:
    """Draw OUTPUT/loss.png from metrics.jsonl: the loss by step, and hits of the validations."""
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
