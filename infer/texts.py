"""Texts of many questions as vectors: block by block, each text encoded once.

D: width of a vector.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """Encodes texts; the vector of one that is asked for again is kept until the last time."""

    def __init__(self, encoder: Encoder, all_texts: Iterable[str]) -> None:
        """Take an encoder and every text that will be asked for, as often as it will be."""
        self._encoder = encoder
        # By hash, so that no text is held: two that share one are encoded or kept in vain.
        counts = Counter(map(hash, all_texts))
        self._left = {key: count for key, count in counts.items() if count > 1}
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
        made |= {text: self._known[text] for text in texts if text in self._known}
        found = [made[text] for text in texts]
        self._keep(texts, made)
        self.spent_s += time.monotonic() - began_s
        return np.stack(found) if found else vectors

    def _keep(self, asked: Sequence[str], vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keep what will be asked for again, and that alone."""
        for text, times in Counter(asked).items():
            left = self._left.pop(hash(text), times) - times
            if left > 0:
                self._left[hash(text)] = left
                # A copy, since a row would hold the vectors of its whole block.
                self._known.setdefault(text, vectors[text].copy())
            else:
                self._known.pop(text, None)
