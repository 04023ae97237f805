"""Wordings that only the test asks in: no question, paraphrase or tokenizer has ever seen them.

They were written before anything was measured. The words for things, signs and colours are those
of training, for an encoder that starts from nothing can know no others; all else may be new: the
order, the other words, and whether it is a sentence at all.
"""

from collections.abc import Mapping

from examples.wording import ENGLISH, VIETNAMESE, Language, Wording

UNSEEN: Mapping[Language, tuple[Wording, ...]] = {
    "en": (
        Wording(
            questions={
                (
                    "thing",
                    "name",
                ): "What colour is the {told} that drives by while {seen} lights up the panel?",
                (
                    "thing",
                    "colour",
                ): "Name the {told} object that drives by while {seen} lights up the panel.",
                (
                    "sign",
                    "name",
                ): "In what colour does the {told} glow on the panel as {seen} drives by?",
                ("sign", "colour"): "What {told} shape glows on the panel as {seen} drives by?",
            },
            names=ENGLISH.names,
            colours=ENGLISH.colours,
            both="a {colour} {name}",
        ),
        Wording(
            questions={
                (
                    "thing",
                    "name",
                ): "Look for {seen} overhead: how is the {told} below it painted?",
                (
                    "thing",
                    "colour",
                ): "Look for {seen} overhead: what in {told} is moving below it?",
                (
                    "sign",
                    "name",
                ): "Find the moment with {seen} on the road. How is the {told} above it painted?",
                (
                    "sign",
                    "colour",
                ): "Find the moment with {seen} on the road. What symbol in {told} hangs above it?",
            },
            names=ENGLISH.names,
            colours=ENGLISH.colours,
            both="the {colour} {name}",
        ),
        Wording(
            questions={
                ("thing", "name"): "colour of {told}, {seen} displayed",
                ("thing", "colour"): "{told} vehicle or toy, {seen} displayed",
                ("sign", "name"): "colour of {told} displayed, {seen} on the street",
                ("sign", "colour"): "{told} symbol displayed, {seen} on the street",
            },
            names=ENGLISH.names,
            colours=ENGLISH.colours,
            both="{colour} {name}",
        ),
    ),
    "vi": (
        Wording(
            questions={
                ("thing", "name"): "{told} chạy dưới bảng có màu gì lúc bảng sáng {seen}?",
                ("thing", "colour"): "Có vật {told} nào chạy dưới bảng lúc bảng sáng {seen}?",
                ("sign", "name"): "Bảng sáng {told} màu gì lúc {seen} chạy phía dưới?",
                ("sign", "colour"): "Bảng sáng hình {told} nào lúc {seen} chạy phía dưới?",
            },
            names=VIETNAMESE.names,
            colours=VIETNAMESE.colours,
            both="{name} màu {colour}",
        ),
        Wording(
            questions={
                (
                    "thing",
                    "name",
                ): "Hãy tìm {seen} ở phía trên: {told} bên dưới được sơn màu nào?",
                (
                    "thing",
                    "colour",
                ): "Hãy tìm {seen} ở phía trên: thứ gì {told} đang di chuyển bên dưới?",
                ("sign", "name"): "Hãy tìm {seen} trên đường: {told} phía trên mang màu nào?",
                ("sign", "colour"): "Hãy tìm {seen} trên đường: biểu tượng gì {told} ở phía trên?",
            },
            names=VIETNAMESE.names,
            colours=VIETNAMESE.colours,
            both="{name} {colour}",
        ),
        Wording(
            questions={
                ("thing", "name"): "màu của {told}, có {seen} được chiếu",
                ("thing", "colour"): "vật {told}, có {seen} được chiếu",
                ("sign", "name"): "màu của {told} được chiếu, có {seen} ngoài phố",
                ("sign", "colour"): "biểu tượng {told} được chiếu, có {seen} ngoài phố",
            },
            names=VIETNAMESE.names,
            colours=VIETNAMESE.colours,
            both="{name} {colour}",
        ),
    ),
}
"""By language of the question; each of its wordings is asked apart."""
