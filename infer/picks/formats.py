"""Files of picks in seconds: those of KFS-Bench and BOLT, and a plain one.

KFS-Bench: Li et al., WACV 2026, arXiv 2512.14017. BOLT: Liu et al., CVPR 2025, arXiv 2503.21483.
"""

from collections import Counter
from collections.abc import Iterable

from index.errors import CueframeError
from infer.picks.collector import Collector, id_of
from infer.questions import Question
from infer.records import short
from infer.videos.video_names import comparable, tails_of


def read_kfs_bench(content: object, found: Collector) -> None:
    """Read records `{"id": …, "frame_timestamps": [seconds, …]}`."""
    _read_records(content, "frame_timestamps", found)


def read_times(content: object, found: Collector) -> None:
    """Read `{question id: [seconds, …]}`, or records `{"id": …, "times_s": [seconds, …]}`."""
    if not isinstance(content, dict):
        _read_records(content, "times_s", found)
    elif "times_s" in content and id_of(content, "id") is not None:
        _read_records([content], "times_s", found)  # JSON lines, one line long
    else:
        for name, times_s in content.items():
            if name in found.by_id:
                found.add(found.by_id[name], times_s, "times")
            else:
                found.unasked()


def _read_records(content: object, key: str, found: Collector) -> None:
    """Read records that have the question's id, and their picks' seconds under a key."""
    wanted = f'{{"id": question id, "{key}": [seconds, …]}}'
    if not isinstance(content, list):
        raise CueframeError(f"{found.name}: {short(content)} is no list; want [{wanted}, …]")
    for number, record in enumerate(content, 1):
        name = id_of(record, "id", "question_id") if isinstance(record, dict) else None
        if name is None:
            found.bad_record(f"record {number}", record, wanted)
        elif name in found.by_id:
            found.add(found.by_id[name], record.get(key), key)
        else:
            found.unasked()


def read_bolt(content: object, found: Collector) -> None:
    """Read `{video name: [{"question_id": …, "question": text, "frames": [seconds, …]}, …]}`.

    A record means the question of its id, if no other record has that id and the question's video
    or text is the record's, too: some sets number the questions of each video, or give each the
    video's name. Else it means the question about that video with that text.
    """
    wanted = '{"question_id": id, "question": text, "frames": [seconds, …]}'
    if not isinstance(content, dict):
        raise CueframeError(
            f"{found.name}: {short(content)} is no object; want {{video name: [{wanted}, …]}}"
        )
    records: list[tuple[str, str, object]] = []  # video, place, record
    for video, its in content.items():
        if isinstance(its, list):
            records += [(video, f"{video}: record {n}", one) for n, one in enumerate(its, 1)]
        else:
            found.bad_record(video, its, f"[{wanted}, …]")
    times = Counter(id_of(one, "question_id") for _, _, one in records if isinstance(one, dict))
    about = _by_video(found.questions)
    for video, place, record in records:
        if not isinstance(record, dict) or not isinstance(record.get("question"), str):
            found.bad_record(place, record, wanted)
            continue
        name, text = id_of(record, "question_id"), _first_line(record["question"])
        here = about.get(comparable(video), [])
        same = [one for one in here if _first_line(one.question) == text]
        by_id = found.by_id.get(name) if name and times[name] == 1 else None
        if by_id and (by_id in here or _first_line(by_id.question) == text):
            same = [by_id]
        if len(same) > 1:
            same = [one for one in same if one.id in (name, f"{video}_{name}")] or same
        if len(same) > 1:
            found.bad_record(place, record, f"an id, as {len(same)} questions are the same text")
        elif same:
            found.add(same[0], record.get("frames"), "frames")
        else:
            found.unasked()


def _by_video(questions: Iterable[Question]) -> dict[str, list[Question]]:
    """Return the questions by their video's name: without its ending, or all of its endings."""
    about: dict[str, list[Question]] = {}
    for question in questions:
        name = comparable(next(reversed(tails_of(question.video_path)), ""))
        for short_name in dict.fromkeys((name, name.rpartition(".")[0], name.split(".")[0])):
            about.setdefault(short_name, []).append(question)
    return about


def _first_line(text: str) -> str:
    """Return the first line of a question, for some tools drop the choices that follow it."""
    return " ".join(text.strip().split("\n")[0].split())
