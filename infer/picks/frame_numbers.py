"""Picks that are frame numbers at the video's own rate, as AKS writes them, and what rate that is.

AKS (Tang et al., CVPR 2025, arXiv 2502.21271) scores one frame in every int(rate), so its numbers
are multiples of that step, and the rate is somewhere from the step to the step + 1. A time by the
step alone would be up to 4 % late. But rates are not spread evenly: a step of 23, 29 or 59 is that
of an NTSC rate, 24000, 30000 or 60000 / 1001, and one of 24, 25, 30, 50 or 60 nearly always the
rate itself. Of 349 questions of LongVideoBench in whose lists every candidate stands, so that
frames can be counted, this agrees with 345 to 0.2 %; the other four are about videos of a minute or
less. Other steps say too little, and so do 50 and 60 in few numbers, which may be two steps of 25
or 30.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from index.errors import CueframeError
from infer.picks.collector import Collector, id_of, wrong_numbers
from infer.question_files.field_values import number_of
from infer.questions import Question
from infer.records import short
from infer.videos.video_names import comparable

RATES = {step: float(step) for step in (24, 25, 30, 50, 60)} | {
    step: (step + 1) * 1000 / 1001 for step in (23, 29, 59)
}
"""Frames per second by the step between candidates."""
LEAST_NUMBERS = {50: 16, 60: 16}
"""Numbers of a video that tell these steps: by a chance of 2⁻¹⁶, all are multiples of two steps."""
_WANTED = '[[frame number, …], …] or [{"id": question id, …, "frame_idx": [frame number, …]}, …]'
_REMEDY = "give fps in the question's record, or --picks-fps for all"


def read_aks(content: object, found: Collector) -> None:
    """Read lists of frame numbers in the order of the questions, or records with `frame_idx`.

    The rate is the question's `fps`, else --picks-fps, else what the step between a video's numbers
    says (`RATES`), which is noted.

    Raises:
        CueframeError: The content is no list, or has another number of lists than questions.
    """
    if not isinstance(content, list) or not content:
        raise CueframeError(f"{found.name}: {short(content)} is no list; want {_WANTED}")
    pairs = []
    for question, numbers in _pairs(content, found):
        if wrong := wrong_numbers(numbers, "frame_idx") or _wrong_fps(question):
            found.problem(question, wrong)
        elif any(number % 1 for number in numbers):
            found.problem(question, f"has frame_idx {short(numbers)}; want whole numbers")
        else:
            pairs.append((question, numbers))
    steps = _steps(pairs)
    assumed: Counter[int] = Counter()
    for question, numbers in pairs:
        step = steps.get(comparable(question.video_path), 0)
        fps = _own_fps(question) or found.fps
        if fps is None and step in RATES:
            fps = RATES[step]
            assumed[step] += 1
        if fps is None:
            what = f"step {step} between frame numbers does" if step else "frame numbers do"
            found.problem(question, f"has an unknown frame rate: its {what} not tell; {_REMEDY}")
        else:
            found.add(question, numbers, "frame_idx", fps)
    if assumed:
        told = ", ".join(
            f"{RATES[step]:.5g} (step {step}): {assumed[step]}" for step in sorted(assumed)
        )
        found.note(
            "assumed: frames per second by the step between frame numbers, its whole part, with "
            f"the number of questions: {told}; where it is another, {_REMEDY}"
        )


def _pairs(content: Sequence[object], found: Collector) -> list[tuple[Question, list[float]]]:
    """Return questions with what stands for their frame numbers, not yet looked at."""
    pairs: list[tuple[Question, object]] = []
    if not any(isinstance(record, dict) for record in content):
        if len(content) != len(found.in_order):
            raise CueframeError(
                f"{found.name}: {len(content)} lists for {len(found.in_order)} questions; give "
                "the questions in whose order they stand, or records with id and frame_idx"
            )
        pairs = [(one, own) for one, own in zip(found.in_order, content, strict=True) if one]
    else:
        for number, record in enumerate(content, 1):
            name = id_of(record, "id", "question_id") if isinstance(record, Mapping) else None
            if name is None or not isinstance(record, Mapping):
                found.bad_record(f"record {number}", record, _WANTED)
            elif name in found.by_id:
                pairs.append((found.by_id[name], record.get("frame_idx")))
            else:
                found.unasked()
    return pairs  # type: ignore[return-value]  # the caller checks the numbers


def _steps(pairs: Sequence[tuple[Question, list[float]]]) -> dict[str, int]:
    """Return by video the step between the candidates, where its questions' numbers tell it."""
    numbers: dict[str, set[int]] = {}
    for question, own in pairs:
        numbers.setdefault(comparable(question.video_path), set()).update(map(int, own))
    steps = {video: math.gcd(*own) for video, own in numbers.items()}
    return {v: step for v, step in steps.items() if len(numbers[v]) >= LEAST_NUMBERS.get(step, 2)}


def _own_fps(question: Question) -> float | None:
    """Return the rate in a question's record, if there is one."""
    return number_of((question.model_extra or {}).get("fps"))


def _wrong_fps(question: Question) -> str | None:
    """Return what is wrong with the rate in a question's record, or None."""
    fps = (question.model_extra or {}).get("fps")
    if fps is None or (number_of(fps) or 0) > 0:
        return None
    return f"has fps {short(fps)}; want a number above 0"
