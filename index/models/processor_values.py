"""Which values of an image processor are known, so that none is ignored that changes pictures."""

from collections.abc import Iterator, Mapping
from typing import Any

from index.errors import CueframeError

_USED = frozenset(
    "crop_size do_center_crop do_normalize do_pad do_rescale do_resize image_mean image_std "
    "include_top max_num_patches patch_size resample rescale_factor rescale_offset size".split()
)
"""Keys that `index.models.preprocess` and `index.models.normalization` go by."""
_OF_NO_EFFECT = frozenset(
    "_name_or_path _processor_class _valid_processor_keys auto_map backend data_format "
    "default_to_square device disable_grouping do_convert_rgb do_reduce_labels "
    "feature_extractor_type image_processor_type image_seq_length input_data_format "
    "model_input_names processor_class rescale return_tensors use_fast use_square_size".split()
)
"""Keys that leave the pixels of an RGB picture as they are, whatever their value."""
_CHANGE_NOTHING = {
    "do_align_long_axis": False,
    "do_flip_channel_order": False,
    "do_grayscale": False,
    "do_thumbnail": False,
    "return_codebook_pixels": False,
    "return_image_mask": False,
}
"""Keys with the only value that leaves the pixels as they are."""
_ONLY_IF = {
    "codebook_": "return_codebook_pixels",
    "input_size_patches": "return_image_mask",
    "mask_group_": "return_image_mask",
    "pad_size": "do_pad",
    "total_mask_patches": "return_image_mask",
}
"""Beginnings of keys that count only where another key is set."""


_SIDES = frozenset({"height", "width", "shortest_edge"})
"""What a size may say; a longest_edge, say, would bound it for wide frames alone."""


def _sides(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of sizes that say something else, by key."""
    for key in ("size", "crop_size"):
        of_key = values.get(key)
        if isinstance(of_key, Mapping):
            yield from ((f"{key}.{side}", of_key[side]) for side in of_key.keys() - _SIDES)


def refuse_unknown_values(name: str, values: Mapping[str, Any]) -> None:
    """Refuse an image processor that does something with pixels that is not known here.

    Args:
        name: The model, for the error message.
        values: `to_dict()` of a transformers image processor.

    Raises:
        CueframeError: It does; the first such value is named.
    """
    for key, value in sorted([*values.items(), *_sides(values)]):
        if value is None or key in _USED or key in _OF_NO_EFFECT:
            continue
        if key in _CHANGE_NOTHING and value == _CHANGE_NOTHING[key]:
            continue
        if any(key.startswith(part) and not values.get(on) for part, on in _ONLY_IF.items()):
            continue
        raise CueframeError(
            f"the image processor of {name} has {key} {value!r}, which Cueframe does not know, so "
            "its pictures could differ from the model's; name another model with --model"
        )
