"""How long a question may be: counted before it is asked, whatever its text is."""

import time
from typing import Any

import pytest
from transformers import (
    BartConfig,
    Blip2Config,
    Gemma3Config,
    LlamaConfig,
    LlavaConfig,
    Qwen2_5_VLConfig,
    SmolVLMConfig,
    T5Config,
)

from index.errors import CueframeError
from infer.readers.context_length import context_length, refuse_long_chat
from infer.readers.vision_language import (
    Reader,
    ReaderInput,
    generate,
    letter_probabilities,
    load_reader,
)
from tests.fixtures_readers import END, MAKERS, make_reader
from tests.infer.readers.test_vision_language import BATCH, CPU, EN

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    home = tmp_path_factory.mktemp("readers")
    return {
        kind: load_reader(str(make_reader(home / kind, kind)), device_map=CPU) for kind in MAKERS
    }


def llama(most: int, **rope: Any) -> LlavaConfig:
    parameters = {"rope_theta": 1e4, **rope} if rope else None
    text = LlamaConfig(max_position_embeddings=most, rope_parameters=parameters)
    return LlavaConfig(text_config=text)


@pytest.mark.parametrize(
    ("config", "most"),
    [
        (LlamaConfig(max_position_embeddings=64), 64),
        (llama(4096), 4096),
        (llama(4096, **YARN), 16384),
        (llama(16384, **YARN), 16384),
        (llama(4096, rope_type="dynamic", factor=2.0), 8192),
        (llama(131072, rope_type="linear", factor=8.0), 131072),
        (
            Qwen2_5_VLConfig(
                text_config={
                    "max_position_embeddings": 32768,
                    "rope_parameters": {
                        "rope_theta": 1e6,
                        "mrope_section": [16, 24, 24],
                        "rope_type": "yarn",
                        "factor": 4.0,
                        "original_max_position_embeddings": 32768,
                    },
                }
            ),
            131072,
        ),
        (Gemma3Config(text_config={"max_position_embeddings": 8192}), 8192),  # a RoPE for each kind
        (SmolVLMConfig(text_config=LlamaConfig(max_position_embeddings=8192)), 8192),
        (BartConfig(max_position_embeddings=1024), 1024),
        (Blip2Config(text_config=T5Config()), None),  # its positions are relative
    ],
)
def test_it_is_what_the_text_part_was_taught(config: Any, most: int | None) -> None:
    assert context_length(config) == most


def test_an_answer_counts_unless_an_encoder_reads_the_chat() -> None:
    refuse_long_chat("it", llama(64), 60, 4)
    with pytest.raises(CueframeError, match="has 60 tokens and its answer up to 5, and"):
        refuse_long_chat("it", llama(64), 60, 5)
    encoder = BartConfig(max_position_embeddings=64)
    refuse_long_chat("it", encoder, 64, 64)
    with pytest.raises(CueframeError, match="has room for 64; shorten the question, or lower"):
        refuse_long_chat("it", encoder, 65, 1)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_context_is_filled_to_its_end(
    readers: dict[str, Reader], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its frames' tokens count: the same question with four frames does not fit."""
    reader, (one, four) = readers[kind], BATCH[:2]
    four = ReaderInput(four.frames, four.times_s, one.question, one.choices)
    shapes: list[int] = []
    hook = reader.model.register_forward_pre_hook(
        lambda module, args, given: shapes.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    alone = [letter_probabilities(reader, EN, [shown])[0].tolist() for shown in (one, four)]
    free = generate(reader, EN, [ReaderInput(one.frames, [0.5], one.question)], 3)
    tokens = shapes[0]
    assert shapes[1] > tokens
    monkeypatch.setattr(
        reader.model.config.get_text_config(), "max_position_embeddings", tokens + 1
    )
    assert letter_probabilities(reader, EN, [one])[0].tolist() == alone[0]
    shapes.clear()
    for batch in ([four], [one, four]):
        with pytest.raises(CueframeError, match=f"has room for {tokens + 1};"):
            letter_probabilities(reader, EN, batch)
    with pytest.raises(CueframeError, match=r"its answer up to 300, .* or --max-new-tokens"):
        generate(reader, EN, [ReaderInput(one.frames, [0.5], one.question)], 300)
    assert shapes == []  # nothing was asked
    monkeypatch.undo()
    hook.remove()
    assert generate(reader, EN, [ReaderInput(one.frames, [0.5], one.question)], 3) == free


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("word " * 7900, "tokens"),
        ("word " * 30_000, "150,120 characters"),
        ("x" * 10_000_000, "characters"),
        (END * 5_000, "tokens"),
    ],
)
def test_a_long_question_is_refused_at_once(
    readers: dict[str, Reader], kind: str, question: str, wanted: str
) -> None:
    shown = ReaderInput(BATCH[0].frames, [0.5], question, BATCH[0].choices)
    began_s = time.monotonic()
    with pytest.raises(CueframeError, match=wanted):
        letter_probabilities(readers[kind], EN, [shown])
    assert time.monotonic() - began_s < 10
