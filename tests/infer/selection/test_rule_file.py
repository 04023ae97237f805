import json
from pathlib import Path
from typing import Any

import pytest

from index.errors import CueframeError
from infer.selection.rule_file import (
    ChosenRule,
    Gain,
    read_rule_file,
    refuse_other_use,
    write_rule_file,
)
from infer.selection.rules import Rule

GOOD: dict[str, Any] = {
    "rules": 1,
    "pick": "hills",
    "smooth_s": 0.5,
    "choices": "each",
    "join": "max",
    "caption": 3,
    "long_text": "windows",
    "frames": 4,
    "index": "0123456789abcdef",
    "questions": 20,
    "videos": 12,
    "default": "quarters",
    "why": "it is better",
    "gains": {"worth": {"mean": 0.1, "low": 0.05, "high": None, "questions": 20}},
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    chosen = ChosenRule(**GOOD | {"gains": {"hit": Gain(mean=0, low=None, high=1, questions=2)}})
    path = tmp_path / "rules.json"
    write_rule_file(path, chosen)
    assert read_rule_file(path) == chosen
    assert chosen.rule == Rule("hills", 0.5, "each", "max")
    assert json.loads(path.read_text())["pick"] == "hills"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe{", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b" " * (2 << 20), "larger"),
        (json.dumps(GOOD | {"pick": "os.system"}).encode(), "'pick' cannot"),
        (json.dumps(GOOD | {"pick": "uniform"}).encode(), "'pick' cannot"),
        (json.dumps(GOOD | {"caption": 1}).encode(), "caption 1 reads no choices"),
        (
            json.dumps(GOOD | {"choices": "joined", "join": "mean"}).encode(),
            "join mean has no texts to join",
        ),
        (json.dumps(GOOD | {"smooth_s": float("nan")}).encode(), "'smooth_s' cannot"),
        (json.dumps(GOOD | {"smooth_s": 1e9}).encode(), "'smooth_s' cannot"),
        (json.dumps(GOOD | {"frames": 0}).encode(), "'frames' cannot"),
        (json.dumps(GOOD | {"frames": True}).encode(), "'frames' cannot"),
        (json.dumps(GOOD | {"rules": 2}).encode(), "'rules' cannot"),
        (json.dumps(GOOD | {"a\n\x1b[31m": 2}).encode(), "cannot"),
        (
            json.dumps({**GOOD, "gains": {"hit": {"mean": 1}}}).encode(),
            "'gains.hit.low' is missing",
        ),
        (json.dumps({k: v for k, v in GOOD.items() if k != "join"}).encode(), "'join' is missing"),
    ],
)
def test_other_files_are_refused_in_one_line(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    with pytest.raises(CueframeError, match=why) as error:
        read_rule_file(path)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"cannot be read .*--choose"):
        read_rule_file(tmp_path / "none")
    with pytest.raises(CueframeError, match="cannot be read"):
        read_rule_file(tmp_path)


def test_another_use_is_refused() -> None:
    chosen, path = ChosenRule(**GOOD), Path("r.json")
    refuse_other_use(path, chosen, 4, GOOD["index"], "windows")
    for k, key, long_text, why in (
        (5, GOOD["index"], "windows", "for 4 frames, not for 5"),
        (4, "another", "windows", "another model, rate or size"),
        (4, GOOD["index"], "truncate", "--long-text windows"),
    ):
        with pytest.raises(CueframeError, match=why):
            refuse_other_use(path, chosen, k, key, long_text)  # type: ignore[arg-type]  # a Literal
