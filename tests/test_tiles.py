"""An index of tiles through all commands, against every tile cropped and compared one by one."""

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPProcessor

from examples.tiny_clip import make_tiny_clip
from index.build import BuildConfig, build
from index.check import CheckConfig, check
from index.decoding.decoders import frames_at, read
from index.decoding.frame_types import every
from index.storage.catalog import all_videos, open_catalog
from index.storage.store import read_vectors, vectors_path
from infer.predict import get_top4_frames
from tests import fixtures_train
from tests.fixtures_infer import hf_model, ran, seen_as, text_vectors, write_questions
from tests.moments import plain_moments
from train.mine import MineConfig, mine

SIZES = {  # pixels, tiles
    "wide.mp4": ((64, 36), 3),
    "wider.mp4": ((90, 36), 4),
    "old.mp4": ((64, 48), 2),
    "square.mp4": ((48, 48), 1),
    "tall.mp4": ((36, 64), 3),
}
TEXTS = ("a red car", "Xe màu gì?", "what stands at the edge?", "two signs")
SIDE = 32

Capture = pytest.CaptureFixture[str]


def write_video(path: Path, size: tuple[int, int], frames: int, seed: int) -> None:
    """Coloured blocks, other ones in each frame."""
    draw = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            small = Image.fromarray(draw.integers(256, size=(3, 5, 3), dtype=np.uint8))
            picture = small.resize(size, Image.Resampling.NEAREST)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with videos/, model/ and index/; nothing in it may be changed."""
    folder = tmp_path_factory.mktemp("tiles")
    (folder / "videos").mkdir()
    for seed, (name, (size, _)) in enumerate(SIZES.items()):
        write_video(folder / "videos" / name, size, 16 + seed, seed)
    write_video(folder / "videos" / "long.mp4", (1400, 40), 2, 9)
    make_tiny_clip(folder / "model", TEXTS, image_size=SIDE, width=32, layers=1)
    assert built(folder, folder / "index") == 1  # long.mp4
    return folder


def built(world: Path, index: Path, **flags: Any) -> int:
    usual: dict[str, Any] = {
        "model": str(world / "model"),
        "view": "tiles",
        "workers": 1,
        "batch_frames": 7,
    }
    return build(BuildConfig(videos=world / "videos", index=index, **(usual | flags)))


@pytest.fixture
def index(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "index", tmp_path / "index"))


def by_hand(world: Path, name: str) -> tuple[np.ndarray, list[list[float]]]:
    """The unit vectors (F, T, D) of a video's tiles, and their boxes: by Pillow and HF alone."""
    model, _ = hf_model(world / "model")
    (width, height), tiles = SIZES[name]
    side, vectors = min(width, height), []
    offsets = [round(n * (max(width, height) - side) / max(1, tiles - 1)) for n in range(tiles)]
    boxes = [
        (at, 0, at + side, side) if width >= height else (0, at, side, at + side) for at in offsets
    ]
    processor = CLIPProcessor.from_pretrained(world / "model").image_processor
    last_s = -1.0
    for frame in read(world / "videos" / name, every(2.0)):
        if frame.time_s == last_s:
            continue
        last_s = frame.time_s
        pictures = [
            frame.image.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for box in boxes
        ]
        pixels = processor(pictures, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            own = model.get_image_features(pixel_values=pixels).pooler_output.double().numpy()
        vectors.append(own / np.linalg.norm(own, axis=1, keepdims=True))
    shares = [
        [round(edge / (width, height)[n % 2], 4) for n, edge in enumerate(box)] for box in boxes
    ]
    return np.stack(vectors), shares


def stored(world: Path, index: Path, name: str) -> Any:
    return read_vectors(index, seen_as(index, world / "videos" / name).content_hash)


def every_frame(world: Path, text: str) -> list[tuple[float, str, float, list[float] | None]]:
    """Score, video, time and best tile of every frame of the index, the best first."""
    (vector,) = text_vectors(world / "model", [text])
    frames = []
    for name, (_, tiles) in SIZES.items():
        vectors = stored(world, world / "index", name)
        cosines = vectors.embeddings.astype(np.float64) @ vector  # (F, T)
        boxes = by_hand(world, name)[1]
        for time_s, of_tiles in zip(vectors.time_s.tolist(), cosines, strict=True):
            best = boxes[of_tiles.argmax()] if tiles > 1 else None
            frames.append((float(of_tiles.max()), name, time_s, best))
    return sorted(frames, key=lambda frame: -frame[0])


@pytest.mark.parametrize("name", SIZES)
def test_vectors_are_those_of_the_cropped_tiles(world: Path, name: str) -> None:
    vectors, (_, tiles) = stored(world, world / "index", name), SIZES[name]
    expected, boxes = by_hand(world, name)
    assert vectors.embeddings.shape == expected.shape == (len(vectors.time_s), tiles, 16)
    np.testing.assert_allclose(vectors.embeddings, expected, atol=2e-3)
    shown = [[round(edge, 4) for edge in box] for box in vectors.tiles]
    assert shown == boxes


def test_a_frame_too_long_costs_its_video_one_line(
    world: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert built(world, tmp_path / "index") == 1
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("failed: /")]
    assert "long.mp4: its frames of 1400x40 need 69 tiles, and 64 are possible; cut" in line
    report = json.loads(said.out)
    assert (report["indexed"], report["failed"]) == (5, 1)
    frames = sum(len(stored(world, world / "index", name).time_s) for name in SIZES)
    assert report["frames"] == frames


@pytest.mark.parametrize("top", [1, 5, 1000])
def test_find_gives_each_moment_once_with_the_best_tile_of_its_peak(
    world: Path, capsys: Capture, top: int
) -> None:
    result = ran(capsys, "find.py", TEXTS[0], "--index", world / "index", "--top", top)
    assert (result.code, result.err) == (0, "")
    frames, peaks = every_frame(world, TEXTS[0]), []
    for name in SIZES:
        own = sorted((f for f in frames if f[1] == name), key=lambda frame: frame[2])
        peaks += [own[peak] for peak, _, _ in plain_moments([score for score, *_ in own])]
    expected = sorted(peaks, key=lambda frame: -frame[0])[:top]
    assert len(result.records) == len(expected)
    for record, (score, name, time_s, tile) in zip(result.records, expected, strict=True):
        assert record["score"] == pytest.approx(score, abs=2e-6)
        assert (Path(record["video"]).name, record["time_s"]) == (name, time_s)
        assert record.get("tile", "none") == (tile or "none")


def test_a_picture_and_a_moment_find_the_frame_of_many_tiles(
    world: Path, tmp_path: Path, capsys: Capture
) -> None:
    """The best pair of tiles counts; the picture's own frame has all of them."""
    own = stored(world, world / "index", "wide.mp4")
    row, at_s = 4, float(own.time_s[4])
    next(frames_at(world / "videos" / "wide.mp4", [at_s])).image.save(tmp_path / "frame.png")
    flags = ("--index", world / "index", "--videos", "wide.mp4", "--top", 99)
    picture = ran(capsys, "find.py", "--image", tmp_path / "frame.png", *flags).records
    cosines = own.embeddings.astype(np.float64) @ own.embeddings[row].astype(np.float64).T
    moments = plain_moments(cosines.max(axis=(1, 2)).tolist())
    peaks = sorted(own.time_s[peak] for peak, _, _ in moments)
    assert sorted(hit["time_s"] for hit in picture) == peaks
    (best,) = (hit for hit in picture if hit["start_s"] <= at_s < hit["end_s"])
    assert best["score"] == pytest.approx(1, abs=2e-3)
    like = ran(capsys, "find.py", "--like", f"wide.mp4@{at_s}", *flags).records
    assert [hit["time_s"] for hit in like] == [hit["time_s"] for hit in picture if hit != best]


def asked(path: Path, **more: Any) -> Path:
    records = [
        {"video_path": name, "question": text, "choices": ["A. Red", "B. Blue"]} | more
        for name in SIZES
        for text in TEXTS
    ]
    return write_questions(path, *records)


def test_answers_have_the_best_tile_where_there_are_several(
    world: Path, tmp_path: Path, capsys: Capture
) -> None:
    questions, output = asked(tmp_path / "questions.json"), tmp_path / "answers.jsonl"
    more = ("--index", world / "index", "--output", output, "--reader", "clip")
    assert ran(capsys, "answer.py", questions, *more).code == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == len(SIZES) * len(TEXTS)
    at = {text: every_frame(world, text) for text in TEXTS}
    for line, (name, text) in zip(lines, ((n, t) for n in SIZES for t in TEXTS), strict=True):
        known = {time_s: (score, tile) for score, own, time_s, tile in at[text] if own == name}
        assert len(line["frames"]) == 4
        for frame in line["frames"]:
            score, tile = known[frame["time_s"]]
            assert frame["score"] == pytest.approx(score, abs=2e-6)
            assert frame.get("tile", "none") == (tile or "none")
        # Of each quarter the best: one row a frame, whatever its tiles.
        assert len({frame["row"] for frame in line["frames"]}) == 4
        best = max(score for score, _ in known.values())
        assert max(frame["score"] for frame in line["frames"]) == pytest.approx(best, abs=2e-6)
        vectors = stored(world, world / "index", name)
        letters = text_vectors(world / "model", [f"{text} Red", f"{text} Blue"])
        rows = [frame["row"] for frame in line["frames"]]
        cosine = (vectors.embeddings[rows].astype(np.float64) @ letters.T).max(axis=(0, 1))
        powers = np.exp(hf_model(world / "model")[0].logit_scale.exp().item() * cosine)
        shares = list(line["answer"]["probabilities"].values())
        assert shares == pytest.approx(powers / powers.sum(), abs=1e-4)


@pytest.mark.parametrize("pick", ["top", "top-apart", "mmr", "aks", "bolt", "uniform", "random"])
def test_every_strategy_answers(world: Path, tmp_path: Path, capsys: Capture, pick: str) -> None:
    questions, output = asked(tmp_path / "questions.json"), tmp_path / "answers.jsonl"
    more = ("--index", world / "index", "--output", output, "--pick", pick)
    assert ran(capsys, "answer.py", questions, *more).code == 0
    for line in map(json.loads, output.read_text().splitlines()):
        assert len({frame["row"] for frame in line["frames"]}) == 4
        tiles = SIZES[Path(line["video"]).name][1]
        assert all(("tile" in frame) == (tiles > 1) for frame in line["frames"])


def test_compare_and_score_read_it(world: Path, tmp_path: Path, capsys: Capture) -> None:
    labels = {"support_frames": [1.0], "support_ranges": [[0.5, 1.5]]}
    questions = asked(tmp_path / "questions.json", **labels)
    compared = ran(capsys, "compare.py", questions, "--index", world / "index")
    assert compared.code == 0
    output, report = tmp_path / "answers.jsonl", tmp_path / "report.html"
    ran(capsys, "answer.py", questions, "--index", world / "index", "--output", output)
    more = ("--index", world / "index", "--judge", "none", "--report", report)
    assert ran(capsys, "score.py", output, questions, *more).code == 0
    html = report.read_text()
    assert html.count('aria-label="best tile, ') == 4 * len(TEXTS) * (len(SIZES) - 1)
    assert 'viewBox="0 0 64 36"><rect class="halo"' in html
    assert "tile of the frame that fits the text best" in html


def test_from_python(world: Path) -> None:
    path = world / "videos" / "wide.mp4"
    model, processor = hf_model(world / "model")
    pictures, scores = get_top4_frames(
        path, TEXTS[0], model, processor, "cpu", index=world / "index"
    )
    assert len(pictures) == 4
    best = max(score for score, name, _, _ in every_frame(world, TEXTS[0]) if name == "wide.mp4")
    assert max(scores) == pytest.approx(best, abs=2e-6)


def files(index: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in index.glob("vectors/*/*.h5")}


def checked(index: Path, **flags: Any) -> int:
    return check(CheckConfig(index=index, **flags))


def test_what_is_lost_or_damaged_is_made_again(world: Path, index: Path, capsys: Capture) -> None:
    assert checked(index) == 0
    before = files(index)
    (index / "frames.faiss").unlink()
    assert checked(index) == 1
    assert built(world, index) == 1  # long.mp4
    assert checked(index) == 0
    (index / "catalog.sqlite").unlink()
    checked(index, repair=True, videos=world / "videos")
    assert built(world, index) == 1
    assert checked(index) == 0
    (index / "profile.json").unlink()
    checked(index, repair=True)
    assert checked(index) == 0
    path = vectors_path(index, seen_as(index, world / "videos" / "wide.mp4").content_hash)
    path.write_bytes(path.read_bytes()[:-100])
    assert checked(index) == 1
    checked(index, repair=True)
    assert built(world, index) == 1
    assert checked(index) == 0
    # Batches are cut anew, so the last bits may differ.
    assert files(index).keys() == before.keys()
    capsys.readouterr()
    again = ran(capsys, "find.py", TEXTS[1], "--index", index, "--top", 30)
    first = ran(capsys, "find.py", TEXTS[1], "--index", world / "index", "--top", 30)
    assert again.out.count('"tile"') > 0
    for line, other in zip(again.records, first.records, strict=True):
        assert line["score"] == pytest.approx(other["score"], abs=1e-3)


def test_a_video_that_is_gone_leaves_with_all_its_tiles(world: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(world / "videos", here / "videos")
    shutil.copytree(world / "model", here / "model")
    assert built(here, here / "index") == 1
    (here / "videos" / "wide.mp4").unlink()
    assert built(here, here / "index", prune=True) == 1
    assert checked(here / "index") == 0
    catalog = open_catalog(here / "index")
    assert len([one for one in all_videos(catalog).values() if one.status == "indexed"]) == 4
    catalog.close()
    assert built(here, here / "index", rebuild=True, view="center") == 0
    assert all(
        stored(here, here / "index", name).embeddings.shape[1] == 1
        for name in SIZES
        if name != "wide.mp4"
    )


def test_the_decoders_scaler_makes_nearly_the_same(world: Path, tmp_path: Path) -> None:
    assert built(world, tmp_path / "index", resize="decoder") == 1
    for name, (_, tiles) in SIZES.items():
        near, exact = stored(world, tmp_path / "index", name), stored(world, world / "index", name)
        assert near.embeddings.shape == exact.embeddings.shape
        assert near.embeddings.shape[1] == tiles
        assert np.abs(near.embeddings - exact.embeddings).max() < 0.2


@pytest.fixture(scope="module")
def scenes_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of tiles of the scenes to train on, by their untrained model."""
    here, index = fixtures_train.world(), tmp_path_factory.mktemp("scenes") / "index"
    config = BuildConfig(
        videos=here.videos, index=index, model=str(here.model), view="tiles", workers=1
    )
    assert build(config) == 0
    return index


def test_training_on_mined_pictures_and_validation(tmp_path: Path, capsys: Capture) -> None:
    output = fixtures_train.trained(
        tmp_path / "out", view="tiles", ratio=0.25, epochs=6, num_workers=1
    )
    said = json.loads(capsys.readouterr().out)
    course = fixtures_train.losses(output)
    assert np.mean(course[-3:]) < np.mean(course[:3])
    assert said["validation"]["trained"]
    picked = [json.loads(line) for line in (output / "validation.jsonl").read_text().splitlines()]
    assert all(len(frame["tile"]) == 4 for line in picked for frame in line["frames"])


def test_the_text_tower_learns_from_an_index(tmp_path: Path, scenes_index: Path) -> None:
    flags: dict[str, Any] = {"tune": "text", "index": scenes_index, "lr": 3e-3, "epochs": 8}
    output = fixtures_train.trained(tmp_path / "out", **flags)
    course = fixtures_train.losses(output)
    assert np.mean(course[-4:]) < 0.95 * np.mean(course[:4])
    line = fixtures_train.refusal(tmp_path / "other", **flags, view="center")
    assert "was built with --view tiles, not center" in line


@pytest.mark.parametrize("negatives", ["random", "hard"])
def test_mining_takes_the_view_of_the_index(
    tmp_path: Path, scenes_index: Path, negatives: Any
) -> None:
    here = fixtures_train.world()
    config = MineConfig(
        input_folder=here.folder,
        output_folder=tmp_path / "mined",
        index=scenes_index,
        negatives=negatives,
        neg_sim_threshold=1.1,
        workers=1,
    )
    assert mine(config) == 0
    records = [
        json.loads(line) for line in (tmp_path / "mined" / "mined.jsonl").read_text().splitlines()
    ]
    compared = 0
    for record in records:
        vectors = read_vectors(scenes_index, record["content_hash"])
        at = {time_s: row for row, time_s in enumerate(vectors.time_s.tolist())}
        embeddings = vectors.embeddings.astype(np.float64)  # (F, T, D)
        true = [at[one["time_s"]] for one in record["true"] if one["time_s"] in at]
        if len(true) < len(record["true"]):
            continue  # a true frame that the index does not have
        for one in record["negatives"]:
            row = at[one["time_s"]]
            means = [(embeddings[row] * embeddings[t]).sum(axis=1).mean() for t in true]
            assert one["similarity"] == pytest.approx(max(means), abs=2e-3)
            compared += 1
    assert compared > 20
