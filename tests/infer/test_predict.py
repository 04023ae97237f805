"""The seed's two functions against decoding by hand and the HF model's own processor."""

import functools
import shutil
from pathlib import Path
from typing import Any

import av
import decord
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from index.decoding.display import Display
from index.errors import CueframeError
from infer.predict import get_top4_frames, read_video_frames
from tests.fixtures_infer import (
    TEXTS,
    best_of_segments,
    build_index,
    hf_model,
    number_at,
    stored,
    text_vectors,
    world,
)
from tests.videos import file_name, long_video, make, read_number


def shown_at(path: Path, fps: float) -> tuple[list[Image.Image], list[float]]:
    """Decode everything by PyAV alone and take what is shown at each k / fps, each frame once."""
    with av.open(path) as container:
        decoded = [(frame.time or 0.0, frame.to_image()) for frame in container.decode(video=0)]
    start_s = decoded[0][0]
    times_s = np.array([time_s - start_s for time_s, _ in decoded])
    end_s = times_s[-1] + (times_s[-1] - times_s[-2] if len(times_s) > 1 else 0)
    samples = np.arange(0, end_s, 1 / fps)
    rows = sorted({int(np.flatnonzero(times_s <= t + 1e-4)[-1]) for t in samples})
    return [decoded[row][1] for row in rows], times_s[rows].tolist()


@functools.cache
def brute_force(name: str, fps: float) -> tuple[list[int], list[float]]:
    """Drawn numbers and scores of the best frame of each quarter, by HF's processor and model."""
    here = world()
    truth = here.truth[name]
    model, processor = hf_model(here.model)
    images, times_s = shown_at(here.videos / name, fps)
    (text,) = text_vectors(here.model, TEXTS[:1])
    with torch.inference_mode():
        pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
        vectors = model.get_image_features(pixel_values=pixels).pooler_output.double().numpy()
    scores = vectors @ text / np.linalg.norm(vectors, axis=1)
    rows = best_of_segments(scores, np.array(times_s), truth.duration_s, 4)
    return [number_at(truth, times_s[row]) for row in rows], scores[rows].tolist()


def top4(path: Path | str, caption: str = TEXTS[0], **more: Any) -> tuple[list[Any], list[float]]:
    model, processor = hf_model(world().model)
    return get_top4_frames(
        video_path=path, caption=caption, model=model, processor=processor, device="cpu", **more
    )


class Pictures:
    """Counts the pictures that either decoder makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        picture = Display.picture
        get_batch = decord.VideoReader.get_batch

        def counted(*args: Any) -> Image.Image:
            self.made += 1
            return picture(*args)

        def batch(video: Any, rows: list[int]) -> Any:
            self.made += len(rows)
            return get_batch(video, rows)

        monkeypatch.setattr(Display, "picture", counted)
        monkeypatch.setattr(decord.VideoReader, "get_batch", batch)


@pytest.mark.parametrize("fps", [15, 7.5, 60])
@pytest.mark.parametrize("kind", ["b_frames", "variable", "mpegts", "few", "one_frame"])
def test_frames_are_those_shown_at_the_sample_times(kind: str, fps: float, tmp_path: Path) -> None:
    kind = {"few": "slow"}.get(kind, kind)
    path = tmp_path / file_name(kind)
    truth = make(path, kind)
    frames = read_video_frames(str(path), fps_target=fps)
    times_s = np.arange(0, truth.duration_s - 1e-9, 1 / fps)
    expected = list(dict.fromkeys(number_at(truth, time_s) for time_s in times_s))
    assert [read_number(frame) for frame in frames] == expected
    assert all(frame.size == (320, 180) and frame.mode == "RGB" for frame in frames)


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [("b_frames.mp4", 112), ("b_frames.mp4", 7), ("y/same.mp4", 112), ("few.mp4", 1)],
)
def test_top_frames_equal_brute_force(name: str, batch_size: int) -> None:
    here = world()
    frames, scores = top4(here.videos / name, batch_size=batch_size)
    numbers, expected = brute_force(name, 15)
    assert [read_number(frame) for frame in frames] == numbers
    assert scores == pytest.approx(expected, abs=1e-5)
    assert [(frame.size, frame.mode) for frame in frames] == [((1920, 1080), "RGB")] * 4


def test_one_frame_gives_one() -> None:
    frames, scores = top4(world().videos / "one.mp4", fps_target=2)
    assert len(frames) == len(scores) == 1


@pytest.mark.parametrize("name", ["b_frames.mp4", "x/same.mp4", "vp9.webm", "y/same.mp4"])
def test_with_an_index_four_frames_are_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    path = here.videos / name
    vectors, time_s, duration_s = stored(here.index, path)
    (text,) = text_vectors(here.model, TEXTS[:1])
    rows = best_of_segments(vectors @ text, time_s, duration_s, 4)
    pictures = Pictures(monkeypatch)
    frames, scores = top4(path, index=here.index)
    assert pictures.made == 4
    assert [read_number(f) for f in frames] == [
        number_at(here.truth[name], t) for t in time_s[rows]
    ]
    assert scores == pytest.approx((vectors @ text)[rows].tolist(), abs=1e-6)
    assert scores == pytest.approx(top4(path, fps_target=2)[1], abs=2e-3)


def test_only_batches_are_held_and_the_second_pass_stops_at_the_last_pick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.mp4"
    assert long_video(path, 30) == 300
    pictures = Pictures(monkeypatch)
    top4(path, fps_target=2, batch_size=16)
    assert pictures.made == 60 + 4


def test_a_moved_video_is_known_by_its_content(tmp_path: Path) -> None:
    here = world()
    moved = tmp_path / "other-name.mp4"
    shutil.copyfile(here.videos / "few.mp4", moved)
    assert top4(moved, index=here.index)[1] == top4(here.videos / "few.mp4", index=here.index)[1]


def test_a_model_in_training_answers_without_dropout_and_goes_on_training() -> None:
    here = world()
    config: Any = CLIPConfig.from_pretrained(here.model)
    config.text_config.attention_dropout = 0.5
    model = CLIPModel.from_pretrained(here.model, config=config).train()
    model.vision_model.eval()
    processor = CLIPProcessor.from_pretrained(here.model)
    path = here.videos / "few.mp4"
    _, scores = get_top4_frames(path, TEXTS[0], model, processor, "cpu")
    assert scores == top4(path)[1]
    assert model.training
    assert model.text_model.training
    assert not model.vision_model.training


def test_a_processor_that_stretches(tmp_path: Path) -> None:
    here = world()
    images = CLIPImageProcessorPil(
        size={"height": 64, "width": 64}, do_center_crop=False, image_mean=[0.5] * 3
    )
    processor = CLIPProcessor(images, hf_model(here.model)[1].tokenizer)
    processor.save_pretrained(tmp_path / "model")
    hf_model(here.model)[0].save_pretrained(tmp_path / "model")
    model = CLIPModel.from_pretrained(tmp_path / "model")
    path = here.videos / "few.mp4"
    _, scores = get_top4_frames(path, TEXTS[0], model, processor, torch.device("cpu"), 2)
    assert build_index(path, tmp_path / "index", tmp_path / "model") == 0
    _, by_index = get_top4_frames(path, TEXTS[0], model, processor, "cpu", index=tmp_path / "index")
    assert by_index == pytest.approx(scores, abs=2e-3)
    with pytest.raises(CueframeError, match=r"vision side of .*model is not, or no longer"):
        get_top4_frames(path, TEXTS[0], model, processor, "cpu", index=here.index)


def test_bad_input(tmp_path: Path) -> None:
    here = world()
    few = here.videos / "few.mp4"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"caption": " "}, "the caption is blank"),
        ({"fps_target": 0}, "fps_target is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"path": "none.mp4"}, r"none\.mp4 is not a file"),
        ({"path": here.videos / "bad.mp4"}, r"bad\.mp4 cannot be opened as a video"),
        ({"path": here.videos / "bad.mp4", "index": here.index}, r"bad\.mp4 has no vectors in"),
        ({"path": "none.mp4", "index": here.index}, r"none\.mp4 cannot be read: No such file"),
        ({"index": tmp_path}, "is no index"),
    ]
    for more, wanted in cases:
        with pytest.raises(CueframeError, match=wanted) as raised:
            top4(**{"path": few, **more})
        assert "\n" not in str(raised.value)
    with pytest.raises(CueframeError, match="fps_target is -1"):
        read_video_frames(few, -1)
    with pytest.raises(CueframeError, match=r"none\.mp4 is not a file"):
        read_video_frames("none.mp4")
    other = CLIPModel.from_pretrained(here.model)
    with torch.no_grad():
        other.visual_projection.weight.add_(0.1)
    with pytest.raises(CueframeError, match="vision side"):
        get_top4_frames(few, "car", other, hf_model(here.model)[1], "cpu", index=here.index)


def test_of_a_long_caption_the_best_window_counts() -> None:
    path = world().videos / "few.mp4"
    sentences = ["car " * 20 + "passes.", "bus " * 20 + "stops."]
    _, scores = top4(path, " ".join(sentences))
    each = [top4(path, one)[1] for one in sentences]
    assert scores == pytest.approx(np.max(each, axis=0), abs=1e-6)
