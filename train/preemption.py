"""Signals that end a training: SIGTERM of a scheduler, SIGINT of a person.

The first one is a request. During a step it is noted, all processes agree on it after the step, and
a checkpoint is saved. Everywhere else nothing would be lost, and the run ends at once, as it does
at a second signal.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from accelerate import Accelerator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SAME_S = 1.0
"""A signal that follows within this time is the same request: a scheduler signals the launcher and
its processes, and the launcher passes it on."""


class Stopped(BaseException):
    """The run was asked to end; `code` is the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Preemption:
    """What signals have asked for. Make it with `preemptible`."""

    def __init__(self) -> None:
        self._asked = 0
        """Number of the first signal, 0 if there was none."""
        self._asked_s = 0.0
        self._waits = False
        """Whether a signal is only noted."""
        self.reached, self.remedy = "before the first step", "call it again"
        """How far the run has come, and how it goes on, for the message."""

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within the block a signal ends nothing until `agreed` tells of it."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self._asked:
            raise Stopped(self._asked)

    def agreed(self, accelerator: Accelerator) -> Stopped | None:
        """Return on every process what any of them was asked; all call this at the same step."""
        number = self._asked
        if accelerator.num_processes > 1:
            own = torch.tensor([number], device=accelerator.device)
            number = int(accelerator.gather(own).max())
        return Stopped(number) if number else None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            if time.monotonic() - self._asked_s > _SAME_S:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self._asked, self._asked_s = number, time.monotonic()
        if not self._waits:
            raise Stopped(number)


@contextmanager
def preemptible() -> Iterator[Preemption]:
    """Handle SIGTERM and SIGINT within the block, where that can be done: in the main thread."""
    stop = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop._on_signal) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
