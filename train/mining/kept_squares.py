"""Keep the squares of mined frames, so that training neither decodes nor resizes them again."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xxhash

from index.models.preprocess import ImageTransform
from index.storage.atomic_write import explain_unwritable
from train.mining.decoding_pass import squares_path
from train.mining.manifest import ManifestRecord
from train.pictures.store import line_of_file, state_of
from train.pictures.writing import PairWriter


def keep_squares(
    records: Iterable[ManifestRecord],
    scratch: Path,
    output: Path,
    transform: ImageTransform,
    writer: PairWriter,
) -> None:
    """Add the squares of a video's chosen frames, each once, to the prepared pictures.

    Args:
        records: The lines of the video's questions; their pictures are in place.
        scratch: Folder of the pictures of all its frames, with their squares.
        output: Folder to which a line's files are relative.
        transform: By which the squares were made.
        writer: Where they go.

    Raises:
        CueframeError: They cannot be written.
    """
    digests: dict[str, str] = {}
    files = {shot["file"] for one in records for shot in one["true"] + one["negatives"]}
    with explain_unwritable(output):
        for name in sorted(files):
            picture = scratch / Path(name).name
            squares = squares_path(picture)
            if not squares.is_file():
                continue
            if picture.name not in digests:
                digests[picture.name] = xxhash.xxh3_128_hexdigest(picture.read_bytes())
                pixels = np.fromfile(squares, np.uint8)  # T squares
                pixels = pixels.reshape(-1, transform.height, transform.width, 3)
                line = {"picture": digests[picture.name], "squares": writer.add(pixels)}
                writer.note(line)
            state = state_of(name, (output / name).stat())
            writer.note(line_of_file(state, digests[picture.name]))
        writer.commit_if_large()
