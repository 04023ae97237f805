import json
import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import PartialState
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from index.models.encoder import load_dual_model
from index.models.families import Family
from index.models.long_texts import LongText
from index.models.preprocess import ImageTransform, ViewMode
from tests.fixtures_train import world
from train.batches import (
    MinedBatches,
    TokenizedTexts,
    epoch_order,
    equal_texts,
    own_shards,
)
from train.data import PosNegDataset, load_data
from train.split import Example

VIEW = ImageTransform(mode="center", height=8, width=8, shortest_edge=8, resample=3, fill=(0, 0, 0))
CPU = torch.device("cpu")


def examples(image_path: Path | None = None) -> list[Example]:
    here = world()
    mined = image_path or here.mined
    return load_data(here.json_path, mined, here.videos, 1, ratio=0.0)[0]


def texts_of(
    those: list[Example],
    max_tokens: int = 77,
    *,
    full: bool = False,
    long_text: LongText = "truncate",
) -> TokenizedTexts:
    model: Any = load_dual_model(str(world().model), None)
    model.max_tokens = max_tokens
    model._family = Family(padding="max_length" if full else "longest")
    return TokenizedTexts(model, those, long_text)


def frames_of(
    those: list[Example],
    batch_size: int = 3,
    seed: int = 1,
    transform: ImageTransform = VIEW,
    image_path: Path | None = None,
) -> MinedBatches:
    mined = image_path or world().mined
    return MinedBatches(
        those,
        texts_of(those),
        transform,
        image_path=mined,
        pictures=mined / "preprocessed",
        batch_size=batch_size,
        negatives=2,
        seed=seed,
        num_workers=0,
        device=CPU,
        state=PartialState(cpu=True),
    )


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 12), st.integers(0, 5))
def test_every_question_comes_once_an_epoch(
    questions: int, world_size: int, each: int, epoch: int
) -> None:
    order = epoch_order(questions, 7, epoch)
    assert sorted(order) == list(range(questions))
    size = each * world_size
    shares = [own_shards(order, size, rank, world_size) for rank in range(world_size)]
    assert {len(own) for own in shares} == {math.ceil(questions / size)}
    seen: list[int] = []
    for step in zip(*shares, strict=True):
        lengths = [len(share) for share in step]
        assert max(lengths) - min(lengths) <= 1
        assert max(lengths) <= each
        seen += [number for share in step for number in share]
    assert sorted(seen) == list(range(questions))


def test_a_steps_questions_do_not_depend_on_the_number_of_processes() -> None:
    order = epoch_order(50, 0, 0)
    alone = own_shards(order, 8, 0, 1)
    two = zip(own_shards(order, 8, 0, 2), own_shards(order, 8, 1, 2), strict=True)
    assert [set(share) for share in alone] == [{*a, *b} for a, b in two]


def test_the_order_is_the_seeds_and_the_epochs_own() -> None:
    assert epoch_order(50, 0, 0) == epoch_order(50, 0, 0)
    assert epoch_order(50, 0, 0) != epoch_order(50, 0, 1)
    assert epoch_order(50, 0, 0) != epoch_order(50, 1, 0)


def test_shapes_masks_and_ids() -> None:
    those = examples()
    (one, two, three), *_ = frames_of(those).steps(0, [[0, 1, 2, 3, 4, 5, 7]])
    assert one.pixel_values is not None
    assert one.pixel_values.shape == (1 + 2 + 3, 3, 8, 8)  # no padding
    assert one.pixel_values.dtype == torch.uint8
    assert one.owners.tolist() == [0, 1, 1, 2, 2, 2]
    assert one.is_true.tolist() == [True, True, False, True, False, False]
    assert three.pixel_values is not None
    assert len(three.pixel_values) == 3
    negatives = [int(n) - 1 for b in (one, two, three) for n in b.owners.bincount()]
    assert negatives == [min(2, number % 4) for number in (0, 1, 2, 3, 4, 5, 7)]
    assert all(batch.valid.all() for batch in (one, two, three))
    videos = torch.cat([batch.video_ids for batch in (one, two, three)])
    for a, first in enumerate((0, 1, 2, 3, 4, 5, 7)):
        for b, second in enumerate((0, 1, 2, 3, 4, 5, 7)):
            same = those[first]["content_hash"] == those[second]["content_hash"]
            assert (videos[a] == videos[b]) == same


def with_one_negative(mined: Path, those: list[Example], numbers: list[int]) -> None:
    """Mine these questions anew: a true frame at 1 s and more, and the same negative at 5 s."""
    lines = []
    for number in numbers:
        one = those[number]
        line: dict[str, Any] = {"id": one["id"], "content_hash": one["content_hash"]}
        for kind, place, time_s in (
            ("true", one["pos_path"], 1.0 + number),
            ("negatives", one["neg_path"], 5.0),
        ):
            shutil.rmtree(place, ignore_errors=True)
            file = Path(place) / f"{time_s}.png"
            file.parent.mkdir(parents=True)
            Image.new("RGB", (16, 9), (int(20 * time_s), 0, 0)).save(file)
            line[kind] = [{"file": str(file.relative_to(mined)), "time_s": time_s}]
        lines.append(json.dumps(line) + "\n")
    (mined / "mined.jsonl").write_text("".join(lines))


def test_equal_frames_of_a_micro_batch_are_encoded_once(tmp_path: Path) -> None:
    mined = shutil.copytree(world().mined, tmp_path / "mined")
    those = examples(mined)
    first = those[0]["content_hash"]
    a, b = [n for n, one in enumerate(those) if one["content_hash"] == first][:2]
    with_one_negative(mined, those, [a, b])
    ((batch,),) = frames_of(those, image_path=mined).steps(0, [[a, b]])
    assert batch.owners.tolist() == [0, 0, 1, 1]
    assert batch.frame_ids[1] == batch.frame_ids[3]
    assert batch.pixel_values is not None
    assert batch.places is not None
    assert len(batch.pixel_values) == 3
    reds = batch.pixel_values[batch.places][:, 0, 0, 0].tolist()
    assert reds == [int(20 * time_s) for time_s in (1.0 + a, 5.0, 1.0 + b, 5.0)]
    # One that was replaced is a frame of its own.
    Image.new("RGB", (160, 90)).save(Path(those[b]["neg_path"]) / "5.0.png")
    ((batch,),) = frames_of(those, image_path=mined).steps(0, [[a, b]])
    assert batch.frame_ids[1] != batch.frame_ids[3]


def test_equal_texts_and_copies_of_a_video_have_equal_ids() -> None:
    those = examples()
    those[5]["caption"] = those[2]["caption"]
    those[9]["content_hash"] = those[0]["content_hash"]
    texts = texts_of(those)
    assert texts.text_ids[5] == texts.text_ids[2]
    assert texts.video_ids[9] == texts.video_ids[0]
    assert texts.text_ids[0] != texts.text_ids[1]


def worded(those: list[Example], *texts: str, number: int = 4) -> list[Example]:
    those[number]["paraphrases"] = [*texts]
    return those


def test_one_wording_is_drawn_in_each_epoch() -> None:
    those = worded(examples(), "xe nào?", "which lorry?")
    texts = texts_of(those)
    drawn = [texts.drawn(4, epoch) for epoch in range(300)]
    counts = Counter(text for (text,) in drawn)
    assert set(counts) == {those[4]["caption"], "xe nào?", "which lorry?"}
    assert min(counts.values()) > 70
    assert all(texts.drawn(3, epoch) == [those[3]["caption"]] for epoch in range(20))
    again = texts_of(those)
    assert [again.drawn(4, epoch) for epoch in range(300)] == drawn
    other = TokenizedTexts(load_dual_model(str(world().model), None), those, seed=7)
    assert [other.drawn(4, epoch) for epoch in range(300)] != drawn


def test_a_batch_has_the_wording_drawn_in_its_epoch_whatever_the_shares() -> None:
    those = worded(examples(), "xe nào?", "which lorry?")
    texts = texts_of(those)
    first = next(epoch for epoch in range(50) if texts.drawn(4, epoch) == ["xe nào?"])
    alone = texts.part_of_batch([4], CPU, first)["tokens"]["input_ids"]
    assert torch.equal(
        alone, texts.part_of_batch([2, 4], CPU, first)["tokens"]["input_ids"][1:, : alone.shape[1]]
    )
    frames = frames_of(those)
    ((one,),) = frames.steps(first, [[4]])
    assert torch.equal(one.tokens["input_ids"], alone)
    other = next(epoch for epoch in range(50) if texts.drawn(4, epoch) != ["xe nào?"])
    ((two,),) = frames.steps(other, [[4]])
    assert not torch.equal(two.tokens["input_ids"], alone)


def test_texts_that_share_a_wording_are_equal_in_every_epoch() -> None:
    those = examples()
    those[1]["paraphrases"] = ["a", "b"]
    those[5]["paraphrases"] = ["b", "c"]
    those[7]["caption"] = "c"  # joined to 1 by 5
    ids = texts_of(those).text_ids
    assert ids[1] == ids[5] == ids[7]
    assert len({int(one) for one in ids}) == len({one["caption"] for one in those} - {"c"}) - 1


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), max_size=12))
def test_equal_texts_are_those_that_are_joined(wordings: list[list[int]]) -> None:
    found = equal_texts([[str(text) for text in own] for own in wordings])
    groups: list[set[int]] = []
    for own in wordings:
        joined = [group for group in groups if group & {*own}]
        groups = [group for group in groups if group not in joined] + [{*own}.union(*joined)]
    expected = [next(n for n, group in enumerate(groups) if group & {*own}) for own in wordings]
    pairs = [(a, b) for a in range(len(found)) for b in range(a)]
    assert all((found[a] == found[b]) == (expected[a] == expected[b]) for a, b in pairs)
    assert list(dict.fromkeys(found)) == list(range(len(set(found))))


def test_a_long_wording_counts_and_takes_its_windows_in_its_epoch() -> None:
    those = worded(examples(), "truck " * 100)
    texts = texts_of(those, max_tokens=40, long_text="windows")
    assert texts.too_long == [those[4]["id"]]
    by_epoch = [(len(texts.drawn(4, e)), texts.part_of_batch([4], CPU, e)) for e in range(20)]
    assert {windows for windows, _ in by_epoch} == {1, 3}
    assert all(part["windows"] == [windows] for windows, part in by_epoch)
    assert all(len(part["tokens"]["input_ids"]) == windows for windows, part in by_epoch)


def test_long_texts_are_cut_and_counted_and_padded_as_the_model_wants() -> None:
    those = examples()
    those[3]["caption"] = "truck " * 100
    texts = texts_of(those, max_tokens=40)
    assert texts.too_long == [those[3]["id"]]
    assert texts.part_of_batch([3, 4], CPU, 0)["tokens"]["input_ids"].shape == (2, 40)
    assert texts.part_of_batch([4], CPU, 0)["tokens"]["input_ids"].shape[1] < 40
    full = texts_of(those, max_tokens=60, full=True)
    assert full.part_of_batch([4], CPU, 0)["tokens"]["input_ids"].shape == (1, 60)


def test_long_texts_have_windows_and_fewer_of_them_are_a_micro_batch() -> None:
    those = examples()
    those[3]["caption"] = "truck " * 100
    texts = texts_of(those, max_tokens=40, long_text="windows")
    assert texts.too_long == [those[3]["id"]]
    part = texts.part_of_batch([4, 3, 5], CPU, 0)
    first, long, last = part["windows"]
    assert (first, last) == (1, 1)
    assert long >= 3
    assert part["tokens"]["input_ids"].shape == (2 + long, 40)
    assert texts.part_of_batch([], CPU, 0)["windows"] == [1]
    assert texts.micro_batches([4, 5, 6, 7, 8], 2, 0) == [[4, 5], [6, 7], [8]]
    assert texts.micro_batches([], 2, 0) == [[]]
    many = texts.micro_batches([3, 3, 3, 4, 3], 5, 0)
    assert [n for batch in many for n in batch] == [3, 3, 3, 4, 3]
    assert all(sum(long if n == 3 else 1 for n in batch) <= 20 for batch in many)
    assert texts.micro_batches([3, 3], 1, 0) == [[3], [3]]


def test_an_empty_share_is_one_question_that_does_not_count() -> None:
    ((batch,),) = frames_of(examples()).steps(0, [[]])
    assert batch.valid.tolist() == [False]
    assert batch.owners.tolist() == [0]
    assert not batch.there().any()
    assert batch.pixel_values is not None
    assert len(batch.pixel_values) == 1
    assert batch.tokens["input_ids"].shape[0] == 1


def test_what_is_drawn_depends_on_seed_epoch_and_question_alone() -> None:
    those = examples()

    def pixels(epoch: int, shares: list[list[int]], seed: int = 1) -> dict[int, torch.Tensor]:
        found = {}
        steps = frames_of(those, batch_size=1, seed=seed).steps(epoch, shares)
        for share, batches in zip(shares, steps, strict=True):
            for number, batch in zip(share, batches, strict=True):
                assert batch.pixel_values is not None
                found[number] = batch.pixel_values
        return found

    all_at_once = pixels(3, [[1, 3, 7], [11, 15]])
    resumed = pixels(3, [[15, 11]])
    assert all(torch.equal(resumed[number], all_at_once[number]) for number in (11, 15))
    other_epoch = pixels(4, [[3, 7, 11, 15, 19]])
    again = pixels(3, [[3, 7, 11, 15, 19]])
    assert any(not torch.equal(other_epoch[n], again[n]) for n in again)


@pytest.mark.parametrize("mode", ["center", "tiles"])
def test_pixels_are_what_the_dataset_reads(mode: ViewMode) -> None:
    """To the bit, for each epoch: the pictures of `PosNegDataset`, as the transform makes them."""
    those, transform = examples(), replace(VIEW, mode=mode)
    dataset, source = PosNegDataset(those, 2, seed=1), frames_of(those, transform=transform)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        shares = [[3, 0, 7, 1], [5]]
        for share, batches in zip(shares, source.steps(epoch, shares), strict=True):
            read = [dataset[n] for n in share]
            expected = [[true, *others] for _, true, others in read]
            owners = torch.cat([batch.owners.bincount() for batch in batches]).tolist()
            assert owners == [len(own) for own in expected]
            tiles = transform.tiles_of(expected[0][0]) if expected[0][0] else 1
            frames = [
                one.pixel_values.permute(0, 2, 3, 1).reshape(-1, tiles, 8, 8, 3)[one.places]
                for one in batches
                if one.pixel_values is not None and one.places is not None
            ]
            squares = [transform.squares(i, tiles) for own in expected for i in own if i]
            assert np.array_equal(torch.cat(frames).numpy(), np.stack(squares))


def test_unreadable_pictures_are_reported(tmp_path: Path) -> None:
    mined = shutil.copytree(world().mined, tmp_path / "mined")
    those = examples(mined)
    bad = next(Path(those[0]["pos_path"]).iterdir())
    worse = sorted(Path(those[3]["neg_path"]).iterdir())[1]
    for one in (bad, worse):
        one.write_bytes(b"")
    source = frames_of(those, image_path=mined)
    assert source.unreadable() == sorted([str(worse), str(bad)])
    dataset = PosNegDataset(those, 2, seed=1)
    ((batch,),) = source.steps(0, [[0, 1, 3]])
    assert batch.valid.tolist() == [False, True, True]
    assert batch.owners.tolist() == [1, 1, 2, 2, 2]
    assert batch.pixel_values is not None
    assert batch.places is not None
    others = [VIEW.squares(image, 1)[0] for image in dataset[3][2]]
    drawn = batch.pixel_values.permute(0, 2, 3, 1)[batch.places][3:].numpy()
    assert np.array_equal(drawn, np.stack(others))  # the next ones are drawn in its place
