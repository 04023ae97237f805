import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.schedule import factor, warm_up_and_cosine


@given(st.integers(1, 500), st.floats(0, 1))
def test_rises_in_a_line_and_falls_as_a_cosine(steps: int, warmup_ratio: float) -> None:
    warmup = round(warmup_ratio * steps)
    course = [factor(step, steps, warmup) for step in range(steps)]
    assert all(0 < value <= 1 for value in course)
    assert course[:warmup] == sorted(course[:warmup])
    assert course[warmup:] == sorted(course[warmup:], reverse=True)
    if warmup < steps:
        assert course[warmup] == 1
    assert factor(steps, steps, warmup) == pytest.approx(0 if warmup < steps else 1)


def test_values_of_a_known_course() -> None:
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.AdamW([parameter], lr=2.0)
    scheduler = warm_up_and_cosine(optimizer, steps=6, warmup_ratio=1 / 3)
    course = []
    for _ in range(6):
        course.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    expected = [2 / 3, 4 / 3, 2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5]
    assert course == pytest.approx(expected)
