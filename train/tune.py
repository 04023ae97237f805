"""Which part of a model learns, as --tune says. No torch, so that a bad value is told at once."""

import re
from typing import Literal, NamedTuple, cast

from index.errors import CueframeError

Tower = Literal["vision", "text"]


class Tune(NamedTuple):
    """A value of --tune."""

    part: Literal["all", "vision", "text", "projection"]
    last: int | None
    """Number of each tower's last layers that learn; None: all of them."""

    @property
    def towers(self) -> tuple[Tower, ...]:
        """The towers of which something learns, if the model has it."""
        return (self.part,) if self.part in ("vision", "text") else ("vision", "text")


def read_tune(text: str) -> Tune:
    """Read a value of --tune, such as "all" or "vision:last4".

    Raises:
        CueframeError: It is none.
    """
    found = re.fullmatch(r"(projection)|(all|vision|text)(?::last([1-9][0-9]{0,3}))?", text, re.A)
    if not found:
        raise CueframeError(
            f"--tune is {text!r}; give all, vision, text or projection, or the last layers of "
            "towers as vision:last4, text:last4 or all:last4"
        )
    part = cast(Literal["all", "vision", "text", "projection"], found[1] or found[2])
    return Tune(part, int(found[3]) if found[3] else None)
