"""The known sets: how each one's records become our fields. A new set needs one entry here.

What most sets share, other names of the same fields, is in `infer.question_files.field_names`; an
entry has only what is a set's own: what names its video, how its ids are made, which of its times
are the part that is asked about.

Written from the sets' own files: NExT-QA, NExT-GQA, ActivityNet-QA, EgoSchema's answers, TVQA's
test split, MLVU, QVHighlights, KFS-Bench; Video-MME, LongVideoBench, MLVU and EgoSchema as Parquet
(as BOLT ships them), LongVideoBench as JSON (as AKS ships it). From documentation and public code
alone: MVBench, STAR, CinePile, EgoSchema's questions.json.
"""

import functools
from collections.abc import Callable, Set
from typing import Any, NamedTuple

from infer.question_files.field_values import as_text, number_of

Raw = dict[str, Any]


class Format(NamedTuple):
    """A known set."""

    keys: tuple[set[str], ...]
    """Keys by which its records are known: all of one of these sets."""
    convert: Callable[[Raw, int], Raw] = lambda raw, _number: raw
    """Gives a record's own keys our names; it may change the record. The number is its place in the
    file, from 1."""
    lacks: frozenset[str] = frozenset()
    """Keys that its records never have."""
    set_aside: frozenset[str] = frozenset()
    """Keys that look like a field and are none, or are not needed."""

    def fits(self, keys: Set[str]) -> bool:
        """Return whether a record with these keys looks like one of this set."""
        return any(own <= keys for own in self.keys) and not self.lacks & keys


def _nextqa(raw: Raw, _number: int) -> Raw:
    if "video" in raw and "answer" in raw:  # NExT-GQA has video_id, and the answer's text
        raw["answer_index"] = raw.pop("answer")
    video = raw.pop("video", None) or raw.pop("video_id", None)
    raw["choices"] = [as_text(raw.pop(f"a{n}", None)) for n in range(5)]
    # The qid counts within a video; NExT-GQA names its grounding the same way.
    return raw | {"id": f"{video}_{raw.pop('qid')}", "video_path": video}


def _videomme(raw: Raw, _number: int) -> Raw:
    names = [raw.pop("videoID"), raw.pop("video_id", None)]
    return raw | {"video_path": names[0], "video_aliases": [n for n in names[1:] if n]}


def _with_id(raw: Raw, number: int) -> Raw:
    """Name a question of a set that gives no ids after its video and its place in the file."""
    known = raw.get("question_id") or raw.get("id")
    return raw if known else raw | {"id": f"{_stem(raw)}-{number}"}


def _stem(raw: Raw) -> str:
    video = str(raw.get("video") or raw.get("videoID") or raw.get("video_name") or "question")
    return video.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".mp4")


def _span(raw: Raw) -> Raw:
    """Take start and end for the part of the video that is asked about."""
    span = [raw.pop("start"), raw.pop("end")]
    return raw if span == [None, None] else raw | {"span_s": [_seconds(s) for s in span]}


def _tvqa(raw: Raw, _number: int) -> Raw:
    start, _, end = str(raw.pop("ts")).partition("-")
    # "NaN-NaN" where nobody marked a part.
    known = "nan" not in (start.strip().lower(), end.strip().lower())
    return raw | ({"span_s": [_seconds(start), _seconds(end)]} if known else {})


def _seconds(value: object) -> object:
    """Return a number as one; what is none is left for the validation."""
    number = number_of(value)
    return value if number is None else number


def _egoschema(raw: Raw, _number: int) -> Raw:
    # A question each for a video, and its answers go by the video's name.
    video = raw.pop("q_uid", None) or raw.pop("video_idx")
    return raw | {"id": video, "video_path": video}


def _activitynetqa(raw: Raw, _number: int) -> Raw:
    if not str(raw["question_id"]).startswith("v_"):  # another set with the same keys
        return raw
    name = raw.pop("video_name")
    # Its videos are published as v_<name>; many have them under the bare name of YouTube.
    return raw | {"video_path": f"v_{name}", "video_aliases": [str(name)]}


def _cinepile(raw: Raw, number: int) -> Raw:
    raw["answer_index"] = raw.pop("answer_key_position")
    answer = raw.pop("answer_key", None)
    if raw["answer_index"] is None:
        raw["answer"] = answer
    return _with_id(raw, number)


FORMATS: dict[str, Format] = {
    "nextqa": Format(({"qid", "frame_count", "a0", "a1", "a2", "a3", "a4"},), _nextqa),
    "videomme": Format(
        ({"videoID", "question_id", "options"},),
        _videomme,
        set_aside=frozenset(["url"]),
    ),
    "tvqa": Format(({"q", "qid", "ts", "vid_name", "a0"},), _tvqa),
    "star": Format(
        ({"question_id", "video_id", "start", "end", "choices"},), lambda raw, _number: _span(raw)
    ),
    "mvbench": Format(
        ({"video", "question", "candidates", "start", "end"},),
        lambda raw, number: _span(_with_id(raw, number)),
    ),
    "longvideobench": Format(
        ({"video_id", "id", "video_path", "correct_choice"},),
        set_aside=frozenset(["video_id", "position"]),
    ),
    "mlvu": Format(
        (
            {"video", "question", "candidates", "answer"},
            {"video", "question", "answer", "question_type"},  # its open questions
        ),
        _with_id,
    ),
    "egoschema": Format(
        ({"q_uid", "option 0", "option 1"}, {"question_idx", "video_idx", "option"}),
        _egoschema,
        set_aside=frozenset(["question_idx"]),
    ),
    "activitynetqa": Format(
        ({"video_name", "question", "question_id"},),
        _activitynetqa,
        lacks=frozenset(["options", "option", "candidates", "choices"]),
    ),
    "cinepile": Format(({"videoID", "answer_key", "answer_key_position"},), _cinepile),
    "qvhighlights": Format(({"qid", "query", "vid"},)),
    "cueframe": Format((set(),)),
}
"""The formats by the value of `--format`, in the order in which a record is tried on them."""


@functools.lru_cache(maxsize=1024)  # the records of a file have the same keys
def format_of(keys: frozenset[str]) -> Format:
    """Return the first format that a record with these keys fits; the last fits all."""
    return next(one for one in FORMATS.values() if one.fits(keys))
