"""The page of the report: the picks for each question, in one self-contained HTML file.

Worst cases come first. Each picture is in the file once, however many questions show it, and is
loaded when its question comes near the window: a thousand questions with 5,500 pictures are 43 MB,
written in 3 s and open in Chromium in 4 s (two busy cores), and a filter takes 0.1 s.

Legend: F rows of a video, K picks, P those of one question.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from index.arrays import Bools, Floats
from index.errors import CueframeError
from index.languages import language_of
from index.models.tiling import Box
from index.storage.atomic_write import written_whole
from infer.answer_file import Chosen, ReaderFrames
from infer.choices import LETTERS, letter_of
from infer.metrics import spans_of_evidence, true_times
from infer.questions import Question, frames_asked
from infer.report.chart import CURVE_BOX, Curve, clock, share, ticks

Pictures = Mapping[str, Mapping[float, bytes]]
"""JPEG files by video and time in seconds, from `infer.report.thumbnails.thumbnails_of`."""
Outcome = Literal["miss", "hit", "unlabelled"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question with its picks and their figures."""

    question: Question
    video: str
    """The path under which the video is known."""
    time_s: Floats
    """(F,) seconds of the video's rows; without a curve perhaps of the part's rows alone."""
    curve: Curve | None
    """The scores of the question's text with each row; None without an encoder."""
    duration_s: float
    """Length of the video, or of the part of it that is asked about."""
    start_s: float = 0.0
    """Second of the video at which that part begins."""
    picked_s: Floats
    """(P,) times of the picks in seconds, ascending."""
    shows_evidence: Bools
    """(P,) which picks are shown during evidence."""
    picked_scores: Sequence[float]
    """(P,) scores of the picks; NaN where unknown."""
    picked_tiles: Sequence[Box | None] = ()
    """(P,) the best tile of each pick; None, or none at all, where a frame has one tile."""
    figures: Mapping[str, float]
    """Figures by name, 0 to 1; those whose names end in _s are seconds. NaN: no label."""
    read: Mapping[ReaderFrames, Chosen] = field(default_factory=dict)
    """A reader's answers by the frames that it saw."""

    @property
    def end_s(self) -> float:
        """End of the timeline; times of an index's rows may lie past the duration."""
        return max(self.start_s + self.duration_s, float(self.time_s.max(initial=0)))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The head of the report, above the questions; all of it is shown as plain text."""

    title: str
    lines: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    """Rows of the table: a name, and a cell for each column."""
    k: int
    """Number of equal segments of each timeline; of a question with events, as many as these."""


def write_report(path: Path, summary: Summary, cases: Sequence[Case], pictures: Pictures) -> None:
    """Write the report; a picture that is missing is shown as missing.

    Raises:
        CueframeError: The file cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    album = _Album(pictures)
    views = [_view(case, summary.k, album) for case in worst_first(cases)]
    outcomes = [view["outcome"] for view in views]
    html = environment.get_template("page.html.j2").render(
        summary=summary,
        cases=views,
        counts={which: outcomes.count(which) for which in ("hit", "miss", "unlabelled")},
        album=album.stored,
        box=CURVE_BOX,
    )
    with written_whole(path) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="replace")  # paths may not be UTF-8


def worst_first(cases: Sequence[Case]) -> list[Case]:
    """Sort misses before hits, each by recall and then by distance; unlabelled questions last."""

    def rank(case: Case) -> tuple[bool, float, float, float]:
        hit, recall, distance_s = (_known(case, name) for name in ("hit", "recall", "distance_s"))
        return outcome(case) == "unlabelled", hit, recall, -distance_s

    return sorted(cases, key=rank)


def outcome(case: Case) -> Outcome:
    """Return the outcome of a case, by its figure "hit"."""
    hit = case.figures.get("hit", float("nan"))
    if isnan(hit):
        return "unlabelled"
    return "hit" if hit else "miss"


def times_to_show(cases: Sequence[Case]) -> dict[str, list[float]]:
    """Return for each video the ascending times of which the report shows pictures."""
    times: dict[str, set[float]] = {}
    for case in cases:
        wanted = times.setdefault(case.video, set())
        wanted.update(case.picked_s.tolist(), true_times(case.question))
    return {video: sorted(wanted) for video, wanted in times.items()}


class _Album:
    """The pictures that are shown, each stored once and named by its position among them."""

    def __init__(self, pictures: Pictures) -> None:
        self.stored: list[str] = []
        self._pictures = pictures
        self._places: dict[bytes, int] = {}

    def size(self, video: str, time_s: float) -> tuple[int, int] | None:
        """Return a picture's width and height, None if it is missing."""
        jpeg = self._pictures.get(video, {}).get(time_s)
        return None if jpeg is None else Image.open(BytesIO(jpeg)).size

    def place(self, video: str, time_s: float) -> int | None:
        jpeg = self._pictures.get(video, {}).get(time_s)
        if jpeg is None:
            return None
        if jpeg not in self._places:
            self._places[jpeg] = len(self.stored)
            self.stored.append(b64encode(jpeg).decode())
        return self._places[jpeg]


def _view(case: Case, k: int, album: _Album) -> dict[str, Any]:
    """Convert a case for the template: positions in per cent, and texts."""
    question, end_s = case.question, case.end_s
    parts = frames_asked(question, k)
    return {
        "question": question,
        "video": case.video,
        "language": language_of(question.question),
        "outcome": outcome(case),
        "figures": _figures(case),
        "read": bool(case.read),
        "choices": _choices(case),
        "texts": [
            (shown, said.undecided or said.text)
            for shown, said in case.read.items()
            if not said.letter
        ],
        "end": clock(end_s, end_s),
        "borders": [
            share(case.start_s + s * case.duration_s / parts, end_s) for s in range(parts + 1)
        ],
        "ticks": ticks(end_s),
        "curve": case.curve.path if case.curve else None,
        "scale": (_number(case.curve.low, 3), _number(case.curve.high, 3)) if case.curve else None,
        "spans": [
            (share(a, end_s), share(b, end_s), clock(max(0, a), end_s), clock(b, end_s))
            for a, b in spans_of_evidence(question).tolist()
        ],
        "picks": _picks(case, album),
        "truths": [
            {"x": share(t, end_s), "time": clock(t, end_s), "picture": album.place(case.video, t)}
            for t in true_times(question)
        ],
    }


def _choices(case: Case) -> list[dict[str, Any]]:
    """Return the choices: whether right, and the frames and probability by which a reader chose."""
    right = _right(case.question)
    said: dict[str, list[str]] = {}
    for shown, chosen in case.read.items():
        if chosen.letter:
            sure = (chosen.probabilities or {}).get(chosen.letter)
            text = shown if sure is None else f"{shown} {100 * sure:.0f} %"
            said.setdefault(chosen.letter, []).append(text)
    return [
        {"text": text, "right": place == right, "said": said.get(LETTERS[place : place + 1], [])}
        for place, text in enumerate(case.question.choices)
    ]


def _right(question: Question) -> int | None:
    """Return the position of the right choice; None where the answer is no choice."""
    try:
        return LETTERS.index(letter_of(question))
    except CueframeError:  # choices that no reader can use are shown all the same
        known = question.answer in question.choices
        return question.choices.index(question.answer or "") if known else None


def _picks(case: Case, album: _Album) -> list[dict[str, Any]]:
    end_s = case.end_s
    up = case.curve.picks if case.curve else np.full(len(case.picked_s), 0.5)
    scores = ["" if isnan(score) else _number(score, 4) for score in case.picked_scores]
    return [
        {
            "x": share(time_s, end_s),
            "down": round(100 * (1 - height), 1),
            "time": clock(time_s, end_s),
            "score": score,
            "inside": is_inside,
            "picture": album.place(case.video, time_s),
            "tile": _tile(box, album.size(case.video, time_s)) if box else None,
        }
        for time_s, score, is_inside, height, box in zip(
            case.picked_s.tolist(),
            scores,
            case.shows_evidence.tolist(),
            up.tolist(),
            case.picked_tiles or [None] * len(scores),
            strict=True,
        )
    ]


def _tile(box: Box, size: tuple[int, int] | None) -> dict[str, Any] | None:
    """Convert a tile to be drawn on its picture, in the picture's pixels; None without one."""
    if size is None:
        return None
    left, top, right, bottom = (round(edge * size[n % 2], 1) for n, edge in enumerate(box))
    across, down = (f"{100 * box[n]:.0f} to {100 * box[n + 2]:.0f} %" for n in (0, 1))
    return {
        "box": (left, top, round(right - left, 1), round(bottom - top, 1)),
        "size": size,
        "text": f"best tile, {across} from the left, {down} from the top",
    }


def _figures(case: Case) -> list[tuple[str, str]]:
    """Return names and texts of the known figures, except "hit", which the badge shows."""
    shown = []
    for name, figure in case.figures.items():
        if name == "hit" or isnan(figure):
            continue
        text = f"{figure:.2f} s" if name.endswith("_s") else f"{100 * figure:.0f} %"
        shown.append((name.removesuffix("_s"), text))
    return shown


def _known(case: Case, name: str) -> float:
    figure = case.figures.get(name, 0.0)
    return 0.0 if isnan(figure) else figure


def _number(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".replace("-", "−")
