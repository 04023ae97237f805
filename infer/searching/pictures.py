"""A picture as a query.

T: tiles of a frame, 1 unless the view is tiles, D: width of a vector.
"""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from index.boundary import costs_one
from index.discovery import is_regular_file
from index.errors import CueframeError
from index.finite import not_finite
from index.models.encoder import Encoder, refuse_text_tower

_SEEN_THROUGH = (255, 255, 255)
"""Colour that is seen where a picture is transparent."""
_MOST_PIXELS = 89_000_000
"""What a small file can unfold to: as Pillow's own bound, above which it warns."""
_LONGEST = 32
"""Longer side in shorter sides: scaled by its shorter side, a longer picture takes gigabytes, and
more tiles than a frame can have."""


def read_picture(path: Path) -> Image.Image:
    """Read a picture as people see it: turned as its EXIF data say, in RGB, on white.

    Raises:
        CueframeError: It cannot be read, is too large or too long, or is grey with more than eight
            bits a pixel.
    """
    remedy = "give a picture that opens elsewhere, as a JPEG or PNG"
    if not is_regular_file(path):
        raise CueframeError(f"--image {path} is no file; {remedy}")
    failed: dict[str, str] = {}
    with costs_one(failed, "why"):  # Pillow's decoders raise whatever they meet
        with warnings.catch_warnings():
            # Of odd EXIF data and palettes; sizes are looked at below.
            warnings.simplefilter("ignore")
            with _opened(path) as opened:
                _refuse_odd(path, opened)
                picture = ImageOps.exif_transpose(opened)
        if picture.has_transparency_data:
            white = Image.new("RGBA", picture.size, _SEEN_THROUGH)
            picture = Image.alpha_composite(white, picture.convert("RGBA"))
        return picture.convert("RGB")
    raise CueframeError(f"--image {path} cannot be read ({failed['why']}); {remedy}")


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except Image.DecompressionBombError as error:
        raise CueframeError(
            f"--image {path} has more than {_MOST_PIXELS // 10**6} million pixels; make it smaller"
        ) from error


def _refuse_odd(path: Path, picture: Image.Image) -> None:
    size = f"{picture.width}x{picture.height} pixels"
    if picture.width * picture.height > _MOST_PIXELS:
        raise CueframeError(
            f"--image {path} has {size}, more than {_MOST_PIXELS // 10**6} million; make it smaller"
        )
    short, long = sorted(picture.size)
    if long > _LONGEST * short:
        raise CueframeError(
            f"--image {path} has {size}, one side more than {_LONGEST} times the other; cut it"
        )
    if picture.mode.startswith(("I", "F")):
        raise CueframeError(
            f"--image {path} is grey with more than eight bits a pixel (mode {picture.mode}); save "
            "it with eight"
        )


def picture_vectors(encoder: Encoder, picture: Image.Image) -> npt.NDArray[np.float32]:
    """Encode a picture as a frame of the index: (T, D), of which the best counts.

    Raises:
        CueframeError: The model has no vision side, or a vector is not finite.
    """
    refuse_text_tower(encoder.model)
    transform = encoder.transform
    # Copied, since Pillow's own pixels cannot be written to, of which torch warns.
    squares = transform.squares(picture, transform.tiles_of(picture)).copy()  # (T, H, W, 3)
    vectors: npt.NDArray[np.float32] = encoder.images(squares).cpu().numpy()
    if not np.isfinite(vectors).all():
        raise not_finite(encoder.name, encoder.dtype)
    return vectors
