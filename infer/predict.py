"""Pick frames for one question about one video, from Python; no index is needed.

    top_frames, top_scores = get_top4_frames(
        video_path="video.mp4", caption="…", model=model, processor=processor, device="cuda"
    )

For many questions, index the videos once and use infer/answer.py.

Legend: F frames, T tiles of a frame, D width of a vector, B frames of a batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import PreTrainedModel

from index.decoding.decoders import frames_at, read
from index.decoding.frame_types import VideoMetadata, every
from index.decoding.sampler import FrameSampler
from index.errors import CueframeError, VideoError
from index.models.encoder import Encoder, vision_fingerprint
from index.models.preprocess import ViewMode
from index.models.transformers_model import TransformersModel
from index.run_command import positive
from index.spans import Timeline
from index.storage.store import read_profile
from infer.query_encoder import encode_texts, refuse_other_vision
from infer.selection.frame_scores import read_stored_video, score_video, text_scores
from infer.selection.strategies import ScoredVideo, pick_quarters
from infer.texts.clean_text import typed_text
from infer.videos.indexed_videos import read_indexed_videos
from infer.videos.video_files import content_of

SIZE = (1920, 1080)
"""Width and height in pixels, to which every picture is stretched."""
_NO_SEEDS = np.zeros(1, np.uint64)


def read_video_frames(video_path: str | Path, fps_target: float = 15) -> list[Image.Image]:
    """Return every frame shown at the times k / fps_target, each once, in full size and in order.

    All of them are held in memory: 41 MB for each second of 720p at 15 frames a second.

    Raises:
        CueframeError: fps_target is not above 0, or the video cannot be decoded.
    """
    positive("fps_target", fps_target)
    with _naming(video_path):
        return [frame.image for frame in read(Path(video_path), every(fps_target))]


def get_top4_frames(
    video_path: str | Path,
    caption: str,
    model: PreTrainedModel,
    processor: Any,
    device: torch.device | str,
    fps_target: float = 15,
    batch_size: int = 112,
    *,
    index: str | Path | None = None,
) -> tuple[list[Image.Image], list[float]]:
    """Pick the frame of each quarter of a video that fits a caption best.

    Without an index the video is decoded twice, once to score every sampled frame and once up to
    the last pick, so that memory does not grow with its length. With one, the stored vectors are
    scored and only the picked frames are decoded.

    Args:
        video_path: The video file.
        caption: Text to compare the frames with; one that is longer than the model reads is read in
            windows (`index.models.long_texts`).
        model: A transformers dual encoder, for example a CLIPModel. It is moved to `device`.
        processor: Its processor, for example a CLIPProcessor. Pictures are resized by Pillow
            whatever its backend.
        device: Device to encode on.
        fps_target: Sample times per second of video; ignored with an index, which has its own.
        batch_size: B, pictures encoded at once.
        index: Folder of an index that holds this video, built by this model's vision side.

    Returns:
        RGB pictures of 1920×1080 in order of time, and their cosines with the caption. There are
        four unless the video has fewer sampled frames.

    Raises:
        CueframeError: A blank caption, a number that is not above 0, a video that cannot be
            decoded or is not in the index, or an index of another model.

    """
    positive("fps_target", fps_target)
    positive("batch_size", batch_size)
    caption = typed_text(caption, "the caption")
    path = Path(video_path)
    model.to(device)  # type: ignore[arg-type]  # transformers' wrapper loses the method's self
    with _at_rest(model):
        scored = (
            _score_file(path, caption, model, processor, fps_target, batch_size)
            if index is None
            else _score_stored(path, caption, model, processor, Path(index))
        )
    rows = pick_quarters(scored.scores, scored.time_s, scored.duration_s, 4)[0]
    with _naming(path):
        frames = frames_at(path, scored.time_s[rows].tolist())
        pictures = [frame.image.resize(SIZE, Image.Resampling.BICUBIC) for frame in frames]
    return pictures, scored.scores[0, rows].tolist()


def _score_file(
    path: Path,
    caption: str,
    model: PreTrainedModel,
    processor: Any,
    fps: float,
    batch_size: int,
) -> ScoredVideo:
    """Decode a video and score its frames, holding no more than a batch of them."""
    encoder = _encoder(model, processor, None)
    text = _encode(encoder, caption)
    metadata: list[VideoMetadata] = []

    def sampled() -> Iterator[tuple[float, float, npt.NDArray[np.uint8]]]:
        metadata.append((yield from FrameSampler(fps=fps, transform=encoder.transform)(str(path))))

    spans_s: list[list[float]] = []
    parts: list[npt.NDArray[np.float32]] = []
    stream = sampled()
    with _naming(path):
        while batch := list(islice(stream, batch_size)):
            spans_s += [span_s for *span_s, _ in batch]
            pixels = np.concatenate([squares for _, _, squares in batch])  # (B·T, H, W, 3)
            parts.append(encoder.images(pixels).cpu().numpy())  # (B·T, D)
    if not parts:
        raise VideoError(f"{path} gives no frame to encode")
    flat = np.concatenate(parts)  # (F·T, D)
    vectors = flat.reshape(len(spans_s), -1, flat.shape[1])  # (F, T, D)
    time_s, end_s = np.array(spans_s, np.float64).T
    timeline = Timeline(time_s, end_s, metadata[0].duration_s)
    return ScoredVideo(text_scores(text, vectors), *timeline, vectors, _NO_SEEDS)


def _score_stored(
    path: Path, caption: str, model: PreTrainedModel, processor: Any, index: Path
) -> ScoredVideo:
    """Score the frames of a video by the vectors of an index."""
    profile = read_profile(index)
    indexed = read_indexed_videos(index)
    video = indexed.videos.get(content_of(indexed, path))
    if video is None or video.status != "indexed":
        raise CueframeError(f"{path} has no vectors in {index}; run index/build.py on it")
    encoder = _encoder(model, processor, profile.view)
    refuse_other_vision(index, profile, encoder.name, vision_fingerprint(encoder.model))
    stored = read_stored_video(index, profile, video.content_hash)
    return score_video(stored, [_encode(encoder, caption)], _NO_SEEDS)


def _encoder(model: PreTrainedModel, processor: Any, view: ViewMode | None) -> Encoder:
    """Wrap the model as an `Encoder`, with the given view mode or its processor's own."""
    name = model.name_or_path or type(model).__name__
    parts = processor.tokenizer, processor.image_processor
    return Encoder(TransformersModel(name, model, *parts, view))


def _encode(encoder: Encoder, caption: str) -> list[npt.NDArray[np.float32]]:
    """Return the vectors of the caption's windows (w, D), as the only one of its list."""
    return encode_texts(encoder, [caption], "windows")[0]


@contextmanager
def _at_rest(model: torch.nn.Module) -> Iterator[None]:
    """Turn dropout off, then restore each module's mode, as a caller in training expects."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Add the file's path to a decoder's error, which does not name it."""
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path} {error}") from error
