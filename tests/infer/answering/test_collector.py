"""Whole videos for each process, and lines that come together whatever was written when."""

import json
import os
from pathlib import Path
from typing import cast

import pytest
from accelerate import PartialState
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.answering.collector import collect_answers, own_shard
from infer.answering.run_log import as_json_line, log_folder, logged_lines, write_and_remove_log
from tests.infer.answering.test_encoded_queries import asked_of
from tests.infer.answering.test_run_log import run_of

RUN = run_of({"--pick": "top"})


class Process:
    """A place among several processes."""

    def __init__(self, index: int, count: int) -> None:
        self.process_index, self.num_processes = index, count
        self.is_main_process = index == 0


def process(index: int = 0, count: int = 1) -> PartialState:
    return cast("PartialState", Process(index, count))


@given(st.lists(st.sampled_from("abcdefghi"), max_size=40), st.integers(1, 5))
def test_shares_are_of_whole_videos_and_even(videos: list[str], count: int) -> None:
    queries = asked_of(videos)
    shares = [own_shard(queries, process(n, count)) for n in range(count)]
    assert sorted(one.place for share in shares for one in share) == list(range(len(videos)))
    owners = [{one.content_hash for one in share} for share in shares]
    assert sum(map(len, owners)) == len(set(videos))
    for share in shares:
        assert [one.place for one in share] == sorted(one.place for one in share)
    sizes = [len(share) for share in shares]
    largest = max((videos.count(name) for name in set(videos)), default=0)
    assert max(sizes) - min(sizes) <= largest + len(set(videos))


def test_what_is_put_is_kept_until_the_output_is_written(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    with collect_answers(str(output), RUN, process()) as answers:
        assert answers.lines == {}
        answers.put({"id": "b", "frames": [{"time_s": 1.0}]})
        assert (
            logged_lines(output)
            == answers.lines
            == {"b": as_json_line({"id": "b", "frames": [{"time_s": 1.0}]})}
        )
        assert answers.gather({"text_s": 1.0}) == [{"text_s": 1.0}]
        write_and_remove_log(output, answers.lines.values())
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"

    def interrupted() -> None:
        with collect_answers(str(output), RUN, process()) as answers:
            answers.put({"id": "b", "frames": [{"time_s": 1.0}]})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with collect_answers(str(output), RUN, process()) as answers:
        assert list(answers.lines) == ["b"]
    with (
        pytest.raises(CueframeError, match=r"has --pick .*, not .*; call it as before"),
        collect_answers(str(output), run_of({"--pick": "aks"}), process()),
    ):
        pytest.fail("went on")
    assert list(logged_lines(output)) == ["b"]


def test_a_run_that_fails_before_its_first_answer_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    with pytest.raises(CueframeError), collect_answers(str(output), RUN, process()):
        raise CueframeError("no such model")
    assert list(tmp_path.iterdir()) == []


def test_one_run_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    with collect_answers(str(output), RUN, process()) as answers:
        with (
            pytest.raises(CueframeError, match=r"another run is writing .*with --output"),
            collect_answers(str(output), RUN, process()),
        ):
            pytest.fail("went on")
        assert log_folder(output).is_dir()
        answers.put({"id": "a", "frames": [{"time_s": 1.0}]})
        assert list(logged_lines(output)) == ["a"]


def test_without_a_file_answers_are_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with collect_answers("-", RUN, process()) as answers:
        answers.put({"id": "a", "frames": [{"time_s": 1.0}]})
        assert answers.lines == {"a": as_json_line({"id": "a", "frames": [{"time_s": 1.0}]})}
        assert answers.gather(7) == [7]
    assert list(tmp_path.iterdir()) == []


def test_the_first_process_gets_all_reports_and_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both in one process: that they agree on a name is tests/test_answer_readers.py's to show.
    monkeypatch.setattr(
        "accelerate.utils.broadcast_object_list", lambda names: names.__setitem__(0, "t")
    )
    output = tmp_path / "answers.jsonl"
    with collect_answers(str(output), RUN, process(0, 2)) as first:
        with collect_answers(str(output), RUN, process(1, 2)) as second:
            first.put({"id": "a", "frames": [{"time_s": 1.0}]})
            second.put({"id": "b", "frames": [{"time_s": 1.0}]})
            assert list(first.lines) == ["a"]
            assert second.gather({"rank": 1}) == []
        assert first.gather({"rank": 0}) == [{"rank": 0}, {"rank": 1}]
        assert {name: json.loads(line) for name, line in first.lines.items()} == {
            "a": {"id": "a", "frames": [{"time_s": 1.0}]},
            "b": {"id": "b", "frames": [{"time_s": 1.0}]},
        }
        names = sorted(path.name for path in log_folder(output).glob("*.jsonl"))
        assert names == ["0.jsonl", "1.jsonl"]
    # One process takes up what two have left.
    with collect_answers(str(output), RUN, process()) as answers:
        assert set(answers.lines) == {"a", "b"}
    assert not list(log_folder(output).glob(".run-*"))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CueframeError, match=r"cannot be written .*name another with --output"),
        collect_answers(os.fspath(tmp_path / "file/answers.jsonl"), RUN, process()),
    ):
        pytest.fail("went on")
