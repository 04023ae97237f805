"""Picked frames as JPEG files: DIR/<id>/<k>_<time>s.jpg, k from 1 on in order of time."""

import io
import re
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from index.decoding.decoders import frames_at
from index.errors import CueframeError, VideoError

_OURS = re.compile(r"\d+_\d+\.\d{3}s\.jpg")
_LONGEST_NAME = 120
"""Maximum bytes of a name; with the 34 of a digest well below file systems' limit of 255."""


def frame_size(text: str) -> tuple[int, int]:
    """Parse a size such as "1920x1080" into width and height in pixels.

    Raises:
        CueframeError: The text is not a size, or a side is not from 1 to 65500, a JPEG's limit.
    """
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower(), re.ASCII)
    width, height = (int(side) for side in found.groups()) if found else (0, 0)
    if not (1 <= width <= 65500 and 1 <= height <= 65500):
        raise CueframeError(
            f"--size is {text!r}; give width x height in pixels, for example 1920x1080"
        )
    return width, height


def folder_name(question_id: str) -> str:
    """Return a unique file name for a question id, which cannot lead to another folder.

    Letters, digits, `_`, `-` and inner dots stay. Any other character, a leading dot and % itself
    become %XX, as in a URL, so that no two ids share a name; that of an empty id is % alone.
    """
    name = re.sub(r"[^\w.-]|^\.", _escaped, question_id) or "%"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = blake2b(question_id.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore')}%-{digest}"


def _escaped(found: re.Match[str]) -> str:
    return "%2E" if found[0] == "." else quote(found[0], safe="", errors="surrogatepass")


def save_frames(
    video: Path, picks: list[tuple[str, list[float]]], folder: Path, size: tuple[int, int]
) -> int:
    """Decode a video once, up to the last pick, and save each question's frames.

    Frames that an earlier run saved for the same question are deleted. DIR may be a link; nothing
    is deleted or written through one inside it.

    Args:
        video: The video file.
        picks: For each question its id and its ascending times in seconds.
        folder: DIR.
        size: Width and height in pixels, to which every frame is stretched.

    Returns:
        The number of files written.

    Raises:
        VideoError: The video cannot be decoded, and frames before the damage may be saved; or a
            question's folder is a link.
        CueframeError: The files cannot be written.
    """
    places: dict[float, list[Path]] = {}
    try:
        for question_id, times_s in picks:
            home = folder / folder_name(question_id)
            refuse_link(home)
            home.mkdir(parents=True, exist_ok=True)
            for old in home.iterdir():
                if _OURS.fullmatch(old.name):
                    old.unlink()
            for k, time_s in enumerate(times_s, 1):
                places.setdefault(time_s, []).append(home / f"{k}_{time_s:.3f}s.jpg")
        times_s = sorted(places)
        for time_s, frame in zip(times_s, frames_at(video, times_s), strict=True):
            picture = _jpeg(frame.image, size)
            for place in places[time_s]:
                with place.open("xb") as file:  # anew, so never through a link
                    file.write(picture)
    except OSError as error:
        raise CueframeError(
            f"{error.filename or folder} cannot be written ({error.strerror}); make room or "
            "rights, or name another --save-frames"
        ) from error
    return sum(len(times_s) for _, times_s in picks)


def refuse_link(folder: Path) -> None:
    """Refuse a link in place of a question's folder: what it points to is not ours to change.

    Raises:
        VideoError: It is one.
    """
    if folder.is_symlink():
        raise VideoError(f"{folder} is a link, through which nothing is written; remove it")


def _jpeg(image: Image.Image, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    resized = image.resize(size, Image.Resampling.BICUBIC)
    resized.save(file, "JPEG", quality=95, subsampling="4:4:4")
    return file.getvalue()
