"""Records held as JSON, in memory or in a file."""

from datetime import date
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.questions import Question
from infer.record_files import spooled_records
from infer.record_files.spooled_records import SpooledRecords
from tests.infer.test_questions import RECORD

MANY = [Question.model_validate(RECORD | {"id": n, "video_path": f"{n}\udce9"}) for n in range(50)]


@pytest.mark.parametrize("in_memory", [0, 100, 1 << 20])
def test_a_sequence_as_any_other(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(spooled_records, "_IN_MEMORY_BYTES", in_memory)
    held = SpooledRecords(Question, iter(MANY))
    assert len(held) == 50
    assert list(held) == MANY
    assert held == MANY
    assert held != MANY[1:]
    assert (held[7], held[-1], held[48:]) == (MANY[7], MANY[49], MANY[48:])
    assert held[3].model_extra == {"_unused_": {"a": 1}}
    with pytest.raises(IndexError):
        held[50]


def test_what_json_cannot_hold_is_kept_as_a_text_or_left() -> None:
    odd = {"when": date(2026, 11, 27), "image": b"x", "pair": {(1, 2): 3}}
    held = SpooledRecords(Question, [Question.model_validate(RECORD | odd)])
    extra = held[0].model_extra
    assert extra is not None
    assert (extra["when"], extra["image"], extra["pair"]) == ("2026-11-27", None, {})


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    with pytest.raises(CueframeError, match=r"no temporary file .* \(No space left .* TMPDIR"):
        SpooledRecords(Question, MANY)


def test_none_at_all() -> None:
    assert list(SpooledRecords(Question, [])) == []


def test_no_temporary_folder_at_all_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    monkeypatch.setattr("infer.record_files.spooled_records._IN_MEMORY_BYTES", 100)
    with pytest.raises(
        CueframeError, match=r"no temporary file can be written \(No usable .* TMPDIR"
    ):
        SpooledRecords(Question, MANY)
