"""The wordings of training: each question is written in one, and has the others as paraphrases.

A colleague or a language model writes such wordings without looking at the videos again. The first
of each language is the demo's own.
"""

from collections.abc import Mapping

from examples.wording import ENGLISH, VIETNAMESE, Language, Wording


def _worded(own: Wording, both: str, *templates: str) -> Wording:
    """Word the four kinds of questions in the demo's order, with the words of the demo."""
    return Wording(dict(zip(own.questions, templates, strict=True)), own.names, own.colours, both)


TRAINING: Mapping[Language, tuple[Wording, ...]] = {
    "en": (
        ENGLISH,
        _worded(
            ENGLISH,
            "the {colour} {name}",
            "When {seen} is on the board, what is the colour of the {told} going past?",
            "When {seen} is on the board, what {told} thing goes past?",
            "When {seen} goes past, what is the colour of the {told} on the board?",
            "When {seen} goes past, what {told} sign is on the board?",
        ),
        _worded(
            ENGLISH,
            "a {colour} {name}",
            "I saw {seen} lit up. Which {told} was there at that time?",
            "I saw {seen} lit up. Which {told} thing was there at that time?",
            "I saw {seen} drive past. Which {told} was lit at that time?",
            "I saw {seen} drive past. Which {told} sign was lit at that time?",
        ),
        _worded(
            ENGLISH,
            "{colour} {name}",
            "which {told} with {seen} on the board",
            "which {told} thing with {seen} on the board",
            "which {told} on the board with {seen} in the street",
            "which {told} sign on the board with {seen} in the street",
        ),
        _worded(
            ENGLISH,
            "a {colour} {name}",
            "The board shows {seen}; tell me the colour of the {told} in the street.",
            "The board shows {seen}; tell me what {told} thing is in the street.",
            "In the street there is {seen}; tell me the colour of the {told} shown by the board.",
            "In the street there is {seen}; tell me what {told} sign the board shows.",
        ),
        _worded(
            ENGLISH,
            "a {name} that is {colour}",
            "Under {seen}, which {told} do you see?",
            "Under {seen}, which {told} thing do you see?",
            "Over {seen}, which {told} do you see?",
            "Over {seen}, which {told} sign do you see?",
        ),
        _worded(
            ENGLISH,
            "the {colour} {name}",
            "How does the {told} look that comes along together with {seen}?",
            "What comes along in {told} together with {seen}?",
            "How does the {told} look that is up there while {seen} comes along?",
            "What is up there in {told} while {seen} comes along?",
        ),
        _worded(
            ENGLISH,
            "{colour} {name}",
            "{told} when {seen} is shown: what colour?",
            "{told} thing when {seen} is shown: what is it?",
            "{told} shown when {seen} is passing: what colour?",
            "{told} sign shown when {seen} is passing: which one?",
        ),
    ),
    "vi": (
        VIETNAMESE,
        _worded(
            VIETNAMESE,
            "{name} màu {colour}",
            "Khi bảng hiện {seen} thì {told} đi ngang qua có màu gì?",
            "Khi bảng hiện {seen} thì vật gì màu {told} đi ngang qua?",
            "Khi {seen} đi ngang qua thì {told} trên bảng có màu gì?",
            "Khi {seen} đi ngang qua thì hình gì màu {told} ở trên bảng?",
        ),
        _worded(
            VIETNAMESE,
            "{name} {colour}",
            "Tôi thấy {seen} sáng lên. Lúc đó có {told} nào?",
            "Tôi thấy {seen} sáng lên. Lúc đó có vật {told} nào?",
            "Tôi thấy {seen} đi qua. Lúc đó {told} nào sáng?",
            "Tôi thấy {seen} đi qua. Lúc đó hình {told} nào sáng?",
        ),
        _worded(
            VIETNAMESE,
            "{name} {colour}",
            "{told} nào cùng với {seen} trên bảng",
            "vật {told} nào cùng với {seen} trên bảng",
            "{told} nào trên bảng cùng với {seen} dưới đường",
            "hình {told} nào trên bảng cùng với {seen} dưới đường",
        ),
        _worded(
            VIETNAMESE,
            "một {name} màu {colour}",
            "Bảng đang hiện {seen}; cho biết màu của {told} dưới đường.",
            "Bảng đang hiện {seen}; cho biết vật màu {told} dưới đường là gì.",
            "Dưới đường có {seen}; cho biết màu của {told} mà bảng hiện.",
            "Dưới đường có {seen}; cho biết bảng hiện hình gì màu {told}.",
        ),
        _worded(
            VIETNAMESE,
            "{name} có màu {colour}",
            "Bên dưới {seen}, bạn thấy {told} nào?",
            "Bên dưới {seen}, bạn thấy vật nào màu {told}?",
            "Bên trên {seen}, bạn thấy {told} nào?",
            "Bên trên {seen}, bạn thấy hình nào màu {told}?",
        ),
        _worded(
            VIETNAMESE,
            "{name} {colour}",
            "{told} xuất hiện cùng {seen} trông thế nào?",
            "Cái gì màu {told} xuất hiện cùng {seen}?",
            "{told} ở trên cao khi {seen} xuất hiện trông thế nào?",
            "Cái gì màu {told} ở trên cao khi {seen} xuất hiện?",
        ),
        _worded(
            VIETNAMESE,
            "{name} màu {colour}",
            "{told} lúc {seen} được hiện: màu gì?",
            "Vật {told} lúc {seen} được hiện: vật nào?",
            "{told} được hiện lúc {seen} chạy qua: màu gì?",
            "Hình {told} được hiện lúc {seen} chạy qua: hình nào?",
        ),
    ),
}
"""By language. Paraphrases of a question are in both languages."""
