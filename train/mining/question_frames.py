"""Choose the frames of one question, and put their pictures into the output folder.

Legend: F frames of a video, V tiles of a frame, T true frames of a question, N its negatives,
D width of a vector.
"""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from index.arrays import Floats, Integers
from index.errors import VideoError
from index.spans import rows_shown_at
from index.storage.atomic_write import explain_unwritable
from infer.metrics import answer_ranges, answer_times
from infer.questions import Question
from infer.selection.parts import bounds
from infer.selection.strategies import segments
from infer.videos.frame_files import folder_name, refuse_link
from train.mining.decoding_pass import ImageFormat, picture_path
from train.mining.manifest import LABELLED, NEGATIVE_FOLDER, TRUE_FOLDER, ManifestRecord
from train.mining.negatives import choose_negatives, hard_order, highest_similarity, random_order
from train.mining.rules import Rules


class MiningTask(NamedTuple):
    """A question to be mined."""

    question: Question
    key: str
    """From `question_key`."""
    text: npt.NDArray[np.float32] | None
    """(w, D) unit vectors of its caption, if negatives are hard."""


class FrameVectors(NamedTuple):
    """Some frames of a video."""

    time_s: npt.NDArray[np.float64]
    """(F,) ascending."""
    end_s: npt.NDArray[np.float64]
    """(F,) ends of the spans in which they are shown."""
    vectors: npt.NDArray[np.float16]
    """(F, V, D) unit vectors of their V tiles."""

    def shown_at(self, times_s: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the rows of the frames shown at these times; past the end, the last one."""
        return rows_shown_at(self.time_s, self.end_s, times_s)


class DecodedVideo(NamedTuple):
    """A decoded video."""

    content_hash: str
    duration_s: float
    frames: FrameVectors
    """All encoded frames, including the true ones of all questions."""
    candidates: FrameVectors
    pictures: Path
    """Folder of the full pictures of all sampled and true frames."""


def question_key(question: Question, content_hash: str, caption: str | None) -> str:
    """Return the digest by which a line shows that labels, caption and video are unchanged."""
    known = (question.support_frames, question.support_ranges, content_hash, caption)
    # Only where there are any: questions without them keep the keys that they had before.
    parts = (question.scenes, question.span_s, question.negative_frames)
    more = [label for label in parts if label]
    return xxhash.xxh3_64_hexdigest(repr((*known, *more)).encode())


def sampled(frames: FrameVectors, duration_s: float, fps: float) -> FrameVectors:
    """Select the candidates from the frames of a pass: those shown at k / fps, as in an index."""
    samples_s = np.arange(int(duration_s * fps) + 2) / fps
    rows = np.unique(frames.shown_at(samples_s[samples_s < duration_s]))
    return FrameVectors(frames.time_s[rows], frames.end_s[rows], frames.vectors[rows])


def mine_question(
    task: MiningTask, video: DecodedVideo, rules: Rules, output: Path
) -> ManifestRecord:
    """Choose a question's frames, put their pictures in place, and return its line.

    Its folders are replaced as a whole, so that a run killed here leaves no incomplete one.

    Raises:
        VideoError: A frame of the index is not in the video, or a question's folder is a link.
        CueframeError: The pictures cannot be written.
    """
    question, candidates, frames = task.question, video.candidates, video.frames
    support_s = answer_times(question)
    true = frames.shown_at(support_s)  # (T,)
    true_s = frames.time_s[true]  # (T,)
    labelled = np.setdiff1d(frames.shown_at(question.negative_frames), true)
    similarity = highest_similarity(candidates.vectors, frames.vectors[true])  # (F,)
    if task.text is None:
        order = random_order(len(similarity), rules.seed, question.id)  # (F,)
    else:
        order = hard_order(candidates.vectors, task.text)  # (F,)
    rows = choose_negatives(
        candidates.time_s,
        candidates.end_s,
        video.duration_s,
        support_s=np.array(support_s, np.float64),
        taken_s=frames.time_s[[*true, *labelled]],
        ranges_s=answer_ranges(question),
        similarity=similarity,
        order=order,
        num_segments=rules.num_segments,
        guard_s=rules.guard_s,
        threshold=rules.neg_sim_threshold,
        span_s=question.span_s,
    )  # (N,)
    named = highest_similarity(frames.vectors[labelled], frames.vectors[true])
    negatives = [
        *_negatives(frames, labelled, named, LABELLED),
        *_negatives(candidates, rows, similarity[rows], rules.negatives),
    ]
    negatives_s = [shot["time_s"] for shot in negatives]
    start_s, length_s = bounds(question.span_s, video.duration_s)
    parts = segments(np.array(negatives_s) - start_s, length_s, rules.num_segments)
    name, suffix = folder_name(question.id), rules.image_format
    true_folder, negative_folder = Path(TRUE_FOLDER, name), Path(NEGATIVE_FOLDER, name)
    _place(output / true_folder, true_s.tolist(), video.pictures, suffix)
    _place(output / negative_folder, negatives_s, video.pictures, suffix)
    return {
        "id": question.id,
        "video_path": question.video_path,
        "content_hash": video.content_hash,
        "key": task.key,
        "duration_s": video.duration_s,
        "true": [
            {
                "file": picture_path(true_folder, time_s, suffix).as_posix(),
                "time_s": time_s,
                "end_s": end_s,
                "support_time_s": moment_s,
                "clamped": moment_s >= video.duration_s,
            }
            for time_s, end_s, moment_s in zip(
                true_s.tolist(), frames.end_s[true].tolist(), support_s, strict=True
            )
        ],
        "negatives": [
            {
                "file": picture_path(negative_folder, shot["time_s"], suffix).as_posix(),
                **shot,
                "segment": part,
            }
            for shot, part in zip(negatives, parts.tolist(), strict=True)
        ],
    }


def _negatives(
    frames: FrameVectors, rows: Integers, similarity: Floats, source: str
) -> list[dict[str, Any]]:
    """Return what a line says of some negatives, but for their files and segments."""
    return [
        {"time_s": time_s, "end_s": end_s, "similarity": alike, "source": source}
        for time_s, end_s, alike in zip(
            frames.time_s[rows].tolist(),
            frames.end_s[rows].tolist(),
            similarity.tolist(),
            strict=True,
        )
    ]


def _place(folder: Path, times_s: list[float], pictures: Path, suffix: ImageFormat) -> None:
    """Fill a temporary folder with the chosen pictures and move it into place."""
    aside = pictures / "chosen"
    refuse_link(folder)
    with explain_unwritable(folder):
        aside.mkdir(parents=True)
        for time_s in dict.fromkeys(times_s):
            picture = picture_path(pictures, time_s, suffix)
            if not picture.is_file():
                raise VideoError(
                    f"the index has a frame at {time_s:.3f} s that the video does not; "
                    "build the index anew, or mine without --index"
                )
            shutil.copyfile(picture, aside / picture.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(folder)
