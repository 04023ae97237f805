"""The α that validates best, on labelled questions about videos that neither model has seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState

from index.distributed import rendezvous
from index.errors import CueframeError
from index.messages import say
from index.models.encoder import Encoder
from infer.evaluation.leakage import trained_videos
from infer.question_files.loading import load_questions
from train.interpolating.config import InterpolateConfig
from train.interpolating.mixing import Mixer
from train.log import print_validation
from train.pictures.store import PREPARED
from train.split import Example, split_data
from train.validate import index_videos, refuse_missing_videos, validate
from train.validation_result import Validation

GRID = tuple(tenths / 10 for tenths in range(11))


def unseen_examples(config: InterpolateConfig) -> list[Example]:
    """Return the questions about videos, by content, that neither model was trained on.

    Raises:
        CueframeError: Unusable questions, a missing video, or none is left.
    """
    assert config.json_path is not None
    questions = load_questions(config.json_path, layout=config.format, labels=config.labels)
    _, examples = split_data(
        questions, config.json_path, None, config.video_path, config.caption, 1.0, config.seed, None
    )
    seen = trained_videos(config.a) | trained_videos(config.b)
    unseen = [one for one in examples if one["content_hash"] not in seen]
    if not unseen:
        raise CueframeError(
            f"all {len(examples)} questions of {config.json_path} are about videos on which "
            f"{config.a} or {config.b} was trained; name others by --json_path"
        )
    if len(unseen) < len(examples):
        say(
            f"{len(examples) - len(unseen)} of {len(examples)} questions are about videos on which "
            f"{config.a} or {config.b} was trained; alpha is chosen on the other {len(unseen)}"
        )
    refuse_missing_videos(unseen, config.video_path)
    return unseen


def choose_alpha(
    mixer: Mixer,
    examples: list[Example],
    *,
    same_vision: bool,
    scratch: Path,
    state: PartialState,
    config: InterpolateConfig,
) -> tuple[float, dict[float, dict[str, Any]]]:
    """Validate each α of the grid; print its table.

    Args:
        mixer: The models, on the device.
        examples: The questions to validate on.
        same_vision: Whether both have one vision side, so that videos are encoded once.
        scratch: A folder for their vectors.
        state: Of a single process.
        config: Seed, and how long texts are read.

    Returns:
        The α with most hits, then recall, then precision, on the half of the videos that chooses
        (`train.halves`); of equals the one nearest to a half, and
        of two as near the smaller. And the `Validation.figures` of each.
    """
    found: dict[float, Validation] = {}
    with rendezvous(scratch, state) as kept:
        encoder, pictures = Encoder(mixer.model), kept / PREPARED
        index = None
        if same_vision:
            index = kept, index_videos(examples, encoder, kept, state, pictures)
        for alpha in GRID:
            mixer.set_alpha(alpha)
            with rendezvous(scratch, state) as own:
                result = validate(
                    examples,
                    encoder,
                    state,
                    index=index,
                    scratch=own,
                    seed=config.seed,
                    long_text=config.long_text,
                    pictures=pictures,
                )
            assert result is not None
            print_validation(result.reported_on, f"alpha {alpha}")
            found[alpha] = result
    best = best_alpha({alpha: one.rank for alpha, one in found.items()})
    return best, {alpha: one.figures for alpha, one in found.items()}


def best_alpha(ranks: Mapping[float, list[float]]) -> float:
    """Return the α of the highest rank; of equals the nearest to a half, of two such the smaller.

    Args:
        ranks: By α, in tenths, as `train.validate.Validation.rank` orders them.
    """
    return max(ranks, key=lambda alpha: (ranks[alpha], -abs(round(10 * alpha) - 5), -alpha))
