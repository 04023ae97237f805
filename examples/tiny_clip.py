"""Make a tiny, untrained CLIP that loads like any other: the demo's encoder.

    python examples/tiny_clip.py demo/tiny-clip --questions demo/scenes/train/train.json

The folder holds what `save_pretrained` writes: model, tokenizer and image processor. The
tokenizer is learned from the questions, their paraphrases and choices. Nothing is fetched from the
model hub.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from index.errors import CueframeError
from index.run_command import run

START, END = "<|startoftext|>", "<|endoftext|>"


def learn_merges(texts: Sequence[str], merges: int) -> tuple[dict[str, int], list[Any]]:
    """Learn a byte-pair vocabulary in CLIP's layout.

    The order is: the 256 bytes, the 256 bytes that end a word, the merged pairs, START, END. Every
    byte has a token, so no word is unknown. END, where CLIP reads the text's vector, has the
    highest number, as `CLIPTextModel` traditionally expects.

    Returns the vocabulary (token to number) and the merged pairs in order, at most `merges`.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ends = [letter + "</w>" for letter in letters]
    learner = CLIPTokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=3 * len(letters) + merges,
        initial_alphabet=letters,
        special_tokens=ends,  # fixes their numbers; else equal counts are ordered by a hash
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    pairs = [(a, b) for a, b in json.loads(learner.to_str())["model"]["merges"]][:merges]
    tokens = dict.fromkeys([*letters, *ends, *(a + b for a, b in pairs), START, END])
    return {token: number for number, token in enumerate(tokens)}, pairs


def make_tiny_clip(
    folder: Path,
    texts: Sequence[str],
    *,
    seed: int = 0,
    image_size: int = 64,
    patch_size: int = 16,
    width: int = 128,
    layers: int = 3,
    merges: int = 400,
) -> None:
    """Write an untrained CLIP of about a million parameters and its processor to a folder.

    `image_size` and `patch_size` are in pixels, `width` is the hidden size of both towers (their
    common space has half of it), `layers` is per tower, `merges` bounds the tokens learned from
    `texts`. The same seed and texts give the same files.
    """
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vocabulary, pairs = learn_merges(texts, merges)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77)
    tower = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "projection_dim": width // 2,
    }
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = CLIPConfig(
        text_config={
            **tower,
            **special,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 77,
        },
        vision_config={**tower, "image_size": image_size, "patch_size": patch_size},
        projection_dim=width // 2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
    images = CLIPImageProcessorPil(
        size={"shortest_edge": image_size},
        crop_size={"height": image_size, "width": image_size},
    )
    model.save_pretrained(folder)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)


def read_texts(path: Path) -> list[str]:
    """Read every question, paraphrase and choice of a questions file, a JSON object with "data".

    Raises CueframeError when the file is missing or is not such a file.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))["data"]
        return [
            text
            for record in records
            for text in (
                *(record["question"], *record.get("paraphrases", ())),
                *record["choices"],
            )
        ]
    except OSError as error:
        raise CueframeError(f"cannot read {path} ({error.strerror}); see --questions") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CueframeError(f"{path} holds no questions; scenes.py draws some") from error


@dataclass(kw_only=True, slots=True)
class TinyClipConfig:
    """Flags of examples/tiny_clip.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to write the model and its processor to."""
    questions: Path = Path("demo/scenes/train/train.json")
    """Questions file whose words the tokenizer learns."""
    seed: int = 0
    """Seed of the model's weights."""


def tiny_clip(config: TinyClipConfig) -> int:
    """Make the model and print its folder; returns 0."""
    make_tiny_clip(config.folder, read_texts(config.questions), seed=config.seed)
    print(f"made an untrained CLIP in {config.folder}")
    return 0


if __name__ == "__main__":
    run(tiny_clip, TinyClipConfig, __doc__)
