"""Labels that nothing can match are counted in one line."""

import numpy as np
import pytest

from infer.evaluation.late_labels import warn_of_late_labels
from infer.metrics import TimedQuestion
from tests.curves import moments
from tests.infer.test_metrics import ask, on


def test_labels_past_the_end_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    fine = [on(ask([0.0, 9.9], [(9, 99)], [[(0, 1)]])), on(ask())]
    warn_of_late_labels(fine)
    assert capsys.readouterr().err == ""
    late = [on(ask([3.0, 10.0])), on(ask([], [(12, 13)])), on(ask([], [], [[(0, 1), (10.5, 11)]]))]
    warn_of_late_labels([*fine, *late])
    said = capsys.readouterr().err
    assert said.startswith("warning: 3 of 5 questions have labels past the end of their video")
    assert "question 1: 10 s, where 0 to 10.000 s are asked about" in said
    assert said.count("\n") == 1


def test_labels_outside_of_a_part_are_too(capsys: pytest.CaptureFixture[str]) -> None:
    question = ask([], [(1.0, 2.0)]).model_copy(update={"span_s": (4.0, 8.0)})
    part = TimedQuestion(question, *moments(np.arange(4, 8.5, 0.5), 4.0), "v", 4.0)
    warn_of_late_labels([part])
    assert "question 1: 1 to 2 s, where 4 to 8.000 s" in capsys.readouterr().err
    warn_of_late_labels([part._replace(question=ask([7.9]))])
    assert capsys.readouterr().err == ""
