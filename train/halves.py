"""Two halves of the validation videos: by one the best model is chosen, the other reports on it.

Figures of the videos by which the best of many validations was chosen are too high: it is the best
there by chance, too.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from train.split import held_out_videos

Half = Literal["chosen_on", "reported_on"]


class Halves(NamedTuple):
    """Videos by content; of fewer than two, both halves are the same."""

    chosen_on: frozenset[str]
    reported_on: frozenset[str]

    def of(self, content: str) -> Half | None:
        """Return the half of a video; None if it is in both."""
        if self.chosen_on == self.reported_on:
            return None
        return "chosen_on" if content in self.chosen_on else "reported_on"


def halves_of(content_hashes: Iterable[str], seed: int) -> Halves:
    """Divide videos by a digest of seed and content, as the videos to validate on are chosen."""
    videos = frozenset(content_hashes)
    chosen = frozenset(held_out_videos(videos, 0.5, seed))
    return Halves(chosen, videos - chosen) if len(videos) > 1 else Halves(videos, videos)
