"""The bench of few labels asks its test in wordings that no training has seen."""

import json
import re
from pathlib import Path
from typing import Any

from examples.labels.draw import DrawConfig, ask_test, ask_training, draw_sides, language_of
from examples.labels.training_wordings import TRAINING
from examples.labels.unseen_wordings import UNSEEN
from examples.scenes import plan_scene
from examples.tiny_clip import read_texts

SCENES = [plan_scene(number, 0) for number in range(180)]


def skeletons() -> list[re.Pattern[str]]:
    """Return the templates of the test, with anything in place of their fields."""
    templates = [
        template
        for wordings in UNSEEN.values()
        for wording in wordings
        for template in wording.questions.values()
    ]
    return [
        re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(template.casefold())))
        for template in templates
    ]


def test_no_training_text_has_a_wording_of_the_test(tmp_path: Path) -> None:
    records = ask_training(SCENES, "train", 0)
    assert len(records) == 840
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"data": records}), encoding="utf-8")
    learned = read_texts(path)  # what the tokenizer learns from
    texts = {one.casefold() for r in records for one in (r["question"], *r["paraphrases"])}
    texts |= {one.casefold() for one in learned}
    assert len(skeletons()) == 24
    for skeleton in skeletons():
        assert not any(map(skeleton.search, texts)), skeleton.pattern
    every = {t for ws in TRAINING.values() for w in ws for t in w.questions.values()}
    assert not any(s.search(template.casefold()) for s in skeletons() for template in every)


def asked_of(record: dict[str, Any]) -> list[Any]:
    return [record[key] for key in ("id", "video_path", "support_frames", "support_ranges")]


def test_the_same_is_asked_in_every_wording() -> None:
    asked = ask_test(SCENES[:6], 0)
    assert list(asked) == ["seen", "unseen_1", "unseen_2", "unseen_3"]
    for number, one in enumerate(asked["seen"]):
        others = [asked[f"unseen_{n}"][number] for n in (1, 2, 3)]
        assert all(asked_of(other) == asked_of(one) for other in others)
        assert len({r["question"] for r in (one, *others)}) == 4
        letter = one["answer"][0]
        assert all(other["answer"][0] == letter for other in others)
    assert {language_of(one) for one in asked["seen"]} == {"en", "vi"}


def test_a_question_has_the_other_wordings_as_paraphrases() -> None:
    for one in ask_training(SCENES[:6], "train", 0):
        assert len({one["question"], *one["paraphrases"]}) == 16
        assert len(one["paraphrases"]) == 15


def test_sides_share_no_video(tmp_path: Path) -> None:
    config = DrawConfig(folder=tmp_path, sides=2, train_videos=1, test_videos=1)
    assert draw_sides(config, 1) == {"train_0": 5, "train_1": 5, "test": 5}
    videos = [path.name for path in tmp_path.glob("*/videos/*.mp4")]
    assert sorted(videos) == ["scene_000.mp4", "scene_001.mp4", "scene_002.mp4"]
    for side in ("train_0", "train_1"):
        records = json.loads((tmp_path / side / f"{side}.json").read_text(encoding="utf-8"))["data"]
        assert all((tmp_path / one["video_path"]).is_file() for one in records)
