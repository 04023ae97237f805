"""Every row of the bench can be measured: here with tiny models, videos and files of questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from index.errors import CueframeError
from tests.bench import materials, run
from tests.bench.run import ROWS, BenchConfig, bench


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match="there are no rows speed; name some of "):
        bench(BenchConfig(rows=("speed",), output=tmp_path / "bench.json"))
    (tmp_path / "bench.json").write_text("[1]")
    with pytest.raises(CueframeError, match=r"bench.json is no result of the bench"):
        bench(BenchConfig(output=tmp_path / "bench.json"))


def make_small(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the rows of a file make tiny materials, whatever they ask for."""
    clip, video, copies = materials.make_clip, materials.make_video, materials.make_copies
    questions = materials.write_questions
    small = {
        "make_clip": lambda path, shape: clip(path, "tiny"),
        "make_video": lambda path, seconds, **how: video(
            path, min(seconds, 3), **(how | {"size": (96, 64)})
        ),
        "make_copies": lambda path, of, count: copies(path, of, min(count, 12)),
        "write_questions": lambda path, videos, count, *more: questions(
            path, videos, min(count, 12), *(1.0 for _ in more)
        ),
    }
    module = run.ROWS[name].split(":")[0]
    for function, stand_in in small.items():
        monkeypatch.setattr(f"{module}.{function}", stand_in, raising=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(set(ROWS) - {"decoding"}))
def test_each_row_can_be_measured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_small(monkeypatch, name)
    output = tmp_path / "bench.json"
    config = BenchConfig(rows=(name,), folder=tmp_path / "made", output=output, rounds=1)
    code = bench(config)
    said = capsys.readouterr()
    assert code == 0, said.err
    rows: list[dict[str, Any]] = json.loads(output.read_text())["rows"]
    assert rows
    for row in rows:
        assert row["machine"]
        assert row["figures"]
        assert row["row"] in said.out
