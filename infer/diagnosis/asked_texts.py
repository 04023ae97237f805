"""Checks of the texts that an encoder gets: there are none, or two questions have the same."""

from collections.abc import Iterator, Sequence

from index.errors import CueframeError
from infer.diagnosis.case import AskedVideos, Plan
from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, Tally, share
from infer.question_texts import question_texts
from infer.questions import Question
from infer.videos.video_names import comparable


def questions_without_text(questions: Sequence[Question], plan: Plan) -> Iterator[Finding]:
    """Questions that have no text under the planned --caption and --choices."""
    found, advice = Tally(), dict[str, None]()
    for question in questions:
        try:
            question_texts(question, plan.caption, plan.choices)
        except CueframeError as error:
            found.add(question.id)
            _, _, remedy = str(error).rpartition("; ")
            advice[remedy] = None
    if found.count:
        yield Finding(
            "questions_without_text",
            "problem",
            f"{share(found.count, len(questions))} questions have no text to be asked by",
            {"questions": found.count},
            found.examples,
            tuple(advice),
            ids=found.ids,
        )


def choices_setting(questions: Sequence[Question], plan: Plan) -> Iterator[Finding]:
    """Whether there are choices, where the call reads them."""
    count = sum(bool(question.choices) for question in questions)
    figures = {"with_choices": count, "questions": len(questions)}
    if count or (plan.choices == "joined" and plan.caption == 1):
        said = f"{share(count, len(questions))} questions have choices"
        yield Finding("choices_setting", "fine", said, figures)
        return
    flag = "--choices each" if plan.choices == "each" else f"--caption {plan.caption}"
    yield Finding(
        "choices_setting",
        "note",
        f"no question has choices, so {flag} changes nothing",
        figures,
        advice=("ask with --caption 1 and without --choices",),
    )


def equal_questions(
    questions: Sequence[Question],
    plan: Plan,
    commands: Commands,
    videos: AskedVideos | None = None,
) -> Iterator[Finding]:
    """Questions of one video, or of one part of it, with the same texts: they get the same frames.

    Some of them may have other choices, and then other texts with --choices each.
    """
    first: dict[int, str] = {}  # by hashes: texts are long, and many
    whole = set[int]()
    repeated, tellable = Tally(), Tally()
    for place, question in enumerate(questions):
        about = (_video_of(videos, place, question), question.span_s)
        try:
            asked = question_texts(question, plan.caption, plan.choices)
            key = hash((*about, asked))
            full = hash((*about, question_texts(question, 3, "each")))
        except CueframeError:
            continue
        earlier = first.setdefault(key, question.id)
        if earlier != question.id:
            (repeated if full in whole else tellable).add(question.id, f"as {earlier}")
        whole.add(full)
    if repeated.count:
        yield Finding(
            "equal_questions",
            "note",
            f"{share(repeated.count, len(questions))} questions repeat an earlier one of the same "
            "video word for word",
            {"repeated": repeated.count},
            repeated.examples,
            (f"take out, or reword, {repeated.named()}",),
            ids=repeated.ids,
        )
    if tellable.count:
        yield Finding(
            "equal_but_for_choices",
            "note",
            f"{share(tellable.count, len(questions))} questions differ from an earlier one of the "
            "same video in their choices alone, which are not read, and get the same frames",
            {"repeated": tellable.count},
            tellable.examples,
            (commands.answer("--choices", "each"),),
            ids=tellable.ids,
        )


def _video_of(videos: AskedVideos | None, place: int, question: Question) -> str:
    row = videos.of_questions[place].row if videos else None
    return row.content_hash if row else comparable(question.video_path)
