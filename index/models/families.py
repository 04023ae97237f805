"""What a family of dual encoders of the library transformers needs: one table.

B: images or texts of a batch, L: tokens, D: width of a vector.

A family without an entry is treated like CLIP. What is done with a picture stands in the model's
own image processor (`index.models.preprocess`, `index.models.processor_values`), not here.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from torch import Tensor
from transformers import PreTrainedConfig

from index.models.dual_model import Side

Encode = Callable[..., Tensor]
"""From a model and its inputs by name to vectors (B, D)."""


def _image_features(model: Any, **inputs: Tensor) -> Tensor:
    vectors: Tensor = model.get_image_features(**inputs).pooler_output
    return vectors


def _text_features(model: Any, **inputs: Tensor) -> Tensor:
    vectors: Tensor = model.get_text_features(**inputs).pooler_output
    return vectors


def _first_image_feature(model: Any, **inputs: Tensor) -> Tensor:
    return _image_features(model, **inputs)[:, 0]


def _first_text_feature(model: Any, **inputs: Tensor) -> Tensor:
    return _text_features(model, **inputs)[:, 0]


def _retrieval_image(model: Any, **inputs: Tensor) -> Tensor:
    vectors: Tensor = model.vision_proj(model.vision_model(**inputs).last_hidden_state[:, 0])
    return vectors


def _retrieval_text(model: Any, **inputs: Tensor) -> Tensor:
    vectors: Tensor = model.text_proj(model.text_encoder(**inputs).last_hidden_state[:, 0])
    return vectors


class Family(NamedTuple):
    """How the models of a family are loaded, given texts, and trained."""

    title: str = "CLIP"
    padding: Literal["longest", "max_length"] = "longest"
    """Padding of texts, as in training: to the longest text of a batch, or all to one length."""
    length: int | None = None
    """Tokens of a text in training, where neither tokenizer nor positions say it."""
    image: Encode = _image_features
    text: Encode = _text_features
    ends: bool = False
    """Whether each text ends with the tokenizer's end token, whose place or state is the vector."""
    text_inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    """What the text side reads of what the tokenizer gives."""
    scale: Literal["logit_scale", "temperature", "none"] = "logit_scale"
    """The weight that gives the factor on cosines: its logarithm, its inverse, or no weight."""
    capped: bool = True
    """Whether its scale was held at 100 or below in training, as CLIP's was."""
    joint: bool = True
    """Whether the model's own forward pass gives the vectors of both sides."""
    text_attention: str | None = None
    """Attention of the text side, where a text's vector depends on its neighbours by another."""
    unused: str | None = None
    """Pattern of the weights on which neither side's vectors depend, so none has a gradient."""
    elsewhere: tuple[str, ...] = ()
    """Beginnings of weights in its folders that belong to another task than comparing."""
    own_class: str | None = None
    """Class of transformers that has both sides, if not the one that AutoModel takes."""
    package: str | None = None
    """A package that its image processor or tokenizer cannot do without."""
    languages: tuple[str, ...] = ()
    """Languages of the texts that its published models were trained on, as ISO 639-1 codes, as far
    as the family alone says it; `MANY`: a hundred and more."""
    refusal: str | None = None
    """Why it is no encoder of frames and texts, and what is."""


MANY = ("many",)
"""Languages of a model that was trained on a hundred and more of them."""
_ENGLISH = ("en",)
_TYPES = ("input_ids", "attention_mask", "token_type_ids")
_CLIP = Family(ends=True)
_NAME_ANOTHER = "name a CLIP or SigLIP model with --model"

FAMILIES: dict[str, Family] = {
    "clip": _CLIP,
    "siglip": Family("SigLIP, SigLIP 2", padding="max_length", ends=True, capped=False),
    "siglip2": Family(
        "SigLIP 2 NaFlex", padding="max_length", ends=True, capped=False, languages=MANY
    ),
    "metaclip_2": Family("MetaCLIP 2", ends=True, languages=MANY),
    "altclip": Family("AltCLIP", text_inputs=_TYPES, languages=("en", "zh")),
    "chinese_clip": Family("Chinese-CLIP", text_inputs=_TYPES, languages=("zh",)),
    "clipseg": Family("CLIPSeg", ends=True, elsewhere=("decoder.",), languages=_ENGLISH),
    "groupvit": Family("GroupViT", ends=True, languages=_ENGLISH),
    "vision-text-dual-encoder": Family("VisionTextDualEncoder", text_inputs=_TYPES),
    # Under sdpa a text without padding sees its later tokens, and a padded one does not.
    "aimv2": Family("AIMv2", ends=True, text_attention="eager", languages=_ENGLISH),
    "align": Family(
        "ALIGN",
        padding="max_length",
        length=64,
        text_inputs=_TYPES,
        scale="temperature",
        capped=False,
        unused=r"text_model\.pooler\.",
        languages=_ENGLISH,
    ),
    "tipsv2": Family(
        "TIPSv2",
        padding="max_length",
        scale="temperature",
        capped=False,
        unused=r"vision_model\.embeddings\.mask_token",
        package="torchvision",
    ),
    "flava": Family(
        "FLAVA",
        padding="max_length",
        length=77,
        text_inputs=_TYPES,
        image=_first_image_feature,
        text=_first_text_feature,
        joint=False,
        unused=r"multimodal_model\.|(image|text)_to_mm_|.*\.mask_token|(image|text)_model\.pooler\.",
        elsewhere=("image_codebook.", "itm_head.", "mim_head.", "mlm_head.", "mmm_"),
        languages=_ENGLISH,
    ),
    "owlvit": Family(
        "OWL-ViT",
        padding="max_length",
        ends=True,
        elsewhere=("box_head.", "class_head.", "layer_norm."),
        languages=_ENGLISH,
    ),
    "blip": Family("BLIP", unused=r"text_model\..*\.crossattention\."),
    "blip for retrieval": Family(
        "BLIP ITM",
        image=_retrieval_image,
        text=_retrieval_text,
        scale="none",
        joint=False,
        unused=r"text_encoder\..*\.crossattention\.|itm_head\.",
        own_class="BlipForImageTextRetrieval",
        languages=_ENGLISH,
    ),
    "blip for another task": Family(
        "BLIP for captions or answers",
        refusal="a BLIP that writes captions or answers, which has no vectors to compare; name one "
        "made for retrieval (such as Salesforce/blip-itm-base-coco), or a CLIP or SigLIP model, "
        "with --model",
    ),
    "blip-2": Family(
        "BLIP-2",
        refusal="a BLIP-2, which compares a text with 32 vectors of a picture and not with one; "
        + _NAME_ANOTHER,
    ),
    "owlv2": Family(
        "OWLv2",
        refusal="an OWLv2, which finds objects in pictures that are blurred, padded and scaled by "
        f"SciPy, and no --view does that; name an OWL-ViT, or {_NAME_ANOTHER[5:]}",
    ),
    "xclip": Family(
        "X-CLIP",
        refusal="an X-CLIP, which encodes clips of several frames and no single frame; "
        + _NAME_ANOTHER,
    ),
}
"""By the configuration's model_type; BLIP by what its folder was saved for."""

_AFTER_PADDING = frozenset(
    "altclip_text_model camembert data2vec-text ibert lilt longformer luke markuplm mpnet roberta "
    "roberta-prelayernorm xlm-roberta xlm-roberta-xl xmod".split()
)
"""Text sides whose first token has the position after pad_token_id."""


def family_of(config: PreTrainedConfig) -> Family:
    """Return the family of the model that a configuration describes."""
    kind = config.model_type
    saved_for = next(iter(config.architectures or ()), "BlipModel")
    if kind == "blip" and saved_for != "BlipModel":
        retrieves = saved_for == FAMILIES["blip for retrieval"].own_class
        kind = "blip for retrieval" if retrieves else "blip for another task"
    return FAMILIES.get(kind, _CLIP)


def text_positions(config: PreTrainedConfig) -> int:
    """Return how many tokens the text side of a configuration has positions for."""
    text = config.get_text_config()
    positions = int(text.max_position_embeddings)
    if text.model_type in _AFTER_PADDING:
        positions -= int(text.pad_token_id) + 1
    return positions


def side_of(family: Family, weight: str) -> Side:
    """Say where a weight of a model's `state_dict` belongs, by its name."""
    if weight.startswith(("logit_", "temperature")):
        return "logits"
    if family.unused is not None and re.match(family.unused, weight):
        return "unused"
    return "text" if weight.startswith("text_") else "vision"
