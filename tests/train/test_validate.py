import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

from index.decoding.decoders import frames_at
from index.decoding.frame_types import Frame
from index.distributed import join_processes
from index.errors import CueframeError
from index.models.encoder import load_dual_model
from index.storage.store import read_profile, read_vectors
from infer.answer import answer
from infer.answering.config import AnswerConfig
from infer.judge import SIM_THRESHOLDS, load_judge
from infer.metrics import sim_m
from tests.fixtures_infer import build_index
from tests.fixtures_train import forget_accelerate, world
from train.data import load_data
from train.halves import halves_of
from train.inputs import encoder_of
from train.pictures import videos
from train.split import Example
from train.validate import (
    judge_picks,
    read_records,
    refuse_missing_videos,
    score,
    try_judge,
    validate,
    write_records,
)
from train.validation_result import Validation


def some(count: int = 9) -> list[Example]:
    here = world()
    return load_data(here.json_path, here.mined, here.videos, 1, ratio=0.0)[0][:count]


def validated(examples: list[Example], scratch: Path, **how: Any) -> Validation:
    encoder = encoder_of(load_dual_model(str(world().model), None), None)
    forget_accelerate()
    result = validate(
        examples, encoder, join_processes(), index=None, scratch=scratch, seed=0, **how
    )
    assert result is not None
    return result


def test_picks_are_those_of_the_commands(tmp_path: Path) -> None:
    here, examples = world(), some(20)
    result = validated(examples, tmp_path / "scratch")
    index, answers = tmp_path / "index", tmp_path / "answers.jsonl"
    build_index(here.videos, index, here.model)
    queries = AnswerConfig(questions=str(here.json_path), index=(index,), output=str(answers))
    assert answer(queries) == 0
    by_id = {line["id"]: line for line in map(json.loads, answers.read_text().splitlines())}
    assert len(result.records) == result.table.questions == len(examples)
    for record in result.records:
        assert record["frames"] == by_id[record["id"]]["frames"]

    hits = []
    for record, one in zip(result.records, examples, strict=True):
        ((start_s, end_s),) = one["question"].support_ranges
        times = [frame["time_s"] for frame in record["frames"]]
        hits.append(any(start_s - 1e-4 <= time_s <= end_s + 1e-4 for time_s in times))
    assert result.means["trained"]["hit"] == pytest.approx(np.mean(hits))
    assert result.means["oracle"]["hit"] >= result.means["trained"]["hit"]

    halves = result.chosen_on, result.reported_on
    assert result.halved
    assert sum(half.questions for half in halves) == len(examples)
    assert result.rank[0] == halves[0].rows["trained"]["hit"].mean
    assert result.figures["validation"]["trained"]["hit"] == halves[1].rows["trained"]["hit"].mean
    sides = halves_of((one["content_hash"] for one in examples), 0)
    for half, side, name in zip(halves, sides, ("chosen_on", "reported_on"), strict=True):
        own = [n for n, one in enumerate(examples) if one["content_hash"] in side]
        assert half.questions == len(own)
        assert half.rows["trained"]["hit"].mean == pytest.approx(np.mean([hits[n] for n in own]))
        assert {result.records[n]["half"] for n in own} == {name}
    low, high = result.figures["intervals"]["random"]["hit"]
    assert low <= result.figures["validation"]["random"]["hit"] <= high


def test_one_video_chooses_and_reports(tmp_path: Path) -> None:
    first = some()[0]["content_hash"]
    examples = [one for one in some() if one["content_hash"] == first]
    result = validated(examples, tmp_path / "scratch")
    assert not result.halved
    assert result.rank[0] == result.means["trained"]["hit"]
    assert result.figures["chosen_on"] is None
    assert result.figures["validation"] == result.means
    assert result.figures["intervals"]["trained"]["hit"] is None
    assert not any("half" in record for record in result.records)


def test_later_validations_decode_nothing_and_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = validated(some(), tmp_path / "plain")
    first = validated(some(), tmp_path / "first", pictures=tmp_path / "pictures")

    def decode(jobs: Any, *_: Any, **__: Any) -> Iterator[Any]:
        assert not list(jobs)
        return iter(())

    monkeypatch.setattr(videos, "decode_all", decode)
    later = validated(some(), tmp_path / "later", pictures=tmp_path / "pictures")
    assert first.records == later.records == expected.records
    for content in {one["content_hash"] for one in some()}:
        folders = [tmp_path / name for name in ("plain", "first", "later")]
        vectors = [read_vectors(folder, content).embeddings for folder in folders]
        assert np.array_equal(vectors[0], vectors[1])
        assert np.array_equal(vectors[0], vectors[2])


def test_vectors_that_are_there_are_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = validated(some(), tmp_path / "same")

    def encode(jobs: Any, *_: Any, **__: Any) -> Iterator[Any]:
        assert not jobs
        return iter(())

    monkeypatch.setattr("train.validate.encode_videos", encode)
    assert validated(some(), tmp_path / "same").records == expected.records


def test_a_video_that_fails_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = some()
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    first = examples[0]["content_hash"]
    spoilt = [
        Example(**(one | {"video_path": str(bad)})) if one["content_hash"] == first else one
        for one in examples
    ]
    result = validated(spoilt, tmp_path / "scratch")
    assert f"failed: {bad}" in capsys.readouterr().err
    assert result.table.questions == sum(one["content_hash"] != first for one in examples)
    assert len(result.records) == len(examples)


def test_none_that_can_be_answered_is_one_line(tmp_path: Path) -> None:
    here = world()
    index = tmp_path / "index"
    build_index(here.videos, index, here.model)
    shutil.rmtree(index / "vectors")
    encoder = encoder_of(load_dual_model(str(here.model), None), None)
    with pytest.raises(CueframeError, match="none of 9"):
        score(some(), encoder, index, read_profile(index), seed=0)


def test_missing_videos_are_found_before() -> None:
    examples = some()
    refuse_missing_videos(examples, world().videos)
    gone = [Example(**(one | {"video_path": "gone.mp4"})) for one in examples]
    with pytest.raises(CueframeError, match=r"1 videos.*gone.mp4.*--video_path"):
        refuse_missing_videos(gone, world().videos)


def test_the_judge_sees_picked_and_true_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    Dinov2Model(config).save_pretrained(tmp_path)
    size = {"height": 28, "width": 28}
    BitImageProcessorPil(size={"shortest_edge": 28}, crop_size=size).save_pretrained(tmp_path)
    examples = some(3)
    true_s = [one["question"].support_frames for one in examples]
    picked_s = [[0.5, *true_s[0]], [0.0]]
    records: list[dict[str, Any]] = [
        {"id": one["id"], "frames": [{"time_s": time_s} for time_s in times]}
        for one, times in zip(examples, picked_s, strict=False)
    ]
    failed = {"id": examples[2]["id"], "error": "lost"}
    path = tmp_path / "records.jsonl"
    write_records(path, [*records, failed])
    decoded: list[Path] = []

    def spy(video: Path, times_s: list[float]) -> Iterator[Frame]:
        decoded.append(video)
        return frames_at(video, times_s)

    monkeypatch.setattr("infer.evaluation.frame_similarity.frames_at", spy)
    found = judge_picks(read_records(path), examples, str(tmp_path), torch.device("cpu"))
    assert decoded == [Path(examples[0]["video_path"])]  # once, for both questions
    judge = load_judge(str(tmp_path), device=torch.device("cpu"))
    for threshold in SIM_THRESHOLDS:
        verdicts = []
        for n, one in enumerate(examples[:2]):
            picked, true = (
                [frame.image for frame in frames_at(Path(one["video_path"]), times)]
                for times in (picked_s[n], true_s[n])
            )
            verdicts.append(sim_m(picked, true, judge.model, judge.processor, threshold))
        assert verdicts[0] == 1
        assert found[f"sim_{threshold}"] == np.mean(verdicts)
    capsys.readouterr()
    assert try_judge(str(tmp_path / "none")) == "none"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--judge" in said
    assert judge_picks(records, examples, "none", torch.device("cpu")) == {}
