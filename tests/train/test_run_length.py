from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures_train import losses, metrics, trained
from train.config import TrainConfig
from train.run_length import planned_steps


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 500))
def test_whole_passes_as_few_as_reach_both_flags(
    steps_per_epoch: int, epochs: int, min_steps: int
) -> None:
    steps = planned_steps(TrainConfig(epochs=epochs, min_steps=min_steps), steps_per_epoch)
    assert steps % steps_per_epoch == 0
    assert steps >= max(epochs * steps_per_epoch, min_steps)
    assert steps == epochs * steps_per_epoch or steps - steps_per_epoch < min_steps


def test_one_pass_or_exactly_so_many_steps() -> None:
    assert planned_steps(TrainConfig(), 12) == 12
    assert planned_steps(TrainConfig(min_steps=13), 12) == 24
    assert planned_steps(TrainConfig(steps=13), 12) == 13


def test_a_run_takes_the_steps_asked_for(tmp_path: Path) -> None:
    """A pass has five of them."""
    least = trained(tmp_path / "least", epochs=None, min_steps=7)
    assert len(losses(least)) == 10
    exact = trained(tmp_path / "exact", epochs=None, steps=7, ratio=0.25)
    lines = metrics(exact)
    assert [line["step"] for line in lines if "validation" in line] == [4, 7]
    courses = (
        [line["lr"] for line in metrics(least)],
        [line["lr"] for line in lines if "lr" in line],
    )
    for course in courses:  # to the end of the cosine, of each length its own
        assert course.index(max(course)) <= 1
        assert course[-1] < 0.15 * max(course)
