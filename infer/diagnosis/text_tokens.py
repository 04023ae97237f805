"""Checks of the texts as tokens: longer than the model reads, in many pieces, or unknown to it."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, compress
from typing import TYPE_CHECKING, NamedTuple

from index.errors import CueframeError
from index.models.long_texts import Text, read_as, shared_out
from index.progress import bar
from infer.diagnosis.case import Plan
from infer.diagnosis.commands import Commands
from infer.diagnosis.findings import Finding, Tally, percent, share
from infer.diagnosis.guesses import NONE
from infer.question_texts import ChoiceTexts, question_texts
from infer.questions import Question

if TYPE_CHECKING:  # it imports torch
    from index.models.dual_model import DualModel

_AT_ONCE = 256
"""Questions whose texts become tokens together."""
_SETTINGS: dict[tuple[int, ChoiceTexts], str] = {
    (1, "joined"): "alone",
    (3, "joined"): "with their choices (--caption 3)",
    (3, "each"): "with each choice (--choices each)",
}
_MANY_PIECES = 2.5
"""Tokens of a word: 1.2 to 1.4 of English in CLIP's tokenizer, 3 and more of Vietnamese."""
_MANY_OF_A_LETTER = 1.5
"""The same of a character of a script without blanks."""
_UNKNOWN_NOTE, _UNKNOWN_PROBLEM = 0.01, 0.1
"""Shares of unknown tokens."""
_WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_LETTER = re.compile(f"[{_WITHOUT_BLANKS}]")
_WORD = re.compile(rf"[^\W{_WITHOUT_BLANKS}]+")


class Pieces(NamedTuple):
    """Tokens, words, and letters of scripts without blanks, of one text or of many."""

    tokens: int = 0
    words: int = 0
    letters: int = 0

    def with_(self, other: "Pieces") -> "Pieces":
        """Add those of another text."""
        return Pieces(*map(sum, zip(self, other, strict=True)))

    @property
    def units(self) -> int:
        """What tokens are counted by."""
        return self.words + self.letters

    @property
    def unit(self) -> str:
        """What most of the units are."""
        return "character" if self.letters > self.words else "word"

    @property
    def of_a_unit(self) -> float:
        """Tokens of a unit; 0 where there is none."""
        return self.tokens / self.units if self.units else 0.0

    @property
    def too_many(self) -> bool:
        """Whether the tokenizer was made for other languages."""
        return self.of_a_unit > (_MANY_PIECES if self.unit == "word" else _MANY_OF_A_LETTER)


def pieces_of(texts: Sequence[str], model: "DualModel") -> list[Pieces]:
    """Count the tokens of texts, as the side of the model makes them that reads each."""
    found = [Pieces()] * len(texts)
    for side, places in shared_out(texts, model):
        read = side.plain_texts([texts[place] for place in places])
        added = side.count_tokens([""])[0]
        for place, text, count in zip(places, read, side.count_tokens(read), strict=True):
            words, letters = len(_WORD.findall(text)), len(_LETTER.findall(text))
            found[place] = Pieces(count - added, words, letters)
    return found


def long_texts(
    questions: Sequence[Question], model: "DualModel", plan: Plan, commands: Commands
) -> Iterator[Finding]:
    """Questions whose texts are longer than the model reads, alone and with choices."""
    asked = (plan.caption, plan.choices)
    settings = list(dict.fromkeys([*_SETTINGS, asked]))
    found = {setting: Tally() for setting in settings}
    for block in _blocks(questions):
        of_each = {setting: [_texts(one, setting) for one in block] for setting in settings}
        every = list(dict.fromkeys(chain.from_iterable(chain.from_iterable(of_each.values()))))
        long = set(compress(every, _too_long(every, model)))
        for setting, texts in of_each.items():
            for question, own in zip(block, texts, strict=True):
                if not long.isdisjoint(own):
                    found[setting].add(question.id)
    rooms = sorted({side.max_tokens for side in model.text_sides()})
    names = {setting: found[setting].count for setting in _SETTINGS}
    said = ", ".join(f"{count} {_SETTINGS[setting]}" for setting, count in names.items())
    figures = {
        "max_tokens": rooms[0],
        "questions": len(questions),
        "alone": names[1, "joined"],
        "caption_3": names[3, "joined"],
        "choices_each": names[3, "each"],
        "as_asked": found[asked].count,
    }
    limits = " or ".join(map(str, rooms))
    said = f"{said} of {len(questions)} are longer than the {limits} tokens it reads"
    if plan.long_text == "truncate" and found[asked].count:
        yield Finding(
            "long_texts",
            "problem",
            f"the model does not see the end of {share(found[asked].count, len(questions))} "
            f"questions as they are asked; {said}",
            figures,
            found[asked].examples,
            (commands.answer("--long-text", "windows"),),
            ids=found[asked].ids,
        )
        return
    if any(names.values()):
        said += ", and are read in windows" if plan.long_text == "windows" else ""
    yield Finding("long_texts", "fine", f"texts of questions: {said}", figures)


def pieces_of_words(
    questions: Sequence[Question],
    languages: Sequence[str],
    model: "DualModel",
    commands: Commands,
) -> Iterator[Finding]:
    """How many tokens the tokenizer makes of a word, by language; many: it was made for others."""
    counts: dict[str, Pieces] = {}
    first = 0
    for block in _blocks(questions):
        of_each = pieces_of([question.question for question in block], model)
        for language, one in zip(languages[first : first + len(block)], of_each, strict=True):
            counts[language] = counts.get(language, Pieces()).with_(one)
        first += len(block)
    counts.pop(NONE, None)
    many, figures = list[str](), {}
    for language, one in sorted(counts.items(), key=lambda item: -item[1].words):
        if one.units:
            figures[language] = {
                "per": one.unit,
                "tokens": round(one.of_a_unit, 3),
                "units": one.units,
            }
            if one.too_many:
                many.append(f"{language}: {one.of_a_unit:.1f} tokens a {one.unit}")
    shown = [f"{code} {one['tokens']:.1f}" for code, one in figures.items()][:5]
    if not many:
        said = f"tokens of a word, by language: {', '.join(shown)}"
        yield Finding("pieces", "fine", said, figures)
        return
    yield Finding(
        "pieces",
        "note",
        "the tokenizer takes words apart into small pieces, as one does that was not made for "
        "their language",
        figures,
        tuple(many[:3]),
        commands.other_language(),
    )


def unknown_pieces(
    questions: Sequence[Question], model: "DualModel", commands: Commands
) -> Iterator[Finding]:
    """Tokens that stand for what the tokenizer does not know."""
    if all(side.unknown_token is None for side in model.text_sides()):
        said = "the tokenizer knows every character, byte by byte"
        yield Finding("unknown_tokens", "fine", said, {"unknown": 0})
        return
    unknown, total, found = 0, 0, Tally()
    for block in _blocks(questions):
        texts = [" ".join([one.question, *one.choices, *one.events]) for one in block]
        counts = [0] * len(block)
        for side, places in shared_out(texts, model):
            plain = side.plain_texts([texts[place] for place in places])
            added = side.count_tokens([""])[0]
            total += sum(min(n, side.max_tokens) - added for n in side.count_tokens(plain))
            if plain and side.unknown_token is not None:
                tokens = side.tokens(plain)["input_ids"]
                own = (tokens == side.unknown_token).sum(1).tolist()
                for place, count in zip(places, own, strict=True):
                    counts[place] = count
        unknown += sum(counts)
        for question, count in zip(block, counts, strict=True):
            if count:
                found.add(question.id, f"{count}")
    part = unknown / max(1, total)
    figures = {"unknown": unknown, "tokens": total, "questions": found.count}
    said = f"{unknown} of {total} tokens ({percent(part)}) are unknown to the tokenizer"
    if part < _UNKNOWN_NOTE:
        yield Finding("unknown_tokens", "fine", said, figures)
        return
    yield Finding(
        "unknown_tokens",
        "problem" if part >= _UNKNOWN_PROBLEM else "note",
        f"{said}, in {share(found.count, len(questions))} questions: it reads gaps there",
        figures,
        found.examples,
        commands.other_language(),
        ids=found.ids,
    )


def _blocks(questions: Sequence[Question]) -> Iterator[list[Question]]:
    starts = range(0, len(questions), _AT_ONCE)
    for start in bar(starts, "block", len(starts)):
        yield [questions[n] for n in range(start, min(start + _AT_ONCE, len(questions)))]


def _too_long(texts: Sequence[Text], model: "DualModel") -> list[bool]:
    """Return whether each text is longer than what reads it reads at once."""
    found = [False] * len(texts)
    for side, places in shared_out(texts, model):
        _, too_long = read_as([texts[place] for place in places], "truncate", side)
        for place, long in zip(places, too_long, strict=True):
            found[place] = long
    return found


def _texts(question: Question, setting: tuple[int, ChoiceTexts]) -> Sequence[Text]:
    try:
        return question_texts(question, *setting)
    except CueframeError:  # another check says so
        return ()
