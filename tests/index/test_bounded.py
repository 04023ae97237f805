"""A stranger's program ends, in the main thread and beside another timer."""

import resource
import signal
import threading
import time
from types import FrameType

import pytest

from index.bounded import bounded


def spin() -> None:
    while True:
        try:
            sum(range(1000))
        except Exception:  # noqa: BLE001 - as a program may that is not to be ended
            continue


def test_an_endless_loop_ends_and_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.bounded._LIMIT_S", 0.2)
    before = signal.getsignal(signal.SIGPROF), resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(TimeoutError, match="it takes more than"), bounded():
        spin()
    assert before == (signal.getsignal(signal.SIGPROF), resource.getrlimit(resource.RLIMIT_AS))
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    with bounded():
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 0
    started_s = time.process_time()
    while time.process_time() < started_s + 0.4:
        pass  # no timer is left


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.bounded._LIMIT_BYTES", 64 << 20)
    with pytest.raises(MemoryError), bounded():
        bytearray(1 << 30)
    assert len(bytearray(1 << 28)) == 1 << 28


def test_outside_the_main_thread_nothing_breaks() -> None:
    done = []

    def work() -> None:
        with bounded():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_another_timer_goes_on() -> None:
    rung = []

    def ring(_number: int, _frame: FrameType | None) -> None:
        rung.append(True)

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.1)
    try:
        with bounded():
            while not rung:
                pass
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
