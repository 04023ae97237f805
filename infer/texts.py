"""Texts of many questions as vectors: block by block, each text encoded once.

D: width of a vector.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from index.encoder import Encoder
from infer.bulk import Asked, by_video
from infer.indexed import encode_texts


def blocks(asked: Sequence[Asked], size: int) -> Iterator[list[Asked]]:
    """The questions of whole videos together, some `size` of them at a time.

    What is held of a block's texts and vectors does not grow with the number of questions; only a
    video with more than `size` of its own makes a larger block.
    """
    block: list[Asked] = []
    for numbers in by_video(asked).values():
        if block and len(block) + len(numbers) > size:
            yield block
            block = []
        block += [asked[n] for n in numbers]
    if block:
        yield block


class Texts:
    """Encodes texts; the vectors of those that are met more than once are kept."""

    def __init__(self, encoder: Encoder, all_texts: Iterable[str]) -> None:
        """Take an encoder and every text that will be asked for, as often as it will be."""
        self._encoder = encoder
        self._again = {text for text, count in Counter(all_texts).items() if count > 1}
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        self.too_long: set[str] = set()
        """Texts of which the model did not read the end."""
        self.spent_s = 0.0
        """Seconds that encoding took."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors (texts, D).

        Raises:
            CueframeError: As `infer.indexed.encode_texts`.
        """
        began_s = time.monotonic()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        vectors, too_long = encode_texts(self._encoder, new)
        self.too_long |= {text for text, long in zip(new, too_long, strict=True) if long}
        made = dict(zip(new, vectors, strict=True))
        self._known |= {text: made[text] for text in made.keys() & self._again}
        found = [self._known[text] if text in self._known else made[text] for text in texts]
        self.spent_s += time.monotonic() - began_s
        return np.stack(found) if found else vectors
