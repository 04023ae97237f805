"""Plan the bench's scenes: clips of 8 s to 20 minutes with events of 0.3 to 5 s.

As in the demo's scenes, a sign is lit while a thing passes. Here a thing of one shape, or of one
colour, comes in several events, so that an encoder can take one for another; and one event or more
of each clip happens again, once or twice, with the same thing and the same sign.
"""

import itertools
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

from examples.drawing import COLOURS, SIGNS, THINGS
from examples.scenes import MARGIN, RATE_FPS, Event, Painted, Scene, place_events

EVENT_FRAMES = (3, 50)
"""Length of an event in frames, 0.3 to 5 s; their square roots are evenly spread."""
PAIRS = 36
"""Most different pairs of a thing and a sign in a clip: no thing and no sign is in two of them."""
BUSY = 0.75
"""Most of the time between the ways in and out that events may take."""


class Clips(NamedTuple):
    """Some clips whose lengths in seconds lie between two bounds."""

    number: int
    shortest_s: float
    longest_s: float


SIDES = {
    "choosing": (
        Clips(18, 8, 15),
        Clips(17, 15, 40),
        Clips(11, 40, 100),
        Clips(3, 120, 240),
        Clips(1, 1200, 1200),
    ),
    "test": (
        Clips(36, 8, 15),
        Clips(34, 15, 40),
        Clips(22, 40, 100),
        Clips(6, 120, 240),
        Clips(1, 600, 600),
        Clips(1, 1200, 1200),
    ),
}
"""The clips that rules are chosen on, and those of the table."""


def plan_side(side: str, clips: tuple[Clips, ...], seed: int) -> Iterator[Scene]:
    """Invent the scenes of a side, named after it, the same for the same seed."""
    rng = random.Random(f"{seed}/{side}/lengths")  # noqa: S311  (pictures, not secrets)
    numbers = itertools.count()
    for some in clips:
        for _ in range(some.number):
            length_s = rng.uniform(some.shortest_s, some.longest_s)
            yield plan_clip(f"{side}_{next(numbers):03d}", length_s, seed)


def plan_clip(name: str, length_s: float, seed: int) -> Scene:
    """Invent a scene of a length in seconds: 4 events in 8 s, 13 in a minute, 41 in 20."""
    rng = random.Random(f"{seed}/{name}/plan")  # noqa: S311
    frames = round(length_s * RATE_FPS)
    wanted = 1 + round(length_s**0.6)
    again = [rng.choice((1, 2)) if wanted > 5 else 1 for _ in range(1 + wanted // 12)]
    pairs = min(PAIRS, wanted - sum(again))
    things, signs = (
        rng.sample([Painted(*both) for both in itertools.product(COLOURS, names)], pairs)
        for names in (THINGS, SIGNS)
    )
    shown = [*range(pairs), *(n for n, times in enumerate(again) for _ in range(times))]
    rng.shuffle(shown)
    lengths = event_lengths(rng, len(shown), frames)
    chosen = [things[n] for n in shown], [signs[n] for n in shown]
    return Scene(name, frames, place_events(rng, frames, lengths, *chosen))


def event_lengths(rng: random.Random, events: int, frames: int) -> list[int]:
    """Draw lengths in frames until all of them fit into the clip."""
    shortest, longest = map(math.sqrt, EVENT_FRAMES)
    most = BUSY * (frames - 2 * MARGIN * events)
    while True:
        lengths = [round(rng.uniform(shortest, longest) ** 2) for _ in range(events)]
        if sum(lengths) <= most:
            return lengths


def by_pair(scene: Scene) -> list[list[Event]]:
    """Return the events of each pair of a thing and a sign, in order of time."""
    found: dict[tuple[Painted, Painted], list[Event]] = {}
    for event in scene.events:
        found.setdefault((event.thing, event.sign), []).append(event)
    return [*found.values()]
