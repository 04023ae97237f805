"""The share of a picture that the crop sees."""

import pytest

from index.models.preprocess import image_transform_of
from infer.diagnosis.frame_view import seen_share

CLIP = {
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
}
ALIGN = {
    "size": {"height": 289, "width": 289},
    "crop_size": {"height": 272, "width": 272},
    "do_center_crop": True,
}


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [(1920, 1080, 0.5625), (1080, 1920, 0.5625), (640, 480, 0.75), (500, 500, 1.0)],
)
def test_of_a_square_input(width: int, height: int, seen: float) -> None:
    assert seen_share(width, height, None) == pytest.approx(seen)
    assert seen_share(width, height, image_transform_of(CLIP, None)) == pytest.approx(
        seen, abs=2e-3
    )
    squeezed = seen_share(width, height, image_transform_of(ALIGN, None))
    assert squeezed == pytest.approx((272 / 289) ** 2)
