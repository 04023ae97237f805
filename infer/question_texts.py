"""The texts of a question that an encoder reads, made here alone, for training and asking alike."""

from collections.abc import Sequence
from typing import Literal

from index.errors import CueframeError
from index.models.long_texts import Text, TwoParts
from infer.choices import lettered
from infer.questions import Question
from infer.records import short
from infer.texts.choice_markers import without_markers
from infer.texts.clean_text import MAX_TEXT_CHARS

ChoiceTexts = Literal["joined", "each"]
"""joined: a question's text is one, with its choices where --caption says so. each: one text for
each choice beside the question's own, whose scores are joined (`infer.selection.frame_scores`).
The question's own belongs to them: where an encoder is unsure, the best of the choices' texts alone
gains nothing (docs/picking.md)."""


def question_texts(
    question: Question, setting: Literal[1, 2, 3] | int, choices: ChoiceTexts = "joined"
) -> tuple[Text, ...]:
    """Make the texts that the encoder reads for a question, for training and asking alike.

    Of a question with events, they are its events' texts, each of which gets a frame of its own.

        1, joined           What colour is it?
        2, joined           A. Red B. Blue
        3, joined           What colour is it? A. Red B. Blue
        2, each             Red | Blue
        3, each             What colour is it? | What colour is it? Red | What colour is it? Blue

    The parts are joined by one space, without added labels or punctuation; blanks, tabs and line
    ends inside them become one space too. Without choices, setting 3 gives the question alone.

    Raises:
        CueframeError: Setting 2 for a question without choices, a question without a text, a text
            that is too long, or a setting other than these.
    """
    return event_texts(question) or _own_texts(question, setting, choices)


def event_texts(question: Question) -> tuple[Text, ...]:
    """Return the texts of a question's events, in their order; none without any."""
    return tuple(map(_spaced, question.events))


def _own_texts(question: Question, setting: int, choices: ChoiceTexts) -> tuple[Text, ...]:
    if setting not in (1, 2, 3):
        raise CueframeError(
            f"--caption {setting} is unknown; want 1 (question), 2 (choices) or 3 (both)"
        )
    _refuse_no_text(question)
    if setting == 2 and not question.choices:
        raise CueframeError(
            f"question {short(question.id)} has no choices, and --caption 2 reads nothing else; "
            "use --caption 1"
        )
    shared = [question.question] if setting != 2 else []
    if choices == "each" and setting != 1:
        return _short_enough(question, [*map(_spaced, shared), *_of_choices(question, shared)])
    return _short_enough(
        question, [_spaced(" ".join(shared + (question.choices if setting != 1 else [])))]
    )


def texts_of_choices(question: Question) -> tuple[Text, ...]:
    """Return the text "question choice" of each choice, between which a reader decides.

    Raises:
        CueframeError: As `infer.choices.lettered`, or the question has no text or too long a one.
    """
    lettered(question)
    _refuse_no_text(question)
    return _short_enough(question, _of_choices(question, [question.question]))


def _of_choices(question: Question, shared: Sequence[str]) -> list[Text]:
    """Return a text of each choice, without its letter.

    After what they share it stays a part of its own, since in a text that is longer than the model
    reads it may not be what is cut off.
    """
    alone = map(_spaced, without_markers(question.choices).texts)
    return [TwoParts(_spaced(shared[0]), own) for own in alone] if shared else [*alone]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _refuse_no_text(question: Question) -> None:
    if not question.question:
        raise CueframeError(
            f"question {short(question.id)} has no text, since its file has labels alone; ask the "
            "set's own file of questions, with this one as --labels"
        )


def _short_enough(question: Question, texts: Sequence[Text]) -> tuple[Text, ...]:
    longest = max(len(text) if isinstance(text, str) else sum(map(len, text)) + 1 for text in texts)
    if longest > 2 * MAX_TEXT_CHARS:
        raise CueframeError(
            f"question {short(question.id)} with its choices has {longest} characters, and a text "
            f"has {2 * MAX_TEXT_CHARS} at most; shorten its choices, or use --caption 1"
        )
    return tuple(texts)


def caption_setting(caption: int | None, choices: ChoiceTexts) -> int:
    """Return the setting that --caption and --choices mean together.

    Raises:
        CueframeError: One text for each choice is asked for, and --caption 1 reads no choice.
    """
    if caption == 1 and choices == "each":
        raise CueframeError(
            "--caption 1 reads no choices, so --choices each has none; use --caption 3, or leave "
            "--caption out"
        )
    return caption or (3 if choices == "each" else 1)


def caption(question: Question, setting: int) -> str:
    """Return a question's own text with a `--caption` setting, with events as without.

    See `question_texts`.
    """
    return str(_own_texts(question, setting, "joined")[0])


def captions(question: Question, setting: int) -> list[str]:
    """Return the texts of a question's wordings with a `--caption` setting, each once.

    The first is its own (`caption`); those of its paraphrases follow, with its choices where the
    setting has them. Setting 2 reads the choices alone, so there is one.
    """
    asked = [question.question, *question.paraphrases]
    worded = (question.model_copy(update={"question": text}) for text in asked)
    return list(dict.fromkeys(caption(one, setting) for one in worded))
