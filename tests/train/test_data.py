import json
import multiprocessing
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch.utils.data import DataLoader

from index.errors import CueframeError
from train.data import PosNegDataset, custom_collate_fn, load_data
from train.split import Example, check_split


class Folder:
    """A data set in the seed's layout: question n is on video n // 2, of content "video n//2"."""

    def __init__(self, folder: Path, questions: int = 8) -> None:
        self.json, self.images = folder / "train.json", folder / "dataset"
        self.videos = folder / "train" / "videos"
        self.videos.mkdir(parents=True)
        self.records = [
            {
                "id": f"q{n}",
                "question": f"What is {n}?",
                "choices": ["A. Yes", "B. No"],
                "video_path": f"train/videos/{n // 2}.mp4",
                "support_frames": [1.0],
            }
            for n in range(questions)
        ]
        for n in range(questions):
            (self.videos / f"{n // 2}.mp4").write_text(f"video {n // 2}")
            self.picture(f"frames_true/q{n}/1.png", n)
            for k in range(3):
                self.picture(f"frames_neg/q{n}/{k}.png", 100 + 10 * n + k)
        self.write()

    def write(self) -> None:
        self.json.write_text(json.dumps({"data": self.records}))

    def picture(self, name: str, grey: int) -> Path:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), grey).save(path)
        return path

    def load(self, **changes: Any) -> tuple[list[Example], list[Example]]:
        flags = {
            "json_path": self.json,
            "image_path": self.images,
            "video_path": self.videos,
            "caption_setting": 1,
            "ratio": 0.25,
        }
        return load_data(**{**flags, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def ids(examples: Iterable[Example]) -> list[str]:
    return [one["id"] for one in examples]


def test_the_lists_have_the_seeds_keys(folder: Folder) -> None:
    train_list, val_list = folder.load(caption_setting=3)
    assert len(train_list) == 6
    assert len(val_list) == 2
    one = train_list[0]
    n = int(one["id"][1:])
    assert one["caption"] == f"What is {n}? A. Yes B. No"
    assert one["pos_path"] == str(folder.images / f"frames_true/q{n}")
    assert one["neg_path"] == str(folder.images / f"frames_neg/q{n}")
    assert val_list[0]["video_path"] in map(str, folder.videos.iterdir())
    assert one["question"].support_frames == [1.0]


def test_the_other_wordings_of_a_question_are_trained_on_with_its_choices(folder: Folder) -> None:
    same = folder.records[2]["question"]
    folder.records[2]["paraphrases"] = ["Cái gì?", same, "Cái gì?", "What then?"]
    folder.write()
    found = {
        setting: next(
            one for one in folder.load(caption_setting=setting, ratio=0)[0] if one["id"] == "q2"
        )
        for setting in (1, 2, 3)
    }
    assert found[1]["paraphrases"] == ["Cái gì?", "What then?"]
    assert found[1]["caption"] == same
    assert found[2]["paraphrases"] == []  # the choices alone, which are the same in all
    assert found[3]["paraphrases"] == ["Cái gì? A. Yes B. No", "What then? A. Yes B. No"]


def test_the_split_is_by_content_not_by_name(folder: Folder) -> None:
    for n in range(4):  # eight names, four contents
        (folder.videos / f"copy{n}.mp4").write_text(f"video {n}")
        folder.records[2 * n + 1]["video_path"] = f"copy{n}.mp4"
    folder.write()
    for seed in range(10):
        train_list, val_list = folder.load(seed=seed)
        contents = [{one["content_hash"] for one in side} for side in (train_list, val_list)]
        assert not contents[0] & contents[1]
        assert {int(name[1:]) // 2 for name in ids(val_list)} == {int(ids(val_list)[0][1:]) // 2}
        assert len(val_list) == 2


def test_the_split_is_the_seeds_alone(folder: Folder) -> None:
    first = folder.load()
    assert ids(folder.load()[1]) == ids(first[1])
    folder.records.reverse()
    folder.write()
    assert sorted(ids(folder.load()[1])) == sorted(ids(first[1]))
    assert len({tuple(ids(folder.load(seed=seed)[1])) for seed in range(20)}) > 1


def test_a_leak_is_refused(folder: Folder) -> None:
    train_list, val_list = folder.load()
    with pytest.raises(CueframeError, match=rf"question {val_list[1]['id']} validates on "):
        check_split([*train_list, val_list[1]], val_list[1:])


def test_what_has_no_frames_is_left_out_and_named(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.records[3]["support_frames"] = []
    (folder.images / "frames_true/q5/1.png").unlink()
    for path in (folder.images / "frames_neg/q6").iterdir():
        path.unlink()
    folder.write()
    train_list, val_list = folder.load()
    assert sorted(ids(train_list + val_list)) == ["q0", "q1", "q2", "q4", "q6", "q7"]
    err = capsys.readouterr().err
    assert "left out: 1 of 8 questions (q3): no support_frames, support_ranges or scenes" in err
    assert "left out: 1 of 7 questions (q5): no mined frames; run train/mine.py again" in err


def test_ranges_and_scenes_are_labels(folder: Folder) -> None:
    folder.records[2] |= {"support_frames": [], "support_ranges": [[0.5, 1.0]]}
    folder.records[3] |= {"support_frames": [], "scenes": [[[0.5, 1.0], [2, 3]]]}
    folder.write()
    train_list, val_list = folder.load()
    assert sorted(ids(train_list + val_list)) == [f"q{n}" for n in range(8)]


def test_contents_come_from_the_ledger_then_from_the_files(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.videos.iterdir():
        path.unlink()
    with pytest.raises(CueframeError, match="no question to train on"):
        folder.load()
    assert "no video in" in capsys.readouterr().err
    lines = [{"id": f"q{n}", "content_hash": "abc"[n % 3]} for n in range(8)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder.images / "mined.jsonl").write_text(text)
    train_list, val_list = folder.load(ratio=0.4)
    found = {one["id"]: one["content_hash"] for one in train_list + val_list}
    assert found == {line["id"]: line["content_hash"] for line in lines}
    given_contents = {f"q{n}": str(n) for n in range(8)}
    train_list, val_list = folder.load(image_path=None, contents=given_contents)
    assert {one["id"]: one["content_hash"] for one in train_list + val_list} == given_contents
    assert {one["pos_path"] for one in train_list} == {""}


def test_bad_input_is_one_line(folder: Folder, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"json_path": tmp_path / "no.json"}, "no.json is not there; .* --json_path"),
        ({"image_path": tmp_path / "no"}, r"frames_true is missing; .* python train/mine\.py"),
        ({"caption_setting": 4}, "--caption 4 is unknown"),
        ({"ratio": 1.5}, r"--ratio is 1\.5"),
        ({"ratio": float("nan")}, "--ratio is nan"),
    ]
    for changes, message in cases:
        with pytest.raises(CueframeError, match=message) as raised:
            folder.load(**changes)
        assert "\n" not in str(raised.value)


def test_odd_questions_are_left_out(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    before = [one["id"] for side in folder.load(ratio=0.0) for one in side]
    folder.records[1]["support_frames"] = [-1.0]
    folder.records[2] = folder.records[0]
    folder.write()
    capsys.readouterr()
    after = [one["id"] for side in folder.load(ratio=0.0) for one in side]
    assert after == [name for name in before if name not in ("q1", "q2")]
    told = capsys.readouterr().err
    assert "question 'q1': support_frames[0] is -1.0" in told
    assert "id 'q0' stands twice" in told


def greys(images: Iterable[Image.Image | None]) -> list[Any]:
    return [image and image.getpixel((0, 0)) for image in images]


def grey(level: int) -> tuple[int, int, int]:
    return level, level, level


def test_an_item_is_caption_true_frame_and_negatives(folder: Folder) -> None:
    train_list, _ = folder.load(ratio=0)
    dataset = PosNegDataset(train_list, negatives_per_question=2)
    assert len(dataset) == 8
    for n in range(8):
        caption, pos_img, neg_imgs = dataset[n]
        assert caption == f"What is {n}?"
        assert pos_img is not None
        assert pos_img.mode == "RGB"
        assert greys([pos_img]) == [grey(n)]
        assert len(neg_imgs) == 2
        assert set(greys(neg_imgs)) < {grey(100 + 10 * n + k) for k in range(3)}


def test_what_is_drawn_depends_on_seed_epoch_and_index_alone(folder: Folder) -> None:
    train_list, _ = folder.load(ratio=0)

    def drawn(epoch: int, seed: int) -> list[list[str]]:
        dataset = PosNegDataset(train_list, 3, seed=seed)
        dataset.set_epoch(epoch)
        [dataset[n] for n in (5, 5, 2)]  # an interruption, other workers
        return [dataset.drawn(n)[1] for n in range(8)]

    first = drawn(1, 42)
    assert drawn(1, 42) == first
    assert drawn(2, 42) != first
    assert drawn(1, 43) != first
    assert len({tuple(Path(p).name for p in order) for order in first}) > 1


def test_fewer_negatives_than_wanted_come_as_they_are(folder: Folder) -> None:
    train_list, _ = folder.load(ratio=0)
    (folder.images / "frames_neg/q0/0.png").unlink()
    assert len(PosNegDataset(train_list, 9)[0][2]) == 2
    assert PosNegDataset(train_list, 0)[0][2] == []
    with pytest.raises(CueframeError, match="--negatives_per_question is -1"):
        PosNegDataset(train_list, -1)


def test_a_picture_that_cannot_be_read_is_passed_over_and_noted(folder: Folder) -> None:
    bad = folder.images / "frames_neg/q0/1.png"
    bad.write_bytes(bad.read_bytes()[:50])
    lost = folder.images / "frames_true/q1/1.png"
    lost.write_text("no picture")
    train_list, _ = folder.load(ratio=0)
    dataset = PosNegDataset(train_list, 2)
    assert dataset.unreadable == []
    for epoch in range(5):
        dataset.set_epoch(epoch)
        assert set(greys(dataset[0][2])) == {grey(100), grey(102)}
        caption, pos_img, neg_imgs = dataset[1]
        assert (caption, pos_img, len(neg_imgs)) == ("What is 1?", None, 2)
    assert dataset.unreadable == [str(bad), str(lost)]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_picture_cut_anywhere_is_no_traceback(folder: Folder, suffix: str) -> None:
    path = folder.picture(f"frames_neg/q0/9.{suffix}", 9)
    whole = path.read_bytes()
    train_list, _ = folder.load(ratio=0)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert len(PosNegDataset(train_list, 9)[0][2]) in (3, 4)


def test_a_picture_too_large_for_pillow_is_one_that_cannot_be_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_list, _ = folder.load(ratio=0)
    dataset = PosNegDataset(train_list, 9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    assert dataset[0][1:] == (None, [])
    assert dataset.unreadable


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_give_the_same_and_tell_of_files(folder: Folder, method: str, workers: int) -> None:
    bad = folder.images / "frames_neg/q0/1.png"
    bad.write_text("no picture")
    train_list, _ = folder.load(ratio=0)
    dataset = PosNegDataset(train_list, 2)
    loader = DataLoader(
        dataset,
        batch_size=3,
        collate_fn=custom_collate_fn,
        num_workers=workers,
        persistent_workers=True,
        multiprocessing_context=multiprocessing.get_context(method),
    )
    for epoch in range(3):
        dataset.set_epoch(epoch)
        expected = [dataset[n] for n in range(8)]
        batches = list(loader)
        assert [len(captions) for captions, _, _ in batches] == [3, 3, 2]
        assert [c for captions, _, _ in batches for c in captions] == [one[0] for one in expected]
        true = [image for _, pos_imgs, _ in batches for image in pos_imgs]
        assert greys(true) == greys(one[1] for one in expected)
        negatives = [images for _, _, neg_imgs in batches for images in neg_imgs]
        assert [greys(images) for images in negatives] == [greys(one[2]) for one in expected]
    assert dataset.unreadable == [str(bad)]


def test_a_worker_alone_tells_the_main_process(folder: Folder) -> None:
    (folder.images / "frames_true/q0/1.png").write_text("no picture")
    train_list, _ = folder.load(ratio=0)
    dataset = PosNegDataset(train_list)
    loader = DataLoader(dataset, batch_size=8, collate_fn=custom_collate_fn, num_workers=1)
    ((_, pos_imgs, _),) = list(loader)
    assert pos_imgs[0] is None
    assert None not in pos_imgs[1:]
    assert [re.sub(r".*/frames", "frames", path) for path in dataset.unreadable] == [
        "frames_true/q0/1.png"
    ]
