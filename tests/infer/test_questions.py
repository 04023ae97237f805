"""Reading questions and their errors, captions, and the way from a path to a video."""

import io
import json
import os
import string
import unicodedata
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.questions import Question, by_tail, caption, find_video, load_questions
from tests.paths import ROOT

Write = Callable[[object], Path]
ErrorOf = Callable[[object], str]

RECORD: dict[str, Any] = {
    "id": "train_0001",
    "question": "Biển báo này có đúng không?",
    "choices": ["A. Đúng", "B. Sai"],
    "answer": "B. Sai",
    "support_frames": [4.427402],
    "support_ranges": [[4, 5.5]],
    "video_path": "train/videos/2b84_Y.mp4",
    "_unused_": {"a": 1},
}

Form = Literal["NFC", "NFD", "NFKC"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: object) -> Path:
        path = tmp_path / "questions.json"
        if not isinstance(content, bytes):
            text = content if isinstance(content, str) else json.dumps(content)
            content = text.encode()
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def error_of(write: Write) -> ErrorOf:
    """Give the error of a file with this content, without the file's name that begins it."""

    def error_of(content: object) -> str:
        path = write(content)
        with pytest.raises(CueframeError) as caught:
            load_questions(path)
        line = str(caught.value)
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        assert len(line) < len(str(path)) + 250
        return line.removeprefix(f"{path}: ")

    return error_of


def question(**fields: object) -> Question:
    return Question.model_validate({"id": "q", "question": "Why?", "video_path": "x.mp4"} | fields)


def test_a_record_is_read_and_its_unknown_keys_are_kept(write: Write) -> None:
    (read,) = load_questions(write({"__count__": 1, "data": [RECORD]}))
    assert read.id == "train_0001"
    assert read.choices == ["A. Đúng", "B. Sai"]
    assert read.support_ranges == [(4.0, 5.5)]
    assert json.loads(read.model_dump_json()) == RECORD


def test_what_may_be_missing_is_empty() -> None:
    bare = question()
    assert (bare.choices, bare.answer, bare.support_frames, bare.support_ranges) == (
        [],
        None,
        [],
        [],
    )


def test_ids_may_be_integers_and_the_question_loses_its_outer_blanks() -> None:
    assert question(id=7).id == "7"
    assert question(question=" Why  now?\n").question == "Why  now?"


@pytest.mark.parametrize(
    "layout",
    [
        lambda records: json.dumps({"data": records}),
        lambda records: json.dumps({"id": "a set of its own", "data": records}, indent=1),
        json.dumps,
        lambda records: json.dumps(records, indent=2, ensure_ascii=False),
        lambda records: "\n".join(json.dumps(record) for record in records),
        lambda records: "\r\n\r\n".join(json.dumps(record) for record in records) + "\r\n",
        lambda records: "\ufeff" + json.dumps(records),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_every_layout_gives_the_same_questions(
    write: Write, layout: Callable[[list[dict[str, Any]]], str], count: int
) -> None:
    records = [RECORD | {"id": str(number)} for number in range(count)]
    expected = [Question.model_validate(record) for record in records]
    assert load_questions(write(layout(records))) == expected
    assert load_questions(str(write(layout(records)))) == expected


def test_a_line_separator_inside_a_text_ends_no_line(write: Write) -> None:
    records = [RECORD | {"id": number, "question": "one\u2028two"} for number in range(2)]
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    assert [read.question for read in load_questions(write(lines))] == ["one\u2028two"] * 2


def test_a_dash_is_standard_input_in_utf_8_whatever_the_terminal_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO(json.dumps([RECORD], ensure_ascii=False).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(data, encoding="ascii"))
    assert load_questions("-")[0].question == RECORD["question"]


def test_an_error_on_standard_input_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[1")))
    with pytest.raises(CueframeError, match=r"^standard input: line 1, column 3: "):
        load_questions("-")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(CueframeError, match=r"cannot be read.*give a JSON file") as caught:
            load_questions(path)
        assert str(path) in str(caught.value)


def test_a_file_that_is_not_utf_8(error_of: ErrorOf) -> None:
    assert error_of('["Đ"]'.encode("utf-16")) == "byte 0 is not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"data": [\n  {"id": 3,}\n]}', "line 2, column 12: "),
        ("[1, 2", "line 1, column 6: "),
        ('[\n{"id": 1}\n]\n]', "line 4, column 1: "),
        (json.dumps(RECORD) + '\n\n{"id": nothing}', "line 3, column 8: "),
        ('{"id": 1, "question": }\n' + json.dumps(RECORD), "line 1, column 23: "),
        ("id,question", "line 1, column 1: "),
    ],
)
def test_malformed_json_is_named_by_line_and_column(
    error_of: ErrorOf, text: str, place: str
) -> None:
    assert error_of(text).startswith(place)


@pytest.mark.parametrize("text", ["[" * 100_000, f"[{'1' * 5000}]"])
def test_json_beyond_the_parser_is_an_error_of_one_line(error_of: ErrorOf, text: str) -> None:
    assert error_of(text).startswith("the JSON from line 1 on: ")


@pytest.mark.parametrize("shape", [3, True, None, {"questions": [RECORD]}, {"data": RECORD}, {}])
def test_another_shape_is_refused(error_of: ErrorOf, shape: object) -> None:
    assert 'is not a list of questions; want {"data": [question, …]}' in error_of(shape)


@pytest.mark.parametrize("empty", ["", " \n", "[]", '{"data": []}', "\ufeff"])
def test_no_question_at_all_is_refused(error_of: ErrorOf, empty: str) -> None:
    assert error_of(empty) == "there is no question in it; want at least one"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"question": " \n"}, r"question is ' \n'; want a text that is not blank"),
        ({"question": 3}, "question is 3; want a text that is not blank"),
        ({"choices": None}, "choices is None; want a list of texts"),
        ({"choices": "A. B."}, "choices is 'A. B.'; want a list of texts"),
        ({"choices": ["A", " "]}, "choices[1] is ' '; want a list of texts"),
        ({"video_path": ""}, "video_path is ''; want the path"),
        ({"answer": 2}, "answer is 2; want a text, or null"),
        ({"support_frames": 2.5}, "support_frames is 2.5; want a list of times in seconds"),
        ({"support_frames": [1, -0.5]}, "support_frames[1] is -0.5; want a list"),
        ({"support_frames": [float("nan")]}, "support_frames[0] is nan; want a list"),
        ({"support_frames": ["2.5"]}, "support_frames[0] is '2.5'; want a list"),
        ({"support_frames": [True]}, "support_frames[0] is True; want a list"),
        ({"support_ranges": [[1, 2], [3]]}, "support_ranges[1][1] is missing; want a list of ["),
        ({"support_ranges": [[1, 2, 3]]}, "support_ranges[0] is [1, 2, 3]; want"),
        ({"support_ranges": [[2, 1]]}, "support_ranges[0] is [2, 1]; want a list of [start"),
        ({"support_ranges": [[-1, 1]]}, "support_ranges[0][0] is -1; want"),
        ({"support_ranges": [[0, float("inf")]]}, "support_ranges[0][1] is inf; want"),
    ],
)
def test_an_invalid_record_is_named_with_field_value_and_what_is_wanted(
    error_of: ErrorOf, wrong: dict[str, object], what: str
) -> None:
    error = error_of([RECORD, RECORD | {"id": "odd"} | wrong])
    assert error.startswith(f"question 'odd' (record 2): {what}")


@pytest.mark.parametrize("field", ["question", "video_path"])
def test_a_missing_field_is_named(error_of: ErrorOf, field: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != field}
    assert error_of([record]).startswith(f"question 'train_0001' (record 1): {field} is missing")


@pytest.mark.parametrize("wrong", ["", "  ", None, True, 1.5, ["a"]])
def test_a_record_without_a_usable_id_is_named_by_its_position(
    error_of: ErrorOf, wrong: object
) -> None:
    error = error_of([RECORD, RECORD | {"id": wrong}])
    assert error == f"record 2: id is {wrong!r}; want a text that is not blank, or an integer"


def test_a_record_of_json_lines_is_named_by_its_line(error_of: ErrorOf) -> None:
    error = error_of(json.dumps(RECORD) + '\n\n{"question": "Why?"}\n')
    assert error.startswith("line 3: id is missing")


def test_a_record_that_is_no_object_is_named_by_its_position(error_of: ErrorOf) -> None:
    assert error_of([RECORD, ["a"]]) == "record 2 is ['a']; want a JSON object"


def test_a_long_value_is_shortened(error_of: ErrorOf) -> None:
    error = error_of([RECORD | {"answer": ["x" * 10_000]}])
    assert "answer is ['xxxx" in error
    assert "…; want a text" in error


def test_an_id_that_stands_twice_is_refused_with_both_positions(error_of: ErrorOf) -> None:
    records = [RECORD | {"id": number} for number in (5, 6, "5")]
    assert error_of(records).startswith("id '5' stands twice, in record 1 and in record 3; ")


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (1, "What colour?"),
        (2, "A. Red B. Blue"),
        (3, "What colour? A. Red B. Blue"),
    ],
)
def test_a_caption_is_the_parts_of_its_setting(setting: int, text: str) -> None:
    assert (
        caption(question(question="What colour?", choices=["A. Red", "B. Blue"]), setting) == text
    )


def test_a_caption_has_single_spaces() -> None:
    spaced = question(question="What  colour\nis it?", choices=[" A.\tRed", "B. Blue "])
    assert caption(spaced, 3) == "What colour is it? A. Red B. Blue"


def test_a_question_without_choices_is_itself_in_setting_3_and_an_error_in_2() -> None:
    assert caption(question(), 3) == caption(question(), 1) == "Why?"
    with pytest.raises(CueframeError, match=r"^question 'q' has no choices.*use --caption 1$"):
        caption(question(), 2)


@pytest.mark.parametrize("setting", [0, 4, -1])
def test_another_setting_is_refused(setting: int) -> None:
    with pytest.raises(CueframeError, match=rf"^--caption {setting} is unknown; want 1 "):
        caption(question(choices=["A"]), setting)


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


@given(st.lists(st.text(string.printable, max_size=30), max_size=4))
def test_any_text_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(CueframeError) as caught:
        load_questions(path)
    assert len(str(caught.value).splitlines()) == 1


def test_the_questions_of_the_real_clips_are_read() -> None:
    clips = Path(os.environ.get("CUEFRAME_CLIPS", ROOT.parent / "shared/clips"))
    if not clips.is_dir():
        pytest.skip(f"the clips are not at {clips}")
    read = load_questions(clips / "questions.json")
    assert len(read) == 42
    tails = by_tail(str(path) for path in (clips / "videos").iterdir())
    assert all(len(find_video(one.video_path, tails)) == 1 for one in read)
