"""Of answering, mining and training: every setting that decides the result is refused when changed.

A flag that is in neither table fails `test_every_flag_is_decided_upon`, so none is forgotten.
"""

import functools
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from index.errors import CueframeError
from index.storage.store import read_profile, write_profile
from infer.answering.config import FREE as FREE_IN_ANSWERING
from infer.answering.config import AnswerConfig
from infer.answering.inputs import read_inputs
from infer.answering.run import answer_questions
from infer.answering.run_log import log_folder
from infer.queries import make_queries
from infer.selection.rule_file import ChosenRule, write_rule_file
from infer.videos.indexed_videos import read_indexed_videos
from tests import fixtures_infer, fixtures_train
from tests.fixtures_infer import write_questions
from tests.infer.selection.test_rule_file import GOOD as RULES
from train.config import FREE as FREE_IN_TRAINING
from train.config import LENGTH, TrainConfig
from train.mine import MineConfig, mine

ANSWERING: dict[str, Any] = {
    "pick": "top",
    "smooth_s": 1.0,
    "rules": "rules.json",
    "coverage": 0.5,
    "calibration": "labelled.json",
    "frames": 3,
    "caption": 3,
    "choices": "each",
    "join": "mean",
    "long_text": "truncate",
    "model": ("another",),
    "dtype": "bfloat16",
    "seed": 7,
    "reader": "clip",
    "reader_frames": ("uniform",),
    "reader_side": 64,
    "prompt": "vi",
    "free": True,
    "max_new_tokens": 5,
    "timing": True,
}
TRAINING: dict[str, Any] = {
    "caption": 3,
    "long_text": "truncate",
    "ratio": 0.5,
    "model": "another",
    "loss_setting": 1,
    "batch_size": 2,
    "accumulation_steps": 4,
    "lr": 2e-3,
    "lr_vision": 2e-3,
    "lr_text": 2e-3,
    "weight_decay": 0.5,
    "warmup_ratio": 0.5,
    "max_grad_norm": 0.5,
    "negatives_per_question": 2,
    "tune": "vision",
    "lora_rank": 4,
    "lora_alpha": 2,
    "save_adapter": True,
    "guard_s": 0.25,
    "view": "pad",
    "mixed_precision": "bf16",
    "seed": 7,
}
MINING: dict[str, Any] = {
    "model": "another",
    "num_segments": 4,
    "neg_sim_threshold": 0.5,
    "negatives": "hard",
    "guard_s": 0.25,
    "image_format": "jpg",
    "fps": 1.0,
    "seed": 7,
}
MINING_HARD: dict[str, Any] = {"caption": 3, "long_text": "truncate", "model": "a copy"}
"""What decides hard negatives alone."""
FREE_IN_MINING = (
    *("input_folder", "output_folder", "json_path", "format", "labels", "index"),
    *("batch_frames", "workers", "dtype", "time_limit_s", "no_lock"),
)
"""What is in the files is compared question by question (`train.mining.question_frames`)."""


@pytest.mark.parametrize(
    ("config", "deciding", "free"),
    [
        (AnswerConfig, ANSWERING, FREE_IN_ANSWERING),
        (TrainConfig, TRAINING, (*FREE_IN_TRAINING, *LENGTH)),
        (MineConfig, MINING | MINING_HARD, FREE_IN_MINING),
    ],
)
def test_every_flag_is_decided_upon(config: Any, deciding: Any, free: Any) -> None:
    assert {field.name for field in fields(config)} == {*deciding, *free}
    assert not set(deciding) & set(free)


@functools.cache
def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="cueframe-identity-"))


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    shutil.rmtree(scratch(), ignore_errors=True)


def answering(output: Path, **flags: Any) -> int:
    usual: dict[str, Any] = {
        "questions": str(output.parent / "q.json"),
        "index": (fixtures_infer.world().index,),
        "output": str(output),
    }
    config = AnswerConfig(**(usual | flags))
    return answer_questions(config, read_inputs(config))


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """The output of a run that was interrupted after its first answer."""
    records = [{"video_path": "vp9.webm"}, {"video_path": "few.mp4", "question": "Which?"}]
    write_questions(tmp_path / "q.json", *records)
    output = tmp_path / "a.jsonl"
    assert answering(output) == 0
    first = output.read_text().splitlines(keepends=True)[0]
    output.unlink()
    config = AnswerConfig(
        questions=str(tmp_path / "q.json"),
        index=(fixtures_infer.world().index,),
        output=str(output),
    )
    from index.resume import claim
    from infer.answering.run import contents_of, settings_of

    inputs = read_inputs(config)
    queries, _ = make_queries(
        inputs.questions.records, read_indexed_videos(*config.index), config.caption
    )
    contents = functools.partial(contents_of, config, inputs, queries)
    claim(log_folder(output) / "run.json", settings_of(config, inputs), "", contents)
    (log_folder(output) / "0.jsonl").write_text(first)
    return output


def refused(call: Any, flag: str) -> None:
    what = flag if flag.startswith("other ") else rf"{flag} .*, not .*"
    with pytest.raises(CueframeError, match=rf"^the run in .* has (.*, )?{what}.*; ") as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ANSWERING)
def test_answering_refuses(name: str, interrupted: Path) -> None:
    flags = {name: ANSWERING[name]}
    if name in ("reader_frames", "free"):  # by themselves they are refused before
        flags["reader"] = "clip" if name == "reader_frames" else "some/model"
    if name == "join":
        flags["choices"] = "each"
    if name in ("coverage", "calibration"):
        labelled = {"video_path": "vp9.webm", "support_frames": [1.0]}
        path = write_questions(interrupted.parent / "labelled.json", labelled)
        flags = {"frames": "auto", "coverage": 0.5, "calibration": path}
    if name == "rules":
        path = interrupted.parent / "rules.json"
        key = read_profile(fixtures_infer.world().index).key
        write_rule_file(path, ChosenRule(**RULES | {"pick": "quarters", "index": key}))
        flags |= {"rules": path, "pick": "auto"}
    flag = f"--{name.replace('_', '-')}"
    refused(lambda: answering(interrupted, **flags), flag)
    assert len(list(log_folder(interrupted).glob("*.jsonl"))) == 1


def test_answering_refuses_other_questions_and_another_index(
    interrupted: Path, tmp_path: Path
) -> None:
    text = (tmp_path / "q.json").read_text()
    (tmp_path / "q.json").write_text(text.replace("Which?", "Where?"))
    refused(lambda: answering(interrupted), "other QUESTIONS")
    (tmp_path / "q.json").write_text(text)
    index = shutil.copytree(fixtures_infer.world().index, tmp_path / "index")
    write_profile(index, read_profile(index).model_copy(update={"fps": 3.0}))
    refused(lambda: answering(interrupted, index=(index,)), "--index")


def test_answering_refuses_a_prompt_of_other_words(interrupted: Path, tmp_path: Path) -> None:
    from infer.readers.prompts import load_prompt

    english = load_prompt("en")
    own = {name: getattr(english, name) for name in ("frame", "choice", "choices", "free")}
    for name in own:
        words = {**own, name: own[name] + " !"}
        (tmp_path / "own.toml").write_text(
            "".join(f"{key} = '''{text}'''\n" for key, text in words.items())
        )
        refused(lambda: answering(interrupted, prompt=str(tmp_path / "own.toml")), "--prompt")


def test_answering_refuses_a_model_whose_files_were_replaced(
    interrupted: Path, tmp_path: Path
) -> None:
    """By a model with the same vision side under the same name."""
    run = log_folder(interrupted) / "run.json"
    text, model = run.read_text(), fixtures_infer.world().model
    copy = shutil.copytree(model, tmp_path / "model")
    run.write_text(text.replace(f'"{model}"', f'"{copy}"'))
    tensors = load_file(copy / "model.safetensors")
    tensors["text_projection.weight"] *= -1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: answering(interrupted, model=(str(copy),)), "other files of --model")
    shutil.copy(model / "model.safetensors", copy)
    config = json.loads((model / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 5}))
    refused(lambda: answering(interrupted, model=(str(copy),)), "other files of --model")
    shutil.copy(model / "tokenizer_config.json", copy)
    assert answering(interrupted, model=(str(copy),)) == 0


def test_answering_refuses_a_video_that_was_replaced(interrupted: Path, tmp_path: Path) -> None:
    here = fixtures_infer.world()
    videos = shutil.copytree(here.videos, tmp_path / "videos")
    index = tmp_path / "index"
    fixtures_infer.build_index(videos, index, here.model)
    shutil.copy(videos / "b_frames.mp4", videos / "few.mp4")
    fixtures_infer.build_index(videos, index, here.model)
    refused(lambda: answering(interrupted, index=(index,)), "other video of question q1")
    assert len(list(log_folder(interrupted).glob("*.jsonl"))) == 1


def test_answering_goes_on_where_a_video_was_indexed_meanwhile(tmp_path: Path) -> None:
    here = fixtures_infer.world()
    videos, index, output = tmp_path / "videos", tmp_path / "index", tmp_path / "a.jsonl"
    videos.mkdir()
    shutil.copy(here.videos / "vp9.webm", videos)
    fixtures_infer.build_index(videos, index, here.model)
    write_questions(tmp_path / "q.json", {"video_path": "vp9.webm"}, {"video_path": "few.mp4"})

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for number in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("infer.answering.run.write_answers", interrupt)
            with pytest.raises(KeyboardInterrupt):
                answering(output, index=(index,))
        run = json.loads((log_folder(output) / "run.json").read_text())
        assert len([name for name in run["contents"] if name.startswith("video of")]) == 1 + number
        shutil.copy(here.videos / "few.mp4", videos)
        fixtures_infer.build_index(videos, index, here.model)
    assert answering(output, index=(index,)) == 0


def test_answering_goes_on_with_another_free_flag(interrupted: Path, tmp_path: Path) -> None:
    moved = shutil.copy(tmp_path / "q.json", tmp_path / "moved.json")
    assert answering(interrupted, questions=str(moved), reader_batch=3, size="10x10") == 0
    assert len(interrupted.read_text().splitlines()) == 2


@functools.cache
def half_trained() -> Path:
    return fixtures_train.trained(scratch() / "trained")


@pytest.mark.parametrize("name", TRAINING)
def test_training_refuses(name: str, tmp_path: Path) -> None:
    output = shutil.copytree(half_trained(), tmp_path / "out")
    flags = {name: TRAINING[name]}
    if name == "model":
        flags["model"] = str(fixtures_train.tiny_model(tmp_path / "m", fixtures_train.world(), 1))
    if name in ("lora_alpha", "save_adapter"):  # without a rank they are refused before
        flags["lora_rank"] = 4
    flag = f"--{name.replace('_', '-')}"
    refused(lambda: fixtures_train.trained(output, resume=True, **flags), flag)


def test_training_refuses_a_model_whose_files_were_replaced(tmp_path: Path) -> None:
    model = fixtures_train.tiny_model(tmp_path / "m", fixtures_train.world())
    output = fixtures_train.trained(tmp_path / "out", model=str(model), epochs=1)
    fixtures_train.tiny_model(model, fixtures_train.world(), 1)
    refused(
        lambda: fixtures_train.trained(output, model=str(model), epochs=1, resume=True),
        "other files of --model",
    )


def test_training_refuses_other_labels(tmp_path: Path) -> None:
    output = shutil.copytree(half_trained(), tmp_path / "out")
    data = json.loads(fixtures_train.world().json_path.read_text())
    data["data"][0]["support_frames"][0] += 0.25
    (tmp_path / "train.json").write_text(json.dumps(data))
    refused(
        lambda: fixtures_train.trained(output, resume=True, json_path=tmp_path / "train.json"),
        "other data",
    )


def test_training_refuses_pictures_that_show_something_else(tmp_path: Path) -> None:
    output = shutil.copytree(half_trained(), tmp_path / "out")
    frames = shutil.copytree(fixtures_train.world().mined, tmp_path / "mined")
    pictures = sorted(frames.glob("frames_*/*/*.png"))
    shutil.copyfile(pictures[-1], pictures[0])  # under the name that was there
    refused(
        lambda: fixtures_train.trained(output, resume=True, image_path=frames), "other pictures"
    )


def mining(output: Path, **flags: Any) -> int:
    here = fixtures_train.world()
    usual: dict[str, Any] = {
        "input_folder": here.folder,
        "output_folder": output,
        "model": str(here.model),
        "workers": 1,
    }
    return mine(MineConfig(**(usual | flags)))


@functools.cache
def mined(negatives: str) -> Path:
    assert mining(scratch() / negatives, negatives=negatives) == 0
    return scratch() / negatives


@pytest.mark.parametrize("name", MINING)
def test_mining_refuses(name: str, tmp_path: Path) -> None:
    output = shutil.copytree(mined("random"), tmp_path / "out")
    flags, flag = {name: MINING[name]}, f"--{name.replace('_', '-')}"
    if name == "model":
        flags["model"] = str(fixtures_train.tiny_model(tmp_path / "m", fixtures_train.world(), 1))
        flag = "other model and view of fingerprint"
    refused(lambda: mining(output, **flags), flag)


@pytest.mark.parametrize("name", MINING_HARD)
def test_mining_of_hard_negatives_refuses(name: str, tmp_path: Path) -> None:
    output = shutil.copytree(mined("hard"), tmp_path / "out")
    flags = {"negatives": "hard", name: MINING_HARD[name]}
    if name == "model":  # the same vision side, perhaps another text side
        flags["model"] = str(shutil.copytree(fixtures_train.world().model, tmp_path / "m"))
    refused(lambda: mining(output, **flags), f"--{name.replace('_', '-')}")
