"""Names that stay inside their folder, and saved frames that show what they say."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from index.errors import CueframeError, VideoError
from infer.videos.frame_files import folder_name, frame_size, save_frames
from tests.fixtures_infer import number_at, world
from tests.videos import read_number

ids = st.text(min_size=1)
ODD_IDS = (
    *"\udce9 \ud800x \x1b[2J \u202e ~ $HOME `ls` NUL {{x}}".split(),
    "",
    *r". .. ../x ..%2Fx /etc/passwd a/b a\b %2E % C:\x".split(),
    "\0",
    " ",
)


@settings(deadline=None)
@given(st.lists(ids | st.sampled_from(ODD_IDS) | ids.map(lambda i: i * 300), unique=True))
@example([*ODD_IDS, *("a" * n for n in range(118, 300))])
def test_each_id_has_a_folder_of_its_own_inside(many: list[str]) -> None:
    names = [folder_name(one) for one in many]
    assert len(set(names)) == len(many)
    for name in names:
        assert name not in ("", ".", "..")
        assert not set(name) & {"/", "\\", "\0"}
        assert len(name.encode()) <= 255
        assert Path("dir", name).resolve().parent == Path("dir").resolve()


def test_plain_ids_stay_as_they_are() -> None:
    for plain in ("train_0001", "intel_car-detection-vi-012", "câu.7"):
        assert folder_name(plain) == plain


def test_a_folder_can_be_made_for_every_odd_id(tmp_path: Path) -> None:
    for odd in (*ODD_IDS, "x" * 5000, "ẩ" * 300):
        (tmp_path / "dir" / folder_name(odd)).mkdir(parents=True)
    assert [path.name for path in tmp_path.iterdir()] == ["dir"]


def test_size() -> None:
    assert frame_size("1920x1080") == (1920, 1080)
    assert frame_size(" 64X36 ") == (64, 36)
    for bad in ("", *"1920 1920x x1080 0x5 5x-5 1.5x2 a×b 99999x1 1x2x3 ٣x٣".split()):
        with pytest.raises(CueframeError, match=r"--size is .*for example 1920x1080"):
            frame_size(bad)


def test_frames_are_saved_once_each_at_the_right_time(tmp_path: Path) -> None:
    here = world()
    truth = here.truth["b_frames.mp4"]
    times_s = [truth.frames[n][1] for n in (0, 13, 41, 99)]
    old = tmp_path / "one" / "1_9.000s.jpg"
    kept = tmp_path / "one" / "notes.txt"
    old.parent.mkdir()
    old.touch()
    kept.touch()
    picks = [("one", times_s), ("../two", times_s[1:3])]
    assert save_frames(here.videos / "b_frames.mp4", picks, tmp_path, (320, 180)) == 6
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(tmp_path)) for path in files) == [
        "%2E.%2Ftwo/1_0.520s.jpg",
        "%2E.%2Ftwo/2_1.640s.jpg",
        "one/1_0.000s.jpg",
        "one/2_0.520s.jpg",
        "one/3_1.640s.jpg",
        "one/4_3.960s.jpg",
        "one/notes.txt",
    ]
    for path in tmp_path.rglob("*.jpg"):
        with Image.open(path) as image:
            assert image.size == (320, 180)
            assert get_sampling(image) == 0  # 4:4:4
            assert read_number(image) == number_at(truth, float(path.stem.split("_")[1][:-1]))


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    here = world()
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        save_frames(here.videos / "bad.mp4", [("q", [0.0])], tmp_path, (8, 8))
    (tmp_path / "file").touch()
    with pytest.raises(CueframeError, match=r"file.* cannot be written .*--save-frames"):
        save_frames(here.videos / "few.mp4", [("q", [0.0])], tmp_path / "file", (8, 8))


def test_nothing_is_written_or_deleted_through_a_link(tmp_path: Path) -> None:
    here = world()
    video, (_, time_s) = here.videos / "b_frames.mp4", here.truth["b_frames.mp4"].frames[13]
    other, real = tmp_path / "other", tmp_path / "real"
    other.mkdir()
    real.mkdir()
    (other / "1_0.000s.jpg").write_bytes(b"theirs")
    (real / "linked").symlink_to(other)
    (real / "nowhere").symlink_to(tmp_path / "none")
    (tmp_path / "dir").symlink_to(real)  # given by the user
    for name in ("linked", "nowhere"):
        with pytest.raises(VideoError, match=rf"{name} is a link, .*; remove it"):
            save_frames(video, [(name, [time_s])], tmp_path / "dir", (64, 36))
    own = real / "own"
    own.mkdir()
    for name in ("1_0.000s.jpg", f"1_{time_s:.3f}s.jpg"):
        (own / name).symlink_to(other / "1_0.000s.jpg")
    assert save_frames(video, [("own", [time_s])], tmp_path / "dir", (64, 36)) == 1
    assert [path.name for path in other.iterdir()] == ["1_0.000s.jpg"]
    assert (other / "1_0.000s.jpg").read_bytes() == b"theirs"
    assert not (tmp_path / "none").exists()
    assert [path.is_symlink() for path in own.iterdir()] == [False]
