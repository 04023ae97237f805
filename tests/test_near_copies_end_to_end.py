"""Trimmed, smaller copies of drawn videos are found with an untrained encoder."""

from pathlib import Path

import av
import pytest
from accelerate import PartialState

from index.build import BuildConfig, build
from index.storage.store import read_profile
from infer.evaluation.near_leakage import refuse_near_copies
from infer.videos.indexed_videos import read_indexed_videos
from tests.fixtures_train import forget_accelerate, world
from train.linked_videos import linked_in_index
from train.split import held_out_videos

COPIED = ("scene_001.mp4", "scene_004.mp4")


def copy_of(source: Path, to: Path, start_s: float, end_s: float) -> None:
    """Encode a part of a video anew, at two thirds of its width and half its rate."""
    with av.open(str(source)) as old, av.open(str(to), "w") as new:
        stream = new.add_stream("libx264", rate=5, options={"crf": "32", "preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 214, 120, "yuv420p"
        stream.thread_count = 1
        inside = [f for f in old.decode(video=0) if f.time and start_s <= f.time < end_s]
        for number, frame in enumerate(inside[::2]):
            small = frame.reformat(stream.width, stream.height, format="yuv420p")
            plain = av.VideoFrame.from_ndarray(small.to_ndarray(), format="yuv420p")
            plain.pts = number
            new.mux(stream.encode(plain))
        new.mux(stream.encode())


def test_copies_are_found_and_scenes_of_the_same_street_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in world().videos.iterdir():
        (videos / path.name).symlink_to(path)
    for name in COPIED:
        copy_of(videos / name, videos / f"copy_{name}", 1.3, 14.0)
    index = tmp_path / "index"
    assert build(BuildConfig(videos=videos, index=index, model=str(world().model), workers=1)) == 0
    seen = read_indexed_videos(index).seen
    paths = {file.content_hash: Path(path).name for path, file in seen.items()}
    pairs = [{name, f"copy_{name}"} for name in COPIED]

    forget_accelerate()
    PartialState(cpu=True)
    capsys.readouterr()
    linked = linked_in_index(index, read_profile(index))(paths)
    assert "near copies: 4 of 10 videos" in capsys.readouterr().err
    for content, name in paths.items():
        group = {paths[other] for other in paths if linked[other] == linked[content]}
        assert group == next((pair for pair in pairs if name in pair), {name})
    for seed in range(20):
        held = {paths[one] for one in held_out_videos(paths, 0.3, seed, linked)}
        assert all(pair <= held or not pair & held for pair in pairs)

    copies = {content: name for content, name in paths.items() if name.startswith("copy_")}
    scenes = {content: name for content, name in paths.items() if content not in copies}
    refuse_near_copies(copies, scenes, index, None, only_warn=True)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" from ")[0] for line in said] == [
        f"near copy: copy_{name} is {name} (trained on)" for name in COPIED
    ]
