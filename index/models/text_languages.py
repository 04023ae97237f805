"""In which languages a model was trained to read, as far as its family, name and vocabulary say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from index.models.distilled_model import DistilledModel
from index.models.dual_model import DualModel
from index.models.families import FAMILIES, MANY

_TRAINED = "training.json"
"""In the folder of a model that was trained further, in whatever language."""
_CLIP_WORDS = 49408
"""Size of the vocabulary of OpenAI's CLIP, made of English, which open_clip's and others share."""
_SIGLIP_WORDS = 32000
"""Size of that of the first SigLIP, made of English; the multilingual ones have 250,000."""
_MANY_WORDS = 100_000
"""A vocabulary as large as this was made of many: XLM-R, mT5, Gemma, multilingual BERT."""


class TextLanguages(NamedTuple):
    """Languages that a model was trained to read, and how that is known."""

    codes: tuple[str, ...]
    """ISO 639-1 codes, or `index.models.families.MANY`."""
    why: str

    def reads(self, language: str) -> bool:
        """Say whether a language is one of them."""
        return self.codes == MANY or language in self.codes


def text_languages(model: DualModel) -> TextLanguages | None:
    """Say which languages a model was trained to read; None where nothing tells."""
    if isinstance(model, DistilledModel):
        route = model.settings.route
        codes = (*([route] if route else []), *model.settings.languages)
        return TextLanguages(codes, "it was distilled for them")
    if (Path(model.name) / _TRAINED).is_file():
        return None
    values = model.configuration()
    kind = str(values.get("model_type", ""))
    words = max(_vocabularies(values), default=0)
    family = FAMILIES.get(kind)
    if family and family.languages and not (kind == "altclip" and "-m" in model.name.lower()):
        return TextLanguages(family.languages, f"{family.title} was trained so")
    if "multilingual" in model.name.lower():
        return TextLanguages(MANY, "its name says so")
    if kind in ("altclip", "vision-text-dual-encoder"):
        return None
    if words > _MANY_WORDS:
        return TextLanguages(MANY, f"its vocabulary of {words:,} tokens is of many languages")
    if words == _CLIP_WORDS and kind in ("", "clip"):
        return TextLanguages(("en",), "its vocabulary is that of OpenAI's CLIP, made of English")
    if words == _SIGLIP_WORDS and kind in ("", "siglip"):
        return TextLanguages(("en",), "its vocabulary is that of the first SigLIP, of English")
    return None


def _vocabularies(values: Mapping[str, Any]) -> Iterator[int]:
    """Yield the sizes of the vocabularies that a configuration names, at whatever depth."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _vocabularies(value)
        elif key == "vocab_size" and isinstance(value, int):
            yield value
