"""The folder of a distilled model: distilled.json, teacher/ and student/.

    FOLDER/distilled.json   {"version": 1, "route": "en" or null, "languages": ["vi"]}
    FOLDER/teacher/         the model that built an index, of any library
    FOLDER/student/         a text encoder of sentence-transformers, whose last Dense is the head

It names nothing outside of itself, so it can be moved.
"""

import json
from pathlib import Path
from typing import Any

from index.errors import CueframeError
from index.models.distilled_model import VERSION, Distilled, DistilledModel
from index.models.libraries import DISTILLED, STUDENT, TEACHER, fetch, library_of
from index.models.library_model import load_library_model
from index.models.model_folder import refuse_odd_files
from index.models.model_loading import in_one_line
from index.models.preprocess import ViewMode
from index.models.sentence_model import load_sentence_model


def load_distilled_model(
    name: str, view: ViewMode | None, *, text_only: bool = False
) -> DistilledModel:
    """Load a distilled model, with float32 weights on the CPU.

    Args:
        name: Folder with distilled.json, or name on the hub.
        view: How a wide frame becomes the model's input; None follows the teacher's processor.
        text_only: As for `index.models.library_model.load_library_model`, of the teacher.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: distilled.json is damaged or of a later version, or a part is not there,
            cannot be loaded or does not fit the other.
    """
    with in_one_line(name, "--model"):
        folder = fetch(name, "distilled")
        settings = read_settings(folder)
        for part in (TEACHER, STUDENT):
            if not (folder / part).is_dir():
                raise CueframeError(
                    f"{folder} is a distilled model without its folder {part}; copy it whole, or "
                    "distill it anew"
                )
        teacher = str(folder / TEACHER)
        library = library_of(teacher)
        if library == "distilled":
            raise CueframeError(
                f"{teacher} is a distilled model itself; put the model that built the index there"
            )
    return DistilledModel(
        name,
        load_library_model(teacher, library, view, text_only=text_only),
        load_sentence_model(str(folder / STUDENT), None),
        settings,
    )


def read_settings(folder: Path) -> Distilled:
    """Read distilled.json.

    Raises:
        CueframeError: It is damaged, or of a later version.
    """
    refuse_odd_files(folder)
    path = folder / DISTILLED
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
        if isinstance(version, int) and version > VERSION:
            raise CueframeError(
                f"{path} is of version {version}, and this Cueframe reads {VERSION}; bring it up "
                "to date"
            )
        return _settings(**content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CueframeError(
            f"{path} is damaged ({error!r}); copy the folder again, or distill it anew"
        ) from error


def _settings(version: Any, route: Any, languages: Any) -> Distilled:
    if type(version) is not int or version < 1:
        raise ValueError(f"version {version!r}")
    if not (route is None or (isinstance(route, str) and route)):
        raise ValueError(f"route {route!r}")
    if not (isinstance(languages, list) and all(isinstance(one, str) for one in languages)):
        raise ValueError(f"languages {languages!r}")
    return Distilled(route=route, languages=tuple(languages))
