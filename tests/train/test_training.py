import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPProcessor

import train.finish
import train.training
from index.build import BuildConfig, build
from index.models.encoder import load_encoder
from tests.fixtures_train import (
    QUESTIONS,
    config,
    losses,
    metrics,
    refusal,
    started,
    tiny_model,
    trained,
    weights,
    with_paraphrases,
    world,
)
from tests.paths import ROOT
from train.config import TrainConfig


@pytest.mark.parametrize("loss_setting", [1, 2, 3, 4])
def test_loss_goes_down(tmp_path: Path, loss_setting: int) -> None:
    output = trained(tmp_path / "out", loss_setting=loss_setting, epochs=6)
    course = losses(output)
    assert len(course) == 6 * 5  # 38 questions are four steps of 8 and one of 6
    assert np.mean(course[-5:]) < 0.95 * np.mean(course[:5])


def test_a_run_leaves_a_model_that_the_lower_floors_load_and_its_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = trained(tmp_path / "out", ratio=0.25)
    said = capsys.readouterr()
    result = json.loads(said.out)
    lines = metrics(output)
    steps = [line for line in lines if "loss" in line]
    validations = [line for line in lines if "validation" in line]
    assert [line["step"] for line in steps] == list(range(1, result["steps"] + 1))
    assert len(validations) == 2
    assert set(validations[0]["validation"]) == {"trained", "uniform", "random", "oracle"}
    assert validations[0]["validation"]["oracle"]["hit"] == 1
    assert "start: " in said.err
    for what in ("gradient norm", "positives", "negatives", "masked pairs", "parameters"):
        assert what in said.err

    def rank(line: dict[str, Any]) -> list[float]:
        trained = line["chosen_on"]["validation"]["trained"]
        return [*(trained[name] for name in ("hit", "recall", "precision")), line["step"]]

    best = max(validations, key=rank)
    assert result["saved_step"] == best["step"]
    assert f"the best so far is that of step {best['step']}" in said.err
    assert {name: result[name] for name in best if name != "step"} == {
        name: value for name, value in best.items() if name != "step"
    }
    picked = [json.loads(line) for line in (output / "validation.jsonl").read_text().splitlines()]
    reported = [one["id"] for one in picked if one["half"] == "reported_on"]
    assert len(reported) == result["validation_questions"]
    assert len(picked) - len(reported) == result["chosen_on"]["questions"]
    training = json.loads((output / "training.json").read_text())
    assert training["result"]["saved_step"] == result["saved_step"]
    split = training["split"]
    assert not set(split["train"]["videos"]) & set(split["validation"]["videos"])
    halves = [split[name]["videos"] for name in ("chosen_on", "reported_on")]
    assert sorted([*halves[0], *halves[1]]) == split["validation"]["videos"]
    assert len(halves[0]) == len(halves[1]) == 1
    for name, line in (("first_loss", steps[:4]), ("last_loss", steps[4:])):
        # Three steps of eight questions, and one of four or so.
        total = sum(one["loss"] * one["positives"] for one in line)
        assert result[name] == pytest.approx(total / sum(one["positives"] for one in line))
    assert len(split["train"]["questions"]) + len(split["validation"]["questions"]) == QUESTIONS
    assert training["configuration"]["lr"] == 1e-3
    assert training["versions"]["torch"]
    with Image.open(output / "loss.png") as curve:
        assert min(curve.size) > 200
    assert "index/build.py VIDEOS" in (output / "README.md").read_text()

    CLIPModel.from_pretrained(output)
    CLIPProcessor.from_pretrained(output)
    load_encoder(str(output), device=torch.device("cpu"))
    videos = BuildConfig(
        videos=world().videos, index=tmp_path / "index", model=str(output), workers=1
    )
    assert build(videos) == 0
    hidden = {path.name for path in output.iterdir() if path.name.startswith(".")}
    assert hidden == {".lock"}  # the system holds it; no leftovers


def test_validation_equals_that_of_only_test_on_the_saved_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = trained(tmp_path / "out", ratio=0.25, epochs=1)
    result = json.loads(capsys.readouterr().out)
    before = weights(output)
    trained(output, ratio=0.25, only_test=True)
    tested = json.loads(capsys.readouterr().out)
    counts = result["validation_questions"], result["chosen_on"]["questions"]
    shares = result["validation"], result["chosen_on"]["validation"]
    assert tested["questions"] == tested["validation_questions"] == sum(counts)
    for picker in ("trained", "uniform"):
        hits = (count * share[picker]["hit"] for count, share in zip(counts, shares, strict=True))
        assert tested["validation"][picker]["hit"] == pytest.approx(sum(hits) / sum(counts))
    assert torch.equal(weights(output), before)
    line = refusal(output, ratio=1.0, only_test=True)
    assert "was trained" in line
    assert "--ratio" in line


def test_only_test_without_an_output_takes_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "none", ratio=1.0, only_test=True, image_path=tmp_path / "nothing")
    tested = json.loads(capsys.readouterr().out)
    assert tested["model"] == str(world().model)
    assert tested["questions"] == QUESTIONS


def test_the_pool_is_the_whole_step(tmp_path: Path) -> None:
    ends = [
        weights(trained(tmp_path / f"{size}", batch_size=size, accumulation_steps=8 // size))
        for size in (8, 2, 1)
    ]
    start = weights(world().model)
    for end in ends[1:]:
        assert (end - ends[0]).norm() <= 1e-2 * (ends[0] - start).norm()


def test_bf16_runs_and_is_recorded(tmp_path: Path) -> None:
    full = losses(trained(tmp_path / "full", epochs=1))
    half_output = trained(tmp_path / "half", epochs=1, mixed_precision="bf16")
    half = losses(half_output)
    assert half != full
    assert half == pytest.approx(full, rel=0.1)
    training = json.loads((half_output / "training.json").read_text())
    assert training["mixed_precision"] == "bf16"
    tensors = load_file(half_output / "model.safetensors").values()
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_gradient_checkpointing_changes_nothing(tmp_path: Path) -> None:
    plain = weights(trained(tmp_path / "plain", epochs=1))
    saving = weights(trained(tmp_path / "saving", epochs=1, gradient_checkpointing=True))
    assert (plain - saving).abs().max() <= 1e-6


def test_preparing_in_threads_changes_nothing(tmp_path: Path) -> None:
    plain, ahead = (
        weights(trained(tmp_path / name, epochs=1, num_workers=n, pictures=tmp_path / f"of-{name}"))
        for name, n in (("plain", 0), ("ahead", 2))
    )
    assert torch.equal(plain, ahead)


def test_the_scale_stays_at_100_or_below(tmp_path: Path) -> None:
    hot = tiny_model(tmp_path / "hot", world())
    tensors = load_file(hot / "model.safetensors")
    tensors["logit_scale"] = torch.tensor(4.7)
    save_file(tensors, hot / "model.safetensors", metadata={"format": "pt"})
    output = trained(tmp_path / "out", model=str(hot), epochs=1)
    assert all(line["scale"] <= 100.001 for line in metrics(output))
    assert load_file(output / "model.safetensors")["logit_scale"] <= 4.6052


def test_a_loss_that_is_not_finite_names_step_and_questions(tmp_path: Path) -> None:
    broken = tiny_model(tmp_path / "broken", world())
    tensors = load_file(broken / "model.safetensors")
    whole = tensors["text_projection.weight"].clone()
    tensors["text_projection.weight"][:] = torch.nan
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    assert "no finite numbers in float32; fetch" in refusal(tmp_path / "none", model=str(broken))
    tensors["text_projection.weight"] = whole
    tensors["logit_scale"] = torch.tensor(torch.nan)  # its vectors are finite, the loss is not
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    line = refusal(tmp_path / "out", model=str(broken))
    assert "step 1" in line
    assert line.endswith("the model computes it as it was loaded: try another --model")
    assert any(question["id"] in line for question in world().questions())
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_out_of_memory_names_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(train.training, "pool_gradient", full)
    line = refusal(tmp_path / "out")
    assert "out of memory" in line
    assert "--batch_size" in line


def test_bad_questions_are_one_line(tmp_path: Path) -> None:
    output, path = tmp_path / "out", tmp_path / "q.json"
    path.write_text(json.dumps([one | {"support_frames": ["soon"]} for one in world().questions()]))
    assert "support_frames[0] is 'soon'" in refusal(output, json_path=path)
    assert "--json_path" in refusal(output, json_path=tmp_path / "none.json")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"caption": 4}, ["--caption_setting", "4"]),
        ({"loss_setting": 0}, ["--loss_setting", "0"]),
        ({"image_path": Path("nowhere")}, ["nowhere", "mine.py", "--image_path"]),
        ({"batch_size": 40, "accumulation_steps": 1}, ["38", "40", "--batch_size"]),
        ({"lr": 0.0}, ["--lr"]),
        ({"ratio": 1.5}, ["--ratio"]),
        ({"warmup_ratio": -0.1}, ["--warmup_ratio"]),
        ({"negatives_per_question": -1}, ["--negatives_per_question"]),
        ({"seed": -1}, ["--seed"]),
        ({"epochs": 0}, ["--epochs is 0"]),
        ({"epochs": None, "steps": 0}, ["--steps is 0"]),
        ({"min_steps": -1}, ["--min_steps is -1"]),
        ({"patience": -1}, ["--patience is -1"]),
        ({"patience": 2}, ["--patience 2", "--ratio 0"]),
        ({"steps": 9}, ["--steps 9", "--epochs 2", "leave one of them out"]),
        ({"epochs": None, "steps": 9, "min_steps": 4}, ["--steps 9", "--min_steps 4"]),
        ({"index": Path("video_index")}, ["--index", "--tune text"]),
        ({"index": Path("nowhere"), "tune": "text"}, ["nowhere", "index/build.py"]),
        ({"model": "nowhere/at-all"}, ["nowhere/at-all", "--model"]),
        ({"tracker": "wandb"}, ["--tracker wandb", "pip install"]),
        ({"mixed_precision": "fp16"}, ["--mixed_precision fp16", "bf16"]),
        ({"only_test": True, "ratio": 0.0}, ["--ratio"]),
        ({"video_path": Path("nowhere"), "ratio": 0.25}, ["--video_path"]),
    ],
)
def test_bad_calls_are_one_line(tmp_path: Path, flags: dict[str, Any], wanted: list[str]) -> None:
    line = refusal(tmp_path / "out", **flags)
    for text in wanted:
        assert text in line
    assert not (tmp_path / "out").exists()


def test_a_run_without_package_metadata_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_ours(package: str) -> str:
        if package == "cueframe":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr("train.model_card.version", without_ours)
    output = trained(tmp_path / "out")
    versions = json.loads((output / "training.json").read_text())["versions"]
    assert versions["cueframe"] == "unknown"
    assert versions["torch"] == torch.__version__


def test_what_the_end_needs_is_tried_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("tried")

    for target in ("train.setup.versions", "train.setup.try_judge"):
        with monkeypatch.context() as patch:
            patch.setattr(target, fail)
            with pytest.raises(RuntimeError, match="tried"):
                trained(tmp_path / "out", ratio=0.25)
        assert not (tmp_path / "out" / "metrics.jsonl").exists()
    # Plots are drawn by a module that was loaded with the loop.
    assert vars(train.finish)["draw_loss"].__module__ == "train.loss_curve"
    assert "matplotlib" in sys.modules

    capsys.readouterr()
    trained(tmp_path / "out", ratio=0.25, judge="no/such-judge")
    lines = capsys.readouterr().err.splitlines()
    told = [n for n, line in enumerate(lines) if line.startswith("no sim_m: ")]
    first_step = next(n for n, line in enumerate(lines) if line.startswith("step "))
    assert len(told) == 1
    assert told[0] < first_step


def test_an_unreadable_picture_is_named_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mined = shutil.copytree(world().mined, tmp_path / "mined")
    bad = next((mined / "frames_true" / world().questions()[0]["id"]).iterdir())
    bad.write_bytes(b"no picture")
    output = trained(tmp_path / "out", image_path=mined, epochs=1)
    said = capsys.readouterr().err
    assert f"skipped: {bad}" in said
    assert "1 pictures" in said
    assert sum(line["positives"] for line in metrics(output)) == QUESTIONS - 1


def test_an_output_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", epochs=1)
    line = refusal(output)
    assert "--resume" in line
    assert "--output_path" in line
    for flags, name in (
        ({"lr": 2e-3, "epochs": 1}, "lr"),
        ({"epochs": 1, "seed": 7}, "seed"),
    ):
        assert name in refusal(output, resume=True, **flags)
    run = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(run | {"processes": 2}))
    assert "processes 2, not 1" in refusal(output, resume=True, epochs=1)


def test_processes_that_do_not_know_of_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "2 processes were started" in refusal(tmp_path / "out")


def test_help_needs_no_torch() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['train/main.py', '--help']\n"
        "try: runpy.run_path('train/main.py', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in TrainConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in done.stdout


def test_the_seeds_flags_are_there(tmp_path: Path) -> None:
    import tyro

    words = (
        "--json_path a --image_path b --video_path c --caption_setting 3 --output_path d "
        "--ratio 0.1 --model_name e --loss_setting 2 --only_test"
    )
    flags = tyro.cli(TrainConfig, args=words.split(), config=(tyro.conf.FlagCreatePairsOff,))
    assert (flags.caption, flags.model, flags.loss_setting, flags.only_test) == (3, "e", 2, True)


@pytest.mark.parametrize(
    "loss_setting",
    [*(pytest.param(setting, marks=pytest.mark.slow) for setting in (1, 2, 4)), 3],
)
def test_two_processes_end_where_one_does(tmp_path: Path, loss_setting: int) -> None:
    """Ten steps, the last of each epoch incomplete, with 0 to 3 negatives a question."""
    common: dict[str, Any] = {
        "loss_setting": loss_setting,
        "negatives_per_question": 3,
        "ratio": 0.25,
    }
    if loss_setting == 3:  # and wordings are drawn alike
        common["json_path"] = with_paraphrases(tmp_path)
    alone = trained(tmp_path / "alone", batch_size=4, accumulation_steps=2, **common)
    flags = config(tmp_path / "two", batch_size=2, accumulation_steps=2, **common)
    done = started(flags, processes=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    start = weights(world().model)
    moved = (weights(alone) - start).norm()
    apart = (weights(tmp_path / "two") - weights(alone)).norm()
    assert apart <= 1e-2 * moved
    for one, two in zip(metrics(alone), metrics(tmp_path / "two"), strict=True):
        for name in ("step", "positives", "negatives", "masked"):
            assert one.get(name) == two.get(name)
        if "validation" in one:
            assert one["validation"]["uniform"] == two["validation"]["uniform"]
