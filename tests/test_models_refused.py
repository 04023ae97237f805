"""A model without some of its weights is refused by every command, in the same words."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from index.build import BuildConfig, build
from index.errors import CueframeError
from infer.answer import answer
from infer.answering.config import AnswerConfig
from infer.score import ScoreConfig, score
from tests import fixtures_train
from tests.fixtures_infer import judge_folder, world, write_questions
from tests.fixtures_readers import make_reader
from train.mine import MineConfig, mine

WORDS = r"^{folder} lacks \d+ weights, such as [\w.]+; fetch or save it again$"


def halved(model: Path, to: Path) -> Path:
    """A copy of a model without half of its weights."""
    shutil.copytree(model, to)
    tensors = load_file(to / "model.safetensors")
    kept = dict(list(tensors.items())[::2])
    save_file(kept, to / "model.safetensors", metadata={"format": "pt"})
    return to


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    record = {"video_path": "vp9.webm", "choices": ["A", "B"], "support_frames": [1.0]}
    return write_questions(tmp_path / "q.json", record)


def building(tmp_path: Path, model: Path) -> None:
    build(BuildConfig(videos=world().videos, index=tmp_path / "index", model=str(model)))


def mining(tmp_path: Path, model: Path) -> None:
    here = fixtures_train.world()
    output = tmp_path / "mined"
    mine(MineConfig(input_folder=here.folder, output_folder=output, model=str(model)))


def training(tmp_path: Path, model: Path) -> None:
    fixtures_train.trained(tmp_path / "out", model=str(model))


def asking(tmp_path: Path, model: Path) -> None:
    answer(
        AnswerConfig(
            questions=str(tmp_path / "q.json"),
            index=(world().index,),
            output=str(tmp_path / "a.jsonl"),
            model=(str(model),),
        )
    )


@pytest.mark.parametrize("run", [building, mining, training, asking])
def test_of_a_dual_encoder(
    run: Callable[[Path, Path], None], tmp_path: Path, questions: Path
) -> None:
    folder = halved(world().model, tmp_path / "half")
    with pytest.raises(CueframeError, match=WORDS.format(folder=re.escape(str(folder)))):
        run(tmp_path, folder)


def test_of_a_vision_language_reader(tmp_path: Path, questions: Path) -> None:
    folder = halved(make_reader(tmp_path / "reader", "qwen2_5_vl"), tmp_path / "half")
    config = AnswerConfig(
        questions=str(questions),
        index=(world().index,),
        output=str(tmp_path / "a.jsonl"),
        reader=str(folder),
    )
    with pytest.raises(CueframeError, match=WORDS.format(folder=re.escape(str(folder)))):
        answer(config)


def test_of_a_judge(tmp_path: Path, questions: Path) -> None:
    folder = halved(judge_folder(), tmp_path / "half")
    line = {"id": "q0", "frames": [{"time_s": time_s} for time_s in (0.0, 0.5, 1.0, 1.5)]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    config = ScoreConfig(
        answers=str(tmp_path / "a.jsonl"),
        questions=str(questions),
        index=world().index,
        judge=str(folder),
    )
    with pytest.raises(CueframeError, match=WORDS.format(folder=re.escape(str(folder)))):
        score(config)


def test_of_a_judge_before_the_first_step(tmp_path: Path) -> None:
    folder = halved(judge_folder(), tmp_path / "half")
    with pytest.raises(CueframeError, match=WORDS.format(folder=re.escape(str(folder)))):
        fixtures_train.trained(tmp_path / "out", judge=str(folder), ratio=0.3, batch_size=2)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()
