"""A folder that is there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.storage.atomic_write import explain_unwritable, make_folder


@contextmanager
def new_folder(output: Path, flag: str) -> Iterator[Path]:
    """Yield a temporary folder beside `output`, renamed to it when the block succeeds.

    Args:
        output: The folder, not there or empty.
        flag: The flag that names it, for the error message.

    Raises:
        CueframeError: It cannot be written, or holds something by then.
    """
    output = output.absolute()
    make_folder(output.parent, f"{flag} {output}: its folder")
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with explain_unwritable(output):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
        yield temporary
        with explain_unwritable(output):
            temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
