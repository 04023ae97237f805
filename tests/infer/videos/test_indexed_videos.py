"""Which video a path means, and which encoder may ask."""

from contextlib import closing
from pathlib import Path

import pytest
import torch

from index.discovery import HashedFile
from index.errors import CueframeError, VideoError
from index.storage.catalog import VideoRow, open_catalog, put_paths, put_video
from infer.videos.indexed_videos import find_indexed, read_indexed_videos
from tests.fixtures_infer import world

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("video_path", "found"),
    [
        ("b_frames.mp4", "b_frames.mp4"),
        ("somewhere\\else\\b_frames.mp4", "b_frames.mp4"),
        ("train/x/same.mp4", "x/same.mp4"),
        ("y/same.mp4", "y/same.mp4"),
        ("constant.mp4", "a/constant.mp4"),  # one content under two paths
        ("b/constant.mp4", "b/constant.mp4"),
    ],
)
def test_longest_common_tail(video_path: str, found: str) -> None:
    here = world()
    path, video = find_indexed(read_indexed_videos(here.index), video_path)
    assert path == str(here.videos / found)
    assert video.status == "indexed"


@pytest.mark.parametrize(
    ("video_path", "reason"),
    [
        ("absent.mp4", r"absent\.mp4 is not in the index; add it"),
        ("v\\vp9.mp4", r"vp9\.mp4 is not in the index; .*/vp9\.webm is; name that, or add it"),
        ("B_FRAMES.MP4", r"B_FRAMES\.MP4 is not in the index; .*/b_frames\.mp4 is; name that"),
        ("same.mp4", r"may mean 2 different videos: .*x/same\.mp4, .*y/same\.mp4; give more"),
        ("bad.mp4", r"bad\.mp4 could not be indexed: cannot be opened as a video"),
    ],
)
def test_no_such_video(video_path: str, reason: str) -> None:
    indexed = read_indexed_videos(world().index)
    with pytest.raises(VideoError, match=reason):
        find_indexed(indexed, video_path)


def test_a_file_that_is_there_means_more_than_one_that_is_gone(tmp_path: Path) -> None:
    paths = [tmp_path / name / "x.mp4" for name in "abc"]
    seen = [HashedFile(str(path), 1, 1, str(n)) for n, path in enumerate(paths)]
    with closing(open_catalog(tmp_path)) as catalog:
        put_paths(catalog, seen)
        for file in seen:
            put_video(catalog, VideoRow(content_hash=file.content_hash))

    def meant(name: str) -> str:
        return find_indexed(read_indexed_videos(tmp_path), name)[0]

    def ambiguous(text: str) -> None:
        with pytest.raises(VideoError, match=f"may mean {text}; give more of the path"):
            meant("x.mp4")

    ambiguous(f"3 different videos: {paths[0]}, {paths[1]}, {paths[2]}")  # as on another machine
    paths[1].parent.mkdir()
    paths[1].write_text("")
    assert meant("x.mp4") == meant("videos/x") == str(paths[1])
    assert meant("a/x.mp4") == str(paths[0])  # what names one video means it, here or gone
    paths[2].parent.mkdir()
    paths[2].write_text("")
    ambiguous(f"2 different videos: {paths[1]}, {paths[2]}")
    paths[2].unlink()
    paths[2].mkdir()
    assert meant("x.mp4") == str(paths[1])


def test_catalog_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"catalog\.sqlite is missing; .*--repair"):
        read_indexed_videos(tmp_path)
    data = (world().index / "catalog.sqlite").read_bytes()
    for kept in (data[: len(data) // 2], b"x" * 5000):
        (tmp_path / "catalog.sqlite").write_bytes(kept)
        with pytest.raises(CueframeError, match=r"catalog\.sqlite is damaged .*--repair"):
            read_indexed_videos(tmp_path)
