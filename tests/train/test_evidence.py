"""Which frames show what a text asks, from labels and the times of mined frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infer.questions import Question
from train.data import PosNegDataset
from train.evidence import LabelledFrames, evidence_table, mined_evidence
from train.losses.pool import pair_keys
from train.split import Example


def of_numbers(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_a_named_negative_is_no_evidence_unless_another_question_shows_it() -> None:
    frames = [
        LabelledFrames(of_numbers(1), of_numbers(1, 2, 3), of_numbers(2, 7)),
        LabelledFrames(of_numbers(7), of_numbers(7), of_numbers()),
        LabelledFrames(of_numbers(2), of_numbers(2, 4), of_numbers()),
    ]
    table = evidence_table(torch.tensor([5, 5, 6]), frames)
    expected = pair_keys(torch.tensor([5, 5, 5, 6, 6]), torch.tensor([1, 3, 7, 2, 4]))
    assert table.tolist() == expected.tolist()
    assert table.tolist() == sorted(table.tolist())


def example(output: Path, name: str, **labels: Any) -> Example:
    record = {"id": name, "question": "What?", "video_path": "v.mp4"} | labels
    return Example(
        id=name,
        caption="What?",
        paraphrases=[],
        pos_path=str(output / "frames_true" / name),
        neg_path=str(output / "frames_neg" / name),
        video_path="v.mp4",
        content_hash="ab",
        question=Question.model_validate(record),
    )


def mined(output: Path, shots: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    """Write pictures and lines; of each frame its time and its end."""
    with (output / "mined.jsonl").open("w") as file:
        for name, kinds in shots.items():
            line: dict[str, Any] = {"id": name, "content_hash": "ab", "duration_s": 60.0}
            for kind, folder in (("true", "frames_true"), ("negatives", "frames_neg")):
                line[kind] = []
                for time_s, end_s in kinds[kind]:
                    picture = f"{folder}/{name}/{time_s}.png"
                    (output / picture).parent.mkdir(parents=True, exist_ok=True)
                    (output / picture).write_bytes(b"the same size")
                    line[kind].append({"file": picture, "time_s": time_s, "end_s": end_s})
            file.write(json.dumps(line) + "\n")


def test_labels_say_which_mined_frames_show_what_a_text_asks(tmp_path: Path) -> None:
    # a asks at 3 s, b the same at 10 s; c asks something else.
    mined(
        tmp_path,
        {
            "a": {"true": [(3.0, 3.1)], "negatives": [(10.2, 10.3), (20.0, 20.1)]},
            "b": {"true": [(10.0, 10.1)], "negatives": [(20.0, 20.1)]},
            "c": {"true": [(40.0, 40.1)], "negatives": [(8.0, 9.8), (3.0, 3.1), (11.0, 11.1)]},
        },
    )
    asked = {"a": [3.0], "b": [10.0], "c": [40.0]}
    examples = [example(tmp_path, name, support_frames=times) for name, times in asked.items()]
    pictures = PosNegDataset(examples, 3)
    found = mined_evidence(examples, pictures, torch.tensor([0, 0, 1]), guard_s=0.5)
    names = [Path(file).stem for file in pictures.files]
    frames = dict(zip(names, found.frame_ids.tolist(), strict=True))
    for name, number in zip(names, found.frame_ids.tolist(), strict=True):
        assert frames[name] == number  # equal times are one frame, whoever mined it
    assert len(set(found.frame_ids.tolist())) == len({*names}) == 7
    keys = {tuple(divmod(key, 2**32)) for key in found.table.tolist()}
    # The frame at 8 s is shown until 9.8 s, within the guard of 10 s.
    assert keys == {
        *((0, frames[name]) for name in ("3.0", "10.0", "10.2", "8.0")),
        (1, frames["40.0"]),
    }
