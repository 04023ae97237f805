"""Question files as a whole: layouts, single odd records, notices, labels, memory."""

import io
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.question_files.loading import load_questions, read_questions
from infer.questions import Question
from tests.infer.test_questions import RECORD
from tests.paths import ROOT

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: object, name: str = "questions.json") -> Path:
        path = tmp_path / name
        if not isinstance(content, bytes):
            text = content if isinstance(content, str) else json.dumps(content)
            content = text.encode()
        path.write_bytes(content)
        return path

    return write


def error_of(path: Path) -> str:
    """The error of a file of which nothing can be read, without its name."""
    with pytest.raises(CueframeError) as caught:
        load_questions(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def refused(path: Path) -> list[tuple[str, str]]:
    """Place and error of the records that are refused."""
    return [(one.place, one.error) for one in read_questions(path).refused]


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
        lambda records: json.dumps({"info": {"year": 2026}, "questions": records}),
        lambda records: json.dumps({str(one["id"]): one for one in records}),
        lambda records: json.dumps({"id" + str(n): one for n, one in enumerate(records)}),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_every_layout_gives_the_same_questions(
    write: Write, layout: Callable[[list[dict[str, Any]]], str], count: int
) -> None:
    records = [RECORD | {"id": str(number)} for number in range(count)]
    expected = [Question.model_validate(record) for record in records]
    assert list(load_questions(write(layout(records)))) == expected
    assert list(load_questions(str(write(layout(records))))) == expected


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


def test_lines_by_their_ending_even_if_the_first_is_broken(write: Write) -> None:
    text = '{"id": 1, bad\n' + json.dumps(RECORD) + "\n"
    file = read_questions(write(text, "q.jsonl"))
    assert [one.id for one in file.records] == ["train_0001"]
    assert file.refused[0].place == "line 1"


def test_an_error_on_standard_input_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"3")))
    with pytest.raises(CueframeError, match=r"^standard input: line 1: a list or an object is"):
        load_questions("-")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        assert error_of(path).startswith("cannot be read (")


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"\x1f\x8b\x08", "packed by gzip"), (b"PK\x03\x04x", "Excel"), (b"ARROW1", "Arrow")],
)
def test_a_file_that_is_no_text_says_what_it_is(write: Write, start: bytes, what: str) -> None:
    assert what in error_of(write(start + b"\0" * 99, "q.csv"))


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=(tmp_path / "pipe").write_text, args=[json.dumps([RECORD])], daemon=True
    )
    writer.start()
    assert [one.id for one in load_questions(tmp_path / "pipe")] == ["train_0001"]
    writer.join()


def test_standard_input_is_not_given_twice() -> None:
    with pytest.raises(CueframeError, match="standard input is given twice"):
        load_questions("-", labels=["-"])


def test_a_file_that_is_not_utf_8(write: Write) -> None:
    assert error_of(write('["Đ"]'.encode("utf-16"))) == "it is UTF-16; save the file as UTF-8"
    latin = json.dumps([RECORD | {"question": "cafe"}]).encode().replace(b"cafe", b"caf\xe9")
    assert "is not UTF-8; save it so" in error_of(write(latin))


@pytest.mark.parametrize("shape", ["3", "true", "null", "a,b"])
def test_another_shape_is_refused(write: Write, shape: str) -> None:
    error = error_of(write(shape))
    assert error.startswith("line 1: a list or an object is wanted")
    assert 'want {"data": [question, …]}, a list, JSON lines, CSV or Parquet' in error


@pytest.mark.parametrize("empty", ["", " \n", "[]", '{"data": []}', "\ufeff", "{}", "id,question"])
def test_no_question_at_all_is_refused(write: Write, empty: str) -> None:
    assert error_of(write(empty)) == "there is no question in it; want at least one"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"question": " \n"}, r"question is ' \n'; want a text that is not blank"),
        ({"question": "x" * 10**6}, "question is 'xxxx"),
        ({"question": 3}, "question is 3; want a text that is not blank"),
        ({"choices": None}, "choices is None; want a list of texts"),
        ({"choices": [1, 2]}, "choices[0] is 1; want a list of texts"),
        ({"choices": ["A. x", "B. "]}, "choices is ['A. x', 'B. ']; want a list of texts"),
        ({"choices": {"x": {}, "long key": 2}}, "choices is {'x'"),
        ({"video_path": ""}, "video_path is ''; want the path"),
        ({"answer": ["x"]}, "answer is ['x']; want one of the choices"),
        ({"support_frames": None}, "support_frames is None; want a list of times in seconds"),
        ({"support_frames": 2.5}, "support_frames is 2.5; want a list of times in seconds"),
        ({"support_ranges": [[1, 2], [3]]}, "support_ranges[1][1] is missing; want a list of ["),
        ({"scenes": [[1, 2]]}, "scenes[0][0] is 1; want a list of scenes"),
        ({"span_s": [5, 4]}, "span_s is [5, 4]; want [start, end] in seconds"),
    ],
)
def test_one_odd_record_costs_itself_alone(
    write: Write,
    capsys: pytest.CaptureFixture[str],
    wrong: dict[str, object],
    what: str,
) -> None:
    path = write([RECORD, RECORD | {"id": "odd"} | wrong, RECORD | {"id": "last"}])
    assert [one.id for one in load_questions(path)] == ["train_0001", "last"]
    line, total = capsys.readouterr().err.splitlines()
    assert line.startswith(f"not read: {path}: record 2: question 'odd': {what}")
    assert len(line) < len(str(path)) + 400
    assert total == "1 of 3 questions cannot be used"
    (odd,) = read_questions(path).refused
    assert (odd.id, odd.after) == ("odd", 1)
    alone = error_of(write([RECORD | {"id": "odd"} | wrong]))
    assert alone.startswith(f"record 1: question 'odd': {what}")


@pytest.mark.parametrize(
    ("text", "good", "error"),
    [
        ('[%s, {"id": nothing}, 7]', 1, "record 2: Expecting value (line 1); mend the JSON there"),
        ("[%s, 7]", 1, "record 2: it is 7; want a JSON object"),
        ("[%s, {", 1, "record 2: the rest of the file is not read: line 1: the file ends within"),
        ("[%s, [" + "[" * 50_000 + "]" * 50_000 + "]]", 1, "record 2: its JSON cannot be read"),
        (f"[%s, {'1' * 5000}]", 1, "record 2: its JSON cannot be read: Exceeds the limit"),
        ('%s\n\n{"id": 3,\n', 1, "line 3: Expecting property name"),
    ],
)
def test_broken_json_costs_no_more_than_it_must(
    write: Write, text: str, good: int, error: str
) -> None:
    file = read_questions(write(text % json.dumps(RECORD)))
    assert len(file.records) == good
    assert f"{file.refused[0].place}: {file.refused[0].error}".startswith(error)


@pytest.mark.parametrize("wrong", ["", "  ", True, 1.5, ["a"]])
def test_a_record_without_a_usable_id_is_named_by_its_position(write: Write, wrong: object) -> None:
    (odd,) = read_questions(write([RECORD, RECORD | {"id": wrong}])).refused
    assert (odd.place, odd.id) == ("record 2", None)
    assert odd.error == f"id is {wrong!r}; want a text that is not blank, or an integer"


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"quesiton": "why?"}, "question is missing; the nearest name that is there is 'quesiton'"),
        ({"clip": 1, "b": 2}, "question is missing; other keys that are there: 'clip', 'b'; want"),
        ({"question": "why?", "viedo": "x"}, "the nearest name that is there is 'viedo'"),
        ({}, "question is missing; no other key is there; want a text"),
    ],
)
def test_a_missing_field_is_answered_with_the_nearest_name(
    write: Write, record: dict[str, object], error: str
) -> None:
    path = write([RECORD, {"id": 2} | record])
    ((place, text),) = refused(path)
    assert (place, error in text) == ("record 2", True)


def test_an_id_that_stands_twice_keeps_the_first(write: Write) -> None:
    file = read_questions(write([RECORD | {"id": number} for number in (5, 6, "5")]))
    assert [one.id for one in file.records] == ["5", "6"]
    assert file.refused[0].error.startswith("id '5' stands twice, in record 1 and in record 3; ")


def test_all_that_is_wrong_is_told_together(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [RECORD | {"id": n, "choices": None} for n in range(120)]
    load_questions(write([RECORD, *odd]))
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "choices is None" in line]) == 100
    assert lines[-2].endswith(": 20 more")
    assert lines[-1] == "120 of 121 questions cannot be used"
    error = error_of(write(odd))
    assert error.startswith("record 1: question 0: choices is None")
    assert error.endswith("; and 117 more")


def test_keys_that_look_like_a_field_are_not_passed_over(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {"choises": ["a"], "support_frame": [1], "question_type": "T", "video": "w", "x": 1}
    path = write([RECORD | odd, RECORD | odd | {"id": 2}])
    load_questions(path)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"warning: {path}: the key 'choises' of 2 records is not read; choices is",
        f"warning: {path}: the key 'support_frame' of 2 records is not read; support_frames is",
        f"warning: {path}: the key 'video' of 2 records is not read; video_path is",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = [*Question.model_fields, "options", "candidates", "a0", "a1", "answer_idx", "video", "ts"]


@given(
    st.dictionaries(st.sampled_from([*KEYS, "q", "qid", "vid_name", "start", "end", "key"]), JSON)
)
def test_any_value_in_any_field_gives_a_record_or_its_error(
    tmp_path_factory: pytest.TempPathFactory, odd: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.json"
    good = {"id": "\x00 good", "question": "q?", "video_path": "v"}
    path.write_text(json.dumps([odd, good, good | odd]))
    file = read_questions(path)
    assert len(file.records) + len(file.refused) >= 3  # columns are as many records as rows
    assert good["id"] in {one.id for one in file.records}
    assert all(one.error for one in file.refused)


@given(st.lists(st.text(max_size=30), max_size=4), st.sampled_from(["json", "jsonl", "csv", "tsv"]))
def test_any_text_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{ending}"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    with pytest.raises(CueframeError):
        load_questions(path)


def test_a_number_of_a_choice_waits_for_the_choices(write: Write) -> None:
    asked = {"id": "q7", "question": "how many?", "choices": ["1", "2"], "video_path": "v"}
    for labels in ([{"id": "q7", "answer_idx": 1}], {"q7": 1}, [{"qid": "q7", "correct_idx": "1"}]):
        (one,) = load_questions(write([asked]), labels=[write(labels, "labels.json")])
        assert one.answer == "2"


LABELS = [
    {"q7": "Sai"},
    {"q7": 1},
    [{"question_id": "q7", "answer": "B"}],
    [{"id": "q7", "answer": "B. Sai"}],
]


@pytest.mark.parametrize("labels", LABELS)
def test_answers_come_from_a_file_of_their_own(write: Write, labels: object) -> None:
    from infer.choices import letter_of

    bare = {key: RECORD[key] for key in ("question", "choices", "video_path")} | {"id": "q7"}
    path, apart = write([bare, bare | {"id": "q8"}]), write(labels, "labels.json")
    first, second = load_questions(path, labels=[apart])
    assert letter_of(first) == "B"
    assert second.answer is None


def test_labels_that_cannot_be_used_are_told(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = write([{"id": "train_0001", "answer": "A"}, {"id": "x", "answer": "A"}, 7], "l.json")
    file = read_questions(write([RECORD]), labels=[labels])
    assert file.records[0].answer == "A"
    assert not file.complete
    told = capsys.readouterr().err
    assert f"not read: {labels}: record 3: it is 7" in told
    assert "1 of 2 labels have no question" in told


def test_labels_of_other_questions_are_an_error(write: Write) -> None:
    with pytest.raises(CueframeError, match=r"none of 1 labels of .*labels\.json has the id of a"):
        load_questions(write([RECORD]), labels=[write({"other": 1}, "labels.json")])


@pytest.mark.parametrize(
    ("size", "most_kb"),
    [(40 << 20, 200_000), pytest.param(300 << 20, 400_000, marks=pytest.mark.slow)],
)
def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path, size: int, most_kb: int) -> None:
    path = tmp_path / "large.json"
    record = json.dumps(RECORD | {"id": "%d", "notes": "x" * 300})
    with path.open("w") as file:
        file.write('{"data": [')
        for number in range(size // len(record)):
            file.write((", " if number else "") + record.replace("%d", str(number)))
        file.write("]}")
    run = textwrap.dedent(f"""
        from pathlib import Path
        from infer.question_files.loading import load_questions
        found = load_questions({str(path)!r})
        status = Path("/proc/self/status").read_text()
        print(len(found), found[-1].id, status.split("VmHWM:")[1].split()[0])
    """)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", run], env=environment, capture_output=True, text=True, check=True
    )
    count, last, peak_kb = map(int, out.stdout.split())
    assert (count, last) == (size // len(record), count - 1)
    assert peak_kb < most_kb


def test_the_questions_of_the_real_clips_are_read() -> None:
    clips = Path(os.environ.get("CUEFRAME_CLIPS", ROOT.parent / "shared/clips"))
    if not clips.is_dir():
        pytest.skip(f"the clips are not at {clips}")
    from infer.videos.video_names import by_tail, find_video

    read = load_questions(clips / "questions.json")
    assert len(read) == 42
    tails = by_tail(str(path) for path in (clips / "videos").iterdir())
    assert all(len(find_video(one.video_path, tails)) == 1 for one in read)
