"""The training loop, and validation of a finished model."""

import json
import time
from typing import Any

from accelerate import PartialState

from index.distributed import join_processes, rendezvous
from index.errors import CueframeError
from index.memory import explain_out_of_memory
from train.batches import epoch_order, own_shards
from train.checkpoint import (
    Progress,
    append_metrics,
    claim_folder,
    cut_metrics,
    load,
    read_metrics,
    refuse_taken,
    remove_leftovers,
    save,
)
from train.config import TrainConfig
from train.grad_cache import MicroBatch, StepReport, pool_gradient
from train.index_batches import open_index
from train.log import StepLog, print_unreadable, print_validation, say, stop_unless_finite
from train.loss_curve import draw_loss
from train.model import load_model_to_train, set_training_mode
from train.model_card import (
    refuse_trained_videos,
    save_model,
    split_of,
    write_card,
    write_training_json,
)
from train.seed import set_seed
from train.setup import (
    Run,
    data_fingerprint,
    data_of,
    encoder_of,
    json_values,
    set_initial_bias,
    set_up,
    settings_of,
)
from train.validate import (
    Validation,
    judge_picks,
    read_records,
    try_judge,
    validate,
    write_records,
)


def train_or_test(config: TrainConfig) -> int:
    """Train, or with `only_test` validate; every process calls this. Returns the exit code.

    Raises:
        CueframeError: Unusable questions, frames, model or index; an output folder of another run;
            a loss or gradient that is not finite.
    """
    state = join_processes()
    set_seed(config.seed)
    return test(config, state) if config.only_test else train(config, state)


def train(config: TrainConfig, state: PartialState) -> int:
    """Fine-tune; every process runs this."""
    began_s = time.monotonic()
    output, leads = config.output_path, state.is_main_process
    rank, world_size = state.process_index, state.num_processes
    if leads and not config.resume:
        refuse_taken(output)
    this = set_up(config)
    progress = _begin(config, this)
    model, accelerator, optimizer = this.model, this.accelerator, this.optimizer
    flags = "--batch_size" + (" or --accumulation_steps" if this.index else "")
    log = StepLog(this.steps)

    for epoch in range(progress.step // this.steps_per_epoch, config.epochs):
        order = epoch_order(len(this.train_list), config.seed, epoch)
        shards = own_shards(order, this.step_size, rank, world_size)
        shards = shards[progress.step - epoch * this.steps_per_epoch :]  # what is not done yet
        steps = this.loader.steps(epoch, shards)
        for shard in shards:
            step_began_s = time.monotonic()
            with explain_out_of_memory(flags):
                batches = next(steps)
                optimizer.zero_grad()
                report = _gradient(this, batches)
            norm = float(accelerator.clip_grad_norm_(this.learning, config.max_grad_norm))
            # A loss scaler (fp16) skips steps with a gradient that is not finite by itself.
            checked = norm if accelerator.scaler is None else None
            ids = [this.train_list[number]["id"] for number in shard]
            stop_unless_finite(report, checked, progress.step + 1, ids)
            lr = optimizer.param_groups[0]["lr"]
            optimizer.step()
            model.clamp_scale()
            if not accelerator.optimizer_step_was_skipped:
                this.scheduler.step()
            progress.step += 1

            line = {
                "step": progress.step,
                "epoch": epoch + 1,
                "loss": report.loss,
                "grad_norm": norm,
                "lr": lr,
                "scale": model.logit_scale.exp().item(),
                "bias": model.logit_bias.item(),
                "positives": report.positives,
                "negatives": report.negatives,
                "masked": report.masked,
                "step_s": round(time.monotonic() - step_began_s, 3),
            }
            if leads:
                append_metrics(output, line)
                if progress.step == 1:
                    say(_start_line(this, line))
                log.step(line)
            accelerator.log(line, step=progress.step)

            epoch_ends = progress.step % this.steps_per_epoch == 0
            if epoch_ends and this.val_list:
                model.eval()
                validation = _validate(config, this, state)
                set_training_mode(model)
                if validation:  # rank 0
                    print_validation(validation, f"validation after epoch {epoch + 1}")
                    append_metrics(output, {"step": progress.step, "validation": validation.means})
                    if progress.best is None or validation.rank > progress.best:
                        progress.best, progress.best_step = validation.rank, progress.step
                        progress.validation = validation.means
                        save_model(model.to_save(), this.processor, output)
                        write_records(output / "validation.jsonl", validation.records)
            if epoch_ends or progress.step % config.save_every == 0:
                save(accelerator, output, progress, keep=config.keep)

    print_unreadable(this.loader.unreadable())
    accelerator.end_training()
    if leads:
        _finish(config, this, progress, time.monotonic() - began_s)
    return 0


def test(config: TrainConfig, state: PartialState) -> int:
    """Validate the model at --output_path, or --model if there is none, as training does."""
    output = config.output_path
    name = str(output) if (output / "config.json").is_file() else config.model
    index = open_index(config.index) if config.index else None
    _, val_list = data_of(config, index)
    if not val_list:
        raise CueframeError(f"--ratio {config.ratio} leaves no question to validate on; raise it")
    refuse_trained_videos(output, val_list)
    clip, processor = load_model_to_train(name)
    clip.eval().to(state.device)
    encoder = encoder_of(config, clip, processor, index)
    judge = try_judge(config.judge) if state.is_main_process else "none"
    with rendezvous(output, state) as scratch:
        used = (index.path, index.profile) if index else None
        result = validate(val_list, encoder, state, index=used, scratch=scratch, seed=config.seed)
    if result:
        print_validation(result, f"{name}")
        sim = judge_picks(result.records, val_list, judge, state.device)
        shown = {"model": name, "questions": result.table.questions}
        print(json.dumps(shown | {"validation": result.means, "sim_m": sim}))
    return 0


def _begin(config: TrainConfig, this: Run) -> Progress:
    """Claim the output folder, and restore the last checkpoint if the run is resumed."""
    output, accelerator = config.output_path, this.accelerator
    if accelerator.is_main_process:
        claim_folder(output, settings_of(config, this))
        remove_leftovers(output)
    accelerator.wait_for_everyone()
    progress = load(accelerator, output) if config.resume else Progress()
    if accelerator.is_main_process:
        cut_metrics(output, progress.step)
        if config.resume:
            say(f"going on after step {progress.step} of {this.steps}")
    _start_tracker(config, this)
    if progress.step == 0 and this.loss.bias != "none":
        with explain_out_of_memory("--batch_size"):
            set_initial_bias(config, this)
    return progress


def _start_tracker(config: TrainConfig, this: Run) -> None:
    settings = {name: v for name, v in json_values(config).items() if v is not None}
    try:
        this.accelerator.init_trackers("cueframe", settings)
    except Exception as error:
        first = str(error).strip().split("\n")[0] or type(error).__name__
        raise CueframeError(
            f"--tracker {config.tracker} cannot be started ({first}); set it up, or choose "
            "--tracker none"
        ) from error


def _gradient(this: Run, batches: list[MicroBatch]) -> StepReport:
    """Compute one step's gradient over all processes."""
    try:
        return pool_gradient(
            this.module,
            batches,
            this.loss,
            this.model.logit_scale,
            this.model.logit_bias,
            rank=this.accelerator.process_index,
            world_size=this.accelerator.num_processes,
            backward=this.accelerator.backward,
        )
    except ValueError as error:
        if "without questions" not in str(error):
            raise
        raise CueframeError(
            "no true frame of a whole step can be read; mine the frames anew with train/mine.py"
        ) from error


def _validate(config: TrainConfig, this: Run, state: PartialState) -> Validation | None:
    """Pick and score with the current model; return the result on rank 0, None elsewhere."""
    used = (this.index.path, this.index.profile) if this.index else None
    with rendezvous(config.output_path, state) as scratch, this.accelerator.autocast():
        return validate(
            this.val_list, this.encoder, state, index=used, scratch=scratch, seed=config.seed
        )


def _start_line(this: Run, first: dict[str, Any]) -> str:
    """Summarise the run in one line, once its first gradient is known."""
    accelerator, model = this.accelerator, this.model
    return (
        f"start: {sum(p.numel() for p in this.learning):,} of "
        f"{sum(p.numel() for p in model.parameters()):,} parameters learn; {this.steps} steps of "
        f"{this.step_size} questions, {this.steps_per_epoch} an epoch; {len(this.train_list)} "
        f"questions to train on, {len(this.val_list)} to validate on; first step: gradient norm "
        f"{first['grad_norm']:.4g}, {first['positives']} positives, {first['negatives']} "
        f"negatives, {first['masked']} masked pairs; {accelerator.num_processes} processes on "
        f"{accelerator.device.type}, mixed precision {accelerator.mixed_precision}"
    )


def _finish(config: TrainConfig, this: Run, progress: Progress, wall_s: float) -> None:
    """Write the final files and print the result, on rank 0.

    Whatever they need was checked before the first step.
    """
    output = config.output_path
    sim: dict[str, float] = {}
    if this.val_list:
        records = read_records(output / "validation.jsonl")
        sim = judge_picks(records, this.val_list, this.judge, this.accelerator.device)
    else:
        progress.best_step = progress.step
        save_model(this.model.to_save(), this.processor, output)
    losses = [line["loss"] for line in read_metrics(output) if "loss" in line]
    result = {
        "steps": progress.step,
        "saved_step": progress.best_step,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "validation": progress.validation,
        "sim_m": sim,
    }
    training = {
        "configuration": json_values(config),
        "mixed_precision": this.accelerator.mixed_precision,
        "processes": this.accelerator.num_processes,
        "questions_per_step": this.step_size,
        "logit_bias": this.model.logit_bias.item(),
        "data": data_fingerprint(this.train_list, this.val_list),
        "split": split_of(this.train_list, this.val_list),
        "versions": this.versions,
        "result": result,
    }
    write_training_json(output, training)
    write_card(output, training)
    draw_loss(output)
    say(f"the model of step {progress.best_step} is in {output}")
    print(json.dumps(result | {"output_path": str(output), "wall_s": round(wall_s, 3)}))
