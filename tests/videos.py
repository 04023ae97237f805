"""Small videos that know the truth about themselves.

Every picture carries its frame number as 5 × 5 black and white cells in the central square, so
that the number survives lossy coding, a centre crop and a resize down to 64 × 64. The margins
beside the square are red before it and blue after it. The truth that `make` returns comes from
what was handed to the muxer, less what an edit list hides or a cut takes away; nothing is decoded.

    truth = make(folder / file_name("b_frames"), "b_frames")
    for number, time_s in truth.frames: ...
"""

import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream
from PIL import Image

CELLS = 5
NUMBER_BITS = 17  # the other 8 of the 25 cells are a checksum
MILLISECOND = Fraction(1, 1000)

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to stderr otherwise


def _checksum(number: int) -> int:
    """CRC-8, started at 0xFF so that an all-black picture is no number."""
    crc = 0xFF
    for shift in range(NUMBER_BITS - 1, -1, -1):
        feedback = (crc >> 7) ^ (number >> shift & 1)
        crc = (crc << 1 & 0xFF) ^ (0x07 if feedback else 0)
    return crc


def _cells(number: int) -> npt.NDArray[np.uint8]:
    code = number << 8 | _checksum(number)
    bits = [code >> shift & 1 for shift in range(CELLS * CELLS - 1, -1, -1)]
    return np.array(bits, np.uint8).reshape(CELLS, CELLS) * np.uint8(255)


def _square(number: int, side: int) -> npt.NDArray[np.uint8]:
    cell = np.arange(side) * CELLS // side
    return _cells(number)[np.ix_(cell, cell)]


def draw(number: int, width: int, height: int) -> Image.Image:
    """An RGB picture that carries `number`, 0 to 131071."""
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"number {number} needs more than {NUMBER_BITS} bits")
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (left + side if left else 0, top + side if top else 0, width, height))
    picture.paste(Image.fromarray(_square(number, side)), (left, top))
    return picture


def read_number(image: Image.Image) -> int:
    """The number drawn into the central square; ValueError when it cannot be read for certain."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    gray = np.asarray(image.convert("L").crop((left, top, left + side, top + side)), np.float64)
    edges = np.arange(CELLS + 1) * side / CELLS
    inner = [
        slice(int(a + (b - a) * 0.3), max(int(a + (b - a) * 0.7), int(a + (b - a) * 0.3) + 1))
        for a, b in pairwise(edges)
    ]
    levels = np.array([gray[rows, columns].mean() for rows in inner for columns in inner])
    if np.any((levels > 90) & (levels < 165)):
        raise ValueError(f"a cell is neither black nor white: {levels.round().tolist()}")
    code = int("".join("1" if level > 127 else "0" for level in levels), 2)
    number = code >> 8
    if code & 0xFF != _checksum(number):
        raise ValueError(f"the checksum of number {number} is wrong")
    return number


@dataclass(frozen=True)
class Truth:
    """What a right reader finds in one generated video.

    frames: drawn number and time in seconds from the first shown frame, in order of time.
    start_s: the first shown frame's time after the earliest start of any stream.
    duration_s: end of the last shown frame, from the first one's start.
    damaged: frames at whose times a reader may show nothing, something else, or what is right.
    usable: False where there is no video stream with timestamps; `frames` is then empty.
    """

    frames: list[tuple[int, float]]
    start_s: float = 0.0
    duration_s: float = 0.0
    damaged: list[tuple[int, float]] = field(default_factory=list)
    usable: bool = True


UNUSABLE = Truth([], usable=False)


@dataclass(frozen=True)
class Recipe:
    """How one kind of video is made; `pts` and `last_ticks` count in `time_base`."""

    suffix: str = ".mp4"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    pts: tuple[int, ...] = tuple(range(100))
    last_ticks: int = 1
    time_base: Fraction = Fraction(1, 25)
    size: tuple[int, int] = (320, 180)
    pix_fmt: str = "yuv420p"
    muxer: str = ""  # where the suffix does not say
    muxer_options: dict[str, str] = field(default_factory=dict)
    rotation: int = 0
    sound: bool = False
    picture: Callable[[int, int, int], Image.Image] = draw
    """Makes the picture of a number in a width and a height."""
    spoil: Callable[[Path, Truth], Truth] | None = None


def _x264(params: str = "bframes=0", **options: str) -> dict[str, str]:
    params = f"scenecut=0:{params}"
    return {"preset": "ultrafast", "threads": "1", "g": "12", "x264-params": params} | options


def _x265(params: str) -> dict[str, str]:
    quiet = "log-level=none:pools=none:frame-threads=1:scenecut=0:keyint=12:min-keyint=12"
    return {"preset": "ultrafast", "x265-params": f"{quiet}:{params}"}


B_FRAMES = _x264("bframes=3:b-adapt=0:b-pyramid=normal")
VP9 = {"deadline": "realtime", "cpu-used": "8", "threads": "1", "g": "30", "lag-in-frames": "12"}
AV1 = {"preset": "8", "crf": "20", "svtav1-params": "lp=1:keyint=30"}
MPEG4 = {"threads": "1", "g": "12", "b": "2000000"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
LATE = tuple(range(20, 120))
# Spells of 25, 60 and 10 frames a second, a still second and a half, one frame 3 ms later.
UNEVEN_MS = (
    *range(0, 1000, 40),
    *range(1000, 1500, 17),
    *range(1510, 2500, 100),
    4000,
    4003,
    *range(4040, 5000, 33),
)


def _packets(path: Path) -> list[tuple[int, int, int]]:
    """Byte position, size and number of each video packet, in the file's order."""
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
    order = sorted(p.pts or 0 for p in packets)
    return [(p.pos or 0, p.size, order.index(p.pts or 0)) for p in packets]


def hide(first: int, last: int) -> Callable[[Path, Truth], Truth]:
    """An edit list that shows 25 fps frames `first` to `last`, both included."""

    def spoil(path: Path, truth: Truth) -> Truth:
        data = bytearray(path.read_bytes())
        at = data.index(b"elst") + 12  # over the name, the version and the count
        with av.open(path) as container:
            ticks = int(Fraction(1, 25) / (container.streams.video[0].time_base or 1))
        _, media_time = struct.unpack_from(">Ii", data, at)
        shown_ms = (last + 1 - first) * 40
        struct.pack_into(">Ii", data, at, shown_ms, media_time + first * ticks)
        path.write_bytes(data)
        frames = truth.frames[first : last + 1]
        shown = [(number, time_s - frames[0][1]) for number, time_s in frames]
        return replace(truth, frames=shown, duration_s=shown_ms / 1000)

    return spoil


def _cut(path: Path, truth: Truth) -> Truth:
    """The file up to the middle of a packet half-way; that packet's frame may come or not."""
    packets = _packets(path)
    middle = len(packets) // 2
    position, size, _ = packets[middle]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    kept = {number for _, _, number in packets[: middle + 1]}
    frames = [frame for frame in truth.frames if frame[0] in kept]
    length_s = truth.duration_s / len(truth.frames)
    truth = _spoilt(replace(truth, frames=frames), {packets[middle][2]})
    return replace(truth, duration_s=truth.frames[-1][1] + length_s)


def _damage(offset: int) -> Callable[[Path, Truth], Truth]:
    """Noise over the packets of frames 30 to 32 from byte `offset` on; 33 to 35 refer to them."""

    def spoil(path: Path, truth: Truth) -> Truth:
        data = bytearray(path.read_bytes())
        noise = np.random.default_rng(1)
        for position, size, number in _packets(path):
            if 30 <= number <= 32:
                data[position + offset : position + size] = noise.bytes(size - offset)
        path.write_bytes(data)
        return _spoilt(truth, set(range(30, 36)))

    return spoil


def _spoilt(truth: Truth, numbers: set[int]) -> Truth:
    return replace(
        truth,
        frames=[frame for frame in truth.frames if frame[0] not in numbers],
        damaged=[frame for frame in truth.frames if frame[0] in numbers],
    )


def _cut_header(path: Path, truth: Truth) -> Truth:
    """The file up to the middle of its fifth fragment's header; FFmpeg opens none of it."""
    data = path.read_bytes()
    at = -1
    for _ in range(5):
        at = data.index(b"moof", at + 1)
    path.write_bytes(data[: at + 100])
    return UNUSABLE


def _priming(path: Path, truth: Truth) -> Truth:
    """A transport stream cannot hide the AAC encoder's first 1024 samples, which come early."""
    return replace(truth, start_s=truth.start_s + 1024 / 48000)


def _unusable(path: Path, truth: Truth) -> Truth:
    return UNUSABLE


RECIPES: dict[str, Recipe] = {
    "constant": Recipe(options=_x264()),
    "variable": Recipe(options=_x264(), pts=UNEVEN_MS, last_ticks=33, time_base=MILLISECOND),
    "variable_b_frames": Recipe(
        options=B_FRAMES, pts=UNEVEN_MS, last_ticks=33, time_base=MILLISECOND
    ),
    "ntsc": Recipe(options=B_FRAMES, time_base=Fraction(1001, 30000)),
    "b_frames": Recipe(options=B_FRAMES),
    "open_gop": Recipe(options=_x264("bframes=3:b-adapt=0:open-gop=1", preset="superfast")),
    "hevc": Recipe(codec="libx265", options=_x265("bframes=3:b-adapt=0:open-gop=0")),
    "hevc_open_gop": Recipe(codec="libx265", options=_x265("bframes=3:b-adapt=0:open-gop=1")),
    "vp9": Recipe(".webm", "libvpx-vp9", VP9, pts=tuple(range(75))),
    "av1": Recipe(".mkv", "libsvtav1", AV1, pts=tuple(range(75))),
    "avi": Recipe(".avi", "mpeg4", MPEG4),
    "avi_b_frames": Recipe(".avi", "mpeg4", MPEG4 | {"bf": "2"}),
    "mpegts": Recipe(".ts", options=B_FRAMES),
    "mpegts_sound": Recipe(".ts", options=B_FRAMES, pts=LATE, sound=True, spoil=_priming),
    "mpegts_wrap": Recipe(
        ".ts",
        options=B_FRAMES,
        pts=tuple(range(2**33 - 150_000, 2**33 + 200_000, 3600)),
        last_ticks=3600,
        time_base=Fraction(1, 90_000),
    ),
    "mov": Recipe(".mov", options=B_FRAMES),
    "mkv": Recipe(".mkv", options=B_FRAMES),
    "fragmented": Recipe(options=B_FRAMES, muxer_options=FRAGMENTED),
    "sound": Recipe(options=B_FRAMES, sound=True),
    "edit_list": Recipe(options=B_FRAMES, spoil=hide(7, 99)),
    "edit_list_both_ends": Recipe(options=_x264(), spoil=hide(29, 80)),
    "late_start": Recipe(options=B_FRAMES, pts=LATE),
    "late_start_sound": Recipe(options=B_FRAMES, pts=LATE, sound=True),
    "late_start_mkv": Recipe(".mkv", options=_x264(), pts=LATE, sound=True),
    "rotation": Recipe(options=_x264(), rotation=90),
    "odd_size": Recipe(options=_x264(), size=(321, 241), pix_fmt="yuv444p"),
    "odd_size_420": Recipe(
        ".webm", "libvpx-vp9", VP9, pts=tuple(range(50)), size=(321, 241), pix_fmt="yuv420p"
    ),
    "tall": Recipe(options=_x264(), size=(178, 322)),
    "gray": Recipe(codec="libx265", options=_x265("bframes=0"), pix_fmt="gray"),
    "ten_bit": Recipe(codec="libx265", options=_x265("bframes=0"), pix_fmt="yuv420p10le"),
    "full_range": Recipe(options=_x264(), pix_fmt="yuvj420p"),
    "one_frame": Recipe(options=_x264(), pts=(0,)),
    "slow": Recipe(options=_x264(), pts=tuple(range(6)), time_base=Fraction(10, 7)),
    "cut": Recipe(options=B_FRAMES, muxer_options={"movflags": "faststart"}, spoil=_cut),
    "cut_fragmented": Recipe(options=B_FRAMES, muxer_options=FRAGMENTED, spoil=_cut),
    "cut_fragmented_header": Recipe(options=B_FRAMES, muxer_options=FRAGMENTED, spoil=_cut_header),
    "cut_mpegts": Recipe(".ts", options=B_FRAMES, spoil=_cut),
    "damaged": Recipe(options=_x264(), spoil=_damage(0)),
    "damaged_pictures": Recipe(options=_x264(), spoil=_damage(16)),
    "raw": Recipe(".h264", options=_x264(), muxer="h264", spoil=_unusable),
    "sound_only": Recipe(sound=True, pts=()),
    "text": Recipe(pts=()),
}
KINDS = tuple(RECIPES)


def file_name(kind: str) -> str:
    """The kind with the suffix of its container, for example "mpegts.ts"."""
    return kind + RECIPES[kind].suffix


def make(path: Path, kind: str) -> Truth:
    """Write a video of one of `KINDS` to `path` (see `file_name`) and return what it shows."""
    return write(path, RECIPES[kind])


def write(path: Path, recipe: Recipe) -> Truth:
    """Write a video by a recipe to `path` and return what it shows."""
    if not recipe.pts and not recipe.sound:
        path.write_text("This is no video.\n")
        return UNUSABLE
    with av.open(path, "w", format=recipe.muxer or None, options=recipe.muxer_options) as container:
        video = _video_stream(container, recipe) if recipe.pts else None
        if recipe.sound:
            _mux_sound(container, float((recipe.pts[-1] + 1) * recipe.time_base) if video else 4.0)
        if video is None:
            return UNUSABLE
        ends = [*recipe.pts[1:], recipe.pts[-1] + recipe.last_ticks]
        ticks = {pts: end - pts for pts, end in zip(recipe.pts, ends, strict=True)}
        for number, pts in enumerate(recipe.pts):
            picture = np.asarray(recipe.picture(number, *recipe.size))
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = pts, recipe.time_base
            _mux(container, video.encode(frame), ticks)
        _mux(container, video.encode(None), ticks)
    times_s = [float((pts - recipe.pts[0]) * recipe.time_base) for pts in recipe.pts]
    truth = Truth(
        frames=list(enumerate(times_s)),
        start_s=float(recipe.pts[0] * recipe.time_base) if recipe.sound else 0.0,
        duration_s=float((ends[-1] - recipe.pts[0]) * recipe.time_base),
    )
    return recipe.spoil(path, truth) if recipe.spoil else truth


def _video_stream(container: av.container.OutputContainer, recipe: Recipe) -> VideoStream:
    stream = container.add_stream(recipe.codec, rate=1 / recipe.time_base, options=recipe.options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = recipe.size
    stream.pix_fmt = recipe.pix_fmt
    stream.codec_context.time_base = recipe.time_base
    if recipe.rotation:
        stream.set_display_rotation(recipe.rotation)
    return stream


def _mux(
    container: av.container.OutputContainer,
    packets: "Iterable[av.Packet[VideoStream]]",
    ticks: dict[int, int],
) -> None:
    for packet in packets:
        # Encoders do not know the length of a frame; a packet between them shows none.
        packet.duration = ticks.get(packet.pts or 0, 0)
        container.mux(packet)


def _mux_sound(container: av.container.OutputContainer, duration_s: float) -> None:
    """Silence from time 0 on, in AAC."""
    stream = container.add_stream("aac", rate=48000)
    for start in range(0, round(duration_s * 48000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def long_video(path: Path, duration_s: int, fps: int = 10, side: int = 64) -> int:
    """A long square video made fast, numbered like the others; returns its count of frames."""
    plane = np.full((side * 3 // 2, side), 128, np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=_x264(g=str(fps * 10)))
        stream.width = stream.height = side
        for number in range(duration_s * fps):
            plane[:side] = 16 + (_square(number, side) > 0) * np.uint8(219)
            frame = av.VideoFrame.from_ndarray(plane, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return duration_s * fps
