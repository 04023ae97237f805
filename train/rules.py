"""What decides which frames are mined: the rules, and the encoder that compares frames."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from index.encoder import Dtype, Encoder, load_encoder
from index.errors import CueframeError
from index.opening import DEFAULT_FPS, DEFAULT_MODEL
from index.store import Profile, read_profile
from infer.indexed import load_asking_encoder
from train.pictures import ImageFormat


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which frames are negatives, and how all are kept."""

    negatives: Literal["random", "hard"]
    num_segments: int
    neg_sim_threshold: float
    guard_s: float
    seed: int
    fps: float
    """Rate of the candidates."""
    image_format: ImageFormat


class Judge(NamedTuple):
    """An encoder, and an index that may have encoded some frames already."""

    encoder: Encoder
    fingerprint: str
    """Of its vision side and view."""
    fps: float
    """Rate of the candidates."""
    stored: tuple[Path, Profile] | None


def load_judge(
    index: Path | None,
    *,
    model: str | None,
    fps: float | None,
    dtype: Dtype,
    device: torch.device,
) -> Judge:
    """Load the encoder; with an index, the one that made it, with its rate and view.

    Raises:
        CueframeError: The encoder cannot be had; the index was made with another encoder, at
            another rate, or not from full frames.
    """
    if index is None:
        encoder, fingerprint = load_encoder(model or DEFAULT_MODEL, dtype=dtype, device=device)
        return Judge(encoder, fingerprint, fps or DEFAULT_FPS, None)
    profile = read_profile(index)
    if fps not in (None, profile.fps):
        raise CueframeError(
            f"{index} was built with --fps {profile.fps}, not {fps}; leave the flag out, or mine "
            "without --index"
        )
    if profile.resize != "exact":
        raise CueframeError(
            f"{index} was built with --resize {profile.resize}, so its vectors do not compare "
            "with those of full frames; mine without --index"
        )
    encoder = load_asking_encoder(index, profile, model=model, dtype=dtype, device=device)
    return Judge(encoder, profile.fingerprint, profile.fps, (index, profile))


def settings_of(rules: Rules, judge: Judge, caption_setting: int) -> dict[str, Any]:
    """All that decides the result, JSON values by names fit for an error.

    Captions and the text side count for hard negatives alone.
    """
    settings = {f"--{name}": value for name, value in asdict(rules).items()}
    settings["a model and view of fingerprint"] = judge.fingerprint
    if rules.negatives == "hard":
        name = judge.encoder.name
        place = str(Path(name).resolve()) if Path(name).is_dir() else name
        settings |= {"--caption": caption_setting, "--model": place}
    return settings
