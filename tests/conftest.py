"""Fixtures that many test files share. Nothing here reaches the model hub."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from examples.tiny_clip import make_tiny_clip
from tests.paths import ROOT
from tests.truths import Generated

# A test is about what comes out, not about how fast a busy machine is.
settings.register_profile("cueframe", deadline=None)
settings.load_profile("cueframe")


_USUAL = os.sched_getscheduler(0), os.sched_getparam(0)


@pytest.fixture(autouse=True)
def usual_scheduling() -> Iterator[None]:
    """Take back what SVT-AV1 asks for, as root, when it encodes a video: real time, priority 99.

    All else on the machine would wait for the tests that come after.
    """
    yield
    if os.sched_getscheduler(0) != _USUAL[0]:
        os.sched_setscheduler(0, *_USUAL)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained CLIP of about a million parameters."""
    folder = tmp_path_factory.mktemp("model") / "tiny-clip"
    make_tiny_clip(folder, ["a red truck passes", "một chiếc xe tải màu đỏ"])
    return folder


@pytest.fixture(scope="session")
def clips() -> Path:
    """The real clips, beside the repository or where CUEFRAME_CLIPS says."""
    folder = Path(os.environ.get("CUEFRAME_CLIPS", ROOT.parent / "shared" / "clips"))
    if not folder.is_dir():
        pytest.skip(f"no real clips at {folder}; CUEFRAME_CLIPS names their folder")
    return folder


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """The videos of tests/videos.py, each made when it is first asked for; not to be changed."""
    return Generated(tmp_path_factory.mktemp("generated"))
