"""The frames that are embedded: their times, and the numbers drawn into them."""

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from index.decoding.sampler import FrameSampler
from index.models.preprocess import Resize, ViewMode
from tests.truths import (
    CENTER,
    DECODABLE,
    Generated,
    check_ends,
    check_numbers,
    check_rows,
    drain,
    pictures_of,
    sampled,
    upright,
)
from tests.videos import read_number

# 0.7 a second is slower than some videos; 7.3 falls between the frames.
RATES = (0.7, 2.0, 7.3)


@pytest.mark.parametrize(("kind", "decoder"), DECODABLE)
def test_the_embedded_frame_is_the_one_shown_at_each_sample_time(
    kind: str, decoder: str, generated: Generated
) -> None:
    path, truth = generated(kind)
    for fps in RATES:
        pixels, clip = drain(FrameSampler(fps=fps, transform=CENTER, decoder=decoder)(str(path)))
        check_rows(truth, (time_s for time_s, _, _ in pixels), sampled(truth, fps))
        check_ends(truth, {time_s: end_s for time_s, end_s, _ in pixels})
        assert check_numbers(truth, pictures_of(kind, pixels)) > 0
        assert {squares.shape for _, _, squares in pixels} == {(1, 224, 224, 3)}
        assert clip.duration_s == pytest.approx(truth.duration_s, abs=1e-6)


def test_a_rate_above_the_videos_gives_every_frame_once(generated: Generated) -> None:
    path, truth = generated("variable_b_frames")
    pixels, _ = drain(FrameSampler(fps=2000.0, transform=CENTER)(str(path)))
    assert [round(time_s, 6) for time_s, _, _ in pixels] == [round(s, 6) for _, s in truth.frames]
    assert check_numbers(truth, pictures_of("", pixels)) == len(truth.frames)


@pytest.mark.parametrize("decoder", ["auto", "decord"])
@pytest.mark.parametrize("resize", ["exact", "decoder"])
@pytest.mark.parametrize("mode", ["center", "stretch", "pad"])
def test_every_view_and_resize_shows_the_right_frames(
    mode: ViewMode, resize: Resize, decoder: str, generated: Generated
) -> None:
    view = replace(CENTER, mode=mode)
    kinds = ("b_frames", "tall", "odd_size_420", "rotation" if decoder == "auto" else "mkv")
    for kind in kinds:
        path, truth = generated(kind)
        sampling = FrameSampler(fps=0.9, transform=view, resize=resize, decoder=decoder)
        pixels, clip = drain(sampling(str(path)))
        whole = [
            (t, _unviewed(mode, square, (clip.width, clip.height))) for t, _, (square,) in pixels
        ]
        turned = [(time_s, upright(kind, picture)) for time_s, picture in whole]
        assert check_numbers(truth, turned) == len(sampled(truth, 0.9))


@pytest.mark.parametrize("kind", ["b_frames", "tall", "odd_size_420"])
def test_the_decoders_scaler_gives_as_many_patches_as_ours(kind: str, generated: Generated) -> None:
    path, _ = generated(kind)
    view = replace(CENTER, mode="native", patch=4, height=1 + 61, width=16)
    exact, scaled = (
        [
            packed
            for _, _, [packed] in drain(
                FrameSampler(fps=0.9, transform=view, resize=how)(str(path))
            )[0]
        ]
        for how in get_args(Resize)
    )
    assert exact[0].shape == (62, 16, 3)
    for ours, theirs in zip(exact, scaled, strict=True):
        assert (ours[0] == theirs[0]).all()  # rows and columns of patches
        assert np.abs(ours.astype(int) - theirs).mean() < 8


def _unviewed(mode: ViewMode, square: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The whole frame in its own proportions, as far as the square shows it."""
    picture = Image.fromarray(square)
    if mode == "stretch":
        return picture.resize(size, Image.Resampling.BICUBIC)
    if mode == "pad":
        width, height = replace(CENTER, mode="pad").scaled_size(*size)
        left, top = (224 - width) // 2, (224 - height) // 2
        return picture.crop((left, top, left + width, top + height))
    return picture


def test_it_travels_to_another_process(generated: Generated) -> None:
    path, _ = generated("constant")
    sampling = pickle.loads(pickle.dumps(FrameSampler(fps=1.0, transform=CENTER)))
    assert [read_number(Image.fromarray(s)) for _, _, (s,) in sampling(str(path))] == [
        0,
        25,
        50,
        75,
    ]


def test_a_workers_modules_do_without_torch() -> None:
    modules = "sampler pyav_decoder decord_decoder worker_pool".split()
    code = f"import sys, {', '.join(f'index.decoding.{name}' for name in modules)};"
    code += "print(sorted({'torch', 'transformers', 'faiss', 'h5py'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
