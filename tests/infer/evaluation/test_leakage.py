"""Leaks are told by content: names and copies do not matter."""

import json
import shutil
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.evaluation.leakage import refuse_leakage
from infer.videos.indexed_videos import read_indexed_videos
from tests.fixtures_infer import seen_as, world, write_questions


def scored(*names: str) -> dict[str, str]:
    here = world()
    return {seen_as(here.index, here.videos / name).content_hash: name for name in names}


def check(tmp_path: Path, *train_paths: str) -> None:
    questions = write_questions(
        tmp_path / "train.json", *({"video_path": path} for path in train_paths)
    )
    refuse_leakage(
        scored("a/constant.mp4", "vp9.webm"),
        questions,
        [tmp_path, tmp_path.parent],
        read_indexed_videos(world().index),
    )


def test_a_copy_under_another_name_is_a_leak(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(world().videos / "vp9.webm", tmp_path / "videos/other.webm")
    shutil.copy(world().videos / "b_frames.mp4", tmp_path / "videos/b.mp4")
    check(tmp_path, "train/videos/b.mp4")
    with pytest.raises(CueframeError) as error:
        check(tmp_path, "train/videos/b.mp4", "train/videos/other.webm")
    assert "1 of 2 scored videos were trained on, the first vp9.webm" in str(error.value)
    assert "train/videos/other.webm" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_video_of_the_same_name_is_none(tmp_path: Path) -> None:
    shutil.copy(world().videos / "b_frames.mp4", tmp_path / "vp9.webm")
    check(tmp_path, "vp9.webm")


def test_a_video_that_is_not_found_rules_nothing_out(tmp_path: Path) -> None:
    shutil.copy(world().videos / "b_frames.mp4", tmp_path / "b.mp4")
    with pytest.raises(CueframeError, match=r"1 of 2 videos .*gone.mp4.*--train-videos"):
        check(tmp_path, "b.mp4", "train/gone.mp4")


def test_bad_training_questions_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([{"id": 1}]))
    with pytest.raises(CueframeError, match="question is missing"):
        refuse_leakage({}, path, [tmp_path], read_indexed_videos(world().index))
