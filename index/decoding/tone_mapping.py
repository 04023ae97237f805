"""Pictures of HDR video (PQ or HLG) as a standard screen shows them: SDR, BT.709.

Each step is that of FFmpeg's usual chain. At the stored size the picture is within 5 of 255 of it
(FFmpeg 9.0, before the chain's last step to 4:2:0 in 8 bits, which by itself moves pixels by 1 to 3
on average), and 0.5 away on average where a file does not tell where its chroma lies: swscale then
takes it for centred, zscale for left.

    zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,
    tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv

That chain departs from the standards in three things, and so does this module. HLG's OOTF is
applied to each channel and not to the luminance (zscale's approximate gamma, its default). The last
transfer is the inverse of BT.1886, a power of 1/2.4, and not the OETF of BT.709. And the brightest
light is 1000 cd/m² in every file: zscale drops what the file tells of it (MaxCLL, the mastering
display), without which tonemap assumes that.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, Interpolation

Transfer = Literal["PQ", "HLG"]
_Floats = npt.NDArray[np.floating[Any]]
_Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

_TRANSFERS: dict[int, Transfer] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_WHITE = (0.3127, 0.3290)
"""CIE x and y of red, green and blue (BT.709 item 1.3, BT.2020 table 3, EG 432-1) and of D65."""
_PRIMARIES: dict[int, tuple[str, _Chromaticities]] = {
    ColorPrimaries.BT709: ("BT.709", _BT709),
    ColorPrimaries.SMPTE432: ("Display P3", _DISPLAY_P3),
}
_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""Weights of R' and B' in Y' by the matrix coefficients of H.273: those of BT.709 and BT.601."""
_LUMA_BT2020 = (0.2627, 0.0593)
"""BT.2020 table 4. What is unspecified or unknown in an HDR file is taken as in BT.2020."""
_IDENTITY, _UNSPECIFIED = 0, 2
"""Further matrix coefficients; those of identity mean G', B' and R'."""

_NOMINAL_CD_M2 = 100.0
"""Linear light is 1.0 here."""
_PEAK = 1000.0 / _NOMINAL_CD_M2
_TOP_SIGNAL = 1.5
"""Limited range reaches 1.09, which HLG uses; at edges of bright colours a channel exceeds that."""
_STEPS = 2**16 - 1
"""Tables have one entry more, as many as fit into the cache beside a strip."""
_STRIP_PIXELS = 2**15
"""Pixels mapped at once: their floats fit into the cache, some 2 MiB whatever the picture."""

# Bilinear for chroma, as in zscale; bicubic for it is 0.7 of 255 off on saturated edges.
_SCALER = (
    Interpolation.BICUBLIN
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


class Hdr(NamedTuple):
    """How HDR light is coded; primaries and matrix by the numbers of H.273."""

    transfer: Transfer
    primaries: int = int(ColorPrimaries.BT2020)
    matrix: int = 9
    full_range: bool = False

    @property
    def warning(self) -> str:
        """What is done about it, in a line for the user."""
        name, _ = _PRIMARIES.get(self.primaries, ("BT.2020", _BT2020))
        return f"colour: HDR ({self.transfer}, {name}) is mapped to SDR"


def hdr_of(source: VideoFrame | VideoCodecContext) -> Hdr | None:
    """Return how the light of a picture, or of a stream as a whole, is coded; None if it is SDR."""
    transfer = _TRANSFERS.get(source.color_trc)
    if transfer is None:
        return None
    full_range = source.color_range == ColorRange.JPEG
    return Hdr(transfer, source.color_primaries, source.colorspace, full_range)


def sdr_pixels(frame: VideoFrame, hdr: Hdr, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return the stored picture at this size in R'G'B' for an SDR screen, (H, W, 3).

    It is scaled before it is mapped, so that a small picture costs no more than one of SDR (1080p
    to 398 x 224: 5 ms; mapped first, 65). Scaling FFmpeg's mapped picture gives one that is 0.3 to
    0.4 of 255 away on soft clouds and discs, 1.5 on patches of saturated light on black.
    """
    is_rgb = frame.format.is_rgb
    scaled = frame.reformat(
        width=width,
        height=height,
        # Not RGB: swscale's own step to that is up to 258 of 65535 off.
        format="gbrp16le" if is_rgb else "yuv444p16le",
        interpolation=_SCALER,
        threads=1,
    )
    buffers: Any = scaled.planes  # PyAV's stub does not tell that a plane is a buffer
    planes = [np.frombuffer(buffer, "<u2").reshape(height, -1)[:, :width] for buffer in buffers]
    # Files of Y'CbCr that claim to be RGB exist: x265 writes that for a matrix of "undef".
    coded = hdr._replace(matrix=_IDENTITY if is_rgb else hdr.matrix or _UNSPECIFIED)
    return tone_mapped(planes, coded, min(16, frame.format.components[0].bits))


def tone_mapped(
    planes: Sequence[npt.NDArray[np.uint16]], hdr: Hdr, bits: int
) -> npt.NDArray[np.uint8]:
    """Return a picture in R'G'B' for an SDR screen.

    Args:
        planes: Y', Cb and Cr, or G', B' and R' where the matrix is the identity; each (H, W).
        hdr: How they are coded.
        bits: Of a sample before swscale made it one of 16 bits.

    Returns:
        (H, W, 3) uint8 in full range, BT.709.
    """
    height, width = planes[0].shape
    to_index, first_index = _to_index(hdr, bits)
    light_of, to_bt709, codes = _light(hdr.transfer), _to_bt709(hdr.primaries), _codes()
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        stored = np.stack([plane[top : top + rows] for plane in planes], dtype=np.float32)
        # einsum is as fast as @ and starts no threads, which would contend with other workers.
        index = np.einsum("ij,jn->in", to_index, stored.reshape(3, -1)) + first_index
        light = light_of.take(np.clip(index, 0, _STEPS).astype(np.uint16))
        sdr = codes.take(_tone_index(np.einsum("ij,jn->in", to_bt709, light)))
        pixels[top : top + rows] = np.stack([*sdr], axis=-1).reshape(-1, width, 3)
    return pixels


def _tone_index(light: _Floats) -> npt.NDArray[np.uint16]:
    """Return where SDR's light is in `_codes` for HDR's linear light, (3, N) float32.

    The brightest channel follows the curve and the others are scaled with it, which keeps the hue.
    Light outside of BT.709 has a negative channel, which is clipped.
    """
    brightest = np.maximum(light.max(axis=0), 1e-6)
    sdr = light * (_hable(brightest) / (_hable(np.array(_PEAK, np.float32)) * brightest))
    return np.asarray(np.sqrt(np.clip(sdr, 0, 1)) * _STEPS + 0.5, np.uint16)


def _hable(light: _Floats) -> _Floats:
    """Return John Hable's filmic curve ("Uncharted 2: HDR Lighting", GDC 2010), not normalised."""
    a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
    return (light * (light * a + c * b) + d * e) / (light * (light * a + b) + d * f) - e / f


def _to_index(hdr: Hdr, bits: int) -> tuple[_Floats, _Floats]:
    """Return the (3, 3) matrix and the (3, 1) offset from samples to R', G', B' in `_light`."""
    # swscale shifts a sample into 16 bits; only luma of full range has its lower bits filled.
    top = float((2**bits - 1) << (16 - bits))
    black, white, chroma = (0.0, 65535.0, top) if hdr.full_range else (4096.0, 60160.0, 57344.0)
    red, blue = _LUMA.get(hdr.matrix, _LUMA_BT2020)
    green, from_cr, from_cb = 1 - red - blue, 2 - 2 * red, 2 - 2 * blue
    to_green = [1, -from_cb * blue / green, -from_cr * red / green]
    matrix = np.array([[1, 0, from_cr], to_green, [1, from_cb, 0]])
    matrix /= [white - black, chroma, chroma]
    offset = -matrix @ [[black], [32768.0], [32768.0]]
    if hdr.matrix == _IDENTITY:
        matrix, offset = np.eye(3)[[2, 0, 1]] / top, np.zeros((3, 1))
    steps = _STEPS / _TOP_SIGNAL
    return (matrix * steps).astype(np.float32), (offset * steps + 0.5).astype(np.float32)


@cache
def _light(transfer: Transfer) -> _Floats:
    """Return linear light by signals from 0 to _TOP_SIGNAL, (_STEPS + 1,) float32."""
    signal = np.linspace(0, _TOP_SIGNAL, _STEPS + 1)
    if transfer == "PQ":  # BT.2100 table 4, reference EOTF
        root = signal ** (1 / 78.84375)
        ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        cd_m2 = 10000 * ratio ** (1 / 0.1593017578125)
    else:  # BT.2100 table 5, inverse OETF; then the OOTF's gamma of 1.2 for a screen of 1000 cd/m²
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        cd_m2 = 1000 * np.where(signal <= 0.5, signal**2 / 3, bright) ** 1.2
    return (cd_m2 / _NOMINAL_CD_M2).astype(np.float32)


@cache
def _to_bt709(primaries: int) -> _Floats:
    """Return the (3, 3) matrix from linear RGB of these primaries to that of BT.709."""
    _, chromaticities = _PRIMARIES.get(primaries, ("", _BT2020))
    return np.linalg.solve(_to_xyz(_BT709), _to_xyz(chromaticities)).astype(np.float32)


def _to_xyz(chromaticities: _Chromaticities) -> npt.NDArray[np.float64]:
    """Return the (3, 3) matrix from linear RGB to CIE XYZ (SMPTE RP 177)."""
    xyz = [np.array([x, y, 1 - x - y]) / y for x, y in (*chromaticities, _WHITE)]
    columns = np.stack(xyz[:3], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, xyz[3]))


@cache
def _codes() -> npt.NDArray[np.uint8]:
    """Return 8-bit samples by the square root of light from 0 to 1, (_STEPS + 1,).

    By the root, because the darkest samples are closer to each other than steps of the light.
    """
    root = np.linspace(0, 1, _STEPS + 1)
    return np.rint(255 * root ** (2 / 2.4)).astype(np.uint8)
