"""Two records of each known set in its own layout, with invented content.

VIDEO stands where a set names a video; `as_file` writes a set as its makers do.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

TASTE = ["They sing.", "They run.", "They cook.", "They sleep.", "They dig."]


class Sample(NamedTuple):
    """A set's own layout."""

    ending: str
    records: list[dict[str, Any]]
    ids: list[str]
    """The ids of its questions."""
    labels: Any = None
    """Content of its second file, where it has one."""
    asks_about: tuple[float, float] | None = None
    """The part of the video that its first question asks about."""
    right: str | None = "B"
    """Letter of the right answer of its first question."""
    evidence: list[tuple[float, float]] | None = None
    """Ranges of evidence of its first question."""


def samples(video: str) -> dict[str, Sample]:
    """All sets, asking about a video that is named without folder and ending."""
    file = f"{video}.mp4"
    numbered = {f"a{n}": text for n, text in enumerate(TASTE)}
    nextqa = {"frame_count": 90, "width": 640, "height": 480, "type": "CH"} | numbered
    return {
        "nextqa": Sample(
            "csv",
            [
                {"video": video, "question": "what do they do", "answer": 1, "qid": n} | nextqa
                for n in (6, 7)
            ],
            [f"{video}_6", f"{video}_7"],
        ),
        "nextgqa": Sample(
            "csv",
            [
                {"video_id": video, "question": "why", "answer": "They run.", "qid": n} | nextqa
                for n in (0, 3)
            ],
            [f"{video}_0", f"{video}_3"],
            {video: {"duration": 3, "location": {"0": [[0.5, 1.2], [2, 2.4]]}, "fps": 29.97}},
            evidence=[(0.5, 1.2), (2.0, 2.4)],
        ),
        "videomme": Sample(
            "parquet",
            [
                {
                    "video_id": "001",
                    "duration": "short",
                    "domain": "Knowledge",
                    "videoID": video,
                    "question_id": f"001-{n}",
                    "task_type": "Counting Problem",
                    "question": "What do they do?",
                    "options": ["A. They sing.", "B. They run."],
                    "answer": "B",
                }
                for n in (1, 2)
            ],
            ["001-1", "001-2"],
            "id,segment_id,scene_id,start,end\n001-1,0,0,0:01,0:01\n001-1,1,1,0:00:00,0:00:00\n",
            evidence=[(1.0, 2.0), (0.0, 1.0)],
        ),
        "mvbench": Sample(
            "json",
            [
                {
                    "video": file,
                    "question": f"What happened, {n}?",
                    "candidates": ["They sang.", "They ran."],
                    "answer": "They ran.",
                    "start": 0.5,
                    "end": 1.5,
                }
                for n in (1, 2)
            ],
            [f"{video}-1", f"{video}-2"],
            asks_about=(0.5, 1.5),
        ),
        "mlvu": Sample(
            "json",
            [
                {
                    "video": file,
                    "duration": 3.5,
                    "question": f"How often, {n}?",
                    "candidates": ["2", "1", "5", "4"],
                    "answer": "1",
                    "question_type": "count",
                }
                for n in (1, 2)
            ],
            [f"{video}-1", f"{video}-2"],
        ),
        "longvideobench": Sample(
            "json",
            [
                {
                    "video_id": video,
                    "question": "What happens?",
                    "candidates": ["a man sings", "a dog runs"],
                    "correct_choice": 1,
                    "position": [8, 9],
                    "question_category": "TOS",
                    "id": f"{video}_{n}",
                    "video_path": file,
                    "duration": 3.5,
                }
                for n in (0, 1)
            ],
            [f"{video}_0", f"{video}_1"],
        ),
        "egoschema": Sample(
            "json",
            [
                {"q_uid": video, "google_drive_id": "1x", "question": "What is the aim?"}
                | {f"option {n}": text for n, text in enumerate(TASTE)}
            ],
            [video],
            {video: 1},
        ),
        "tvqa": Sample(
            "jsonl",
            [
                {
                    **numbered,
                    "answer_idx": 1,
                    "q": "What does she do?",
                    "qid": n,
                    "show_name": "A Show",
                    "ts": ts,
                    "vid_name": video,
                }
                for n, ts in ((7, "0.5-1.5"), (8, "nan-nan"))
            ],
            ["7", "8"],
            asks_about=(0.5, 1.5),
        ),
        "activitynetqa": Sample(
            "json",
            [
                {"video_name": video, "question": "is it red", "question_id": f"v_{video}_{n}"}
                for n in (1, 2)
            ],
            [f"v_{video}_1", f"v_{video}_2"],
            [{"answer": "yes", "type": 3, "question_id": f"v_{video}_1"}],
            right=None,
        ),
        "star": Sample(
            "json",
            [
                {
                    "question_id": f"Interaction_T1_{n}",
                    "question": "Which object was taken?",
                    "video_id": video,
                    "start": 0.5,
                    "end": 1.5,
                    "answer": "The closet.",
                    "question_program": [{"function": "Objects", "value_input": []}],
                    "choices": [
                        {"choice_id": 0, "choice": "The bag.", "choice_program": []},
                        {"choice_id": 1, "choice": "The closet.", "choice_program": []},
                    ],
                    "situations": {"000012": {"rel_labels": [1, 2]}},
                }
                for n in (13, 14)
            ],
            ["Interaction_T1_13", "Interaction_T1_14"],
            asks_about=(0.5, 1.5),
        ),
        "cinepile": Sample(
            "parquet",
            [
                {
                    "movie_name": "A Film",
                    "videoID": video,
                    "question": "Who runs?",
                    "choices": ["Ann", "Bob"],
                    "answer_key": "Bob",
                    "answer_key_position": 1,
                    "question_category": "Character",
                }
                for _ in range(2)
            ],
            [f"{video}-1", f"{video}-2"],
        ),
        "qvhighlights": Sample(
            "jsonl",
            [
                {
                    "qid": n,
                    "query": "A girl cooks.",
                    "duration": 3.5,
                    "vid": video,
                    "relevant_clip_ids": [0],
                    "saliency_scores": [[1, 1, 2]],
                    "relevant_windows": [[0.5, 1.5]],
                }
                for n in (2579, 2580)
            ],
            ["2579", "2580"],
            right=None,
            evidence=[(0.5, 1.5)],
        ),
    }


def as_file(folder: Path, name: str, sample: Sample) -> tuple[Path, list[Path]]:
    """Write a set as its makers do; returns its file and its files of labels."""
    path = folder / f"{name}.{sample.ending}"
    if sample.ending == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, sample.records[0])
            rows.writeheader()
            rows.writerows(sample.records)
    elif sample.ending == "parquet":
        pq.write_table(pa.Table.from_pylist(sample.records), path)
    elif sample.ending == "jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in sample.records))
    else:
        path.write_text(json.dumps(sample.records, ensure_ascii=False), encoding="utf-8")
    if sample.labels is None:
        return path, []
    apart = folder / f"{name}_labels.{'csv' if isinstance(sample.labels, str) else 'json'}"
    text = sample.labels if isinstance(sample.labels, str) else json.dumps(sample.labels)
    apart.write_text(text)
    return path, [apart]
