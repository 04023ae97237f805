"""Temporary files that cannot be made or written are told in one line."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from index.errors import CueframeError


@contextmanager
def explain_temporary() -> Iterator[None]:
    """Turn an error of a temporary file within the block into one line that names its folder.

    Raises:
        CueframeError: The file cannot be made or written.
    """
    try:
        yield
    except OSError as error:
        where = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
        raise CueframeError(
            f"no temporary file can be written{where} ({error.strerror}); make room or rights, or "
            "name another folder by TMPDIR"
        ) from error
