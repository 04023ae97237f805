"""How many frames a question needs, so that with a chosen chance they hold its evidence.

`infer.evaluation.conformal` says what is promised and when. What breaks the promise as far as it
can be told is refused before a model is loaded.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from index.errors import CueframeError
from index.languages import language_of
from index.messages import say
from index.models.encoder import Encoder
from infer.answering.config import AnswerConfig
from infer.answering.inputs import Inputs
from infer.asked_indexes import held_by_all
from infer.evaluation.conformal import fewest_videos, floor_of, threshold_of
from infer.evaluation.evidence_curves import evidence_curves
from infer.evaluation.late_labels import warn_of_late_labels
from infer.evaluation.leakage import refuse_leakage, trained_videos
from infer.evaluation.rule_picks import AskedQuestions, Reading
from infer.metrics import TimedQuestion, is_labelled
from infer.queries import Query, make_queries, on_timelines, print_failures
from infer.query_encoder import encode_each
from infer.selection.nested import NestedSets, least_distances
from infer.videos.indexed_videos import IndexedVideos

_TELLING = 5
"""Fewest questions of a file whose language is taken to be known."""
_HARDLY = 0.1
"""Share of the calibration's questions."""


class Labelled(NamedTuple):
    """Labelled questions about indexed videos, which tell how many frames are needed."""

    queries: list[Query]
    timed: list[TimedQuestion]
    coverage: float
    complete: bool
    """Whether every record of the file could be used, or was left out for having no label."""

    @property
    def videos(self) -> set[str]:
        """Their content hashes."""
        return {query.content_hash for query in self.queries}


def find_labelled(
    config: AnswerConfig, inputs: Inputs, indexed: IndexedVideos, asked: Sequence[Query]
) -> Labelled | None:
    """Find the videos of calibration questions, and refuse what would break the promise.

    Args:
        config: The flags.
        inputs: The inputs. Calibration questions without labels, or whose video is not indexed, are
            left out.
        indexed: The indexed videos.
        asked: The questions that are to be answered.

    Returns:
        What is calibrated on; None where the number of frames is given.

    Raises:
        CueframeError: There are too few videos, the encoder was trained on some of them, or the
            questions asked are in another language.
    """
    coverage = config.coverage
    if not inputs.calibration or coverage is None:
        return None
    inputs.calibration.print_refused("question")
    questions = inputs.calibration.records
    # Those with events have a frame for each, whatever --frames says.
    labelled = [one for one in questions if is_labelled(one) and not one.events]
    first, *others = inputs.indexes
    queries, failed = make_queries(labelled, indexed, inputs.caption, inputs.rule.choices)
    queries, unseen = held_by_all(queries, others)
    queries, timed, without_part = on_timelines(first.folder, first.profile, queries)
    failed |= unseen | without_part
    print_failures(failed, "not calibrated on")
    left_out = len(questions) - len(labelled)
    without = f"{left_out} of {len(questions)} questions there have no labels, or have events"
    found = Labelled(queries, timed, coverage, inputs.calibration.complete and not failed)
    needed = fewest_videos(coverage)
    if len(found.videos) < needed:
        raise CueframeError(
            f"--coverage {coverage} needs labels of {needed} videos of {first.folder} or more, and "
            f"--calibration has {len(found.videos)} that can be used"
            + (f", as {without}" if left_out else "")
            + "; label more, or promise less"
        )
    for index in inputs.indexes:
        _refuse_trained(found, trained_videos(index.model_name), index.model_name)
    if config.trained_on:
        own = config.trained_on.parent
        refuse_leakage(
            {query.content_hash: query.path for query in queries},
            config.trained_on,
            [own, own.parent, *([config.videos] if config.videos else [])],
            indexed,
            what="calibration",
            remedy="calibrate on other videos",
            folder_flag="--videos",
        )
    refuse_other_language(
        [query.question.question for query in asked],
        [query.question.question for query in queries],
    )
    if left_out:
        say(f"{without}; --calibration goes on without them")
    warn_of_late_labels(timed)
    both = found.videos & {query.content_hash for query in asked}
    if both:
        say(
            f"warning: {len(both)} of the {len(found.videos)} calibration videos are asked about, "
            "too; the coverage is promised for videos that are not"
        )
    return found


def _refuse_trained(labelled: Labelled, trained: set[str], model: str) -> None:
    leaked = [query for query in labelled.queries if query.content_hash in trained]
    if leaked:
        videos = {query.content_hash for query in leaked}
        raise CueframeError(
            f"{len(videos)} of {len(labelled.videos)} calibration videos were trained on, the "
            f"first {leaked[0].path} (in {model}/training.json); calibrate on other videos"
        )


def refuse_other_language(asked: Sequence[str], known: Sequence[str]) -> None:
    """Refuse questions in a language in which hardly any calibration question is.

    A single short text is often taken for one of another language, and a file may have several. So
    only that is refused: more than half of the questions asked are in one language, and less than
    `_HARDLY` of the calibration's, where either file has `_TELLING` questions or more.

    Raises:
        CueframeError: The questions asked are in such a language.
    """
    ours, theirs = Counter(map(language_of, asked)), Counter(map(language_of, known))
    if min(ours.total(), theirs.total()) < _TELLING:
        return
    name, most = ours.most_common(1)[0]
    if 2 * most > ours.total() and theirs[name] < _HARDLY * theirs.total():
        raise CueframeError(
            f"most questions are in another language ({name}) than those of --calibration "
            f"({theirs.most_common(1)[0][0]}), whose coverage would not hold; calibrate on "
            "questions like those asked"
        )


def calibrated(
    config: AnswerConfig, inputs: Inputs, labelled: Labelled, encoders: Sequence[Encoder]
) -> NestedSets:
    """Return how large the sets have to be; see `infer.evaluation.conformal`.

    Raises:
        CueframeError: A vector file is missing or damaged, a vector is not finite, or not even all
            frames of the videos would be enough.
    """
    reading = Reading(inputs.caption, inputs.rule.choices, inputs.rule.join)
    texts = [query.texts for query in labelled.queries]
    vectors = [encode_each(encoder, texts, config.long_text)[0] for encoder in encoders]
    of_encoders = [[[*own] for own in of_encoder] for of_encoder in vectors]
    asked = AskedQuestions(
        inputs.indexes, labelled.queries, labelled.timed, {reading: of_encoders}, {}
    )
    needed = np.full(len(texts), np.inf)
    for numbers, scores, wanted in evidence_curves(asked, reading, inputs.rule.smooth_s):
        needed[list(numbers)] = least_distances(scores, wanted)
    hashes = [query.content_hash for query in labelled.queries]
    threshold = threshold_of(needed, hashes, labelled.coverage)
    if math.isinf(threshold):
        never = int(np.isinf(needed).sum())
        raise CueframeError(
            f"--coverage {labelled.coverage} cannot be kept: no frame of "
            f"{inputs.indexes[0].folder} is shown during the evidence of {never} of {len(needed)} "
            "calibration questions; look at their labels, promise less, or build the index with a "
            "higher --fps"
        )
    return NestedSets(threshold, labelled.coverage)


def coverage_json(labelled: Labelled, lines: Iterable[bytes]) -> Mapping[str, Any]:
    """Return what the result of a run says of its coverage, given the lines of its answers."""
    answers = map(json.loads, lines)
    frames = [len(answer["frames"]) for answer in answers if "coverage" in answer]
    n = len(labelled.videos)
    return {
        "coverage": labelled.coverage,
        "calibration_videos": n,
        "calibration_questions": len(labelled.queries),
        "floor": round(floor_of(n, labelled.coverage), 4),
        "mean_frames": round(sum(frames) / len(frames), 3) if frames else None,
    }


def say_coverage(told: Mapping[str, Any]) -> None:
    """Print the same to stderr."""
    frames = "" if told["mean_frames"] is None else f", {told['mean_frames']:.2f} frames on average"
    say(
        f"coverage {told['coverage']}: calibrated on {told['calibration_questions']} questions "
        f"about {told['calibration_videos']} videos{frames}; of such calibrations 5 % cover less "
        f"than {100 * told['floor']:.1f} %"
    )
