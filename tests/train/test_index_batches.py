import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from index.build import BuildConfig, build
from index.models.encoder import load_dual_model, load_encoder
from index.storage.store import read_profile, read_vectors
from infer.question_files.loading import load_questions
from infer.questions import Question
from tests.fixtures_train import QUESTIONS, losses, metrics, refusal, tiny_model, trained, world
from train.batches import TokenizedTexts
from train.data import load_data
from train.index_batches import IndexBatches, open_index, print_distances
from train.index_batches import rows_of as question_rows
from train.losses.pool import pair_keys


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cached") / "index"
    here = world()
    orders = BuildConfig(videos=here.videos, index=folder, model=str(here.model), workers=1)
    assert build(orders) == 0
    return folder


def digest(folder: Path) -> dict[str, str]:
    """Every file of an index but the lock."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def question(
    support_frames: list[float], support_ranges: list[Any] | None = None, **more: Any
) -> Question:
    record = {"id": "q", "question": "?", "video_path": "v.mp4", "support_frames": support_frames}
    return Question.model_validate(record | {"support_ranges": support_ranges or []} | more)


def rows_of(*where: Any) -> tuple[Any, Any, float]:
    found = question_rows(*where)
    return found.true, found.negatives, found.distance_s


def test_rows_of_a_question() -> None:
    time_s = np.linspace(0, 4.5, 10)
    true, negatives, distance_s = rows_of(question([2.1]), time_s, 0.5, time_s)
    assert (true.tolist(), negatives.tolist()) == ([4], [0, 1, 2, 3, 6, 7, 8, 9])
    assert distance_s == pytest.approx(0.1)
    _, negatives, _ = rows_of(question([2.1], [[1.0, 3.5]]), time_s, 0.5, time_s)
    assert negatives.tolist() == [0, 1, 8, 9]
    true, negatives, distance_s = rows_of(question([0.0, 9.0]), time_s, 0.0, time_s)
    assert (true.tolist(), negatives.tolist()) == ([0, 9], [1, 2, 3, 4, 5, 6, 7, 8])
    assert distance_s == 4.5
    true, _, _ = rows_of(question([0.25]), time_s, 0.0, time_s)
    assert true.tolist() == [0]  # the earlier on a tie


def test_rows_of_a_question_with_ranges_or_scenes_alone() -> None:
    time_s = np.linspace(0, 4.5, 10)
    true, negatives, distance_s = rows_of(question([], [[3.0, 4.2], [1.0, 1.9]]), time_s, 0.1)
    assert (true.tolist(), negatives.tolist(), distance_s) == ([7, 2], [0, 1, 4, 5, 9], 0.0)
    scenes = [[[3.0, 4.2], [1.0, 1.9]], [[0.0, 0.2]]]
    true, negatives, _ = rows_of(question([], scenes=scenes), time_s, 0.0)
    assert (true.tolist(), negatives.tolist()) == ([7, 2, 0], [1, 4, 5, 9])
    # Support times are the true ones where there are any; scenes are no negatives all the same.
    true, negatives, _ = rows_of(question([2.6], scenes=scenes), time_s, 0.0)
    assert (true.tolist(), negatives.tolist()) == ([5], [1, 4, 9])


def test_negatives_are_of_the_part_that_is_asked_about() -> None:
    time_s = np.linspace(0, 4.5, 10)
    true, negatives, _ = rows_of(question([2.1], span_s=[1.2, 3.5]), time_s, 0.0)
    assert (true.tolist(), negatives.tolist()) == ([4], [2, 3, 5, 6, 7])
    _, negatives, _ = rows_of(question([2.1], span_s=[90, 99]), time_s, 0.0, time_s + 0.04)
    assert negatives.tolist() == []


def test_frames_that_a_question_names_are_negatives_even_inside_the_guard() -> None:
    time_s = np.linspace(0, 4.5, 10)
    named = question([2.0], [[1.8, 2.2]], negative_frames=[2.5, 2.0, 0.0], span_s=[1.0, 9])
    found = question_rows(named, time_s, 0.5)
    assert found.true.tolist() == [4]
    assert found.near.tolist() == [3, 4, 5]
    assert found.labelled.tolist() == [0, 5]  # and never the true frame
    assert found.negatives.tolist() == [0, 2, 5, 6, 7, 8, 9]


def test_a_support_time_past_the_end_guards_the_end_as_in_mining() -> None:
    time_s = np.linspace(0, 4.5, 10)
    late = question([99.0])
    _, negatives, distance_s = rows_of(late, time_s, 1.1, time_s + 0.04, 5.0)
    assert negatives.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert distance_s == pytest.approx(99 - 4.54)
    _, negatives, _ = rows_of(late, time_s, 1.1, time_s + 0.04, 4.54)
    assert negatives.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_the_row_that_is_shown_at_a_support_time_is_the_positive() -> None:
    # A screen recording: at 75 s the slide that came at 31 s is still on the screen.
    time_s = np.array([0.0, 30.0, 31.0, 90.0])
    true, negatives, distance_s = rows_of(question([75.0]), time_s, 0.5)
    assert (true.tolist(), negatives.tolist(), distance_s) == ([2], [0, 1, 3], 0.0)
    _, negatives, _ = rows_of(question([75.0], [[29.5, 30.5]]), time_s, 0.5)
    assert negatives.tolist() == [3]
    # Rows of an index: nobody has the frame at 1.3 s, and 1.04 s is nearer than 1.6 s.
    rows_s = np.array([0.0, 1.0, 1.6])
    true, _, distance_s = rows_of(question([1.3]), rows_s, 0.0, rows_s + 0.04)
    assert true.tolist() == [1]
    assert distance_s == pytest.approx(0.26)


@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=4),
    st.lists(st.floats(0, 20), min_size=1, max_size=30, unique=True),
    st.floats(0, 2),
)
def test_no_negative_is_near_a_support_time(
    support: list[float], times: list[float], guard_s: float
) -> None:
    time_s = np.array(sorted(times))
    true, negatives, distance_s = rows_of(question(support), time_s, guard_s, time_s)
    assert not set(true) & set(negatives)
    for row in negatives:
        assert min(abs(time_s[row] - s) for s in support) > guard_s
    for row in set(range(len(time_s))) - set(negatives) - set(true):
        assert min(abs(time_s[row] - s) for s in support) <= guard_s + 1e-3
    # A row that begins up to 0.1 ms later is the one that is shown.
    assert distance_s == pytest.approx(max(min(abs(time_s - s)) for s in support), abs=1e-4)


def test_distances_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    print_distances({"near": 0.1, "far": 0.7}, fps=2.0)
    said = capsys.readouterr().err
    assert "0.400 s from their cached frames on average, 0.700 s at worst" in said
    assert "warning: 1 questions (far)" in said
    print_distances({"near": 0.1}, fps=2.0)
    assert "warning" not in capsys.readouterr().err


def test_vectors_are_the_indexs_own(index: Path) -> None:
    here = world()
    opened = open_index(index)
    contents = opened.contents(load_questions(here.json_path), here.json_path)
    assert len(contents) == QUESTIONS
    examples, _ = load_data(here.json_path, None, here.videos, 1, 0.0, contents=contents)
    texts = TokenizedTexts(load_dual_model(str(here.model), None), examples)
    source = IndexBatches(examples, texts, opened, guard_s=0.5, seed=0, device=torch.device("cpu"))
    ((batch,), (empty,)) = source.steps(0, [[3, 20], []])
    assert not empty.valid.any()
    assert empty.images is not None
    assert len(empty.images) == 1
    assert batch.images is not None
    assert batch.valid.all()
    assert batch.evidence is not None
    for place, number in enumerate((3, 20)):
        one = examples[number]
        vectors = read_vectors(index, one["content_hash"])
        true, negatives, _ = rows_of(one["question"], vectors.time_s, 0.5, vectors.end_s)
        expected = vectors.embeddings[[*true, *negatives]]
        own = batch.owners == place
        assert np.array_equal(batch.images[own].numpy(), expected)  # and no padding
        assert batch.is_true[own].tolist() == [True] + [False] * len(negatives)
        keys = pair_keys(batch.text_ids[place], batch.frame_ids[own])
        assert torch.isin(keys, batch.evidence)[0]
        assert one["question"].support_frames


def test_a_wording_of_its_own_is_read_in_each_epoch(index: Path) -> None:
    here = world()
    opened = open_index(index)
    contents = opened.contents(load_questions(here.json_path), here.json_path)
    examples, _ = load_data(here.json_path, None, here.videos, 1, 0.0, contents=contents)
    examples[3]["paraphrases"] = ["xe nào?", "which lorry?"]
    texts = TokenizedTexts(load_dual_model(str(here.model), None), examples)
    source = IndexBatches(examples, texts, opened, guard_s=0.5, seed=0, device=torch.device("cpu"))
    read = set()
    for epoch in range(12):
        ((batch,),) = source.steps(epoch, [[3]])
        expected = texts.part_of_batch([3], torch.device("cpu"), epoch)["tokens"]["input_ids"]
        assert torch.equal(batch.tokens["input_ids"], expected)
        read.add(tuple(expected[0].tolist()))
    assert len(read) == 3


@pytest.mark.parametrize("loss_setting", [1, 3])
def test_the_text_tower_learns_and_the_index_stays_valid(
    tmp_path: Path, index: Path, capsys: pytest.CaptureFixture[str], loss_setting: int
) -> None:
    before = digest(index)
    output = trained(
        tmp_path / "out",
        tune="text",
        index=index,
        image_path=tmp_path / "no frames",
        video_path=tmp_path / "no videos",
        epochs=8,
        lr=3e-3,
        ratio=0.25,
        loss_setting=loss_setting,
    )
    said = capsys.readouterr()
    assert digest(index) == before
    _, fingerprint = load_encoder(str(output), device=torch.device("cpu"))
    assert fingerprint == read_profile(index).fingerprint
    course = losses(output)
    assert np.mean(course[-4:]) < 0.95 * np.mean(course[:4])
    old, new = (load_file(folder / "model.safetensors") for folder in (world().model, output))
    for name in old:
        learns = name.startswith("text_") and not name.endswith("k_proj.bias")
        if not learns and name != "logit_scale":
            assert torch.equal(old[name], new[name]), name
    assert not torch.equal(old["text_projection.weight"], new["text_projection.weight"])
    assert "s from their cached frames on average" in said.err
    steps = [line for line in metrics(output) if "loss" in line]
    assert all(line["negatives"] > 10 * line["positives"] for line in steps)
    assert json.loads(said.out)["validation"]["trained"]


def test_a_changed_vision_side_is_refused(tmp_path: Path, index: Path) -> None:
    other = tiny_model(tmp_path / "other", world(), seed=1)
    line = refusal(tmp_path / "out", tune="text", index=index, model=str(other))
    assert "vision side" in line
    line = refusal(tmp_path / "out", tune="text", index=index, view="stretch")
    assert "--view" in line


def test_an_index_of_other_videos_is_refused(tmp_path: Path, index: Path) -> None:
    records = world().questions()
    for record in records:
        record["video_path"] = "elsewhere/x.mp4"
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"data": records}))
    assert "none of the videos" in refusal(
        tmp_path / "out", tune="text", index=index, json_path=path
    )


def test_questions_whose_video_is_not_in_the_index_are_left_out(
    tmp_path: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = world().questions()
    records[0]["video_path"] = "elsewhere/x.mp4"
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"data": records}))
    output = trained(tmp_path / "out", tune="text", index=index, json_path=path, epochs=1)
    assert "left out: 1 questions" in capsys.readouterr().err
    assert sum(line["positives"] for line in metrics(output)) == QUESTIONS - 1
