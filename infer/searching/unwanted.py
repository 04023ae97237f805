"""What shall not be seen, taken off what shall be: still one vector, so the search stays exact.

D: width of a vector, w: windows of a text.
"""

import numpy as np

from index.arrays import Floats

WEIGHT = 0.5
"""How much an unwanted text counts beside a wanted one.

Chosen on the demo's 60 training videos with its finished encoder, on all 36 pairs such as "a truck"
and "a green sign" of which some event shows both and some the first alone: with 0, 0.25, 0.5, 0.75
and 1, the share of wanted events among the first ten was 51, 61, 62, 61 and 54 %, and 11, 6, 2, 0
and 0 % of the unwanted ones came among them. On its 20 test videos, 0 and 0.5 gave 47 and 53 %, and
28 and 9 %. Where both texts say colour and name, 0.5 cost a point of the wanted (29 to 28 %) and
took the unwanted from 34 to 6 %. Weights by the spread of the scores, or the part of the wanted
text that is at right angles to the unwanted one, were no better.
"""


def without(wanted: Floats, unwanted: Floats | None) -> Floats:
    """Return wanted (w, D) less `WEIGHT` times unwanted (w', D), of whose windows the mean counts.

    The product with a frame's vector is cosine(wanted) − WEIGHT · cosine(unwanted). Without
    anything unwanted, wanted is returned as it is.
    """
    if unwanted is None:
        return wanted
    mean = unwanted.mean(axis=0, dtype=np.float64)
    less: Floats = (wanted - WEIGHT * mean / np.linalg.norm(mean)).astype(np.float32)
    return less
