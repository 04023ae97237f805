"""Records of a JSON document in bounded memory, against `json` on the whole."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.record_files import json_stream
from infer.record_files.json_stream import (
    MAX_RECORD_BYTES,
    BrokenJsonError,
    Member,
    TooLongError,
    split_records,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def split(text: str | bytes) -> list[Member]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(split_records(io.BytesIO(data), {"id", "question", "choices"}.__contains__))


def values(text: str | bytes) -> list[Any]:
    return [json.loads(one.raw) for one in split(text) if isinstance(one.raw, bytes)]


@given(
    st.lists(VALUES, max_size=5),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.sampled_from([1, 2, 3, 7, 64, 1 << 20]),
)
def test_a_list_is_split_as_json_reads_it(
    records: list[Any], indent: int | None, ascii_only: bool, chunk: int
) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK_BYTES", chunk)
        for document in (text, f'{{"__count__": 3, "data": {text}, "more": [{{}}]}}'):
            found = [one.raw for one in split(document.encode("utf-8", "surrogatepass"))]
            if document == text or any(isinstance(one, dict) for one in records[:1]):
                more = 0 if document == text else 1
                parts = [json.dumps(json.loads(raw)) for raw in found[: len(found) - more]]  # type: ignore[arg-type]  # none is too long
                assert parts == [json.dumps(one) for one in json.loads(text)]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ('{"id": "a set", "data": [{"id": 1}]}', [{"id": 1}]),
        ('{"info": {"x": 1}, "questions": [{"id": 1}, 2]}', [{"id": 1}, 2]),
        ('{"train": [{"a": 1}], "val": [{"a": 2}]}', [{"a": 1}, {"a": 2}]),
        ('{"id": 1, "choices": [{"text": "x"}]}', [{"id": 1, "choices": [{"text": "x"}]}]),
        ("[]", []),
        ("{}", []),
        ("", []),
        (" \n", []),
    ],
)
def test_what_an_object_holds(text: str, records: list[Any]) -> None:
    assert values(text) == records


def test_an_object_of_records_gives_their_keys() -> None:
    members = split('{"u\\u0041": 3, "v": {"x": 1}}')
    assert [(one.key, one.raw) for one in members] == [("uA", b"3"), ("v", b'{"x": 1}')]
    many = {f"u{n}": n for n in range(1000)}
    assert {one.key: n for n, one in enumerate(split(json.dumps(many)))} == many


def test_records_know_their_lines() -> None:
    assert [one.line for one in split('[\n1,\n\n{"a":\n2},\n 3]')] == [2, 4, 6]


@pytest.mark.parametrize(
    ("text", "good", "error"),
    [
        ("3", 0, "line 1: a list or an object is wanted"),
        ("id,question", 0, "line 1: a list or an object is wanted"),
        ("[1, 2", 2, "line 1: , is wanted, and the end of the file stands there"),
        ('[1,\n{"a"', 1, "line 2: the file ends within a value"),
        ('["a', 0, "line 1: the file ends within a text"),
        ('[{"a": [1}]', 0, "line 1: } closes nothing"),
        ("[1 2]", 1, "line 1: , is wanted, and 2 stands there"),
        ("[\n1\n]\n]", 1, "line 4: something follows the end of the JSON"),
        ("{3: 1}", 0, "line 1: a key is wanted"),
        ('{"a" 1}', 0, "line 1: : is wanted, and 1 stands there"),
        ("[,]", 0, "line 1: a value is wanted"),
        ("[" * 100_000, 0, "line 1: the file ends within a value"),
    ],
)
def test_a_broken_document_gives_what_stands_before(text: str, good: int, error: str) -> None:
    found: list[Member] = []
    with pytest.raises(BrokenJsonError) as caught:
        found.extend(iter_into(found, text))
    assert len(found) == good
    assert str(caught.value).startswith(error)


def iter_into(found: list[Member], text: str) -> list[Member]:
    """Append the records one by one, so that those before an error are kept."""
    for one in split_records(io.BytesIO(text.encode()), lambda _: False):
        found.append(one)  # noqa: PERF402 - a list made at once would be lost
    return []


def test_what_json_cannot_read_is_still_split() -> None:
    odd = ["[" * 50_000 + "]" * 50_000, "1" * 5000, "nothing", '"\\ud800"', "NaN", "1e999"]
    assert [one.raw for one in split(f"[{','.join(odd)}]")] == [text.encode() for text in odd]


def test_a_record_that_is_too_long_is_passed_over() -> None:
    long = json.dumps({"x": ["y" * 1000] * (MAX_RECORD_BYTES // 1000)})
    first, second, third = split(f'[1, {long}, "{"z" * MAX_RECORD_BYTES}"]')
    assert first.raw == b"1"
    assert isinstance(second.raw, TooLongError)
    assert isinstance(third.raw, TooLongError)
