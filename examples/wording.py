"""How the demo's questions are worded in English and in Vietnamese."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from examples.drawing import COLOURS, SIGNS, THINGS

Language = Literal["en", "vi"]
Kind = tuple[str, str]
"""Part of an event that is asked for, thing or sign; property given of it, name or colour."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates of questions, and the words for things, signs and colours."""

    questions: Mapping[Kind, str]
    """{told}: the property given of the part asked for, {seen}: the other part."""
    names: Mapping[str, str]
    """By the name in English."""
    colours: Mapping[str, str]
    """By the colour in English."""
    both: str
    """A coloured thing or sign, of {name} and {colour}."""

    def words(self, colour: str, name: str) -> dict[str, str]:
        """Return the words for a name, a colour and both together; given in English."""
        own = {"name": self.names[name], "colour": self.colours[colour]}
        return own | {"both": self.both.format(**own)}


ENGLISH = Wording(
    questions={
        ("thing", "name"): "Which {told} passes when the board shows {seen}?",
        ("thing", "colour"): "Which {told} thing passes when the board shows {seen}?",
        ("sign", "name"): "Which {told} is lit when {seen} passes?",
        ("sign", "colour"): "Which {told} sign is lit when {seen} passes?",
    },
    names={name: name for name in (*THINGS, *SIGNS)},
    colours={colour: colour for colour in COLOURS},
    both="a {colour} {name}",
)
VIETNAMESE = Wording(
    questions={
        ("thing", "name"): "{told} nào đi qua khi bảng hiện {seen}?",
        ("thing", "colour"): "Vật màu {told} nào đi qua khi bảng hiện {seen}?",
        ("sign", "name"): "{told} nào sáng lên khi {seen} đi qua?",
        ("sign", "colour"): "Hình màu {told} nào sáng lên khi {seen} đi qua?",
    },
    names={name: words for name, (words, _) in (THINGS | SIGNS).items()},
    colours={colour: words for colour, (words, _) in COLOURS.items()},
    both="{name} màu {colour}",
)
WORDINGS: Mapping[Language, Wording] = {"en": ENGLISH, "vi": VIETNAMESE}
