"""A value of an image processor that could change pictures is refused, not ignored."""

import pytest
import transformers

from index.errors import CueframeError
from index.models.processor_values import refuse_unknown_values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("do_flip_channel_order", True),
        ("crop_pct", 0.875),
        ("do_affine_transform", True),
        ("return_image_mask", True),
        ("size_divisor", 32),
        ("something_new", "x"),
    ],
)
def test_a_value_that_is_not_known_is_refused(key: str, value: object) -> None:
    known = transformers.CLIPImageProcessorPil().to_dict()
    refuse_unknown_values("m", known)
    with pytest.raises(CueframeError, match=f"^the image processor of m has {key} "):
        refuse_unknown_values("m", known | {key: value})


@pytest.mark.parametrize("key", ["size", "crop_size"])
def test_a_bound_of_a_size_is_refused(key: str) -> None:
    known = transformers.CLIPImageProcessorPil().to_dict()
    bound = dict(known[key]) | {"longest_edge": 448}
    with pytest.raises(CueframeError, match=f"has {key}.longest_edge 448"):
        refuse_unknown_values("m", known | {key: bound})
    refuse_unknown_values("m", known | {key: bound | {"longest_edge": None}})


def test_values_of_no_effect_pass() -> None:
    for kind in ("CLIP", "Siglip", "Siglip2", "ChineseCLIP", "ViT", "Blip", "Flava", "OwlViT"):
        values = getattr(transformers, f"{kind}ImageProcessorPil")().to_dict()
        none = {"do_pad": None, "crop_pct": None, "size_divisor": None}
        more = {"do_convert_rgb": False, "processor_class": "X", "do_flip_channel_order": False}
        refuse_unknown_values("m", values | none | more)
