"""Make a ladder of encoders from the checkpoints of one training.

    python examples/picks/ladder.py bench/trained bench/ladder

    bench/ladder/10, 25, 50, 100    models as they were at 10, 25, 50 and 100 % of the steps

Each is a folder like the one that the training wrote, for --model. The training has to keep its
checkpoints (--keep of train/main.py).
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from index.errors import CueframeError
from index.run_command import run

PERCENT = (10, 25, 50, 100)


def make_ladder(trained: Path, folder: Path, percent: tuple[int, ...] = PERCENT) -> dict[int, int]:
    """Write the model of each share of a training's steps; return the steps by the share in %.

    Raises:
        CueframeError: The training did not keep a checkpoint of such a step, or it is no training.
    """
    from safetensors.torch import load_file

    from train.checkpoint import checkpoints
    from train.model import DualEncoder, load_dual_model_to_train
    from train.model_card import save_model

    kept = {int(path.name.partition("-")[2]): path for path in checkpoints(trained)}
    if not kept:
        raise CueframeError(f"{trained} has no checkpoints; name the --output_path of a training")
    made = {share: round(max(kept) * share / 100) for share in percent}
    for share, step in made.items():
        if step not in kept:
            raise CueframeError(
                f"{trained} has no checkpoint of step {step} ({share} % of the training); train "
                "with a --keep that leaves all of them"
            )
        model = DualEncoder(load_dual_model_to_train(str(trained), None))
        model.load_state_dict(load_file(kept[step] / "model.safetensors"))
        rung = folder / str(share)
        rung.mkdir(parents=True, exist_ok=True)
        save_model(model.to_save(), rung)
    return made


@dataclass(kw_only=True, slots=True)
class LadderConfig:
    """Flags of examples/picks/ladder.py."""

    trained: tyro.conf.Positional[Path]
    """Output folder of a training that kept its checkpoints."""
    folder: tyro.conf.Positional[Path]
    """Folder to write the models in."""


def ladder(config: LadderConfig) -> int:
    """Make the ladder and print its steps; returns 0."""
    for share, step in make_ladder(config.trained, config.folder).items():
        print(f"the model of step {step} ({share} %) is in {config.folder / str(share)}")
    return 0


if __name__ == "__main__":
    run(ladder, LadderConfig, __doc__)
