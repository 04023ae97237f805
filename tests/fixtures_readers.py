"""Tiny vision-language models of random weights, in folders laid out as on the model hub.

Their tokenizer is learned here, its chat templates are as plain as each family's are at heart,
and their weights are drawn wide, so that what they say depends on every frame and word.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BaseImageProcessor,
    LlamaConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

TEXTS = (
    "Frame 1 at 0.5 s: Question: What colour is the car? A. Red B. Blue C. Green D. White",
    "Khung hình 1, giây 0.5: Câu hỏi: Xe màu gì? Đúng Sai",
    "Answer with the letter of the right choice only.",
)
PAD, START, END, IMAGE, VIDEO = "<|pad|>", "<|start|>", "<|end|>", "<|image|>", "<|video|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"

_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "initializer_range": 0.3,
}

_IN_ORDER = """{% for message in messages %}{{ START }}{{ message['role'] }}
{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ IMAGE }}\
{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ END }}
{% endfor %}{% if add_generation_prompt %}{{ START }}assistant
{% endif %}"""
_IMAGES_FIRST = """{% for message in messages %}{{ START }}{{ message['role'] }} \
{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ IMAGE }}
{% endif %}{% endfor %}{% for part in message['content'] %}{% if part['type'] == 'text' %}\
{{ part['text'] }}{% endif %}{% endfor %}{{ END }}
{% endfor %}{% if add_generation_prompt %}{{ START }}assistant
{% endif %}"""
_WITH_COLON = """{{ START }}{% for message in messages %}{{ message['role'] | capitalize }}: \
{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ IMAGE }}\
{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ END }}
{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""


def make_tokenizer(*special: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer learned from TEXTS; it has every letter with and without a space."""
    tokens = [PAD, START, END, *special]
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=tokens,
        show_progress=False,
    )
    letters = " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    learner.train_from_iterator([*TEXTS, *[f" {letters}"] * 9], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START, *special],
        model_input_names=["input_ids", "attention_mask"],
    )


def _write(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    images: BaseImageProcessor,
    template: str,
    **values: Any,
) -> None:
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    images.save_pretrained(folder)
    if values:
        (folder / "processor_config.json").write_text(json.dumps(values))
    image = values.get("image_token", IMAGE)
    for name, token in (("START", START), ("END", END), ("IMAGE", image)):
        template = template.replace("{{ " + name + " }}", token)
    (folder / "chat_template.jinja").write_text(template)


def _id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    number = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(number, int)
    return number


def _qwen_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "image_token_id": _id(tokenizer, "<|image_pad|>"),
        "video_token_id": _id(tokenizer, "<|video_pad|>"),
        "vision_start_token_id": _id(tokenizer, VISION_START),
        "vision_end_token_id": _id(tokenizer, VISION_END),
    }


def _qwen_parts() -> tuple[PreTrainedTokenizerFast, Qwen2VLImageProcessorPil, str]:
    tokenizer = make_tokenizer("<|image_pad|>", "<|video_pad|>", VISION_START, VISION_END)
    size = {"shortest_edge": 16 * 16, "longest_edge": 48 * 48}
    images = Qwen2VLImageProcessorPil(patch_size=8, size=size)
    template = _IN_ORDER.replace("{{ IMAGE }}", f"{VISION_START}<|image_pad|>{VISION_END}")
    return tokenizer, images, template


def make_qwen2_5_vl(folder: Path) -> None:
    tokenizer, images, template = _qwen_parts()
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 8,
        "window_size": 32,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
        "initializer_range": 0.2,
    }
    config = Qwen2_5_VLConfig(
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": rope,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config=vision,
        **_qwen_ids(tokenizer),
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    # As on the hub, where it asks for samples.
    model.generation_config.update(do_sample=True, temperature=0.7, top_k=5, repetition_penalty=1.5)
    _write(folder, model, tokenizer, images, template)


def make_qwen_of_3b(folder: Path) -> None:
    """Qwen2.5-VL-3B's shape but for the words of its tokenizer, made on the GPU in bfloat16."""
    tokenizer, _, template = _qwen_parts()
    images = Qwen2VLImageProcessorPil(patch_size=14)
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [16, 24, 24],
                "rope_theta": 1e6,
            },
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={"depth": 32, "hidden_size": 1280, "intermediate_size": 3420}
        | {"num_heads": 16, "patch_size": 14, "window_size": 112, "out_hidden_size": 2048},
        **_qwen_ids(tokenizer),
    )
    config.dtype = torch.bfloat16
    with torch.device("cuda"):
        model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    _write(folder, model, tokenizer, images, template)


def make_qwen3_vl(folder: Path) -> None:
    tokenizer, images, template = _qwen_parts()
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 8,
        "out_hidden_size": 32,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.2,
    }
    text = {**_TEXT, "head_dim": 8, "vocab_size": len(tokenizer), "rope_parameters": rope}
    config = Qwen3VLConfig(text_config=text, vision_config=vision, **_qwen_ids(tokenizer))
    _write(folder, Qwen3VLForConditionalGeneration(config), tokenizer, images, template)


def _siglip(image_size: int) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=image_size,
        patch_size=8,
        vision_use_head=False,
    )


def make_smolvlm(folder: Path) -> None:
    """Frames wider than 32 pixels are split, so they have more tokens than others."""
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    tokenizer = make_tokenizer(*special, *rows)
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    vision = _siglip(32).to_dict() | {"model_type": "smolvlm_vision"}
    config = SmolVLMConfig(
        vision_config=vision,
        text_config=LlamaConfig(**_TEXT, vocab_size=len(tokenizer), pad_token_id=0),
        image_token_id=_id(tokenizer, "<image>"),
        scale_factor=2,
    )
    model = SmolVLMForConditionalGeneration(config)
    values = {"processor_class": "SmolVLMProcessor", "image_seq_len": 4, "image_token": "<image>"}
    _write(folder, model, tokenizer, images, _WITH_COLON, **values)


def make_llava_onevision(folder: Path) -> None:
    """One frame alone is read in patches, several are not; all stand before the text."""
    tokenizer = make_tokenizer("<image>", "<video>")
    side = {"height": 32, "width": 32}
    pinpoints = [[32, 32], [32, 64], [64, 32], [64, 64]]
    images = LlavaOnevisionImageProcessorPil(size=side, image_grid_pinpoints=pinpoints)
    config = LlavaOnevisionConfig(
        vision_config=_siglip(32),
        text_config=Qwen2Config(**_TEXT, vocab_size=len(tokenizer)),
        image_token_index=_id(tokenizer, "<image>"),
        video_token_index=_id(tokenizer, "<video>"),
        image_grid_pinpoints=pinpoints,
    )
    model = LlavaOnevisionForConditionalGeneration(config)
    values = {
        "processor_class": "LlavaOnevisionProcessor",
        "num_image_tokens": 16,
        "vision_feature_select_strategy": "full",
        "image_token": "<image>",
    }
    _write(folder, model, tokenizer, images, _IMAGES_FIRST, **values)


MAKERS: dict[str, Callable[[Path], None]] = {
    "qwen2_5_vl": make_qwen2_5_vl,
    "qwen3_vl": make_qwen3_vl,
    "smolvlm": make_smolvlm,
    "llava_onevision": make_llava_onevision,
}


def make_reader(folder: Path, kind: str) -> Path:
    """Write an untrained reader of a kind to a folder: the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        MAKERS[kind](folder)
    return folder
