"""The frames of one question: which they are, and their pictures in the output folder.

Legend: F frames of a video, T true frames of a question, N its negatives, D width of a vector.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from index.errors import CueframeError, VideoError
from index.video import TIME_SLACK_S
from infer.frames import folder_name
from infer.pick import segments
from infer.questions import Question
from train.ledger import NEGATIVE_FOLDER, TRUE_FOLDER, Record
from train.negatives import choose_negatives, hard_order, highest_similarity, random_order
from train.pictures import ImageFormat, picture_path
from train.rules import Rules


class Asked(NamedTuple):
    """A question to mine for."""

    question: Question
    key: str
    """`question_key`."""
    text: npt.NDArray[np.float32] | None
    """(D,) unit vector of its caption, where negatives are hard."""


class Shots(NamedTuple):
    """Some frames of a video."""

    time_s: npt.NDArray[np.float64]
    """(F,) ascending."""
    vectors: npt.NDArray[np.float16]
    """(F, D) unit vectors."""

    def shown_at(self, times_s: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Rows of the frames shown at some times, for times at which one of these is shown."""
        later = np.asarray(times_s, np.float64) + TIME_SLACK_S
        return np.searchsorted(self.time_s, later, side="right") - 1


class Film(NamedTuple):
    """A video that was decoded."""

    content_hash: str
    duration_s: float
    met: Shots
    """All frames handed over, the true ones of all questions among them."""
    candidates: Shots
    pictures: Path
    """Folder of the full pictures of all sampled and true frames."""


def question_key(question: Question, content_hash: str, caption: str | None) -> str:
    """What a line carries to tell whether question, labels and video are still those mined."""
    known = (question.support_frames, question.support_ranges, content_hash, caption)
    return xxhash.xxh3_64_hexdigest(repr(known).encode())


def sampled(met: Shots, duration_s: float, fps: float) -> Shots:
    """The candidates among all frames of a pass: those shown at k / fps, as an index has them."""
    samples_s = np.arange(int(duration_s * fps) + 2) / fps
    rows = np.unique(met.shown_at(samples_s[samples_s < duration_s]))
    return Shots(met.time_s[rows], met.vectors[rows])


def mine_question(asked: Asked, film: Film, rules: Rules, output: Path) -> Record:
    """Choose a question's frames, put their pictures in place, and return its line.

    Its folders are replaced whole, so that a run killed here leaves no half of one.

    Raises:
        VideoError: A frame of the index is not in the video.
        CueframeError: The pictures cannot be written.
    """
    question, candidates = asked.question, film.candidates
    true = film.met.shown_at(question.support_frames)  # (T,)
    true_s = film.met.time_s[true]  # (T,)
    similarity = highest_similarity(candidates.vectors, film.met.vectors[true])  # (F,)
    if asked.text is None:
        order = random_order(len(similarity), rules.seed, question.id)  # (F,)
    else:
        order = hard_order(candidates.vectors, asked.text)  # (F,)
    rows = choose_negatives(
        candidates.time_s,
        film.duration_s,
        true_s=true_s,
        ranges_s=np.array(question.support_ranges, np.float64),
        similarity=similarity,
        order=order,
        num_segments=rules.num_segments,
        guard_s=rules.guard_s,
        threshold=rules.neg_sim_threshold,
    )  # (N,)
    negatives_s = candidates.time_s[rows]  # (N,)
    parts = segments(negatives_s, film.duration_s, rules.num_segments)  # (N,)
    name, suffix = folder_name(question.id), rules.image_format
    true_folder, negative_folder = Path(TRUE_FOLDER, name), Path(NEGATIVE_FOLDER, name)
    _place(output / true_folder, true_s.tolist(), film.pictures, suffix)
    _place(output / negative_folder, negatives_s.tolist(), film.pictures, suffix)
    return {
        "id": question.id,
        "video_path": question.video_path,
        "content_hash": film.content_hash,
        "key": asked.key,
        "duration_s": film.duration_s,
        "true": [
            {
                "file": picture_path(true_folder, time_s, suffix).as_posix(),
                "time_s": time_s,
                "support_time_s": support_s,
                "clamped": support_s >= film.duration_s,
            }
            for time_s, support_s in zip(true_s.tolist(), question.support_frames, strict=True)
        ],
        "negatives": [
            {
                "file": picture_path(negative_folder, time_s, suffix).as_posix(),
                "time_s": time_s,
                "similarity": alike,
                "segment": part,
                "source": rules.negatives,
            }
            for time_s, alike, part in zip(
                negatives_s.tolist(), similarity[rows].tolist(), parts.tolist(), strict=True
            )
        ],
    }


def _place(folder: Path, times_s: list[float], pictures: Path, suffix: ImageFormat) -> None:
    """Fill a folder aside and let it take its place."""
    aside = pictures / "chosen"
    try:
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
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be written ({error.strerror}); make room or rights, and run again"
        ) from error
