"""Load a dual encoder by the library that it is of."""

from index.models.dual_model import DualModel
from index.models.libraries import Library
from index.models.open_clip_model import load_open_clip_model
from index.models.preprocess import ViewMode
from index.models.sentence_model import load_sentence_model
from index.models.transformers_model import load_transformers_model


def load_library_model(
    name: str, library: Library, view: ViewMode | None, *, text_only: bool = False
) -> DualModel:
    """Load a dual encoder of a library, with float32 weights on the CPU.

    Args:
        name: Folder, or name on the hub.
        library: As `index.models.libraries.library_of` says, and not "distilled".
        view: How a wide frame becomes the model's input; None follows the model's processor.
        text_only: Leave its vision side out, to encode texts alone. Models of other libraries than
            transformers are loaded as a whole.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: Its library is not installed, or refuses it.
    """
    if library == "open_clip":
        return load_open_clip_model(name, view)
    if library == "sentence_transformers":
        return load_sentence_model(name, view)
    return load_transformers_model(name, view, text_only=text_only)
