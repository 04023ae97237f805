"""A small random model of each family, in a folder as `save_pretrained` writes it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from examples.tiny_clip import learn_merges

WORDS = "a an the red blue green truck bus car passes left right of on where is xe tải đỏ".split()
SIDE = 32
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
VISION: dict[str, Any] = TOWER | {"image_size": SIDE, "patch_size": 8}
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def clip_tokens(length: int = 77, **more: Any) -> Any:
    """Byte pairs between START and END, as CLIP has them."""
    words, pairs = learn_merges([" ".join(WORDS)] * 3, 40)
    return hf.CLIPTokenizer(vocab=words, merges=pairs, model_max_length=length, **more)


def bert_tokens(length: int = 512) -> Any:
    """[CLS] … [SEP], with token_type_ids, padded with 0."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return hf.BertTokenizer(
        vocab={word: n for n, word in enumerate(words)}, model_max_length=length
    )


def xlm_tokens(length: int = 512) -> Any:
    """<s> … </s>, padded with 1."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{word}" for word in WORDS), "<mask>"]
    return hf.XLMRobertaTokenizer(vocab=[(word, -1.0) for word in words], model_max_length=length)


def word_tokens(
    words: Sequence[str] = WORDS, length: int = 16, inputs: Sequence[str] = ("input_ids",)
) -> Any:
    """Words and an end, as SigLIP has them; of the inputs no mask, unless it is asked for."""
    numbers = {word: n for n, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
        model_input_names=list(inputs),
    )


def letters_tokens(kind: Any, length: int, **more: Any) -> Any:
    """A tokenizer of byte pairs in SentencePiece's manner, without merges: letters."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    letters = sorted({letter for word in WORDS for letter in word} | {"▁"})
    vocab = {token: n for n, token in enumerate([*special, *letters])}
    return kind(vocab=vocab, merges=[], model_max_length=length, **more)


def texts_of(tokenizer: Any, length: int, **more: Any) -> dict[str, Any]:
    """Values of a text tower that fit a tokenizer."""
    special = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")
    }
    return (
        TOWER | special | {"vocab_size": len(tokenizer), "max_position_embeddings": length} | more
    )


def clip_images() -> Any:
    return hf.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )


def squeezed(kind: Any, **more: Any) -> Any:
    return kind(size={"height": SIDE, "width": SIDE}, **more)


def like_clip(
    name: str,
    tokenizer: Any,
    length: int = 77,
    *,
    text: Any = None,
    vision: Any = None,
    saved_for: str = "Model",
    **more: Any,
) -> Any:
    """A model of two towers and projections, by the prefix and the ending of its class."""
    config = getattr(hf, f"{name}Config")(
        text_config=texts_of(tokenizer, length, **(text or {})),
        vision_config=VISION | (vision or {}),
        projection_dim=24,
        **more,
    )
    return getattr(hf, name + saved_for)(config)


def clip() -> tuple[Any, Any, Any]:
    tokenizer = clip_tokens()
    width = {"projection_dim": 24}
    model = like_clip("CLIP", tokenizer, text=width, vision=width)
    return model, clip_images(), hf.CLIPProcessor(clip_images(), tokenizer)


def siglip() -> tuple[Any, Any, Any]:
    tokenizer = word_tokens()
    config = hf.SiglipConfig(text_config=texts_of(tokenizer, 16), vision_config=VISION)
    pictures = squeezed(hf.SiglipImageProcessorPil)
    return hf.SiglipModel(config), pictures, hf.SiglipProcessor(pictures, tokenizer)


def naflex() -> tuple[Any, Any, Any]:
    tokenizer = letters_tokens(hf.Siglip2Tokenizer, 64, add_eos_token=True)
    vision = TOWER | {"patch_size": 8, "num_patches": 16}
    config = hf.Siglip2Config(text_config=texts_of(tokenizer, 64), vision_config=vision)
    pictures = hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=24)
    return hf.Siglip2Model(config), pictures, hf.Siglip2Processor(pictures, tokenizer)


def metaclip_2() -> tuple[Any, Any, Any]:
    tokenizer = xlm_tokens(77)
    width = {"projection_dim": 24}
    model = like_clip("MetaClip2", tokenizer, text=width, vision=width)
    return model, clip_images(), hf.CLIPProcessor(clip_images(), tokenizer)


def altclip() -> tuple[Any, Any, Any]:
    tokenizer = xlm_tokens(77)
    own = {"type_vocab_size": 1, "project_dim": 24}
    config = hf.AltCLIPConfig(
        text_config=texts_of(tokenizer, 79, **own),
        vision_config=VISION | {"projection_dim": 24},
        projection_dim=24,
    )
    return hf.AltCLIPModel(config), clip_images(), hf.AltCLIPProcessor(clip_images(), tokenizer)


def chinese_clip() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokens()
    pictures = squeezed(hf.ChineseCLIPImageProcessorPil, do_center_crop=False)
    model = like_clip("ChineseCLIP", tokenizer, 512)
    return model, pictures, hf.ChineseCLIPProcessor(pictures, tokenizer)


def clipseg() -> tuple[Any, Any, Any]:
    tokenizer = clip_tokens()
    more: dict[str, Any] = {
        "extract_layers": [0, 1],
        "reduce_dim": 16,
        "decoder_intermediate_size": 16,
    }
    model = like_clip("CLIPSeg", tokenizer, saved_for="ForImageSegmentation", **more)
    pictures = squeezed(hf.ViTImageProcessorPil, image_mean=MEAN, image_std=STD)
    return model, pictures, hf.CLIPSegProcessor(pictures, tokenizer)


def groupvit() -> tuple[Any, Any, Any]:
    tokenizer = clip_tokens()
    groups = {
        "depths": [1, 1, 1],
        "num_hidden_layers": 3,
        "num_group_tokens": [8, 4, 0],
        "num_output_groups": [8, 4, 4],
    }
    model = like_clip("GroupViT", tokenizer, vision=groups, projection_intermediate_dim=40)
    return model, clip_images(), hf.CLIPProcessor(clip_images(), tokenizer)


def two_towers() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokens()
    config = hf.VisionTextDualEncoderConfig.from_vision_text_configs(
        hf.ViTConfig(**VISION), hf.BertConfig(**texts_of(tokenizer, 512)), projection_dim=24
    )
    pictures = squeezed(hf.ViTImageProcessorPil)
    processor = hf.VisionTextDualEncoderProcessor(pictures, tokenizer)
    return hf.VisionTextDualEncoderModel(config), pictures, processor


def aimv2() -> tuple[Any, Any, Any]:
    tokenizer = clip_tokens()
    model = like_clip("Aimv2", tokenizer)
    return model, clip_images(), hf.CLIPProcessor(clip_images(), tokenizer)


def align() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokens()
    config = hf.AlignConfig(
        text_config=texts_of(tokenizer, 512),
        vision_config={
            "image_size": SIDE,
            "width_coefficient": 0.25,
            "depth_coefficient": 0.25,
            "hidden_dim": 24,
            "kernel_sizes": [3, 3],
            "in_channels": [32, 16],
            "out_channels": [16, 96],
            "strides": [1, 2],
            "num_block_repeats": [1, 1],
            "expand_ratios": [1, 6],
        },
        projection_dim=24,
        temperature_init_value=0.05,
    )
    pictures = hf.EfficientNetImageProcessorPil(
        size={"height": 40, "width": 40},
        crop_size={"height": SIDE, "width": SIDE},
        do_center_crop=True,
        resample=2,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    return hf.AlignModel(config), pictures, hf.AlignProcessor(pictures, tokenizer)


def flava() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokens()
    config = hf.FlavaConfig(
        text_config=texts_of(tokenizer, 512),
        image_config=VISION,
        multimodal_config=TOWER,
        image_codebook_config={"hidden_size": 8, "vocab_size": 16},
        projection_dim=24,
        hidden_size=32,
    )
    pictures = squeezed(hf.FlavaImageProcessorPil, crop_size={"height": SIDE, "width": SIDE})
    return hf.FlavaForPreTraining(config), pictures, hf.FlavaProcessor(pictures, tokenizer)


def owlvit() -> tuple[Any, Any, Any]:
    tokenizer = clip_tokens(16, pad_token="!")
    model = like_clip("OwlViT", tokenizer, 16, saved_for="ForObjectDetection")
    pictures = squeezed(hf.OwlViTImageProcessorPil)
    return model, pictures, hf.OwlViTProcessor(pictures, tokenizer)


def tipsv2() -> tuple[Any, Any, Any]:
    tokenizer = letters_tokens(hf.Tipsv2Tokenizer, 64)
    config = hf.Tipsv2Config(
        text_config=texts_of(tokenizer, 64),
        vision_config=VISION | {"mlp_ratio": 2},
        temperature_init_value=0.02,
    )
    pictures = squeezed(hf.Tipsv2ImageProcessor)
    return hf.Tipsv2Model(config), pictures, hf.Tipsv2Processor(pictures, tokenizer)


def blip() -> tuple[Any, Any, Any]:
    return _blip(hf.BlipModel)


def blip_retrieval() -> tuple[Any, Any, Any]:
    return _blip(hf.BlipForImageTextRetrieval)


def _blip(kind: Any) -> tuple[Any, Any, Any]:
    tokenizer = bert_tokens()
    own = {"encoder_hidden_size": 32, "projection_dim": 24, "bos_token_id": 2, "eos_token_id": 3}
    config = hf.BlipConfig(
        text_config=texts_of(tokenizer, 512, **own) | {"sep_token_id": 3},
        vision_config=VISION | {"initializer_range": 0.1},
        projection_dim=24,
        image_text_hidden_size=20,
    )
    pictures = squeezed(hf.BlipImageProcessorPil)
    return kind(config), pictures, hf.BlipProcessor(pictures, tokenizer)


FAMILIES: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": naflex,
    "metaclip_2": metaclip_2,
    "altclip": altclip,
    "chinese_clip": chinese_clip,
    "clipseg": clipseg,
    "groupvit": groupvit,
    "vision-text-dual-encoder": two_towers,
    "aimv2": aimv2,
    "align": align,
    "flava": flava,
    "owlvit": owlvit,
    "blip": blip,
    "blip for retrieval": blip_retrieval,
    "tipsv2": tipsv2,
}
"""By model_type; each returns model, image processor and processor."""


def make_family(name: str, folder: Path) -> Path:
    """Write a small random model of a family, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model, _, processor = FAMILIES[name]()
        with torch.no_grad():
            for key, weight in model.named_parameters():  # no weight is left at 0 or 1
                if weight.ndim and "logit_" not in key:
                    size = 0.5 if weight.ndim == 4 else 0.1  # or all pictures are one to a network
                    weight.add_(size * torch.randn_like(weight))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
