"""Scored videos that show a part of a training video are refused, and no others."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.evaluation.near_leakage import refuse_near_copies
from tests.courses import content_of, copied, indexed, scene

TRAINED = {f"trained {n}": scene(n, 40) for n in range(8)}
OTHERS = {f"other {n}": scene(100 + n, 40) for n in range(8)}
TRIMMED = copied(TRAINED["trained 3"], 5.25, 30, seed=1, shake=0.1)


def paths(names: Iterable[str]) -> dict[str, str]:
    return {content_of(name): name for name in names}


def test_a_trimmed_copy_is_refused_in_one_line_that_names_both(tmp_path: Path) -> None:
    index = indexed(tmp_path / "index", TRAINED | OTHERS | {"new": TRIMMED})
    refuse_near_copies(paths(OTHERS), paths(TRAINED), index, None)
    with pytest.raises(CueframeError) as refused:
        refuse_near_copies(paths(["new", *OTHERS]), paths(TRAINED), index, None)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith("1 of 9 scored videos look like a part of a training video")
    assert "new is trained 3 (trained on) from 5.5 s on" in line or "from 5.0 s on" in line
    assert "--near-copies warn" in line


def test_a_training_video_that_is_a_part_of_a_scored_one_is_a_leak_too(tmp_path: Path) -> None:
    index = indexed(tmp_path / "index", OTHERS | TRAINED | {"trimmed": TRIMMED})
    with pytest.raises(CueframeError, match=r"trimmed \(trained on\) is trained 3 from"):
        refuse_near_copies(paths(["trained 3", *OTHERS]), paths(["trimmed"]), index, None)


def test_a_warning_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = indexed(tmp_path / "index", TRAINED | {"new": TRIMMED})
    refuse_near_copies(paths(["new"]), paths(TRAINED), index, None, only_warn=True)
    assert "near copy: new is trained 3 (trained on) from" in capsys.readouterr().err


def test_training_videos_may_be_in_an_index_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = indexed(tmp_path / "index", OTHERS | {"new": TRIMMED})
    scored, trained = paths(["new", *OTHERS]), paths(TRAINED)
    refuse_near_copies(scored, trained, index, None)
    said = capsys.readouterr().err
    assert "among 0 of 8 training videos" in said
    assert "--train-index" in said
    own = indexed(tmp_path / "own", TRAINED)
    with pytest.raises(CueframeError, match="new is trained 3"):
        refuse_near_copies(scored, trained, index, own)
    assert not capsys.readouterr().err
    another = indexed(tmp_path / "another", TRAINED, fingerprint="g")
    with pytest.raises(CueframeError, match="another was built by another model"):
        refuse_near_copies(scored, trained, index, another)
