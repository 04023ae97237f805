"""The training loop."""

import os
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from index.distributed import join_processes, rendezvous
from index.errors import CueframeError
from index.memory import explain_out_of_memory
from index.messages import say
from index.models.model_files import files_fingerprint
from index.storage.lock import locked
from train.batches import epoch_order, own_shards
from train.checkpoint import (
    Progress,
    append_metrics,
    claim_folder,
    cut_metrics,
    load,
    refuse_lost_checkpoints,
    refuse_taken,
    remove_leftovers,
    resumable,
    save,
    save_progress,
)
from train.config import TrainConfig
from train.finish import finish
from train.grad_cache import MicroBatch, StepReport, pool_gradient
from train.inputs import pictures_folder
from train.log import StepLog, print_unreadable, print_validation, say_chosen, stop_unless_finite
from train.model import set_training_mode, vision_learns
from train.model_card import save_model
from train.only_test import test
from train.preemption import Preemption, Stopped, preemptible
from train.run_length import LENGTH_FLAGS, note_length, refuse_shorter, runs_out, with_length_of
from train.schedule import follow_length
from train.seed import set_seed
from train.setup import Run, json_values, set_initial_bias, set_up, settings_of
from train.trackers import tracked, validation_line
from train.validate import validate, write_records


def train_or_test(config: TrainConfig) -> int:
    """Train, or with `only_test` validate; every process calls this. Returns the exit code.

    It is 143 or 130 if SIGTERM or SIGINT ended the run.

    Raises:
        CueframeError: Unusable questions, frames, model or index; an output folder of another run,
            or one that cannot be written; a loss or gradient that is not finite.
    """
    with preemptible() as stop:
        try:
            state = join_processes()
            set_seed(config.seed)
            return test(config, state) if config.only_test else train(config, state, stop)
        except Stopped as stopped:
            if int(os.environ.get("RANK", "0")) == 0:
                say(f"stopped {stop.reached} by {stopped}; {stop.remedy}")
            return stopped.code


def train(config: TrainConfig, state: PartialState, stop: Preemption) -> int:
    """Fine-tune; every process runs this."""
    began_s = time.monotonic()
    leads = state.is_main_process
    if config.resume:
        config = with_length_of(config.output_path, config)
    if leads and not config.resume:
        refuse_taken(config.output_path)
    this = set_up(config)
    lock = locked(config.output_path, "--output_path", no_lock=config.no_lock)
    with lock if leads else nullcontext(), rendezvous(config.output_path, state) as frozen:
        progress = _begin(config, this, stop)
        with tracked(this.accelerator, config.tracker, json_values(config)):
            if progress.step == 0 and this.loss.bias != "none":
                with explain_out_of_memory("--batch_size"):
                    set_initial_bias(config, this)
            _take_steps(config, this, state, progress, stop, frozen)
        print_unreadable(this.loader.unreadable())
        if leads:
            finish(config, this, progress, time.monotonic() - began_s)
    return 0


def _take_steps(
    config: TrainConfig,
    this: Run,
    state: PartialState,
    progress: Progress,
    stop: Preemption,
    frozen: Path,
) -> None:
    """Take all steps that are left, with validations and checkpoints.

    `frozen` is a folder for vectors of frames that stay as they are in the run.

    Raises:
        Stopped: By a signal; the step at hand is in a checkpoint.
    """
    output, leads = config.output_path, state.is_main_process
    model, accelerator, optimizer = this.model, this.accelerator, this.optimizer
    flags = "--batch_size" + (" or --accumulation_steps" if this.index else "")
    log = StepLog(this.steps, config.log_every, accelerator.device)
    if progress.validation_due:
        _validate(config, this, state, progress, frozen)

    for epoch in range(progress.step // this.steps_per_epoch, this.epochs):
        if runs_out(config, progress):
            if leads:
                say(
                    f"ended after step {progress.step} of {this.steps} by --patience "
                    f"{config.patience}: {progress.since_best} validations without a better one"
                )
            break
        order = epoch_order(len(this.train_list), config.seed, epoch)
        shards = own_shards(order, this.step_size, state.process_index, state.num_processes)
        first = epoch * this.steps_per_epoch
        shards = shards[progress.step - first : this.steps - first]  # what is not done yet
        with stop.noted(), closing(this.loader.steps(epoch, shards)) as steps:
            for shard in shards:
                step_began_s = time.monotonic()
                with explain_out_of_memory(flags):
                    batches = next(steps)
                    data_s = time.monotonic() - step_began_s
                    optimizer.zero_grad()
                    report = _gradient(this, batches)
                norm = float(accelerator.clip_grad_norm_(this.learning, config.max_grad_norm))
                # A loss scaler (fp16) skips steps with a gradient that is not finite by itself.
                checked = norm if accelerator.scaler is None else None
                ids = [this.train_list[number]["id"] for number in shard]
                precision = accelerator.mixed_precision
                stop_unless_finite(report, checked, progress.step + 1, ids, precision)
                lr = optimizer.param_groups[0]["lr"]
                before = progress.step % this.steps_per_epoch * this.step_size
                questions = min(this.step_size, len(order) - before)
                optimizer.step()
                model.clamp_scale()
                if not accelerator.optimizer_step_was_skipped:
                    this.scheduler.step()
                progress.step += 1
                stop.reached = f"after step {progress.step} of {this.steps}"

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
                    **log.figures(
                        progress.step,
                        questions,
                        time.monotonic() - step_began_s,
                        data_s,
                    ),
                }
                if leads:
                    append_metrics(output, line)
                    if progress.step == 1:
                        say(_start_line(this, line))
                    log.step(line)
                accelerator.log(line, step=progress.step)

                epoch_ends = progress.step in (first + this.steps_per_epoch, this.steps)
                progress.validation_due = epoch_ends and bool(this.val_list)
                stopped = stop.agreed(accelerator)
                if epoch_ends or stopped or progress.step % config.save_every == 0:
                    save(accelerator, output, progress, keep=config.keep)
                if stopped:
                    raise stopped
        if progress.validation_due:
            _validate(config, this, state, progress, frozen)


def _begin(config: TrainConfig, this: Run, stop: Preemption) -> Progress:
    """Claim the output folder, and restore the last checkpoint if the run is resumed."""
    output, accelerator = config.output_path, this.accelerator

    def contents() -> dict[str, str]:
        refuse_shorter(output, this.steps)  # where all settings but the length agree
        return {"files of --model": files_fingerprint(config.model, "--model")}

    if accelerator.is_main_process:
        claim_folder(output, settings_of(config, this), contents, changeable=LENGTH_FLAGS)
        stop.remedy = "--resume goes on"
        remove_leftovers(output)
        refuse_lost_checkpoints(output, this.steps_per_epoch)
    accelerator.wait_for_everyone()
    progress = load(accelerator, output) if config.resume else Progress()
    before = note_length(progress, this.steps)
    follow_length(this.scheduler)
    if progress.step:
        stop.reached = f"after step {progress.step} of {this.steps}"
    if accelerator.is_main_process:
        cut_metrics(output, progress)
        if config.resume:
            say(f"going on after step {progress.step} of {this.steps}")
        if before:
            say(
                f"the run had {before} steps, and has {this.steps} now; from here on the learning "
                "rate is that of the new length"
            )
    return progress


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


def _validate(
    config: TrainConfig, this: Run, state: PartialState, progress: Progress, frozen: Path
) -> None:
    """Pick and score with the current model, and keep the model if none was better.

    The checkpoint before it is complete, so a signal may end it at any moment.
    """
    output = config.output_path
    used = (this.index.path, this.index.profile) if this.index else None
    this.model.eval()
    with rendezvous(output, state) as scratch, this.accelerator.autocast():
        validation = validate(
            this.val_list,
            this.encoder,
            state,
            index=used,
            scratch=scratch if vision_learns(this.model) else frozen,
            seed=config.seed,
            long_text=config.long_text,
            pictures=pictures_folder(config),
        )
    set_training_mode(this.model)
    progress.validation_due = False
    if validation:  # rank 0
        title = f"validation after step {progress.step} of {this.steps}"
        print_validation(validation.reported_on, title)
        append_metrics(output, {"step": progress.step} | validation.figures)
        shown = validation_line(validation.figures["validation"])
        this.accelerator.log(shown, step=progress.step)
        best = progress.best or []
        progress.since_best = 0 if validation.rank > best else progress.since_best + 1
        if validation.rank >= best:  # of equal ones the later: it has learned more
            progress.best, progress.best_step = validation.rank, progress.step
            progress.validation = validation.figures
            with resumable(output):
                save_model(this.model, output)
                write_records(output / "validation.jsonl", validation.records)
        say_chosen(validation, progress.best_step)
        save_progress(output, progress)
    if config.patience:
        counts = [progress.since_best]
        broadcast_object_list(counts)
        (progress.since_best,) = counts


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
