"""An interpolation: load two models, choose alpha if it is to be, and write the folder."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import PartialState

from index.distributed import join_processes
from index.errors import CueframeError
from index.messages import json_line, say
from index.models.dual_model import DualModel
from index.models.encoder import refuse_text_tower, vision_fingerprint
from infer.evaluation.leakage import trained_videos
from train.distilling.new_folder import new_folder
from train.interpolating.choosing import choose_alpha, unseen_examples
from train.interpolating.config import InterpolateConfig
from train.interpolating.mixing import Mixer
from train.interpolating.record import write_card, write_interpolation
from train.model import load_dual_model_to_train
from train.model_card import versions, write_training_json
from train.saving import explain_saving, give_usual_rights
from train.seed import set_seed


def interpolate_models(config: InterpolateConfig) -> int:
    """Write the model between two, and print the result; return the exit code.

    Raises:
        CueframeError: Models that do not fit each other, unusable questions, or a folder that
            cannot be written.
    """
    began_s = time.monotonic()
    state = join_processes()
    if state.num_processes > 1:
        raise CueframeError("train/interpolate.py is one process; start it with python alone")
    set_seed(config.seed)
    examples = unseen_examples(config) if config.alpha == "auto" else []
    a, b = (load_dual_model_to_train(name, config.view) for name in (config.a, config.b))
    if examples:
        refuse_text_tower(a)
    mixer = Mixer(a, b)
    with new_folder(config.output_path, "--output_path") as folder:
        validated: dict[float, dict[str, Any]] = {}
        if config.alpha == "auto":
            alpha, validated = _chosen(mixer, (a, b), examples, folder, state, config)
        else:
            alpha = config.alpha
        mixer.set_alpha(alpha)
        valid = {} if not a.has_vision else _valid_indexes(mixer.model, a, b)
        with explain_saving(config.output_path, "make room or rights, and run again"):
            mixer.model.save(folder)
            give_usual_rights(folder)
        result: dict[str, Any] = {"alpha": alpha, "indexes_stay_valid": valid}
        if validated:
            result |= {"questions": len(examples)} | validated[alpha]
        write_interpolation(
            folder,
            {
                "a": config.a,
                "b": config.b,
                "configuration": asdict(config),
                "versions": versions(),
                "result": result,
                "validation_by_alpha": validated,
            },
        )
        _write_videos(folder, config)
        write_card(folder, config, a.library, result)
    _say_valid(config, valid)
    say(f"the model of alpha {alpha} is in {config.output_path}")
    wall_s = round(time.monotonic() - began_s, 3)
    print(json_line(result | {"output_path": str(config.output_path), "wall_s": wall_s}))
    return 0


def _chosen(
    mixer: Mixer,
    models: tuple[DualModel, DualModel],
    examples: Any,
    folder: Path,
    state: PartialState,
    config: InterpolateConfig,
) -> tuple[float, dict[float, dict[str, Any]]]:
    fingerprints = {vision_fingerprint(model) for model in models}
    mixer.model.module.to(state.device)
    found = choose_alpha(
        mixer,
        examples,
        same_vision=len(fingerprints) == 1,
        scratch=folder,
        state=state,
        config=config,
    )
    mixer.model.module.to("cpu")
    return found


def _valid_indexes(mixed: DualModel, a: DualModel, b: DualModel) -> dict[str, bool]:
    """Say whether an index that A or B built can be asked by the model between them."""
    own = vision_fingerprint(mixed)
    return {name: own == vision_fingerprint(one) for name, one in (("a", a), ("b", b))}


def _say_valid(config: InterpolateConfig, valid: dict[str, bool]) -> None:
    names = [getattr(config, name) for name, stays in valid.items() if stays]
    if not valid:
        say("it has no vision side, so every index that A and B could be asked of stays valid")
    elif names:
        say(f"an index that {' or '.join(names)} built stays valid: the vision side is the same")
    else:
        say("its vision side is a new one; index the videos anew with python index/build.py")


def _write_videos(folder: Path, config: InterpolateConfig) -> None:
    """Write training.json, so that it stays known which videos A and B were trained on."""
    seen = sorted(trained_videos(config.a) | trained_videos(config.b))
    if seen:
        split = {"train": {"questions": [], "videos": seen}}
        settings = {"model": config.a, "interpolated with": config.b}
        write_training_json(folder, {"configuration": settings, "split": split})
