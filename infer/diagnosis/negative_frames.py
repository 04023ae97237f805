"""Times that a question names as showing no answer, and that cannot be meant so."""

from collections.abc import Iterator, Sequence

from infer.diagnosis.case import AskedVideos
from infer.diagnosis.findings import Finding, Tally, share
from infer.metrics import answer_ranges
from infer.questions import Question


def negative_frames(
    questions: Sequence[Question], videos: AskedVideos | None = None
) -> Iterator[Finding]:
    """Negatives that are evidence of the same question, or past the end of its video.

    The end is that of the indexed video, else what the question says by duration_s.
    """
    evidence, outside = Tally(), Tally()
    count = 0
    for place, question in enumerate(questions):
        count += bool(question.negative_frames)
        row = videos.of_questions[place].row if videos else None
        end_s = row.duration_s if row and row.duration_s else question.duration_s
        moments = {*question.support_frames}
        for time_s in question.negative_frames:
            inside = any(start <= time_s <= end for start, end in answer_ranges(question))
            if time_s in moments or inside:
                evidence.add(question.id, f"{time_s:g} s is labelled as evidence, too")
                break
            if end_s is not None and time_s >= end_s:
                outside.add(question.id, f"{time_s:g} s of {end_s:.3f} s")
                break
    if evidence.count:
        yield Finding(
            "negatives_that_are_evidence",
            "problem",
            f"{share(evidence.count, count)} questions with negative_frames name their own "
            "evidence among them",
            {"questions": evidence.count, "with_negatives": count},
            evidence.examples,
            (f"correct the negative_frames, or the labels, of {evidence.named()}",),
            evidence.ids,
        )
    if outside.count:
        yield Finding(
            "negatives_outside",
            "problem",
            f"{share(outside.count, count)} questions with negative_frames name times past the "
            "end of their video",
            {"questions": outside.count, "with_negatives": count},
            outside.examples,
            (f"correct the negative_frames of {outside.named()}",),
            outside.ids,
        )
