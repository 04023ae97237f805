"""What rows and the check of a GPU measure with: videos, encoders of random weights, questions."""

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.stream import VideoStream

from examples.tiny_clip import END, START, learn_merges

Shape = Literal["tiny", "ViT-B/32", "ViT-L/14"]
_SHAPES: dict[Shape, tuple[dict[str, Any], dict[str, Any], int]] = {
    "tiny": ({"hidden_size": 32}, {"hidden_size": 32, "image_size": 64, "patch_size": 16}, 32),
    "ViT-B/32": ({"hidden_size": 512}, {"hidden_size": 768, "patch_size": 32}, 512),
    "ViT-L/14": ({"hidden_size": 768}, {"hidden_size": 1024, "patch_size": 14}, 768),
}
"""Text side, vision side and width of a vector; a head has 64 values, or 8 in the tiny one."""
THINGS = ("truck", "bus", "car", "bicycle", "dog", "person", "sign", "door", "boat", "bird")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "grey", "brown", "orange", "pink")
PLACES = ("on the left", "on the right", "in the middle", "at the top", "near the bridge")


def make_clip(folder: Path, shape: Shape) -> None:
    """Save a CLIP of random weights with its processor; all but the tiny one have 49,408 words."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        CLIPProcessor,
        CLIPTokenizer,
    )

    tiny = shape == "tiny"
    words, pairs = byte_pairs(None if tiny else _VOCABULARY)
    tokenizer = CLIPTokenizer(vocab=words, merges=pairs, model_max_length=77)
    text, vision, width = _SHAPES[shape]
    special: dict[str, Any] = {name: getattr(tokenizer, name) for name in _SPECIAL}
    side = vision.get("image_size", 224)
    config = CLIPConfig(
        text_config=_tower(text, 2 if tiny else 12, width)
        | {"vocab_size": len(words), "max_position_embeddings": 77, **special},
        vision_config=_tower(vision, 2 if tiny else 24 if shape == "ViT-L/14" else 12, width),
        projection_dim=width,
    )
    # Drawing 400 million numbers takes a CPU ten seconds and more.
    with torch.random.fork_rng(), torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        torch.manual_seed(0)
        model = CLIPModel(config)
    edges: dict[str, Any] = {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }
    pixels = CLIPImageProcessorPil(**edges)
    model.save_pretrained(folder)
    CLIPProcessor(pixels, tokenizer).save_pretrained(folder)


def byte_pairs(size: int | None) -> tuple[dict[str, int], list[Any]]:
    """Return byte pairs in CLIP's layout: those of our questions, then others up to a number."""
    learned, pairs = learn_merges([question(number) for number in range(500)], 400)
    tokens = dict.fromkeys(token for token in learned if token not in (START, END))
    for word in map("".join, product(_FREQUENT, repeat=4)) if size else ():
        for end in range(2, 5):
            for token in (word[:end], word[:end] + _END):
                left = word[: end - 1]
                if len(tokens) < (size or 0) - 2 and left in tokens and token not in tokens:
                    pairs.append((left, token.removeprefix(left)))
                    tokens[token] = None
    return {token: number for number, token in enumerate([*tokens, START, END])}, pairs


_VOCABULARY = 49_408
_END = "</w>"
_FREQUENT = "etaoinshrdlucmfwypvbgkjqxz"
_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def _tower(values: dict[str, Any], layers: int, width: int) -> dict[str, Any]:
    hidden = values["hidden_size"]
    return values | {
        "projection_dim": width,  # for towers that are loaded by themselves
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": max(4, hidden // 64),
    }


def make_video(
    path: Path,
    seconds: float,
    *,
    size: tuple[int, int] = (1280, 720),
    fps: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Write a video that pans over a picture with detail, with noise that changes every frame."""
    width, height = size
    draw = np.random.default_rng(seed)
    rough = draw.integers(0, 256, (height // 8 + 40, width // 8 + 40), dtype=np.uint8)
    picture = np.kron(rough, np.ones((8, 8), np.uint8))  # larger than a frame
    grain = draw.integers(0, 12, (height + 64, width), dtype=np.uint8)
    chroma = np.kron(
        draw.integers(64, 192, (height // 2 // 20 + 1, width // 20 + 1), dtype=np.uint8),
        np.ones((20, 20), np.uint8),
    )[: height // 2, :width]
    given = {"preset": "veryfast", "g": "50"} if options is None else options
    # The name may have no ending, as that of a half-written file.
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=fps, options=given)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * fps)):
            x, y = (number * 3) % 300, (number * 2) % 300
            luma = picture[y : y + height, x : x + width] // 2 + 60
            luma = luma + grain[number % 64 : number % 64 + height]
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_copies(folder: Path, video: Path, count: int) -> None:
    """Write copies of a video that differ in a box at their end, which no player reads."""
    content = video.read_bytes()
    folder.mkdir(parents=True)
    for number in range(count):
        box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
        (folder / f"{number:05}.mp4").write_bytes(content + box)


def question(number: int) -> str:
    """Return a question of its own for each of the first 50,000 numbers."""
    place, number = PLACES[number % len(PLACES)], number // len(PLACES)
    thing, number = THINGS[number % len(THINGS)], number // len(THINGS)
    colour, number = COLOURS[number % len(COLOURS)], number // len(COLOURS)
    return f"What does the {colour} {thing} {place} do after {number + 1} seconds of the video?"


def write_questions(path: Path, videos: Sequence[Path], count: int, support_s: float = 1.0) -> None:
    """Write questions about videos in turn, with choices and a support time."""
    data = [
        {
            "id": f"q{number:05}",
            "question": question(number),
            "choices": ["A. It turns left", "B. It stops", "C. It drives on", "D. It is gone"],
            "video_path": str(videos[number % len(videos)]),
            "support_frames": [support_s],
            "answer": "A. It turns left",
        }
        for number in range(count)
    ]
    path.write_text(json.dumps({"data": data}))
