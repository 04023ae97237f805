"""What libav itself reports of a file when asked to look closely; shares no code with `index`."""

from pathlib import Path

import av

from index.decoding.frame_types import PixelStream, VideoMetadata

_CLOSELY = "crccheck+bitstream+buffer+careful+compliant"
_MORE_CLOSELY = _CLOSELY + "+aggressive"


def look_closely(path: str) -> PixelStream:
    """Task of a decoding worker: no frames, and libav's reports as the metadata's warnings."""
    yield from ()
    return VideoMetadata(duration_s=0, start_s=0, width=0, height=0, warnings=_reports(Path(path)))


def _reports(path: Path) -> list[str]:
    """Errors that are logged, raised or marked in a frame while the file is decoded."""
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    reports = []
    with av.logging.Capture() as logs:
        try:
            reports += _decode(path)
        except Exception as error:  # noqa: BLE001 - whatever is raised is a report
            reports.append(repr(error))
    av.logging.set_level(None)  # the pool opens each file too, outside of a capture
    return [f"{source}: {line.strip()}" for _, source, line in logs] + reports


def _decode(path: Path) -> list[str]:
    reports = []
    options = {"err_detect": _MORE_CLOSELY}
    with av.open(path, options=options, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        # In H.264 "aggressive" marks each picture with anything behind its last macroblock, which
        # some encoders write; such a mark says nothing.
        sane = stream.codec_context.name == "h264"
        stream.codec_context.options = {"err_detect": _CLOSELY if sane else _MORE_CLOSELY}
        stream.codec_context.thread_count = 1
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            if packet.is_corrupt:
                reports.append("a packet is marked corrupt")
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                reports.append(repr(error))
                continue
            reports += ["a frame is marked corrupt" for frame in frames if frame.is_corrupt]
    return reports
