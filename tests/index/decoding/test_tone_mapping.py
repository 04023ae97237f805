"""HDR video is shown in SDR as FFmpeg's zscale and tonemap show it; other video is untouched."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from index.decoding import tone_mapping
from index.decoding.decord_decoder import decode_decord, trusted_packets
from index.decoding.display import Display, DisplayReader
from index.decoding.frame_types import Scale, VideoMetadata, each_of, every
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.tone_mapping import Hdr, Transfer, hdr_of, tone_mapped
from index.errors import VideoError
from tests.truths import drain

SDR, UNSPECIFIED, BT2020_10, PQ, HLG = 1, 2, 14, 16, 18
"""Transfers by the numbers of H.273."""
BT709, BT2020, DISPLAY_P3 = 1, 9, 12
"""Primaries, the first two also matrices, by the same."""
LIMITED, FULL = 1, 2
NAMES: dict[int, Transfer] = {PQ: "PQ", HLG: "HLG"}

PATCHES = [
    # Y', Cb, Cr in 10 bits; R', G', B' if they are PQ, PQ in full range, HLG, HLG in full range
    ((104, 512, 512), (7, 7, 7), (16, 16, 16), (12, 12, 12), (26, 26, 26)),
    ((195, 512, 512), (25, 25, 25), (34, 34, 34), (39, 39, 39), (50, 50, 50)),
    ((327, 512, 512), (66, 66, 66), (73, 73, 73), (78, 78, 78), (82, 82, 82)),
    ((509, 512, 512), (157, 157, 157), (152, 152, 152), (126, 126, 126), (124, 124, 124)),
    ((573, 512, 512), (193, 193, 193), (183, 183, 183), (144, 144, 144), (138, 138, 138)),
    ((723, 512, 512), (255, 255, 255), (243, 243, 243), (193, 193, 193), (180, 180, 180)),
    ((855, 512, 512), (255, 255, 255), (255, 255, 255), (235, 235, 235), (218, 218, 218)),
    ((207, 434, 791), (233, 0, 0), (226, 0, 0), (181, 0, 0), (176, 0, 0)),
    ((408, 325, 273), (0, 198, 0), (0, 190, 0), (0, 150, 0), (0, 145, 0)),
    ((93, 758, 492), (0, 0, 183), (0, 0, 180), (0, 0, 141), (0, 0, 140)),
    ((658, 189, 550), (255, 212, 0), (246, 206, 0), (197, 172, 0), (184, 163, 0)),
    ((502, 605, 208), (0, 232, 240), (0, 222, 229), (0, 176, 178), (0, 167, 168)),
    ((564, 495, 531), (212, 162, 146), (201, 158, 144), (156, 133, 126), (149, 130, 124)),
    ((412, 541, 488), (58, 107, 135), (67, 109, 134), (79, 104, 117), (83, 105, 116)),
    ((202, 493, 530), (38, 24, 18), (47, 33, 27), (54, 37, 29), (63, 48, 41)),
    ((738, 492, 528), (255, 216, 187), (255, 213, 188), (212, 183, 167), (197, 173, 160)),
]
"""Greys of 0.05 to 4000 cd/m² in PQ, saturated and other colours, and what FFmpeg makes of them.

Made by FFmpeg 9.0.2 with zimg from these samples in yuv444p10le, given as raw video, by

    -vf setparams=range=tv:color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc,
        zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,
        zscale=t=bt709,format=gbrp,format=rgb24

and with range=pc and color_trc=arib-std-b67 for the other columns.
"""
COLUMNS = {(PQ, LIMITED): 1, (PQ, FULL): 2, (HLG, LIMITED): 3, (HLG, FULL): 4}
SIDE = 32
"""Of a patch in a clip, in pixels; they lie in a row of eight above another."""
SIZE = (8 * SIDE, 2 * SIDE)

X264 = {"preset": "ultrafast", "crf": "1"}
SVT_AV1 = {"preset": "10", "crf": "4", "svtav1-params": "lp=1:keyint=5"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "2", "b": "0", "threads": "1"}


def x265(params: str = "") -> dict[str, str]:
    quiet = "log-level=none:pools=none:frame-threads=1"
    return {"preset": "ultrafast", "crf": "1", "x265-params": f"{quiet}:{params}".strip(":")}


X265 = x265()
CONTAINER_ONLY = x265("colorprim=undef:transfer=undef:colormatrix=undef")
"""x265 takes these last, so that only the container tells of the colours."""
# The chain of filters drops this, so it changes nothing.
METADATA = x265(
    "hdr10=1:hdr10-opt=1:max-cll=4000,400:master-display="
    "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(40000000,50)"
)


def patch_planes(bits: int = 10) -> list[npt.NDArray[np.uint16]]:
    """Y', Cb and Cr of the patches, (2 · SIDE, 8 · SIDE) each."""
    samples = np.array([samples for samples, *_ in PATCHES], np.uint16) >> (10 - bits)
    rows = samples.reshape(2, 8, 3).repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    return [np.ascontiguousarray(rows[..., plane]) for plane in range(3)]


def mapped(transfer: int, color_range: int = LIMITED) -> npt.NDArray[np.int64]:
    """FFmpeg's colours of the patches, (16, 3)."""
    return np.array([row[COLUMNS[transfer, color_range]] for row in PATCHES])


def centres(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The mean colour of each patch's inner quarter, (16, 3), of a picture of any size."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 8
    cells = pixels.reshape(2, height, 8, width, 3).transpose(0, 2, 1, 3, 4)
    inner = cells[:, :, height // 4 : -height // 4, width // 4 : -width // 4]
    return np.asarray(np.rint(inner.mean((2, 3))), np.int64).reshape(16, 3)


def write(
    path: Path,
    codec: str = "libx265",
    options: dict[str, str] = X265,
    *,
    transfer: int = PQ,
    color_range: int = LIMITED,
    primaries: int = BT2020,
    bits: int = 10,
    frames: int = 3,
    matrix: tuple[int, int, int, int] = (1, 0, 0, 1),
    pixel_aspect: Fraction = Fraction(1),
) -> Path:
    """A clip of the patches in 4:2:0; those of SDR hold the same samples."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = {8: "yuv420p", 10: "yuv420p10le"}[bits]
        context = stream.codec_context
        context.color_trc, context.color_range = transfer, color_range
        context.color_primaries = context.colorspace = primaries
        if primaries == DISPLAY_P3:
            context.colorspace = BT2020
        context.sample_aspect_ratio = pixel_aspect
        if matrix != (1, 0, 0, 1):
            a, b, c, d = (value << 16 for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        luma, *chroma = patch_planes(bits)
        planes = [luma, *(plane[::2, ::2].reshape(-1, luma.shape[1]) for plane in chroma)]
        samples = np.concatenate(planes)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(
                samples if bits > 8 else samples.astype(np.uint8), stream.pix_fmt
            )
            frame.pts, frame.time_base, frame.color_range = number, Fraction(1, 25), color_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(
    path: Path, scale: Scale | None = None
) -> tuple[list[npt.NDArray[np.uint8]], VideoMetadata]:
    frames, metadata = drain(decode_pyav(path, every(25.0), scale, False))
    return [np.asarray(frame.image) for frame in frames], metadata


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def warning(transfer: int, primaries: str = "BT.2020") -> str:
    return f"colour: HDR ({NAMES[transfer]}, {primaries}) is mapped to SDR"


def in_16_bits(
    samples: npt.NDArray[np.integer[Any]], bits: int, full_range: bool
) -> list[npt.NDArray[np.uint16]]:
    """Y', Cb and Cr of so many bits, (3, H, W), as swscale makes them samples of 16."""
    planes = [(plane.astype(np.int64) << (16 - bits)).astype(np.uint16) for plane in samples]
    if full_range:
        planes[0] = np.rint(samples[0] * (65535 / (2**bits - 1))).astype(np.uint16)
    return planes


@pytest.mark.parametrize(("transfer", "color_range"), COLUMNS)
def test_samples_become_what_ffmpeg_makes_of_them(transfer: int, color_range: int) -> None:
    hdr = Hdr(NAMES[transfer], full_range=color_range == FULL)
    pixels = tone_mapped(in_16_bits(np.stack(patch_planes()), 10, hdr.full_range), hdr, 10)
    assert np.abs(centres(pixels) - mapped(transfer, color_range)).max() <= 1


def luminance_cd_m2(signal: float, transfer: Transfer) -> float:
    """A channel's light by BT.2100: tables 4 (PQ) and 5 (HLG; 1000 cd/m², OOTF by channel)."""
    if transfer == "PQ":
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = math.pow(signal, 1 / m2)
        return 10000 * math.pow(max(root - c1, 0) / (c2 - c3 * root), 1 / m1)
    a, b = 0.17883277, 1 - 4 * 0.17883277
    c = 0.5 - a * math.log(4 * a)
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12
    return 1000 * math.pow(scene, 1.2)


TO_BT709: dict[int, list[list[float]]] = {
    BT709: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    # BT.2087-0 item 2.2.2, M2, without its roundings to four digits
    BT2020: [
        [1.660491002, -0.587641139, -0.072849863],
        [-0.124550475, 1.132899897, -0.008349422],
        [-0.018150763, -0.100578898, 1.118729661],
    ],
    DISPLAY_P3: [
        [1.224940176, -0.224940176, 0.0],
        [-0.042056955, 1.042056955, 0.0],
        [-0.019637555, -0.078636046, 1.098273600],
    ],
}
LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def one_pixel(samples: tuple[int, int, int], hdr: Hdr, bits: int) -> list[float]:
    """R', G' and B' of 0 to 255 for Y', Cb and Cr of so many bits, one step after the other."""
    unit = 2 ** (bits - 8)
    y, cb, cr = samples
    if hdr.full_range:  # BT.2100 table 9
        luma = y / (2**bits - 1)
        blue_y, red_y = ((value - 128 * unit) / (2**bits - 1) for value in (cb, cr))
    else:
        luma = (y - 16 * unit) / (219 * unit)
        blue_y, red_y = ((value - 128 * unit) / (224 * unit) for value in (cb, cr))
    kr, kb = LUMA_WEIGHTS[hdr.matrix]
    red, blue = luma + red_y * 2 * (1 - kr), luma + blue_y * 2 * (1 - kb)
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return one_colour([red, green, blue], hdr)


def one_colour(signals: list[float], hdr: Hdr) -> list[float]:
    """The same for R', G' and B'; beyond 1.5 lies nothing that a camera writes."""
    light = [luminance_cd_m2(min(max(0.0, s), 1.5), hdr.transfer) / 100 for s in signals]
    light = [sum(m * v for m, v in zip(row, light, strict=True)) for row in TO_BT709[hdr.primaries]]
    brightest = max(*light, 1e-6)
    gain = hable(brightest) / hable(10.0) / brightest
    return [255 * math.pow(min(max(0.0, value * gain), 1.0), 1 / 2.4) for value in light]


def hable(x: float) -> float:
    return (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3


@given(
    transfer=st.sampled_from(["PQ", "HLG"]),
    primaries=st.sampled_from(sorted(TO_BT709)),
    matrix=st.sampled_from(sorted(LUMA_WEIGHTS)),
    full_range=st.booleans(),
    bits=st.sampled_from([8, 10, 12]),
    grey=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_pixel_is_as_the_standards_say(
    transfer: Transfer,
    primaries: int,
    matrix: int,
    full_range: bool,
    bits: int,
    grey: bool,
    seed: int,
) -> None:
    hdr = Hdr(transfer, primaries, matrix, full_range)
    samples = np.random.default_rng(seed).integers(0, 2**bits, (3, 5, 7))
    if grey:
        samples[1:] = 2 ** (bits - 1)
    pixels = tone_mapped(in_16_bits(samples, bits, full_range), hdr, bits)
    assert pixels.shape == (5, 7, 3)
    assert pixels.dtype == np.uint8
    for row, column in np.ndindex(5, 7):
        y, cb, cr = (int(value) for value in samples[:, row, column])
        exact = one_pixel((y, cb, cr), hdr, bits)
        assert np.abs(pixels[row, column] - np.array(exact)).max() < 0.6


def test_black_is_black_and_the_brightest_white_is_white() -> None:
    for transfer in (PQ, HLG):
        planes = [np.array([[64, 940]], np.uint16) << 6, *np.full((2, 1, 2), 32768, np.uint16)]
        assert tone_mapped(planes, Hdr(NAMES[transfer]), 10).tolist() == [[[0] * 3, [255] * 3]]


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = list(np.random.default_rng(0).integers(0, 2**16, (3, 37, 11), np.uint16))
    whole = tone_mapped(planes, Hdr("PQ"), 10)
    for pixels_at_once in (1, 11 * 5):
        monkeypatch.setattr(tone_mapping, "_STRIP_PIXELS", pixels_at_once)
        assert (tone_mapped(planes, Hdr("PQ"), 10) == whole).all()


CLIPS = [
    ("video.mp4", "libx265", X265, 10),
    ("video.mov", "libx265", X265, 10),
    ("video.mkv", "libx265", X265, 10),
    ("video.ts", "libx265", X265, 10),
    ("video.mkv", "libsvtav1", SVT_AV1, 10),
    ("video.webm", "libsvtav1", SVT_AV1, 10),
    ("video.mp4", "libsvtav1", SVT_AV1, 10),
    ("video.webm", "libvpx-vp9", VP9, 8),  # PyAV's libvpx is built for no more
    ("container.mp4", "libx265", CONTAINER_ONLY, 10),
    ("container.mov", "libx265", CONTAINER_ONLY, 10),
    ("container.mkv", "libx265", CONTAINER_ONLY, 10),
    ("metadata.mp4", "libx265", METADATA, 10),
    ("metadata.mkv", "libx265", METADATA, 10),
]


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(("name", "codec", "options", "bits"), CLIPS)
def test_files_are_shown_as_ffmpeg_shows_them(
    name: str, codec: str, options: dict[str, str], bits: int, transfer: int, tmp_path: Path
) -> None:
    path = write(tmp_path / name, codec, options, transfer=transfer, bits=bits)
    # Of HLG x265 tells in a message (SEI) too.
    if name.startswith("container") and transfer == PQ:
        assert next(decoded(path)).color_trc == UNSPECIFIED
    pictures, metadata = read(path)
    assert len(pictures) == 3
    # Samples of 8 bits are up to three steps of 10 bits away.
    away = 10 if bits == 8 else 4
    for pixels in pictures:
        assert np.abs(centres(pixels) - mapped(transfer)).max() <= away
    assert metadata.warnings == [warning(transfer)]
    assert trusted_packets(path) is None


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("name", ["full.mp4", "full.mkv"])
def test_full_range(name: str, transfer: int, tmp_path: Path) -> None:
    path = write(tmp_path / name, transfer=transfer, color_range=FULL)
    for pixels in read(path)[0]:
        assert np.abs(centres(pixels) - mapped(transfer, FULL)).max() <= 4


def test_primaries_of_the_file_count(tmp_path: Path) -> None:
    p3 = write(tmp_path / "p3.mp4", primaries=DISPLAY_P3)
    pictures, metadata = read(p3)
    assert metadata.warnings == [warning(PQ, "Display P3")]
    # Greys are the same in all primaries that have D65 for white.
    assert np.abs(centres(pictures[0])[:7] - mapped(PQ)[:7]).max() <= 4
    y, cb, cr = PATCHES[12][0]
    exact = one_pixel((y, cb, cr), Hdr("PQ", DISPLAY_P3), 10)
    assert np.abs(centres(pictures[0])[12] - exact).max() <= 4


@pytest.mark.parametrize("transfer", [SDR, UNSPECIFIED, BT2020_10])
@pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
def test_ten_bits_that_are_not_hdr_change_no_bit(name: str, transfer: int, tmp_path: Path) -> None:
    primaries = BT2020 if transfer == BT2020_10 else transfer
    path = write(tmp_path / name, transfer=transfer, primaries=primaries)
    pictures, metadata = read(path)
    assert metadata.warnings == []
    for frame, pixels in zip(decoded(path), pictures, strict=True):
        assert frame.format.name == "yuv420p10le"
        plain = frame.to_ndarray(format="rgb24", interpolation="BICUBIC", threads=1)
        assert (pixels == plain).all()
        assert hdr_of(frame) is None


@pytest.mark.parametrize(
    ("codec", "order"),
    [
        # Where H.264 says nothing, FFmpeg goes on as before; in HEVC, with x265's HLG, anyway.
        ("libx264", [PQ, SDR, HLG]),
        ("libx264", [SDR, HLG, PQ]),
        ("libx264", [HLG, PQ, SDR]),
        ("libx265", [PQ, UNSPECIFIED, SDR]),
        ("libx265", [UNSPECIFIED, PQ, UNSPECIFIED]),
    ],
)
def test_recordings_joined_into_one_are_each_shown_as_they_are(
    codec: str, order: list[int], tmp_path: Path
) -> None:
    options, bits = (X264, 8) if codec == "libx264" else (X265, 10)
    parts = [
        write(
            tmp_path / f"{number}.ts",
            codec,
            options,
            bits=bits,
            frames=12,  # fewer packets of H.264 are not known as a transport stream
            transfer=transfer,
            primaries=BT2020 if transfer in NAMES else transfer,
        )
        for number, transfer in enumerate(order)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with av.open(str(path)) as container:
        display_of = DisplayReader(container.streams.video[0])
        shown = [
            (frame.color_trc, np.asarray(display_of(frame).picture(frame, None)))
            for frame in container.decode(video=0)
        ]
    # HEVC loses the last two frames before a joint.
    assert [transfer for transfer, _ in groupby(transfer for transfer, _ in shown)] == order
    expected = {t: read(part)[0][0] for t, part in zip(order, parts, strict=True)}
    for transfer, pixels in shown:
        assert np.abs(centres(pixels) - centres(expected[transfer])).max() <= 1
    colours = [text for text in read(path)[1].warnings if text.startswith("colour")]
    assert colours == [warning(next(t for t in order if t in NAMES))]


def test_an_eight_bit_file_of_hdr_is_no_file_for_decord(tmp_path: Path) -> None:
    sdr, pq = (
        write(tmp_path / f"{transfer}.mp4", "libx264", X264, transfer=transfer, bits=8)
        for transfer in (SDR, PQ)
    )
    assert trusted_packets(sdr) is not None
    assert trusted_packets(pq) is None
    with pytest.raises(VideoError, match="use --decoder auto"):
        list(decode_decord(pq, each_of([0.0]), None, False))


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("factor", [0.5, 0.25, 2.0])
def test_scaled_pictures_have_the_same_colours(
    factor: float, transfer: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "video.mp4", transfer=transfer)
    pictures, _ = read(path, lambda width, height: (int(width * factor), int(height * factor)))
    for pixels in pictures:
        assert pixels.shape == (SIZE[1] * factor, SIZE[0] * factor, 3)
        assert np.abs(centres(pixels) - mapped(transfer)).max() <= 4


def test_hdr_is_turned_and_its_pixels_are_made_square(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mov", matrix=(0, 1, -1, 0), pixel_aspect=Fraction(2))
    pictures, metadata = read(path)
    assert (metadata.width, metadata.height) == (SIZE[1], 2 * SIZE[0])
    for pixels in pictures:
        upright = np.rot90(pixels)
        assert upright.shape == (SIZE[1], 2 * SIZE[0], 3)
        assert np.abs(centres(upright) - mapped(PQ)).max() <= 4


def test_a_picture_in_rgb_needs_no_matrix() -> None:
    signals = np.random.default_rng(1).integers(0, 1024, (4, 6, 3)).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(signals, "gbrp10le")
    frame.color_trc, frame.color_primaries = PQ, BT2020
    hdr = hdr_of(frame)
    assert hdr is not None
    pixels = np.asarray(Display(hdr=hdr).picture(frame, None))
    for row, column in np.ndindex(4, 6):
        exact = one_colour([int(s) / 1023 for s in signals[row, column]], hdr)
        assert np.abs(pixels[row, column] - np.array(exact)).max() < 1
