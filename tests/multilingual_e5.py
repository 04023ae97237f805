"""A real multilingual text encoder for tests, where the package that holds its weights is."""

from pathlib import Path

import pytest

from examples.languages.e5 import e5_file, make_e5
from index.errors import CueframeError
from tests.other_libraries import sentence_transformers_or_skip


def e5_or_skip(folder: Path) -> Path:
    """Write multilingual-e5-small as a folder of sentence-transformers, or skip the test."""
    sentence_transformers_or_skip()
    try:
        e5_file()
    except CueframeError as error:
        pytest.skip(str(error))
    return make_e5(folder)
