"""From the name of a video in a question to its path."""

import json
import unicodedata
from pathlib import Path, PureWindowsPath
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.question_files.loading import load_questions
from infer.videos.video_names import by_tail, find_video

Form = Literal["NFC", "NFD", "NFKC"]


@pytest.mark.parametrize(
    ("video_path", "found"),
    [
        ("train/videos/x.mp4", ["/data/x.mp4", "/old/train/x.mp4"]),
        ("x.mp4", ["/data/x.mp4", "/old/train/x.mp4"]),
        ("somewhere/train/x.mp4", ["/old/train/x.mp4"]),
        ("train\\x.mp4", ["/old/train/x.mp4"]),
        ("./train//./x.mp4", ["/old/train/x.mp4"]),
        ("/data/x.mp4", ["/data/x.mp4"]),
        ("a/videos/y.mp4", ["C:\\a\\videos\\y.mp4"]),
        ("b/videos/y.mp4", ["C:\\a\\videos\\y.mp4", "/b2/videos/y.mp4"]),
        ("X.mp4", []),
        ("xx.mp4", []),
        ("ax.mp4", []),
        ("data", []),
        ("/", []),
    ],
)
def test_a_video_is_found_by_the_longest_common_tail(video_path: str, found: list[str]) -> None:
    paths = ["/data/x.mp4", "/old/train/x.mp4", "C:\\a\\videos\\y.mp4", "/b2/videos/y.mp4"]
    assert find_video(video_path, by_tail(paths)) == found


def test_a_path_given_twice_is_found_once() -> None:
    assert find_video("x.mp4", by_tail(["/a/x.mp4", "/a/x.mp4"])) == ["/a/x.mp4"]


@pytest.mark.parametrize("asked", ["NFC", "NFD", "NFKC"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_composed_and_decomposed_names_are_one(stored: Form, asked: Form) -> None:
    name = "vidéos/Phố đường.mp4"
    path = "/data/" + unicodedata.normalize(stored, name)
    other = "/data/vide\u0301os/other.mp4"
    assert find_video(unicodedata.normalize(asked, name), by_tail([path, other])) == [path]


def test_of_two_forms_of_a_name_the_one_that_is_written() -> None:
    name = "/data/é.mp4"
    forms = [unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]
    for form in forms:
        assert find_video(form.removeprefix("/data/"), by_tail(forms)) == [form]


@pytest.mark.parametrize("asked", ["caf\udce9.mp4", "x/caf\ufffd.mp4"])
def test_names_that_are_not_utf8_are_found(asked: str, tmp_path: Path) -> None:
    paths = ["/data/caf\udce9.mp4", "/data/café.mp4"]
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([{"id": 1, "question": "q?", "video_path": asked}]))
    (read,) = load_questions(file)
    assert find_video(read.video_path, by_tail(paths)) == paths[:1]


PARTS = st.lists(st.sampled_from(["a", "b", "A", "x.mp4"]), min_size=1, max_size=4)


@given(PARTS, st.lists(PARTS, max_size=8))
def test_finding_is_the_plain_reading(wanted: list[str], stored: list[list[str]]) -> None:
    def common(path: list[str]) -> int:
        length = 0
        for one, other in zip(reversed(wanted), reversed(path), strict=False):
            if one != other:
                break
            length += 1
        return length

    longest = max(map(common, stored), default=0)
    expected = dict.fromkeys("/".join(p) for p in stored if longest and common(p) == longest)
    tails = by_tail("/".join(path) for path in stored)
    assert find_video("/".join(wanted), tails) == list(expected)
    assert find_video(str(PureWindowsPath(*wanted)), tails) == list(expected)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x", ["/data/x.mp4", "/old/x.MKV"]),
        ("old/x", ["/old/x.MKV"]),
        ("NUs_210.0_360.0", ["/q/NUs_210.0_360.0.mp4"]),
        ("pho\u0302\u0301", ["/q/phố.webm"]),
        ("notes", []),
        ("x.webm", []),
        ("q", []),
    ],
)
def test_a_name_may_lack_the_ending_of_a_video(name: str, found: list[str]) -> None:
    paths = ["/data/x.mp4", "/old/x.MKV", "/q/NUs_210.0_360.0.mp4", "/q/phố.webm", "/q/notes.txt"]
    assert find_video(name, by_tail(paths)) == found
