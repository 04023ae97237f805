"""The vectors of teacher and student, as asking computes them.

Legend: n texts, D width of a vector.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np

from index.arrays import Floats
from index.messages import say
from index.models.encoder import Encoder
from index.models.sentence_model import SentenceModel
from index.progress import bar
from infer.query_encoder import encode_texts
from train.distilling.ridge import unit

_CHUNK = 256
"""Texts between two steps of the bar."""


def windows_of(encoder: Encoder, texts: Sequence[str]) -> list[Floats]:
    """Return (w, D) unit vectors of each text's w windows, one of most texts."""
    found: list[Floats] = []
    long = 0
    starts = range(0, len(texts), _CHUNK)
    for start in bar(starts, "batch of texts", len(starts)):
        vectors, too_long = encode_texts(encoder, texts[start : start + _CHUNK], "windows")
        found += vectors
        long += int(too_long.sum())
    if long:
        say(
            f"{long} texts are longer than the {encoder.max_tokens} tokens that {encoder.name} "
            "reads, and are read in windows"
        )
    return found


def means_of(windows: Sequence[Floats]) -> Floats:
    """Return (n, D) float32 unit vectors: of a text in several windows their mean.

    Asking counts the best of a teacher's windows; a student that reads the text whole learns to
    point between them.
    """
    return unit(np.stack([own.mean(axis=0) for own in windows])).astype(np.float32)


def student_vectors(student: SentenceModel, texts: Sequence[str]) -> Floats:
    """Return (n, D) float32 unit vectors of texts as `read_by` gives them."""
    encoder = Encoder(student)
    starts = range(0, len(texts), _CHUNK)
    parts = [
        encoder.texts(texts[start : start + _CHUNK])[0]
        for start in bar(starts, "batch of texts", len(starts))
    ]
    return np.concatenate(parts)


def read_by(student: SentenceModel, texts: Sequence[str]) -> list[str]:
    """Return texts as a student reads them when it is asked: composed, and no word of control.

    How many are too long for it is said on stderr: of these it learns by the beginning alone.
    """
    plain = student.plain_texts([unicodedata.normalize("NFC", text) for text in texts])
    long = sum(count > student.max_tokens for count in student.count_tokens(plain))
    if long:
        say(
            f"warning: {student.name} reads {student.max_tokens} tokens, and did not see the end "
            f"of {long} longer texts"
        )
    return plain
