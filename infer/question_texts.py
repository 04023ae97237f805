"""The texts of a question that an encoder reads, made here alone, for training and asking alike."""

from typing import Literal, NamedTuple

from index.errors import CueframeError
from index.models.long_texts import Text, TwoParts
from infer.choices import lettered
from infer.questions import Question
from infer.records import short
from infer.texts.clean_text import MAX_TEXT_CHARS


class QuestionTexts(NamedTuple):
    """Texts of a question, and how their scores are joined."""

    texts: tuple[Text, ...]
    joined: Literal["alone", "each"]
    """alone: the scores of the one text are the question's. each: every text has scores of its own,
    as the choices have between which a reader decides."""


def question_texts(question: Question, setting: Literal[1, 2, 3, "choices"] | int) -> QuestionTexts:
    """Make the texts that the encoder reads for a question.

        1         the question                           What colour is it?
        2         the choices                            A. Red B. Blue
        3         the question, the choices              What colour is it? A. Red B. Blue
        choices   the question and one choice, of each   What colour is it? | Red

    The parts are joined by one space, without added labels or punctuation; blanks, tabs and line
    ends inside them become one space too. A choice stays a part of its own, since in a text that is
    longer than the model reads it may not be what is cut off. Without choices, setting 3 gives the
    question alone.

    Raises:
        CueframeError: Setting 2 for a question without choices, a question without a text, a text
            that is too long, a setting other than these, or as `infer.choices.lettered`.
    """
    if setting not in (1, 2, 3, "choices"):
        raise CueframeError(
            f"--caption {setting} is unknown; want 1 (question), 2 (choices) or 3 (both)"
        )
    if not question.question:
        raise CueframeError(
            f"question {short(question.id)} has no text, since its file has labels alone; ask the "
            "set's own file of questions, with this one as --labels"
        )
    if setting == 2 and not question.choices:
        raise CueframeError(
            f"question {short(question.id)} has no choices, and --caption 2 reads nothing else; "
            "use --caption 1"
        )
    parts = [question.question] if setting != 2 else []
    if setting in (2, 3):
        parts += question.choices
    texts: list[Text] = [" ".join(" ".join(parts).split())]
    if setting == "choices":
        shared = str(texts[0])
        texts = [TwoParts(shared, " ".join(own.split())) for _, own in lettered(question)]
    longest = max(len(text) if isinstance(text, str) else sum(map(len, text)) + 1 for text in texts)
    if longest > 2 * MAX_TEXT_CHARS:
        raise CueframeError(
            f"question {short(question.id)} with its choices has {longest} characters, and a text "
            f"has {2 * MAX_TEXT_CHARS} at most; shorten its choices, or use --caption 1"
        )
    return QuestionTexts(tuple(texts), "each" if setting == "choices" else "alone")


def caption(question: Question, setting: int) -> str:
    """Return the one text of a question with a `--caption` setting; see `question_texts`."""
    return str(question_texts(question, setting).texts[0])
