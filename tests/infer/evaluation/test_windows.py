"""IoP and IoU by hand; tests/infer/test_metrics.py has their plain definition."""

import math

import numpy as np

from infer.evaluation.windows import iop, iou
from tests.infer.test_metrics import ask, figure


def test_iop_and_iou_by_hand() -> None:
    # The window is 2 to 6 s. With 4 to 10 s it shares 2 of 4 and of 8 s, with 5 to 6 s 1 of 4.
    question = ask([], [(4.0, 10.0), (5.0, 6.0)])
    assert figure("IoP", question, [2.0, 3.0, 6.0]) == 0.5
    assert figure("IoU", question, [2.0, 3.0, 6.0]) == 0.25
    # The best range may be another one for each.
    assert figure("IoU", ask([], [(2.0, 3.0), (0.0, 8.0)]), [2.0, 6.0]) == 0.5
    assert figure("IoP", ask([], [(7.0, 8.0)]), [2.0, 6.0]) == 0.0
    # A window of no length.
    assert figure("IoP", question, [5.0]) == 1.0
    assert figure("IoP", question, [3.0]) == 0.0
    assert figure("IoU", question, [5.0]) == 0.0
    assert math.isnan(figure("IoP", ask([1.0]), [1.0]))
    assert figure("IoP", question, []) == 0.0


def test_many_windows_at_once() -> None:
    starts_s, ends_s = np.array([0.0, 2.0, 5.0]), np.array([4.0, 6.0, 5.0])
    ranges_s = np.array([[4.0, 10.0], [5.0, 6.0]])
    assert iop(starts_s, ends_s, ranges_s).tolist() == [[0.0, 0.5, 1.0], [0.0, 0.25, 1.0]]
    assert iou(starts_s, ends_s, ranges_s).tolist() == [[0.0, 0.25, 0.0], [0.0, 0.25, 0.0]]
    # All starts with all ends: a table, of the same figures.
    for overlap in (iop, iou):
        table = overlap(starts_s[:, None], ends_s, ranges_s)
        assert table.shape == (2, 3, 3)
        for n, start_s in enumerate(starts_s):
            alone = overlap(np.full(3, start_s), ends_s, ranges_s)
            assert table[:, n].tolist() == alone.tolist()
