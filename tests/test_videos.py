"""The generated videos show what their makers say they show."""

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.videos import KINDS, NUMBER_BITS, draw, file_name, long_video, make, read_number

NO_VIDEO = ("sound_only", "text", "cut_fragmented_header")
CODECS = {
    "hevc": "hevc",
    "hevc_open_gop": "hevc",
    "vp9": "vp9",
    "av1": "av1",
    "avi": "mpeg4",
    "avi_b_frames": "mpeg4",
}


def decode(path: Path) -> list[tuple[Image.Image, float | None]]:
    """Pictures and times in the decoder's order; packets that raise are passed over."""
    frames: list[tuple[Image.Image, float | None]] = []
    with av.open(path) as container:
        container.streams.video[0].thread_count = 1
        for packet in container.demux(video=0):
            try:
                decoded = packet.decode()
            except av.InvalidDataError:
                continue
            frames += [
                (Image.fromarray(frame.to_ndarray(format="rgb24")), frame.time) for frame in decoded
            ]
    return frames


def number_or_none(image: Image.Image) -> int | None:
    try:
        return read_number(image)
    except ValueError:
        return None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("raw", *NO_VIDEO)])
def test_decoding_in_order_gives_the_truth(kind: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(kind)
    truth = make(path, kind)
    frames = decode(path)
    first_s = frames[0][1] or 0.0
    spoilt = {round(time_s, 6) for _, time_s in truth.damaged}
    found = [
        (number_or_none(image), round((time_s or 0.0) - first_s, 6)) for image, time_s in frames
    ]
    intact = [frame for frame in found if frame[1] not in spoilt]
    assert truth.usable
    assert truth.frames
    assert intact == [(number, round(time_s, 6)) for number, time_s in truth.frames]
    assert sorted(time_s for _, time_s in found) == [time_s for _, time_s in found]
    assert truth.duration_s > truth.frames[-1][1]


@pytest.mark.parametrize("kind", ["constant", "late_start_sound", "mpegts_sound", "late_start_mkv"])
def test_the_start_counts_from_the_earliest_stream(kind: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(kind)
    truth = make(path, kind)
    with av.open(path) as container:
        first_s = next(container.decode(video=0)).time
        assert truth.start_s == pytest.approx(first_s - (container.start_time or 0) / av.time_base)
    assert (truth.start_s > 0.7) == (kind != "constant")


def test_a_raw_stream_has_pictures_and_no_times(tmp_path: Path) -> None:
    path = tmp_path / file_name("raw")
    truth = make(path, "raw")
    frames = decode(path)
    assert (truth.usable, truth.frames) == (False, [])
    assert [read_number(image) for image, _ in frames] == list(range(100))
    assert {time_s for _, time_s in frames} == {None}


@pytest.mark.parametrize("kind", NO_VIDEO)
def test_what_is_no_video_opens_without_pictures(kind: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(kind)
    assert not make(path, kind).usable
    with pytest.raises((av.InvalidDataError, IndexError)):
        decode(path)


@pytest.mark.parametrize("kind", sorted(CODECS))
def test_the_codec_is_what_the_kind_says(kind: str, tmp_path: Path) -> None:
    make(tmp_path / file_name(kind), kind)
    with av.open(tmp_path / file_name(kind)) as container:
        assert container.streams.video[0].codec.canonical_name == CODECS[kind]


@pytest.mark.parametrize(
    ("kind", "pix_fmt"),
    [
        ("constant", "yuv420p"),
        ("odd_size", "yuv444p"),
        ("odd_size_420", "yuv420p"),
        ("gray", "gray"),
        ("ten_bit", "yuv420p10le"),
        ("full_range", "yuvj420p"),
    ],
)
def test_the_pixel_format_is_what_the_kind_says(kind: str, pix_fmt: str, tmp_path: Path) -> None:
    make(tmp_path / file_name(kind), kind)
    with av.open(tmp_path / file_name(kind)) as container:
        assert next(container.decode(video=0)).format.name == pix_fmt


@pytest.mark.parametrize(("kind", "b_frames"), [("constant", False), ("b_frames", True)])
def test_b_frames_are_stored_out_of_order(kind: str, b_frames: bool, tmp_path: Path) -> None:
    make(tmp_path / file_name(kind), kind)
    with av.open(tmp_path / file_name(kind)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert (stored != sorted(stored)) == b_frames


@pytest.mark.parametrize("kind", ["open_gop", "hevc_open_gop"])
def test_an_open_gop_has_frames_shown_before_their_key_frame(kind: str, tmp_path: Path) -> None:
    make(tmp_path / file_name(kind), kind)
    with av.open(tmp_path / file_name(kind)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
    keys = [at for at, packet in enumerate(packets) if packet.is_keyframe and at]
    assert any((packets[at + 1].pts or 0) < (packets[at].pts or 0) for at in keys[:-1])


def test_rotation_stays_in_the_metadata(tmp_path: Path) -> None:
    make(tmp_path / file_name("rotation"), "rotation")
    with av.open(tmp_path / file_name("rotation")) as container:
        frame = next(container.decode(video=0))
    assert (frame.rotation, frame.width, frame.height) == (90, 320, 180)


@pytest.mark.parametrize("kind", ["b_frames", "av1", "mpegts", "damaged"])
def test_the_same_kind_is_the_same_every_time(kind: str, tmp_path: Path) -> None:
    paths = tmp_path / f"1-{file_name(kind)}", tmp_path / f"2-{file_name(kind)}"
    first, second = (make(path, kind) for path in paths)
    assert first == second
    assert decode(paths[0]) == decode(paths[1])


@given(
    number=st.integers(0, 2**NUMBER_BITS - 1),
    width=st.integers(64, 400),
    height=st.integers(64, 400),
    side=st.sampled_from([64, 224, 336]),
)
def test_numbers_survive_a_centre_crop_and_a_resize(
    number: int, width: int, height: int, side: int
) -> None:
    picture = draw(number, width, height)
    assert read_number(picture) == number
    short = min(picture.size)
    left, top = (width - short) // 2, (height - short) // 2
    square = picture.crop((left, top, left + short, top + short))
    assert read_number(square.resize((side, side), Image.Resampling.BICUBIC)) == number


@pytest.mark.parametrize("colour", ["black", "white", "gray"])
def test_a_plain_picture_carries_no_number(colour: str) -> None:
    with pytest.raises(ValueError, match=r"cell|checksum"):
        read_number(Image.new("RGB", (320, 180), colour))


def test_two_pictures_blended_carry_no_number() -> None:
    with pytest.raises(ValueError, match="neither black nor white"):
        read_number(Image.blend(draw(10, 320, 180), draw(11, 320, 180), 0.5))


def test_the_margins_tell_left_from_right_and_red_from_blue() -> None:
    picture = draw(5, 320, 180)
    assert (picture.getpixel((0, 90)), picture.getpixel((319, 90))) == ((255, 0, 0), (0, 0, 255))


def test_a_number_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="131072"):
        draw(2**NUMBER_BITS, 64, 64)


def test_a_long_video_has_every_number_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    assert long_video(path, 30, fps=10) == 300
    frames = decode(path)
    assert [read_number(image) for image, _ in frames] == list(range(300))
    assert [time_s for _, time_s in frames] == pytest.approx([n / 10 for n in range(300)])
