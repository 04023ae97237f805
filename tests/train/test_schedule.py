import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR

from train.schedule import factor, follow_length, warm_up_and_cosine


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


@pytest.mark.parametrize("steps", [6, 12])
def test_a_restored_schedule_follows_its_length(steps: int) -> None:
    """Of two groups with rates of their own, after four of six steps."""
    parameters = [torch.nn.Parameter(torch.zeros(())) for _ in range(2)]

    def made(steps: int) -> tuple[torch.optim.Optimizer, LambdaLR]:
        groups = [{"params": [one], "lr": lr} for one, lr in zip(parameters, (2, 0.3), strict=True)]
        optimizer = torch.optim.AdamW(groups)
        return optimizer, warm_up_and_cosine(optimizer, steps, 0.5)

    optimizer, scheduler = made(6)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    again, restored = made(steps)
    again.load_state_dict(optimizer.state_dict())
    restored.load_state_dict(scheduler.state_dict())
    before = [group["lr"] for group in again.param_groups]
    follow_length(restored)
    rates = [group["lr"] for group in again.param_groups]
    assert rates == [lr * factor(4, steps, steps // 2) for lr in (2, 0.3)]
    assert (rates == before) == (steps == 6)
    optimizer.step()
    restored.step()
    assert again.param_groups[0]["lr"] == 2 * factor(5, steps, steps // 2)
