"""Labels in files of their own."""

import json
from pathlib import Path

import pytest

from infer.question_files.field_names import is_field_name
from infer.question_files.labels import read_labels
from infer.question_files.loading import load_questions
from infer.record_files.raw_records import read_raw_records

KFS = """id,segment_id,scene_id,start,end
v_1,0,4,0:00:12,0:00:13
v_1,1,4,1:02,1:05
v_1,2,7,1:00:01.5,1:00:02
u-3,0,0,0:49,0:50
"""
GROUNDING = {
    "v": {"duration": 34, "location": {"1": [[1.2, 5.8]], "3": [[0, 1], [2, 3]]}, "fps": 3}
}


def labels(path: Path) -> tuple[dict[str, dict[str, object]], list[str]]:
    return read_labels(read_raw_records(path, "label", is_field_name))


def test_scenes_end_a_second_later(tmp_path: Path) -> None:
    path = tmp_path / "scenes.csv"
    path.write_text(KFS)
    found, wrong = labels(path)
    assert found["v_1"]["scenes"] == [[[12, 14], [62, 66]], [[3601.5, 3603]]]
    assert found["u-3"]["scenes"] == [[[49, 51]]]
    assert wrong == []


def test_scenes_and_grounding_can_be_scored_alone(tmp_path: Path) -> None:
    (tmp_path / "scenes.csv").write_text(KFS)
    first, second = load_questions(tmp_path / "scenes.csv")
    assert (first.id, first.video_path, first.question) == ("v_1", "v", "")
    assert first.scenes == [[(12, 14), (62, 66)], [(3601.5, 3603)]]
    assert (second.id, second.video_path) == ("u-3", "u")
    (tmp_path / "gsub.json").write_text(json.dumps(GROUNDING))
    one, three = load_questions(tmp_path / "gsub.json")
    assert (one.id, one.support_ranges, one.duration_s) == ("v_1", [(1.2, 5.8)], 34)
    assert (three.id, three.support_ranges) == ("v_3", [(0, 1), (2, 3)])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"u": 3}, {"u": {"answer_index": 3}}),
        ({"u": "blue"}, {"u": {"answer": "blue"}}),
        ([{"question_id": 7, "answer": "yes", "type": 3}], {"7": {"answer": "yes"}}),
        ({"u": {"answer": "x", "other": 1}}, {"u": {"answer": "x"}}),
        ({"u": 1.0, "v": None, "w": float("nan")}, {"u": {"answer_index": 1.0}}),
        ([{"qid": 1, "relevant_windows": [[1, 2]]}], {"1": {"support_ranges": [[1, 2]]}}),
    ],
)
def test_other_layouts(tmp_path: Path, content: object, found: dict[str, object]) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    assert labels(path) == (found, [])


def test_odd_labels_cost_themselves_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(
        json.dumps([{"id": 1, "answer": "x"}, 3, {"answer": "y"}, {"id": 4, "answr": "y"}])
    )
    found, wrong = labels(path)
    assert found == {"1": {"answer": "x"}}
    assert [line.split(":")[0] for line in wrong] == ["record 2", "record 3", "record 4"]
    path = tmp_path / "scenes.csv"
    path.write_text(KFS + "w_1,0,0,0:0x,0:13\n")
    assert labels(path)[1][0].startswith("line 6: it is {'id': 'w_1'")
