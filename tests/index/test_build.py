import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
import torch
from av.video.stream import VideoStream

from index.build import BuildConfig, build
from index.check import CheckConfig, check
from index.discovery import HashedFile, hash_files
from index.errors import CueframeError
from index.models.encoder import Encoder
from index.pipeline import encode_videos
from index.storage.catalog import all_paths, all_videos, open_catalog
from index.storage.faiss_index import FaissUpdate, held_ids, open_search
from index.storage.store import read_profile, read_vectors, write_vectors
from tests.opens import Opens
from tests.paths import ROOT
from tests.videos import draw, file_name, make

KINDS = ("constant", "variable", "b_frames", "vp9")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    for kind in KINDS:
        make(folder / "deep" / file_name(kind), kind)
    return folder


@pytest.fixture
def opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opens:
    return Opens(tmp_path / "spy", monkeypatch)


@pytest.fixture
def run(tmp_path: Path, videos: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def _run(**flags: Any) -> dict[str, Any]:
        settings = {"videos": videos, "index": tmp_path / "index", "model": str(tiny_model)}
        capsys.readouterr()
        code = build(BuildConfig(**{**settings, **flags}))
        out, err = capsys.readouterr()
        return {**json.loads(out), "code": code, "err": err}

    return _run


def contents(index: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Path to (times, vectors) of an index."""
    with closing(open_catalog(index)) as catalog:
        found = {}
        for path, seen in all_paths(catalog).items():
            vectors = read_vectors(index, seen.content_hash)
            found[path] = (vectors.time_s, vectors.embeddings)
    return found


def sound(index: Path) -> bool:
    return check(CheckConfig(index=index)) == 0


def test_every_video_is_decoded_once_and_only_when_it_must_be(
    run: Any, opens: Opens, videos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    names = {file_name(kind) for kind in KINDS}
    first = run()
    assert opens.decoded() == dict.fromkeys(names, 1)
    assert (first["code"], first["videos"], first["indexed"]) == (0, len(KINDS), len(KINDS))
    assert first["frames"] == sum(len(time_s) for time_s, _ in contents(index).values())
    before = contents(index)

    second = run()
    assert opens.decoded() == {}
    assert (second["indexed"], second["reused"], second["frames"]) == (0, len(KINDS), 0)

    moved = videos / "renamed.mp4"
    (videos / "deep" / "constant.mp4").rename(moved)
    assert run()["reused"] == len(KINDS)
    assert opens.decoded() == {}
    assert str(videos / "deep" / "constant.mp4") not in contents(index)
    np.testing.assert_array_equal(
        contents(index)[str(moved)][1], before[str(videos / "deep" / "constant.mp4")][1]
    )

    shutil.copy(moved, videos / "copy.mp4")
    copied = run()
    assert opens.decoded() == {}
    assert copied["videos"] == len(KINDS)  # several paths with one content are one video

    changed = videos / "deep" / file_name("variable")
    held = set(held_ids(open_search(index).faiss).tolist())
    make(changed, "slow")
    assert run()["indexed"] == 1
    assert opens.decoded() == {changed.name: 1}
    now = set(held_ids(open_search(index).faiss).tolist())
    assert held - now
    assert now - held
    assert sound(index)


def test_a_failed_video_is_tried_again_when_it_changed_or_with_retry(
    run: Any, opens: Opens, videos: Path, tmp_path: Path
) -> None:
    bad = videos / "bad.mp4"
    bad.write_text("no video\n")
    first = run()
    assert (first["code"], first["failed"], first["indexed"]) == (1, 1, len(KINDS))
    assert f"failed: {bad}: " in first["err"]
    opens.decoded()
    again = run()
    assert (again["code"], again["failed"], opens.decoded()) == (1, 1, {})
    assert f"failed: {bad}: " in again["err"]
    assert run(retry=True)["failed"] == 1
    assert opens.decoded() == {"bad.mp4": 1}
    shutil.copy(videos / "deep" / "constant.mp4", bad)
    good = run()
    assert (good["code"], good["failed"]) == (0, 0)
    assert opens.decoded() == {}
    assert sound(tmp_path / "index")


def test_a_change_leaves_catalog_and_faiss_before_anything_is_decoded(
    run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    run()
    with closing(open_catalog(index)) as catalog:
        old = all_paths(catalog)[str(videos / "deep" / "constant.mp4")].content_hash
        number = all_videos(catalog)[old].number

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("index.shard.encode_videos", killed)
    make(videos / "deep" / "constant.mp4", "slow")
    with pytest.raises(KeyboardInterrupt):
        run()
    with closing(open_catalog(index)) as catalog:
        assert old not in all_videos(catalog)
    assert number not in (held_ids(open_search(index).faiss) >> 32).tolist()


def test_no_vector_file_is_opened_again(
    run: Any, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalog and frames.faiss get what was just encoded."""

    def opened(*_: Any, **__: Any) -> Any:
        pytest.fail("a vector file was opened")

    monkeypatch.setattr("index.storage.faiss_index.read_own_vectors", opened)
    monkeypatch.setattr("index.planning.read_own_vectors", opened)
    run()
    make(videos / "new.mp4", "slow")
    assert run()["indexed"] == 1


def test_a_vector_that_is_not_of_unit_length_costs_its_video(
    run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Encoder.images

    def short(self: Encoder, pixels: np.ndarray) -> torch.Tensor:
        vectors = images(self, pixels).clone()
        vectors[0] *= 0.9  # of the first video of the batch
        return vectors

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "images", short)
        result = run(workers=1)
    assert (result["code"], result["failed"], result["indexed"]) == (1, 1, len(KINDS) - 1)
    assert "vectors that are not of unit length (one is 0.9" in result["err"]
    assert sound(tmp_path / "index")
    again = run(retry=True)
    assert (again["indexed"], again["reused"]) == (1, len(KINDS) - 1)


def test_what_an_interrupted_run_wrote_joins_faiss_from_its_file(
    run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    run()
    make(videos / "new.mp4", "slow")
    with monkeypatch.context() as patch:
        patch.setattr(FaissUpdate, "write", lambda self: None)
        run()
    with closing(open_catalog(index)) as catalog:
        frames = sum(video.frames or 0 for video in all_videos(catalog).values())
    assert len(held_ids(open_search(index).faiss)) < frames
    assert run()["reused"] == len(KINDS) + 1
    assert len(held_ids(open_search(index).faiss)) == frames


def test_prune_forgets_what_is_gone(run: Any, videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run()
    (videos / "deep" / "constant.mp4").unlink()
    run()
    assert len(contents(index)) == len(KINDS)
    run(prune=True)
    assert len(contents(index)) == len(KINDS) - 1
    assert len(list(index.glob("vectors/*/*.h5"))) == len(KINDS) - 1
    assert sound(index)


def test_an_existing_index_gives_the_flags_that_are_left_out(
    run: Any, videos: Path, tmp_path: Path, tiny_model: Path
) -> None:
    run(fps=1.0, view="pad")
    assert run(model=None)["reused"] == len(KINDS)
    assert run(fps=1.0, view="pad")["reused"] == len(KINDS)
    for flags, line in (({"fps": 2.0}, "--fps 1.0, not 2.0"), ({"view": "center"}, "--view pad")):
        with pytest.raises(CueframeError, match=line):
            run(**flags)
    assert run(rebuild=True, fps=2.0)["indexed"] == len(KINDS)


def test_another_vision_side_is_refused(run: Any, tiny_model: Path, tmp_path: Path) -> None:
    from examples.tiny_clip import make_tiny_clip

    run()
    other = tmp_path / "other"
    make_tiny_clip(other, ["a text"], seed=7)
    with pytest.raises(CueframeError, match="would not compare"):
        run(model=str(other))


def test_the_model_is_named_anew_where_its_vision_side_is_the_same(
    run: Any, videos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    moved = shutil.copytree(tiny_model, tmp_path / "moved")
    run()
    before = read_profile(index)
    again = run(model=str(moved))
    assert (again["reused"], again["indexed"]) == (len(KINDS), 0)
    assert f"names the model {moved} from now on, not {tiny_model}\n" in again["err"]
    assert read_profile(index) == before.model_copy(update={"model": str(moved)})
    make(videos / "new.mp4", "slow")
    added = run(model=None)
    assert (added["reused"], added["indexed"]) == (len(KINDS), 1)
    assert "names the model" not in added["err"]
    assert sound(index)

    # A damaged profile is made again from the vector files, of which most know the former name.
    (index / "profile.json").write_text("{}")
    assert check(CheckConfig(index=index, repair=True)) == 0
    assert read_profile(index) == before
    assert run(model=str(moved))["reused"] == len(KINDS) + 1
    assert sound(index)

    text = (index / "profile.json").read_text()
    (index / "profile.json").write_text(text.replace("moved", "lost"))
    assert not sound(index)
    with pytest.raises(CueframeError, match=r"profile\.json is damaged \(it is not what was"):
        run()


def test_a_profile_without_a_hash_is_one_of_an_older_version(
    run: Any, tiny_model: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    run()
    path = index / "profile.json"
    values = json.loads(path.read_text())
    assert len(values.pop("hash")) == 16
    path.write_text(json.dumps(values))
    text = path.read_text()
    assert run()["reused"] == len(KINDS)
    assert sound(index)
    assert path.read_text() == text


def test_a_folder_of_something_else_is_left_alone(run: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(CueframeError, match="not an index and not empty"):
        run(index=mine, rebuild=True)
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("loss", ["catalog", "faiss", "cut vector file"])
def test_the_next_build_mends_a_loss(
    run: Any, opens: Opens, videos: Path, tmp_path: Path, loss: str
) -> None:
    index = tmp_path / "index"
    run()
    before = contents(index)
    opens.decoded()
    lost = next(index.glob("vectors/*/*.h5"))
    if loss == "catalog":
        (index / "catalog.sqlite").unlink()
    elif loss == "faiss":
        (index / "frames.faiss").unlink()
    else:
        os.truncate(lost, lost.stat().st_size // 2)
    assert check(CheckConfig(index=index)) == 1
    result = run()
    assert result["indexed"] == (1 if loss == "cut vector file" else 0)
    assert sum(opens.decoded().values()) == result["indexed"]
    after = contents(index)
    assert after.keys() == before.keys()
    for path, (time_s, vectors) in before.items():
        np.testing.assert_array_equal(after[path][0], time_s)
        np.testing.assert_allclose(after[path][1], vectors, atol=1e-3)
    assert sound(index)


def start(command: list[str], **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_processes_build_the_same_index(
    run: Any, opens: Opens, videos: Path, tmp_path: Path, tiny_model: Path, processes: int
) -> None:
    run()
    opens.decoded()
    together = tmp_path / "together"
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
    command += ["--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0", "index/build.py"]
    command += [str(videos), "--index", str(together), "--model", str(tiny_model)]
    done = start(command, ACCELERATE_USE_CPU="true")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["indexed"] == len(KINDS)
    assert set(opens.decoded().values()) == {1}
    one, several = contents(tmp_path / "index"), contents(together)
    assert one.keys() == several.keys()
    for path, (time_s, vectors) in one.items():
        np.testing.assert_array_equal(several[path][0], time_s)
        steps = np.spacing(np.abs(vectors).astype(np.float16)).astype(np.float32)
        apart = np.abs(several[path][1].astype(np.float32) - vectors.astype(np.float32))
        assert (apart <= steps).all()
    assert {p.name for p in (tmp_path / "index").glob("vectors/*/*")} == {
        p.name for p in together.glob("vectors/*/*")
    }
    assert sound(together)
    assert not list(together.glob(".run-*"))


def test_processes_that_do_not_know_of_each_other_are_stopped(
    videos: Path, tmp_path: Path, tiny_model: Path
) -> None:
    done = start(
        [sys.executable, "index/build.py", str(videos), "--index", str(tmp_path / "index")],
        WORLD_SIZE="2",
    )
    assert done.returncode == 2
    assert "torchrun" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "index").exists()


def one_error_line(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_bad_calls_are_one_line_with_a_remedy(
    videos: Path, tmp_path: Path, tiny_model: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    index = tmp_path / "index"
    cases = [
        ([str(tmp_path / "none")], "does not exist"),
        ([str(empty)], "holds no video file"),
        ([str(videos), "--fps", "0"], "--fps is 0.0"),
        ([str(videos), "--model", str(empty)], "cannot be loaded"),
        ([str(videos), "--model", "no/such-model"], "a folder written by save_pretrained"),
    ]
    for arguments, text in cases:
        done = start([sys.executable, "index/build.py", *arguments, "--index", str(index)])
        assert text in one_error_line(done)
        assert not (index / "catalog.sqlite").exists()


def test_an_unreadable_index_is_one_line(
    run: Any, videos: Path, tmp_path: Path, tiny_model: Path
) -> None:
    run()
    profile = tmp_path / "index" / "profile.json"
    whole = profile.read_text()
    profile.write_text(whole[:20])
    with pytest.raises(CueframeError, match="--rebuild"):
        run()
    profile.write_text(whole)
    (tmp_path / "index" / "catalog.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(CueframeError, match="--repair"):
        run()


def test_names_that_are_not_utf8_are_indexed_and_known_again(
    run: Any, opens: Opens, videos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    path = videos / os.fsdecode(b"caf\xe9.mp4")
    make(path, "slow")
    bad = videos / os.fsdecode(b"d\xe9chir\xe9\n.mp4")
    bad.write_text("no video")
    first = run()
    assert (first["code"], first["indexed"], first["failed"]) == (1, len(KINDS) + 1, 1)
    assert f"failed: {videos}/d\\udce9chir\\udce9\\n.mp4: cannot be opened" in first["err"]
    assert opens.decoded()[path.name] == 1
    assert str(path) in contents_of_indexed(index)
    assert run()["reused"] == len(KINDS) + 1
    assert opens.decoded() == {}
    assert sound(index)

    (index / "catalog.sqlite").unlink()  # so that the repair goes by the path hints
    assert check(CheckConfig(index=index, repair=True)) == 0
    assert str(path) in contents_of_indexed(index)
    path.unlink()
    run(prune=True)
    assert str(path) not in contents_of_indexed(index)


@pytest.mark.timeout(100)
def test_a_folder_of_all_sorts(run: Any, videos: Path, tmp_path: Path) -> None:
    os.mkfifo(videos / "pipe.mp4")
    (videos / "loop.mp4").symlink_to("loop.mp4")
    (videos / "notes.md").write_text("no video")
    make(videos / "slow.mp4", "slow")
    (videos / "slow.mp4").rename(videos / "constant.bin")
    first = run()
    assert (first["code"], first["indexed"], first["failed"]) == (1, len(KINDS), 1)
    assert f"failed: {videos}/loop.mp4: cannot be read: " in first["err"]
    assert first["left_out"] == 3
    names = f"{videos}/constant.bin, {videos}/notes.md, {videos}/pipe.mp4 (a FIFO)"
    assert f"left out: {names}; --all-files tries every regular file\n" in first["err"]
    every = run(all_files=True, index=videos / "index")
    assert (every["indexed"], every["failed"], every["left_out"]) == (len(KINDS) + 1, 2, 1)
    again = run(all_files=True, index=videos / "index")
    assert (again["reused"], again["failed"], again["left_out"]) == (len(KINDS) + 1, 2, 1)

    (tmp_path / "list.txt").write_text(f"{videos}/pipe.mp4\n{videos}/constant.bin\n")
    listed = run(videos=tmp_path / "list.txt", index=tmp_path / "listed")
    assert (listed["code"], listed["indexed"], listed["failed"]) == (1, 1, 1)
    assert "pipe.mp4: cannot be read: it is a FIFO, not a regular file" in listed["err"]


def test_a_folder_that_cannot_be_read_is_a_failure(
    run: Any, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (videos / "locked").mkdir()
    scandir = os.scandir

    def locked(path: Any = ".") -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    result = run()
    assert (result["code"], result["indexed"], result["failed"]) == (1, len(KINDS), 1)
    assert f"failed: {videos}/locked: cannot be read: Permission denied" in result["err"]


def test_files_that_fail_are_counted_each_and_copies_decoded_once(
    run: Any, opens: Opens, videos: Path
) -> None:
    for number in range(8):
        (videos / f"bad{number}.mp4").write_text("no video")
        shutil.copy(videos / "deep" / "constant.mp4", videos / f"good{number}.mp4")
    for result in (run(), run()):
        assert (result["code"], result["videos"], result["failed"]) == (1, len(KINDS), 8)
        assert result["err"].count("failed: ") == 8
        assert all(f"failed: {videos}/bad{number}.mp4: " in result["err"] for number in range(8))
    assert sum(opens.decoded().values()) == len(KINDS) + 1


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size"),
    [("film.gif", "gif", "rgb8", (64, 48)), ("tape.dv", "dvvideo", "yuv420p", (720, 576))],
)
def test_gif_and_dv_are_videos(
    name: str, codec: str, pix_fmt: str, size: tuple[int, int], run: Any, tmp_path: Path
) -> None:
    (tmp_path / "others").mkdir()
    with av.open(str(tmp_path / "others" / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        for number in range(50):
            frame = av.VideoFrame.from_image(draw(number, *size)).reformat(format=pix_fmt)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result = run(videos=tmp_path / "others")
    assert (result["code"], result["indexed"], result["frames"]) == (0, 1, 4)


def test_the_real_clips_are_indexed_and_the_broken_ones_named(
    run: Any, clips: Path, tmp_path: Path
) -> None:
    result = run(videos=clips)
    expected = {p.name for p in (clips / "broken").iterdir()} | {"nasa_13013.mp4"}  # two streams
    named = {
        Path(line.split(": ")[1]).name
        for line in result["err"].splitlines()
        if line.startswith(("failed: ", "warning: "))
    }
    assert named == expected
    paths = {Path(p) for p in contents_of_indexed(tmp_path / "index")}
    assert {p for p in paths if p.parent.name == "videos"} == set((clips / "videos").iterdir())


def contents_of_indexed(index: Path) -> list[str]:
    with closing(open_catalog(index)) as catalog:
        good = {h for h, v in all_videos(catalog).items() if v.status == "indexed"}
        return [p for p, s in all_paths(catalog).items() if s.content_hash in good]


def test_larger_pictures_than_allowed_cost_their_own_video(
    run: Any, videos: Path, tmp_path: Path
) -> None:
    make(videos / file_name("tall"), "tall")  # 178 x 322, the others have 320 x 180
    first = run(max_pixels=320 * 180 - 200)
    assert (first["code"], first["failed"], first["indexed"]) == (1, len(KINDS), 1)
    assert "b_frames.mp4: is 320 x 180, more than 57400 pixels; raise --max-pixels" in first["err"]
    again = run(retry=True)
    assert (again["code"], again["indexed"], again["reused"]) == (0, len(KINDS), 1)
    with pytest.raises(CueframeError, match="--max-pixels is 0"):
        run(max_pixels=0)


def test_a_video_that_is_replaced_meanwhile_is_not_stored_as_what_it_was(
    run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    replaced, copy = videos / "deep" / file_name("constant"), videos / "z_copy.mp4"
    shutil.copy(replaced, copy)
    hashed = {path: seen.content_hash for path, seen in _hashed(videos).items()}

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        make(replaced, "slow")  # hashed and not yet opened
        return encode_videos(*arguments, **more)

    monkeypatch.setattr("index.shard.encode_videos", meanwhile)
    first = run()
    assert (first["code"], first["indexed"], first["failed"]) == (1, len(KINDS) - 1, 2)
    assert f"failed: {replaced}: was replaced while it was read; run again\n" in first["err"]
    assert f"failed: {copy}: not indexed with its copy {replaced}; run again\n" in first["err"]
    assert "--retry" not in first["err"]
    with closing(open_catalog(index)) as catalog:
        assert hashed[replaced] not in all_videos(catalog)

    monkeypatch.undo()
    second = run()
    assert (second["code"], second["indexed"]) == (0, 2)
    with closing(open_catalog(index)) as catalog:
        for path, seen in all_paths(catalog).items():
            assert _hashed(videos)[Path(path)].content_hash == seen.content_hash
    fresh = tmp_path / "fresh"
    run(index=fresh)
    now, anew = contents(index), contents(fresh)
    assert now.keys() == anew.keys()
    for path, (time_s, vectors) in now.items():
        np.testing.assert_array_equal(time_s, anew[path][0])
        # The last bits of a vector depend on its batch.
        np.testing.assert_allclose(vectors, anew[path][1], atol=2e-3)


def _hashed(folder: Path) -> dict[Path, HashedFile]:
    found = hash_files(path for path in folder.rglob("*") if path.is_file())
    return {path: seen for path, seen in found if isinstance(seen, HashedFile)}


def test_an_error_of_storing_a_video_costs_that_one_and_is_tried_again(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(index: Path, vectors: Any, **how: bool) -> None:
        if vectors.path_hint.endswith(file_name("variable")):
            raise ValueError("an odd\nname")
        write_vectors(index, vectors, **how)

    monkeypatch.setattr("index.shard.write_vectors", refusing)
    first = run(time_limit_s=1e300)
    assert (first["code"], first["indexed"], first["failed"]) == (1, len(KINDS) - 1, 1)
    assert f"{file_name('variable')}: ValueError: an odd name\n" in first["err"]
    monkeypatch.undo()
    second = run()
    assert (second["code"], second["indexed"], second["reused"]) == (0, 1, len(KINDS) - 1)
    assert sound(tmp_path / "index")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_build_in_order(
    number: int, code: int, videos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    index, reached = tmp_path / "index", tmp_path / "reached"
    hung = (  # in the parent, when the first video is decoded and the next is being decoded
        "import runpy, sys, time\n"
        "import index.pipeline, pathlib\n"
        "def hang(job):\n"
        f"    pathlib.Path({str(reached)!r}).touch()\n"
        "    time.sleep(100)\n"
        "if __name__ == '__main__':\n"
        "    index.pipeline.change_since = hang\n"
        f"    sys.argv = ['index/build.py', {str(videos)!r}, '--index', {str(index)!r},"
        f" '--model', {str(tiny_model)!r}, '--workers', '1']\n"
        "    runpy.run_path('index/build.py', run_name='__main__')\n"
    )
    script = tmp_path / "hung.py"
    script.write_text(hung)
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not reached.exists():
            assert process.poll() is None
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (code, "")
    word = "terminated" if code == 143 else "interrupted"
    assert err.rstrip().endswith(f"{word}; what was finished is kept")
    assert "Traceback" not in err
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert not [*index.rglob("*.tmp"), *index.glob(".run-*")]
