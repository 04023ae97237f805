"""The one rule that says whether a run is the one that is to go on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.messages import escaped
from index.resume import claim, deciding, recorded

VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.floats(0, 1)


@dataclass
class Flags:
    """Flags of a test."""

    batch_size: int = 3
    output: Path = Path("out")
    index: Path | None = None


def test_every_flag_decides_unless_it_is_free() -> None:
    assert deciding(Flags(), free=("output", "index")) == {"--batch-size": 3}
    assert deciding(Flags(), free=()) == {
        "--batch-size": 3,
        "--output": Path("out"),
        "--index": None,
    }


@given(st.dictionaries(st.text("abc", min_size=1), VALUES), st.data())
def test_the_same_passes_and_any_difference_is_named(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.json"
    claim(path, settings, "REMEDY")
    claim(path, dict(reversed(settings.items())), "REMEDY")
    name = data.draw(st.sampled_from([*settings, "z"]))
    changed = settings | {name: "another value"}
    with pytest.raises(CueframeError) as refused:
        claim(path, changed, "REMEDY")
    before = escaped(str(settings.get(name)))
    assert (
        str(refused.value)
        == f"the run in {path.parent} has {name} {before}, not another value; REMEDY"
    )
    if settings.get(name) is not None:  # one that is gone is a difference too
        without = {key: value for key, value in settings.items() if key != name}
        with pytest.raises(CueframeError, match="not None; REMEDY"):
            claim(path, without, "REMEDY")
    claim(path, settings, "REMEDY")


def test_values_that_json_has_not_are_compared_as_texts(tmp_path: Path) -> None:
    settings = {"--output": tmp_path, "--reader-frames": ("picked", "uniform")}
    claim(tmp_path / "run.json", settings, "")
    claim(tmp_path / "run.json", settings, "")


def test_long_values_are_cut_and_many_differences_counted(tmp_path: Path) -> None:
    settings = {f"--flag-{n:02d}": "x" * 500 for n in range(30)}
    claim(tmp_path / "run.json", settings, "")
    with pytest.raises(CueframeError, match=r"x…, not y+…, .* and 22 more; mend it") as refused:
        claim(tmp_path / "run.json", dict.fromkeys(settings, "y" * 500), "mend it")
    assert len(str(refused.value)) < 2600


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(CueframeError, match=r"cannot be read \(.*\), so .*; put it b") as refused:
        claim(tmp_path / "run.json", {"--seed": 1}, "REMEDY")
    assert "\n" not in str(refused.value)
    assert (tmp_path / "run.json").read_bytes() == content


def test_contents_may_grow_and_not_change(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    settings, asked = {"--seed": 1}, []

    def call(seed: int, **contents: str) -> None:
        def known() -> dict[str, str]:
            asked.append(seed)
            return contents

        claim(path, {"--seed": seed}, "REMEDY", known)

    call(1, a="x")
    call(1, a="x", b="y")
    call(1, a="x")  # a video left the index
    for contents, other in (({"a": "z", "b": "y"}, "a"), ({"a": "x", "b": "z"}, "b")):
        with pytest.raises(CueframeError, match=f"^the run in .* has other {other}; REMEDY$"):
            call(1, **contents)
    asked.clear()
    with pytest.raises(CueframeError, match="has --seed 1, not 2; REMEDY"):
        call(2, a="z")
    assert asked == []  # they may cost seconds
    claim(tmp_path / "older.json", settings, "REMEDY")
    path = tmp_path / "older.json"
    call(1, a="x")
    with pytest.raises(CueframeError, match="has other a; REMEDY"):
        call(1, a="y")


def test_a_changeable_setting_is_written_down_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert recorded(path) == {}

    def call(steps: int, seed: int = 1) -> None:
        settings = {"--steps": steps, "--seed": seed}
        claim(path, settings, "REMEDY", lambda: {"a": "x"}, changeable=["--steps"])

    call(5)
    call(7)
    assert recorded(path) == {"--steps": 7, "--seed": 1, "contents": {"a": "x"}}
    with pytest.raises(CueframeError, match="has --seed 1, not 2; REMEDY"):
        call(9, seed=2)
    assert recorded(path)["--steps"] == 7
    path.write_text('{"contents": 5}')
    with pytest.raises(CueframeError, match="cannot be read"):
        call(7)


def test_a_hash_is_not_printed(tmp_path: Path) -> None:
    claim(tmp_path / "run.json", {"the data": "0" * 32}, "REMEDY")
    with pytest.raises(CueframeError, match="has other data; REMEDY"):
        claim(tmp_path / "run.json", {"the data": "1" * 32}, "REMEDY")
