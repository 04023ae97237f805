"""A journal keeps every line that was finished, whatever was cut, and bars other settings."""

import json
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.resume import claim
from infer.answering.run_log import (
    as_json_line,
    log_folder,
    log_writer,
    logged_lines,
    open_log,
    remove_log,
    write_and_remove_log,
)

RUN = {"--pick": "top", "--frames": 4, "--reader-frames": ("picked", "all")}


def run_of(settings: dict[str, Any]) -> Callable[[Path, str], None]:
    """What claims a log for a run of these settings."""
    return lambda path, remedy: claim(path, settings, remedy)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output whose journal has two answers, of two processes."""
    output = tmp_path / "answers.jsonl"
    open_log(output, run_of(RUN))
    for process, name in enumerate("ab"):
        with log_writer(output, process) as add:
            add(as_json_line({"id": name, "frames": [{"time_s": 1.0}]}))
    return output


values = st.one_of(st.text(max_size=9), st.floats(allow_nan=False), st.lists(st.text(max_size=4)))
records = st.lists(
    st.tuples(st.text(max_size=9), values).map(
        lambda pair: {"id": pair[0], "answer": pair[1], "frames": [{"time_s": 1.0}]}
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda record: str(record["id"]),
)


def test_a_removal_that_is_killed_leaves_no_answers_without_settings(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_log(output)
    assert logged_lines(output) == {}
    open_log(output, run_of(RUN | {"--pick": "quarters"}))


@given(records, st.data())
def test_whatever_is_cut_finished_lines_stay_and_new_ones_are_whole(
    written: list[dict[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.jsonl"
        open_log(output, run_of(RUN))
        *before, last = [as_json_line(record) for record in written]
        with log_writer(output, 0) as add:
            for line in before:
                add(line)
        file = log_folder(output) / "0.jsonl"
        size = data.draw(st.integers(0, file.stat().st_size))
        file.write_bytes(file.read_bytes()[:size])
        ends = [sum(map(len, before[: n + 1])) for n in range(len(before))]
        whole = sum(end <= size for end in ends)
        expected = {record["id"]: as_json_line(record) for record in written[:whole]}
        assert logged_lines(output) == expected
        with log_writer(output, 0) as add:
            add(last)
        expected[written[-1]["id"]] = last
        assert logged_lines(output) == expected
        assert file.read_bytes() == b"".join(expected.values())


@given(st.dictionaries(st.text(), st.text(), min_size=1))
def test_a_record_is_one_line(record: dict[str, str]) -> None:
    line = as_json_line(record)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    assert json.loads(line) == record


def test_what_is_no_answer_is_passed_over(output: Path) -> None:
    with (log_folder(output) / "0.jsonl").open("ab") as file:
        file.write(b'\0\0\0\0\n\xff\n{"id": \n{"id": 3}\n[]\n{}\n\n')
        file.write(b'{"id": "c", "frames": []}\n{"id": "d"}\n{"id": "e", "error": "none"}\n')
        file.write(b"[" * 100_000 + b'\n{"id": "torn"}')
    (log_folder(output) / "2.jsonl").mkdir()
    assert list(logged_lines(output)) == ["a", "b"]


def test_a_line_is_safe_once_it_is_added(output: Path) -> None:
    with log_writer(output, 0) as add:
        add(as_json_line({"id": "c", "frames": [{"time_s": 1.0}]}))
        assert set(logged_lines(output)) == {"a", "b", "c"}


def test_the_same_run_goes_on(output: Path) -> None:
    before = logged_lines(output)
    open_log(output, run_of(dict(RUN)))
    assert (
        logged_lines(output)
        == before
        == {name: as_json_line({"id": name, "frames": [{"time_s": 1.0}]}) for name in "ab"}
    )


def test_another_run_is_refused_and_nothing_is_lost(output: Path) -> None:
    before = logged_lines(output)
    other = RUN | {"--pick": "aks", "--frames": 3}
    with pytest.raises(
        CueframeError, match=r"has --pick top, not aks, --frames 4, not 3; call it as before"
    ) as caught:
        open_log(output, run_of(other))
    assert str(log_folder(output)) in str(caught.value)
    (log_folder(output) / "run.json").write_text("[]")
    with pytest.raises(CueframeError, match="has --pick None, not top, --frames None, not 4, "):
        open_log(output, run_of(RUN))
    assert logged_lines(output) == before


@pytest.mark.parametrize("torn", [b"", b'{"id": "a"'])
def test_a_run_without_an_answer_bars_no_other(tmp_path: Path, torn: bytes) -> None:
    output = tmp_path / "answers.jsonl"
    open_log(output, run_of(RUN))
    (log_folder(output) / "0.jsonl").write_bytes(torn)
    open_log(output, run_of({"--pick": "aks"}))
    assert logged_lines(output) == {}
    open_log(output, run_of({"--pick": "aks"}))
    with log_writer(output, 0) as add:
        add(as_json_line({"id": "b", "frames": [{"time_s": 1.0}]}))
    with pytest.raises(CueframeError, match="has --pick aks, not top; call it as before"):
        open_log(output, run_of({"--pick": "top"}))


def test_folders_in_place_of_its_files_go_where_nothing_is_lost(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    for name in ("run.json", "0.jsonl"):
        (log_folder(output) / name).mkdir(parents=True)
    open_log(output, run_of(RUN))
    with log_writer(output, 0) as add:
        add(as_json_line({"id": "b", "frames": [{"time_s": 1.0}]}))
    assert list(logged_lines(output)) == ["b"]


def test_answers_without_a_run_are_kept_and_refused(output: Path) -> None:
    before = logged_lines(output)
    (log_folder(output) / "run.json").unlink()
    with pytest.raises(CueframeError, match="has answers of an interrupted run, but no"):
        open_log(output, run_of(RUN))
    assert logged_lines(output) == before


def test_the_output_is_whole_or_as_it_was(output: Path) -> None:
    output.write_text("before\n")

    def failing() -> Iterator[bytes]:
        yield b"half\n"
        raise OSError(28, "No space left on device")

    with pytest.raises(CueframeError, match=r"answers\.jsonl cannot be written"):
        write_and_remove_log(output, failing())
    assert output.read_text() == "before\n"
    assert set(logged_lines(output)) == {"a", "b"}
    write_and_remove_log(output, [b"a\n", b"b\n"])
    assert output.read_text() == "a\nb\n"
    assert [path.name for path in output.parent.iterdir()] == ["answers.jsonl"]
    assert logged_lines(output) == {}
    remove_log(output)  # of one that is gone


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(output: Path) -> None:
    file = log_folder(output) / "0.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, hard))
    try:
        with log_writer(output, 0) as add, pytest.raises(CueframeError) as caught:
            _ = [
                add(as_json_line({"id": f"c{n}", "frames": [{"time_s": 1.0}]})) for n in range(100)
            ]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value).startswith(f"{file} cannot be written (File too large); ")
    whole = [
        f"c{n}" for n in range(100 // len(as_json_line({"id": "c0", "frames": [{"time_s": 1.0}]})))
    ]
    assert list(logged_lines(output)) == ["a", *whole, "b"]
    assert not file.read_bytes().endswith(b"\n")
    with log_writer(output, 0) as add:
        add(as_json_line({"id": "d", "frames": [{"time_s": 1.0}]}))
    assert list(logged_lines(output)) == ["a", *whole, "d", "b"]


def test_errors_of_others_are_not_the_journals(output: Path) -> None:
    with pytest.raises(BrokenPipeError), log_writer(output, 0):
        raise BrokenPipeError


def test_a_journal_that_cannot_be_opened_is_one_line(output: Path) -> None:
    (log_folder(output) / "2.jsonl").mkdir()
    with (
        pytest.raises(CueframeError, match=r"2.jsonl cannot be written \(Is a directory\); "),
        log_writer(output, 2),
    ):
        pass
