"""Validation of a model that is there already (--only_test)."""

import json

from accelerate import PartialState

from index.distributed import rendezvous
from index.errors import CueframeError
from index.models.encoder import load_dual_model
from index.models.libraries import is_model_folder
from train.config import TrainConfig
from train.index_batches import open_index
from train.inputs import data_of, encoder_of, pictures_folder, view_of
from train.log import print_validation
from train.model_card import refuse_trained_videos
from train.validate import judge_picks, try_judge, validate
from train.validation_result import figures_of


def test(config: TrainConfig, state: PartialState) -> int:
    """Validate the model at --output_path, or --model if there is none, as training does."""
    output = config.output_path
    name = str(output) if is_model_folder(output) else config.model
    index = open_index(config.index) if config.index else None
    _, val_list = data_of(config, index)
    if not val_list:
        raise CueframeError(f"--ratio {config.ratio} leaves no question to validate on; raise it")
    refuse_trained_videos(output, val_list)
    dual = load_dual_model(name, view_of(config, index))
    dual.module.to(state.device)
    encoder = encoder_of(dual, index)
    judge = try_judge(config.judge) if state.is_main_process else "none"
    with rendezvous(output, state) as scratch:
        used = (index.path, index.profile) if index else None
        result = validate(
            val_list,
            encoder,
            state,
            index=used,
            scratch=scratch,
            seed=config.seed,
            long_text=config.long_text,
            pictures=pictures_folder(config),
        )
    state.destroy_process_group()  # or NCCL warns at the end
    if result:
        print_validation(result.table, f"{name}")
        sim = judge_picks(result.records, val_list, judge, state.device)
        shown = {"model": name, "questions": result.table.questions}
        print(json.dumps(shown | figures_of(result.table) | {"sim_m": sim}))
    return 0
