"""The rules by which frames are mined, and the encoder that compares them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from index.decoding.sampler import DEFAULT_FPS
from index.errors import CueframeError
from index.models.encoder import (
    Encoder,
    load_dual_model,
    ready_encoder,
    refuse_text_tower,
    vision_fingerprint,
)
from index.models.long_texts import LongText
from index.models.model_folder import DEFAULT_MODEL, is_folder
from index.models.model_loading import Dtype
from index.models.proof import prove
from index.resume import deciding
from index.storage.store import Profile, read_profile
from infer.query_encoder import load_query_encoder
from train.mining.decoding_pass import ImageFormat


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules for choosing negatives and for saving frames."""

    negatives: Literal["random", "hard"]
    num_segments: int
    neg_sim_threshold: float
    guard_s: float
    seed: int
    fps: float
    """Candidates per second of video."""
    image_format: ImageFormat


class MiningEncoder(NamedTuple):
    """An encoder, and an index that may have encoded some frames already."""

    encoder: Encoder
    fingerprint: str
    """Digest of its vision side and image transform."""
    fps: float
    """Candidates per second of video."""
    stored: tuple[Path, Profile] | None


def load_mining_encoder(
    index: Path | None,
    *,
    model: str | None,
    fps: float | None,
    dtype: Dtype,
    device: torch.device,
) -> MiningEncoder:
    """Load the encoder; with an index, the one that built it, with its rate and image transform.

    Raises:
        CueframeError: The encoder cannot be loaded; the index was built with another encoder, at
            another rate, or not from full frames.
    """
    if index is None:
        loaded = load_dual_model(model or DEFAULT_MODEL, None)
        refuse_text_tower(loaded)
        fingerprint = vision_fingerprint(loaded)
        prove(loaded)
        encoder = ready_encoder(loaded, dtype=dtype, device=device)
        encoder.check_images()
        return MiningEncoder(encoder, fingerprint, fps or DEFAULT_FPS, None)
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
    encoder = load_query_encoder(index, profile, model=model, dtype=dtype, device=device)
    refuse_text_tower(encoder.model)
    return MiningEncoder(encoder, profile.fingerprint, profile.fps, (index, profile))


def settings_of(
    encoder: MiningEncoder, rules: Rules, caption_setting: int, long_text: LongText
) -> dict[str, Any]:
    """Return the settings that determine the result: JSON values by names for error messages.

    Captions and the text side matter for hard negatives only.
    """
    settings = deciding(rules, free=())
    settings["a model and view of fingerprint"] = encoder.fingerprint
    if rules.negatives == "hard":
        name = encoder.encoder.name
        place = str(Path(name).resolve()) if is_folder(name) else name
        settings |= {"--caption": caption_setting, "--long-text": long_text, "--model": place}
    return settings
