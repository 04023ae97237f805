"""Near copies go to one side of the split, told by the vectors of an index or of mined frames."""

from pathlib import Path

import pytest
from accelerate import PartialState

from index.storage.store import write_vectors
from tests.courses import content_of, copied, indexed, profile, scene, vectors_of
from tests.fixtures_train import forget_accelerate
from train.linked_videos import linked_in_index, linked_in_mined
from train.mining.sampled_vectors import SAMPLED_FOLDER
from train.split import held_out_videos

VIDEOS = {f"video {n}": scene(n, 40) for n in range(9)}
VIDEOS["copy"] = copied(VIDEOS["video 3"], 6.25, 28, seed=1, shake=0.1)
PATHS = {content_of(name): f"/videos/{name}" for name in VIDEOS}


@pytest.fixture(autouse=True)
def _state() -> None:
    forget_accelerate()
    PartialState(cpu=True)


def check(linked: dict[str, str]) -> None:
    """The copy and its original are linked, and no others."""
    assert linked[content_of("copy")] == linked[content_of("video 3")]
    assert len(set(linked.values())) == len(VIDEOS) - 1


def test_near_copies_in_an_index_are_linked_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = indexed(tmp_path / "index", VIDEOS)
    check(dict(linked_in_index(index, profile())(PATHS)))
    (line,) = capsys.readouterr().err.splitlines()
    assert "near copies: 2 of 10 videos" in line
    assert "/videos/copy, which is /videos/video 3 from" in line


def test_near_copies_among_mined_videos_are_linked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, course in VIDEOS.items():
        write_vectors(tmp_path / SAMPLED_FOLDER, vectors_of(name, course, profile()))
    check(dict(linked_in_mined(tmp_path)(PATHS)))
    assert "no vectors" not in capsys.readouterr().err
    gone = next((tmp_path / SAMPLED_FOLDER).rglob("*.h5"))
    gone.unlink()
    linked_in_mined(tmp_path)(PATHS)
    assert "among 1 of 10 videos, which have no vectors" in capsys.readouterr().err
    assert linked_in_mined(tmp_path / "old")(PATHS) == {}


def test_the_split_keeps_them_together_and_is_else_as_it_was(tmp_path: Path) -> None:
    linked = linked_in_index(indexed(tmp_path / "index", VIDEOS), profile())(PATHS)
    pair = {content_of("copy"), content_of("video 3")}
    moved = 0
    for seed in range(40):
        plain = held_out_videos(PATHS, 0.3, seed)
        held = held_out_videos(PATHS, 0.3, seed, linked)
        assert pair <= held or not pair & held
        moved += held != plain
        if not pair & plain:
            assert held == plain or pair <= held
    assert moved
    without = {name: name for name in PATHS}
    assert held_out_videos(PATHS, 0.3, 1, without) == held_out_videos(PATHS, 0.3, 1)
