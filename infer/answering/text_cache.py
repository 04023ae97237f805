"""Encode the texts of many questions, block by block and each text once.

D: width of a vector.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from index.models.encoder import Encoder
from index.models.long_texts import LongText, Text
from infer.query_encoder import encode_texts


class TextCache:
    """Encoder of texts that keeps the vector of a repeated text until its last use."""

    def __init__(self, encoder: Encoder, all_texts: Iterable[Text], long_text: LongText) -> None:
        """Take an encoder and all texts to come, each as often as it will be requested."""
        self._encoder = encoder
        self._long_text: LongText = long_text
        # By hash, so that no text is held: on a collision, texts are encoded or kept in vain.
        counts = Counter(map(hash, all_texts))
        self._left = {key: count for key, count in counts.items() if count > 1}
        self._known: dict[Text, npt.NDArray[np.float32]] = {}
        self.too_long: set[Text] = set()
        """Texts that are longer than the model reads."""
        self.spent_s = 0.0
        """Seconds spent on encoding."""

    def encode(self, texts: Sequence[Text]) -> list[npt.NDArray[np.float32]]:
        """Return the unit vectors (w, D) of the windows of each text.

        Raises:
            CueframeError: As `infer.query_encoder.encode_texts`.
        """
        began_s = time.monotonic()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        vectors, too_long = encode_texts(self._encoder, new, self._long_text)
        self.too_long |= {text for text, long in zip(new, too_long, strict=True) if long}
        made = dict(zip(new, vectors, strict=True))
        made |= {text: self._known[text] for text in texts if text in self._known}
        found = [made[text] for text in texts]
        self._keep(texts, made)
        self.spent_s += time.monotonic() - began_s
        return found

    def _keep(
        self, queries: Sequence[Text], vectors: Mapping[Text, npt.NDArray[np.float32]]
    ) -> None:
        """Keep only the vectors that will be requested again."""
        for text, times in Counter(queries).items():
            left = self._left.pop(hash(text), times) - times
            if left > 0:
                self._left[hash(text)] = left
                # A copy, since a view of a row would keep its whole block in memory.
                self._known.setdefault(text, vectors[text].copy())
            else:
                self._known.pop(text, None)
