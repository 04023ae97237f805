"""What mined.jsonl says of pictures, and which of them are one frame."""

import json
from pathlib import Path

import numpy as np
import pytest

from index.errors import CueframeError
from train.mined_frames import frame_ids, read_mined_frames


def write(output: Path, *lines: object) -> list[str]:
    (output / "mined.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = [str(output / "frames_neg" / "q" / f"{n}.png") for n in range(3)]
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(b"x")
    return files


def test_pictures_that_mining_does_not_know_are_frames_of_their_own(tmp_path: Path) -> None:
    shots = [{"file": f"frames_neg/q/{n}.png", "time_s": 2.0, "source": "labelled"} for n in (0, 1)]
    files = write(tmp_path, {"id": "q", "content_hash": "ab", "negatives": shots}, {"id": "old"})
    known = read_mined_frames(files)
    assert set(known) == set(files[:2])
    frame = known[files[0]]
    assert (frame.content_hash, frame.time_s, frame.end_s, frame.labelled) == ("ab", 2.0, 2.0, True)
    assert frame.duration_s == np.inf
    ids = frame_ids(files, known)
    assert ids[0] == ids[1] != ids[2]
    Path(files[1]).write_bytes(b"another picture")
    assert len(set(frame_ids(files, known).tolist())) == 3


@pytest.mark.parametrize(
    "shots", [[{}], ["x"], 3, [{"file": "frames_neg/q/0.png", "time_s": "now"}], {"file": 1}]
)
def test_a_line_that_does_not_say_its_frames_is_one_line(tmp_path: Path, shots: object) -> None:
    files = write(tmp_path, {"id": "q", "content_hash": "ab", "negatives": shots})
    with pytest.raises(CueframeError, match="the line of question q does not say") as refused:
        read_mined_frames(files)
    assert "\n" not in str(refused.value)
