"""Question files made to run code, to leave their folder, to fill the memory or never to end.

Each file ends within a limit, in records or lines of one line each; nothing is executed or written
outside; and wherever its format lets a reader find it, the good record in it is answered.
"""

import functools
import gzip
import io
import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import infer.answering.run
from tests.fixtures_infer import TEXTS, ran, world

GOOD = {"id": "good", "question": TEXTS[0], "video_path": "vp9.webm", "choices": ["Red", "Blue"]}


def lines(*records: object) -> bytes:
    """JSON lines, the good record first and last."""
    last = {**GOOD, "id": "good as well"}
    texts = [one if isinstance(one, str) else json.dumps(one) for one in (GOOD, *records, last)]
    return "\n".join(texts).encode(errors="surrogatepass") + b"\n"


def like(**fields: object) -> bytes:
    return lines({**GOOD, "id": "odd", **fields})


def raw(field: str, text: str) -> bytes:
    """A record with a field whose JSON is written as it stands."""
    record = json.dumps({**GOOD, "id": "odd", field: "?"})
    return lines(record.replace(f'"{field}": "?"', f'"{field}": {text}'))


def csv(*rows: str) -> bytes:
    good = f"good,{TEXTS[0]},vp9.webm"
    return "\n".join(
        ["id,question,video_path", good, *rows, good.replace("good,", "good as well,")]
    ).encode()


def parquet() -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    file = io.BytesIO()
    files.write_table(pyarrow.Table.from_pylist([GOOD] * 50), file)
    return file.getvalue()


def cut_footer() -> bytes:
    return parquet()[:-20]


def long_footer() -> bytes:
    return parquet()[:-8] + struct.pack("<I", 2**32 - 1) + b"PAR1"


def torn_pages() -> bytes:
    whole = parquet()
    return whole[:8] + b"\xff" * 200 + whole[208:]


DEEP = "[" * 200_000 + "]" * 200_000
BOTH, FIRST, NONE = {"good", "good as well"}, {"good"}, set[str]()
FILES: dict[str, tuple[bytes | Callable[[], bytes], set[str]]] = {
    # numbers and nesting
    "deep.jsonl": (lines(DEEP), BOTH),
    "deep_objects.jsonl": (lines('{"a":' * 100_000 + "1" + "}" * 100_000), BOTH),
    "deep_field.jsonl": (raw("extra", DEEP), BOTH),
    "deep.json": (DEEP.encode(), NONE),
    "infinite.jsonl": (raw("support_frames", "[1e999, 0.5]"), BOTH),
    "nan.jsonl": (raw("support_frames", "[NaN, -Infinity]"), BOTH),
    "long_integer.jsonl": (raw("support_frames", f"[{'9' * 400}]"), BOTH),
    "longer_integer.jsonl": (raw("id", "9" * 5_000_000), BOTH),
    "negative.jsonl": (like(support_frames=[-1.0], support_ranges=[[3, 1]]), BOTH),
    "span.jsonl": (raw("span_s", "[1e308, 1e309]"), BOTH),
    "tiny_exponent.jsonl": (raw("support_frames", "[1e-400, 1E+0000000000000001]"), BOTH),
    # texts
    "surrogate.jsonl": (raw("question", '"\\ud800 \\udfff"'), BOTH),
    "raw_surrogate.jsonl": (like(question="\ud800x"), BOTH),
    "bytes.jsonl": (lines().replace(b"good as well", b"\xff\xfe\xc0\xaf"), FIRST),
    "nul.jsonl": (like(id="a\0b", video_path="vp9.webm\0.mp4"), BOTH),
    "bom.jsonl": (b"\xef\xbb\xbf" + lines(), BOTH),
    "utf16.json": (json.dumps([GOOD]).encode("utf-16"), NONE),
    "utf32.json": (json.dumps([GOOD]).encode("utf-32"), NONE),
    "gzip.json": (gzip.compress(lines()), NONE),
    "gzip_bomb.json": (gzip.compress(b"[" * 50_000_000), NONE),
    "zip.json": (b"PK\x03\x04" + b"\0" * 1000, NONE),
    "long_question.jsonl": (like(question="why " * 3_000_000), BOTH),
    "bidi.jsonl": (like(id="a\u202egpj.exe", question="\u2066?\u2069", choices=["\u202eA"]), BOTH),
    "entities.jsonl": (like(question="&lt;" * 50_000 + "&#1114112;&#xD800;"), BOTH),
    # names
    "traversal.jsonl": (like(id="../../../canary/x"), BOTH),
    "absolute.jsonl": (like(id="/etc/cron.d/x", video_path="/etc/passwd"), BOTH),
    "dots.jsonl": (
        lines(*({**GOOD, "id": i} for i in (".", "..", "...", "~", "-rf", "NUL"))),
        BOTH,
    ),
    "escapes.jsonl": (like(id="\x1b[2J\x1b]0;owned\x07\r\nerror: none", video_path="\x9b2J"), BOTH),
    "long_id.jsonl": (like(id="x" * 100_000), BOTH),
    "jinja.jsonl": (like(id="{{7*7}}", question="{% include '/etc/passwd' %}{{ 1/0 }}"), BOTH),
    "format.jsonl": (like(id="%s%n{0.__class__}", question="{question} %(x)s ${HOME} `id`"), BOTH),
    "sql.jsonl": (like(id="'; DROP TABLE paths; --", video_path="%' OR 1=1 --"), BOTH),
    "html.jsonl": (
        like(id="<script>alert(1)</script>", choices=["<img src=x onerror=y>", "b"]),
        BOTH,
    ),
    "same_id.jsonl": (lines(GOOD, {**GOOD, "question": "Another?"}), {"good as well"}),
    "same_key.jsonl": (
        lines('{"id": "odd", "id": "good", "question": "?", "video_path": "b"}'),
        BOTH,
    ),
    "prototype.jsonl": (raw("__proto__", '{"x": 1}') + b'{"__class__": "os.system"}\n', BOTH),
    # videos
    "devices.jsonl": (
        lines(
            *(
                {**GOOD, "id": f"d{n}", "video_path": path}
                for n, path in enumerate(
                    (
                        "/dev/zero",
                        "/dev/stdin",
                        "/proc/self/mem",
                        "/proc/self/fd/0",
                        "~/x",
                        "$HOME/x",
                    )
                )
            )
        ),
        BOTH,
    ),
    "urls.jsonl": (
        lines(
            *(
                {**GOOD, "id": f"u{n}", "video_path": path}
                for n, path in enumerate(
                    (
                        "http://127.0.0.1:9/x.mp4",
                        "concat:/etc/passwd|/etc/passwd",
                        "file:///etc/passwd",
                        "subfile,,start,0,end,9,,:/etc/passwd",
                        "pipe:0",
                        "data:video/mp4;base64,AAAA",
                        "hls+file:///etc/passwd",
                        "async:/etc/passwd",
                        "crypto:/etc/passwd",
                    )
                )
            )
        ),
        BOTH,
    ),
    "long_path.jsonl": (like(video_path="a/" * 500_000), BOTH),
    # amounts
    "choices.jsonl": (like(choices=[str(n) for n in range(1_000_000)]), BOTH),
    "frames.jsonl": (like(support_frames=[0.5] * 1_000_000), BOTH),
    "keys.jsonl": (lines({**GOOD, "id": "odd", **{f"k{n}": n for n in range(20_000)}}), BOTH),
    "one_line.json": (b'{"data": [' + b" " * 30_000_000 + json.dumps(GOOD).encode() + b"]}", FIRST),
    "never_closed.json": (
        b"[" + json.dumps(GOOD).encode() + b', {"id": "' + b"x" * 30_000_000,
        FIRST,
    ),
    "commas.json": (b"[" + b"," * 1_000_000 + json.dumps(GOOD).encode() + b"]", NONE),
    # tables
    "formula.csv": (csv('=cmd|"/c calc"!A1,@SUM(1+1),+1'), BOTH),
    "quote.csv": (csv('"odd,' + "x" * 1_000_000), FIRST),
    "field.csv": (csv("odd," + "y" * 5_000_000 + ",vp9.webm"), BOTH),
    "columns.csv": (csv("odd,?,vp9.webm" + ",x" * 500_000), BOTH),
    "footer.parquet": (cut_footer, NONE),
    "long_footer.parquet": (long_footer, NONE),
    "torn.parquet": (torn_pages, NONE),
    "empty.parquet": (b"PAR1PAR1", NONE),
    # other documents
    "yaml.json": (b"&a [*a, *a, !!python/object/apply:os.system ['touch canary/x']]", NONE),
    "pickle.json": (b"cos\nsystem\n(S'touch canary/x'\ntR.", NONE),
    "xml.json": (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', NONE),
    "script.json": (b"#!/bin/sh\ntouch canary/x\n", NONE),
}


@functools.cache
def encoder() -> Any:
    """The encoder of all these runs: they differ in their questions alone."""
    from index.storage.store import read_profile
    from infer.query_encoder import load_query_encoder

    profile = read_profile(world().index)
    import torch

    return load_query_encoder(
        world().index, profile, model=None, dtype="auto", device=torch.device("cpu")
    )


@pytest.fixture(autouse=True)
def _one_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer.answering.run, "load_query_encoder", lambda *_, **__: encoder())


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FILES)
def test_a_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, answered = FILES[name]
    path = tmp_path / "in" / name
    (tmp_path / "canary").mkdir()
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content())
    monkeypatch.chdir(tmp_path)
    output, frames = tmp_path / "out" / "a.jsonl", tmp_path / "out" / "frames"
    output.parent.mkdir()
    result = ran(
        capsys,
        "answer.py",
        *(path, "--index", world().index, "--output", output),
        *("--reader", "none" if name.endswith(".csv") else "clip"),
        *("--save-frames", frames, "--size", "16x9"),
    )
    assert result.code in (0, 1, 2), result.err
    assert "Traceback" not in result.err
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", result.err)
    assert max(map(len, result.err.splitlines()), default=0) < 4000
    if result.code == 2:
        assert result.err.count("\n") == 1
        assert result.err.startswith("error: ")
        assert not answered
        assert not output.exists()
    else:
        records = [json.loads(line) for line in output.read_text().splitlines()]
        assert {one["id"] for one in records if "frames" in one} >= answered
        assert all(("frames" in one) != ("error" in one) for one in records)
        assert len(json.loads(result.out)) > 5
    outside = tree(tmp_path) - {f"in/{name}"}
    assert {one.partition("/")[0] for one in outside} == {"canary", "in", "out"}
    assert not tree(tmp_path / "canary")
    assert tree(tmp_path / "in") == {name}
    inside = {one.partition("/")[0] for one in tree(output.parent)}
    assert inside <= {"a.jsonl", "frames"}
    for saved in tree(frames) if frames.exists() else ():
        assert saved.count("/") == saved.endswith(".jpg"), saved


@pytest.mark.timeout(60)
@pytest.mark.parametrize("labels", ["questions", "device", "folder", "deep"])
def test_labels(labels: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(lines())
    (tmp_path / "deep").write_text(DEEP)
    given = {"questions": path, "device": Path(os.devnull), "folder": tmp_path}
    result = ran(
        capsys,
        "answer.py",
        *(path, "--labels", given.get(labels, tmp_path / "deep"), "--index", world().index),
        *("--output", tmp_path / "a.jsonl"),
    )
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err


@pytest.mark.timeout(60)
def test_a_device_is_no_file_of_questions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--index", world().index, "--output", tmp_path / "a.jsonl")
    result = ran(capsys, "answer.py", "/dev/zero", *flags)
    assert (result.code, result.err.count("\n")) == (2, 1)


def test_there_are_enough() -> None:
    assert len(FILES) >= 45
