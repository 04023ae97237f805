"""Results come in order, ahead of time and no further; nothing is left behind."""

import threading
import time
from contextlib import closing

import pytest

from index.errors import CueframeError
from train.pictures import threads as module
from train.pictures.threads import in_threads


def test_results_come_in_order_and_ahead_of_time() -> None:
    done: list[int] = []

    def work(n: int) -> int:
        done.append(n)
        return n * n

    with closing(in_threads(work, range(9), threads=1, ahead=2)) as results:
        assert next(results) == 0
        deadline_s = time.monotonic() + 5
        while len(done) < 3:
            assert time.monotonic() < deadline_s
            time.sleep(0.001)
        time.sleep(0.05)
        assert done == [0, 1, 2]  # and no further, however long a step takes
        assert list(results) == [n * n for n in range(1, 9)]


def test_an_error_comes_with_its_batch_and_leaving_early_ends_the_thread() -> None:
    def work(n: int) -> int:
        return 1 // (n - 3)

    before = threading.active_count()
    results = in_threads(work, range(9), threads=1, ahead=2)
    assert [next(results) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with closing(in_threads(work, [5] * 9, threads=1, ahead=2)) as left:
        next(left)
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_threads_work_at_one_time_and_the_order_stays(count: int) -> None:
    together = threading.Barrier(count, timeout=20)

    def work(n: int) -> int:
        together.wait()
        return n

    items = range(3 * count)
    assert list(in_threads(work, items, threads=count, ahead=2 * count)) == list(items)


def test_a_disk_that_answers_no_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(module, "_LONGEST_S", 0.3)
    results = in_threads(lambda n: n if n < 2 else over.wait(20), range(9), threads=2, ahead=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(CueframeError, match=r"no picture was read in 0 s; look whether the disk"):
        next(results)
    over.set()


def test_a_timeout_of_the_work_is_its_own() -> None:
    def work(_: int) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        list(in_threads(work, [1], threads=1, ahead=2))
