"""The encoder that builds an index, and the profile of its vectors."""

from contextlib import suppress
from pathlib import Path

from index.decoding.sampler import DEFAULT_FPS
from index.distributed import join_processes
from index.errors import CueframeError
from index.how_to_encode import HowToEncode
from index.index_folder import clear_index, model_name
from index.known_models import remember
from index.messages import say
from index.models.dual_model import DualModel
from index.models.encoder import (
    Encoder,
    load_dual_model,
    ready_encoder,
    refuse_text_tower,
    vision_fingerprint,
)
from index.models.files_state import files_state
from index.models.proof import text_fingerprint
from index.proofs import prove_once
from index.storage.store import Profile, write_profile


def load_encoder_and_profile(
    index: Path, old: Profile | None, how: HowToEncode
) -> tuple[Encoder, Profile]:
    """Load encoder and profile; flags that are None are taken from the index's profile.

    Writes the profile of a new index; with `rebuild`, deletes the files of an old one once the
    encoder is loaded. A given model of the same vision side is the profile's from then on: its
    folder was moved, or its text side tuned.

    Args:
        index: Folder of the index.
        old: Its profile, of `index.index_folder.own_profile`.
        how: The flags.

    Raises:
        CueframeError: The model's vision side is not the one that built the index, or our vectors
            are not the model's own (`index.models.proof`).
    """
    name = model_name(how.model, old)
    mode = how.view or (old.view if old and not (how.rebuild and how.model) else None)
    state = files_state(name)
    loaded = load_dual_model(name, mode)
    refuse_text_tower(loaded)
    fingerprint = vision_fingerprint(loaded)
    if old and not how.rebuild and fingerprint != old.fingerprint:
        raise CueframeError(
            f"the vision side of {name} is not the one that built {index} ({old.model}): its "
            "vectors would not compare; name another --index, or build anew with --rebuild"
        )
    proved = prove_once(index, loaded, "vision", fingerprint, built=bool(old) and not how.rebuild)
    text_proved = _proved_text(index, loaded)
    encoder = ready_encoder(loaded, dtype=how.dtype, device=join_processes().device)
    if old and not how.rebuild:
        if name != old.model:
            say(f"{index} names the model {name} from now on, not {old.model}")
            old = old.model_copy(update={"model": name})
            write_profile(index, old)
        profile = old
    else:
        profile = Profile(
            model=name,
            fingerprint=fingerprint,
            width=encoder.width,
            fps=how.fps or (old.fps if old else DEFAULT_FPS),
            resize=how.resize or (old.resize if old else "exact"),
            view=encoder.transform.mode,
            dtype=encoder.dtype,
        )
        clear_index(index)
        write_profile(index, profile)
    if proved:
        remember(index, name, profile.view, state, fingerprint, "vision")
    if text_proved:
        remember(index, name, profile.view, state, fingerprint, "text")
    return encoder, profile


def _proved_text(index: Path, model: DualModel) -> bool:
    """Prove the text side while the model is here, so that the first question finds that done.

    What is wrong with it does not concern the videos: who asks a question is told.
    """
    with suppress(CueframeError):
        return prove_once(index, model, "text", text_fingerprint(model))
    return False
