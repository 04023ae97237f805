"""Peak memory, measured on the processes that a user's command starts."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from examples.tiny_clip import make_tiny_clip
from tests.paths import ROOT
from tests.videos import long_video


def peak_bytes(command: list[str]) -> int:
    """Largest resident memory of a command and its children, shared pages counted once each."""
    peak = 0
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            total = 0
            for p in [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]:
                try:
                    total += p.memory_info().rss
                except psutil.Error:  # ended meanwhile
                    continue
            peak = max(peak, total)
            time.sleep(0.05)
        assert process.returncode == 0, process.stderr and process.stderr.read()
    return peak


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_a_videos_length(tmp_path: Path) -> None:
    model = tmp_path / "model"
    make_tiny_clip(model, ["a text"], image_size=224, patch_size=32)
    peaks = {}
    for name, duration_s in (("short", 60), ("long", 7200)):
        video = tmp_path / f"{name}.mp4"
        long_video(video, duration_s, side=320)
        index = tmp_path / f"index-{name}"
        command = [sys.executable, "index/build.py", str(video), "--model", str(model)]
        peaks[name] = peak_bytes([*command, "--index", str(index), "--workers", "1"])
    print({name: f"{peak / 1e6:.0f} MB" for name, peak in peaks.items()}, os.cpu_count())
    assert peaks["long"] - peaks["short"] < 200e6
    assert peaks["long"] < 1.5e9  # the model is of a million parameters, so this is above its own
