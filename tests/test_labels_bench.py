"""The bench of few labels: what is kept is not done again, and what its tables say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.labels import runs
from examples.labels.draw import DrawConfig, draw_sides
from examples.labels.measure import (
    FIGURES,
    encoder_of,
    figures_by_wording,
    read_side,
    timed_questions,
    uniform_figures,
)
from examples.labels.recipes import AFTER, BEFORE, RECIPES
from examples.labels.runs import Trained, trained
from examples.labels.tables import by_wording, curve, gains, markdown
from examples.tiny_clip import make_tiny_clip, read_texts
from index.errors import CueframeError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = tmp_path_factory.mktemp("labels")
    draw_sides(DrawConfig(folder=own / "clips", sides=1, train_videos=2, test_videos=2), 1)
    make_tiny_clip(own / "model", read_texts(own / "clips/train_0/train_0.json"))
    return own


def test_a_run_is_trained_as_a_user_does_it_and_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []

    def call(script: str, *arguments: object) -> float:
        called.append([script, *map(str, arguments)])
        if script == "train/main.py":
            (folder / "runs/after_6_0/trained").symlink_to(folder / "model")
        return 7.0

    monkeypatch.setattr(runs, "call", call)
    monkeypatch.setattr("examples.labels.measure.cores", lambda: 1)
    transform = encoder_of(folder / "model").transform
    side = read_side(folder / "clips/test", ("seen", "unseen_1"), transform)
    found = trained(folder, "after", 6, 0, side)
    assert [line[0] for line in called] == ["examples/tiny_clip.py", "train/main.py"]
    flags = " ".join(called[1])
    assert "--batch_size 6 " in flags + " "
    assert " ".join(AFTER.flags) in flags
    learned = json.loads((folder / "runs/after_6_0/train.json").read_text())["data"]
    assert len(learned) == 6
    assert all(len(one["paraphrases"]) == 15 for one in learned)
    assert found.cpu_s == 7
    assert {name: own.shape for name, own in found.figures.items()} == dict.fromkeys(
        ("seen", "unseen_1"), (10, len(FIGURES))
    )
    again = trained(folder, "after", 6, 0, side)
    assert len(called) == 2
    assert all((again.figures[name] == own).all() for name, own in found.figures.items())
    monkeypatch.setattr(runs, "call", lambda *_: (_ for _ in ()).throw(CueframeError("no")))
    with pytest.raises(CueframeError):
        trained(folder, "before", 6, 0, side)
    plain = json.loads((folder / "runs/before_6_0/train.json").read_text())["data"]
    assert not any("paraphrases" in one for one in plain)


def test_what_is_asked_of_which_frames(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.labels.measure.cores", lambda: 1)
    encoder = encoder_of(folder / "model")
    side = read_side(folder / "clips/test", ("seen", "unseen_1"), encoder.transform)
    assert len(side.videos) == 2
    for one in timed_questions(side, side.asked["seen"]):
        ((start_s, end_s),) = one.question.support_ranges
        assert 0 <= start_s < end_s <= one.duration_s
        assert 0 < np.diff(one.time_s).max() <= 0.5 + 1e-6
    truths = {one.question: one for one in side.asked["seen"]}

    class Knowing:
        """An encoder whose frames are one-hot, and whose texts are those of the evidence."""

        def images(self, images: np.ndarray) -> Any:
            return encoder.images(images).new_tensor(np.eye(len(images), 40))

        def texts(self, texts: list[str]) -> tuple[np.ndarray, None]:
            rows = []
            for text in texts:
                one = truths[text]
                own = side.videos[Path(one.video_path).name]
                ((start_s, end_s),) = one.support_ranges
                rows.append(((own.time_s >= start_s) & (own.time_s <= end_s)).astype(float))
            return np.array([np.pad(row, (0, 40 - len(row))) for row in rows]), None

    knowing: Any = Knowing()
    seen = side._replace(asked={"seen": side.asked["seen"]})
    assert figures_by_wording(knowing, seen)["seen"][:, 0].tolist() == [1.0] * 10
    assert uniform_figures(side)[:, 0].mean() < 1


def test_the_tables_average_over_seeds_and_wordings() -> None:
    def run_of(seen: float, unseen: tuple[float, float], cpu_s: float) -> Trained:
        names = ("seen", "unseen_1", "unseen_2")
        values = (seen, *unseen)
        return Trained({n: np.full((4, 2), v) for n, v in zip(names, values, strict=True)}, cpu_s)

    before = [run_of(0.5, (0.0, 0.2), 10), run_of(0.7, (0.2, 0.4), 20)]
    after = [run_of(1.0, (0.5, 0.7), 30), run_of(0.9, (0.6, 0.8), 30)]
    assert by_wording(before)["unseen"].mean() == pytest.approx(0.2)
    videos = ["a", "a", "b", "b"]
    found = curve({("before", 4): before, ("after", 4): after}, videos, 0)
    assert found["before, 4"]["cpu_s"] == 15
    assert found["before, 4"]["seen"]["hit"]["mean"] == pytest.approx(0.6)
    assert found["before, 4"]["seen"]["hit"]["by_seed"] == pytest.approx([0.5, 0.7])
    more = gains({"all": after}, before, videos, 0)
    assert more["all"]["unseen"]["all@0.5"]["mean"] == pytest.approx(0.45)
    text = markdown({"curve": found, "parts": more})
    assert "| before, 4 | 60.0 (60.0 … 60.0) | 60.0 (60.0 … 60.0) | 20.0" in text
    assert "| all | +35.0 (+35.0 … +35.0) |" in text


def test_each_part_is_one_step_from_before() -> None:
    assert RECIPES["before"] == BEFORE
    assert RECIPES["paraphrases"] == BEFORE._replace(paraphrases=True)
    others = [RECIPES[name] for name in ("four negatives", "steps")]
    assert all(not one.paraphrases and one.flags != BEFORE.flags for one in others)
