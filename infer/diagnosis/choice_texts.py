"""Checks of choices and answers: choices that are equal, and answers that are none of them."""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import TYPE_CHECKING

from index.errors import CueframeError
from index.models.long_texts import LongText, Text, read_as, shared_out
from index.progress import bar
from infer.choices import LETTERS, letter_of
from infer.diagnosis.case import Plan
from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, Tally, share, some
from infer.question_texts import texts_of_choices
from infer.questions import Question
from infer.texts.choice_markers import without_markers

if TYPE_CHECKING:  # it imports torch
    from index.models.dual_model import DualModel

_AT_ONCE = 64
"""Questions whose choices become tokens together."""


def equal_choices(questions: Sequence[Question]) -> Iterator[Finding]:
    """Choices of a question with the same text, once their letters are taken off."""
    found, total = Tally(), 0
    for question in questions:
        total += bool(question.choices)
        texts = _texts_of(question)
        if len(set(texts)) < len(texts):
            found.add(question.id, _twice(texts))
    if found.count:
        yield Finding(
            "equal_choices",
            "note",
            f"{share(found.count, total)} questions with choices have one text twice among them",
            {"questions": found.count, "with_choices": total},
            found.examples,
            (f"correct the choices of {found.named()}",),
            ids=found.ids,
        )


def number_of_choices(questions: Sequence[Question]) -> Iterator[Finding]:
    """Questions with a single choice, or more than there are letters: no reader answers them."""
    found = Tally()
    for question in questions:
        if question.choices and not 2 <= len(question.choices) <= len(LETTERS):
            found.add(question.id, f"{len(question.choices)}")
    if found.count:
        yield Finding(
            "number_of_choices",
            "note",
            f"{some(found.count, 'question')} with a single choice, or more than {len(LETTERS)}, "
            "which no --reader answers",
            {"questions": found.count},
            found.examples,
            (f"give them 2 to {len(LETTERS)} choices, or none",),
            ids=found.ids,
        )


def answers(questions: Sequence[Question]) -> Iterator[Finding]:
    """Answers that are none of the choices, and questions with choices that have no answer."""
    wrong, missing, total = Tally(), Tally(), 0
    for question in questions:
        if not 2 <= len(question.choices) <= len(LETTERS):
            continue
        total += 1
        if question.answer is None:
            missing.add(question.id)
            continue
        try:
            letter_of(question)
        except CueframeError:
            wrong.add(question.id, repr(question.answer))
    figures = {"with_choices": total, "without_answer": missing.count, "wrong": wrong.count}
    if wrong.count:
        yield Finding(
            "wrong_answers",
            "problem",
            f"{share(wrong.count, total)} questions with choices have an answer that is none of "
            "them, so no --reader can be scored on them",
            figures,
            wrong.examples,
            (f"correct the answer of {wrong.named()}: the text of a choice, or its letter",),
            ids=wrong.ids,
        )
    if 0 < missing.count < total:
        yield Finding(
            "missing_answers",
            "note",
            f"{share(missing.count, total)} questions with choices have no answer, and others have",
            figures,
            missing.examples,
            (f"give an answer to {missing.named()}",),
            ids=missing.ids,
        )
    elif total and not wrong.count:
        said = "none" if missing.count else "each"
        said = f"{some(total, 'question')} with choices; {said} of them says which is right"
        yield Finding("missing_answers", "fine", said, figures)


def equal_choices_to_the_model(
    questions: Sequence[Question], model: "DualModel", plan: Plan, commands: Commands
) -> Iterator[Finding]:
    """Choices whose texts differ and whose tokens do not: the model cannot tell them apart.

    It does not see case or accents, knows none of the words, or the difference is cut off.
    """
    same, cut, total = Tally(), Tally(), 0
    with_choices = [n for n, one in enumerate(questions) if 2 <= len(one.choices) <= len(LETTERS)]
    starts = range(0, len(with_choices), _AT_ONCE)
    for start in bar(starts, "block", len(starts)):
        block = [questions[n] for n in with_choices[start : start + _AT_ONCE]]
        total += len(block)
        alike = _alike(block, model, plan.long_text)
        if plan.long_text == "truncate" and any(alike):
            whole = _alike(block, model, "windows")
        else:
            whole = alike
        for question, told, at_length in zip(block, alike, whole, strict=True):
            if told:
                (same if at_length else cut).add(question.id, told)
    if cut.count:
        yield Finding(
            "choices_cut",
            "problem",
            f"{share(cut.count, total)} questions have choices that differ only past the "
            f"{min(side.max_tokens for side in model.text_sides())} tokens that the model reads",
            {"questions": cut.count, "with_choices": total},
            cut.examples,
            (commands.answer("--choices", "each", "--long-text", "windows"),),
            ids=cut.ids,
        )
    if same.count:
        yield Finding(
            "choices_equal_to_the_model",
            "problem",
            f"{share(same.count, total)} questions have choices that are the same to the model: it "
            "does not see what tells them apart (case, accents, or words that it does not know)",
            {"questions": same.count, "with_choices": total},
            same.examples,
            (
                f"reword the choices of {same.named()}, or take a model that sees the difference:",
                commands.doctor_of("MODEL"),
            ),
            ids=same.ids,
        )


def _alike(block: Sequence[Question], model: "DualModel", how: LongText) -> list[str]:
    """Return for each question two of its choices that differ and have the same tokens, or ""."""
    texts: list[Sequence[Text]] = []
    for question in block:
        try:
            texts.append(texts_of_choices(question))
        except CueframeError:  # they have no text, or too long a one
            texts.append(())
    seen = iter(_as_tokens([*chain.from_iterable(texts)], model, how))
    found = []
    for question, own in zip(block, texts, strict=True):
        written = _texts_of(question)
        keys = [next(seen) for _ in own]
        pairs = combinations(zip(written, keys, strict=False), 2)
        alike = (f"{a} = {b}" for (a, of_a), (b, of_b) in pairs if a != b and of_a == of_b)
        found.append(next(alike, ""))
    return found


def _as_tokens(texts: Sequence[Text], model: "DualModel", how: LongText) -> list[object]:
    """Return of each text what reads it, and the tokens of all that is read of it."""
    found: list[object] = [None] * len(texts)
    for number, (side, places) in enumerate(shared_out(texts, model)):
        read, _ = read_as([texts[place] for place in places], how, side)
        parts = [[*one.windows, *one.own] for one in read]
        every = [*chain.from_iterable(parts)]
        tokens = iter(side.tokens(every)["input_ids"].tolist() if every else ())
        for place, own in zip(places, parts, strict=True):
            found[place] = number, [next(tokens) for _ in own]
    return found


def _texts_of(question: Question) -> list[str]:
    return [" ".join(text.split()) for text in without_markers(question.choices).texts]


def _twice(texts: Sequence[str]) -> str:
    return next(text for text in texts if texts.count(text) > 1)
