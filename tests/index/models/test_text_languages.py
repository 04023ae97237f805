"""Languages that a model was trained to read, by its family, its name and its vocabulary."""

from pathlib import Path
from typing import Any

import pytest

from index.models.families import MANY
from index.models.text_languages import text_languages


class Model:
    """All that is asked of one."""

    def __init__(self, name: str, **values: Any) -> None:
        self.name, self.values = name, values

    def configuration(self) -> Any:
        return self.values


def words(count: int) -> dict[str, Any]:
    return {"text_config": {"vocab_size": count}}


@pytest.mark.parametrize(
    ("name", "values", "codes"),
    [
        ("openai/clip-vit-large-patch14", {"model_type": "clip"} | words(49408), ("en",)),
        ("facebook/metaclip-2-worldwide", {"model_type": "metaclip_2"} | words(901629), MANY),
        ("google/siglip2-so400m", {"model_type": "siglip"} | words(256000), MANY),
        ("google/siglip-base", {"model_type": "siglip"} | words(32000), ("en",)),
        ("BAAI/AltCLIP", {"model_type": "altclip"} | words(250002), ("en", "zh")),
        ("BAAI/AltCLIP-m18", {"model_type": "altclip"} | words(250002), None),
        ("OFA-Sys/chinese-clip", {"model_type": "chinese_clip"}, ("zh",)),
        ("clip-ViT-B-32-multilingual-v1", {"model_type": "distilbert", "vocab_size": 119547}, MANY),
        ("own", {"model_type": "distilbert", "vocab_size": 30522}, None),
        ("own", {"model_type": "clip"} | words(600), None),
        ("clip-italian", {"model_type": "vision-text-dual-encoder"} | words(31102), None),
        ("hf-hub:x", {"model_cfg": {"text_cfg": {"vocab_size": 49408}}}, ("en",)),
    ],
)
def test_what_is_known(name: str, values: dict[str, Any], codes: tuple[str, ...] | None) -> None:
    model: Any = Model(name, **values)
    found = text_languages(model)
    assert (found and found.codes) == codes
    if found and codes == MANY:
        assert found.reads("vi")
    elif found:
        assert [found.reads(code) for code in ("en", "vi")] == ["en" in found.codes, False]


def test_a_model_that_was_trained_further_is_not_known(tmp_path: Path) -> None:
    model: Any = Model(str(tmp_path), model_type="clip", **words(49408))
    assert text_languages(model)
    (tmp_path / "training.json").write_text("{}")
    assert text_languages(model) is None
