"""Mined frames are the right ones, whatever happens on the way."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from index.build import BuildConfig, build
from index.errors import CueframeError
from index.models.encoder import load_encoder
from index.storage.store import read_vectors
from infer.question_files.loading import load_questions
from infer.question_texts import caption
from infer.questions import Question
from infer.videos.frame_files import folder_name
from tests.opens import Opens
from tests.paths import ROOT
from tests.truths import Generated, upright
from tests.videos import Truth, read_number
from train.data import PosNegDataset, load_data
from train.mine import MineConfig, mine
from train.mining.manifest import LABELLED
from train.mining.negatives import hard_order, highest_similarity, random_order
from train.mining.sampled_vectors import SAMPLED_FOLDER
from train.pictures.store import PREPARED, PictureStore, Squares, folder_for, state_of

KINDS = (
    "variable_b_frames",
    "edit_list",
    "late_start_sound",
    "mpegts_sound",
    "hevc_open_gop",
    "avi_b_frames",
    "rotation",
    "vp9",
    "slow",
    "one_frame",
)
FPS = 2.0
THRESHOLD = 0.992
"""The untrained model finds some frames less alike than that, and some more."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of a tiny model only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Ran:
    """How a run ended: its exit code, the object on stdout, and stderr."""

    code: int
    result: dict[str, Any]
    err: str


@dataclass(frozen=True)
class World:
    """A data set in the seed's layout, over videos that know the truth."""

    folder: Path
    model: Path
    truths: dict[str, Truth]
    kinds: dict[str, str]

    @property
    def questions(self) -> list[Question]:
        return list(load_questions(self.folder / "train" / "train.json"))

    def truth(self, question: Question) -> Truth:
        return self.truths[Path(question.video_path).name]


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    path = folder / "train" / "train.json"
    path.write_text(json.dumps({"data": records}, ensure_ascii=False))
    return path


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, generated: Generated, tiny_model: Path
) -> World:
    """Two questions on each video; support times on, just beside and between frames, one late."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "train" / "videos").mkdir(parents=True)
    rng = random.Random(5)
    truths, kinds, records = {}, {}, []
    for kind in KINDS:
        path, truth = generated(kind)
        shutil.copy(path, folder / "train" / "videos" / path.name)
        truths[path.name], kinds[path.name] = truth, kind
        for part in range(2):
            frame_s = rng.choice(truth.frames)[1]
            on_s = rng.choice([frame_s, frame_s + 0.003, max(0.0, round(frame_s, 3))])
            some_s = rng.uniform(0, truth.duration_s)
            start_s = rng.uniform(0, truth.duration_s)
            records.append(
                {
                    "id": f"{kind}/{part}",
                    "question": f"What is {part}?",
                    "video_path": f"train/videos/{path.name}",
                    "support_frames": [on_s, truth.duration_s + 5] if part else [some_s, on_s],
                    "support_ranges": [[start_s, start_s + 0.7]] if part else [],
                }
            )
    write(folder, records)
    return World(folder, tiny_model, truths, kinds)


def config_of(world: World, **flags: Any) -> MineConfig:
    settings = {
        "input_folder": world.folder,
        "model": str(world.model),
        "workers": 1,
        "neg_sim_threshold": THRESHOLD,
    }
    return MineConfig(**{**settings, **flags})


def run(world: World, output: Path, capsys: pytest.CaptureFixture[str], **flags: Any) -> Ran:
    """Mine in this process."""
    capsys.readouterr()
    code = mine(config_of(world, output_folder=output, **flags))
    out, err = capsys.readouterr()
    return Ran(code, json.loads(out), err)


@pytest.fixture(scope="module")
def mined(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    output = tmp_path_factory.mktemp("mined") / "dataset"
    assert mine(config_of(world, output_folder=output)) == 0
    return output


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "mined.jsonl").read_text().splitlines()]


def files(output: Path) -> dict[str, bytes]:
    """All that a run leaves behind, but for prepared pictures, whose files have random names, and
    vectors, whose last bits depend on the encoder's batches.
    """
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and not {PREPARED, SAMPLED_FOLDER} & {*path.parts}
    }


def candidates(truth: Truth) -> list[float]:
    """Times of the frames shown at k / FPS, from the truth alone."""
    samples_s = takewhile(lambda t: t < truth.duration_s, (k / FPS for k in count()))
    return sorted({shown(truth, sample_s)[1] for sample_s in samples_s})


def shown(truth: Truth, time_s: float) -> tuple[int, float]:
    """Number and time of the frame shown at a time."""
    return [frame for frame in truth.frames if frame[1] <= time_s + 1e-4][-1]


def test_every_true_frame_is_the_one_shown(world: World, mined: Path) -> None:
    read = 0
    for question, line in zip(world.questions, lines(mined), strict=True):
        truth = world.truth(question)
        kind = world.kinds[Path(question.video_path).name]
        assert [shot["support_time_s"] for shot in line["true"]] == question.support_frames
        for shot in line["true"]:
            number, frame_s = shown(truth, shot["support_time_s"])
            assert shot["time_s"] == pytest.approx(frame_s, abs=1e-6)
            assert shot["clamped"] == (shot["support_time_s"] >= truth.duration_s)
            with Image.open(mined / shot["file"]) as picture:
                assert read_number(upright(kind, picture.convert("RGB"))) == number
            read += 1
        for shot in line["negatives"]:
            number, _ = shown(truth, shot["time_s"] + 1e-5)
            with Image.open(mined / shot["file"]) as picture:
                assert read_number(upright(kind, picture.convert("RGB"))) == number
    assert read == 4 * len(KINDS)


def test_each_video_has_a_vector_of_each_candidate(world: World, mined: Path) -> None:
    for question, line in zip(world.questions, lines(mined), strict=True):
        vectors = read_vectors(mined / SAMPLED_FOLDER, line["content_hash"])
        wanted = candidates(world.truth(question))
        assert vectors.time_s.tolist() == pytest.approx(wanted, abs=1e-6)
        lengths = np.linalg.norm(vectors.embeddings.astype(np.float32), axis=2)
        assert lengths == pytest.approx(np.ones((len(wanted), 1)), abs=2e-3)


def test_the_files_are_those_of_the_lines(world: World, mined: Path) -> None:
    named = {shot["file"] for line in lines(mined) for shot in line["true"] + line["negatives"]}
    assert set(files(mined)) == named | {"mined.jsonl", "mining.json", ".lock"}
    for question, line in zip(world.questions, lines(mined), strict=True):
        for part, kind in (("true", "frames_true"), ("negatives", "frames_neg")):
            for shot in line[part]:
                home = f"{kind}/{folder_name(question.id)}"
                assert shot["file"] == f"{home}/{shot['time_s']:012.6f}.png"
    assert {path.name for path in (mined / "frames_neg").iterdir()} == {
        folder_name(question.id) for question in world.questions
    }


def prepared(output: Path, model: Path) -> dict[str, Squares | None]:
    """Where the kept squares of each picture are; they are those of the picture."""
    transform = load_encoder(str(model), device=torch.device("cpu"))[0].transform
    store = PictureStore(folder_for(output / PREPARED, transform), transform)
    found: dict[str, Squares | None] = {}
    contents: set[bytes] = set()
    for path in sorted(output.glob("frames_*/*/*.*")):
        name = path.relative_to(output).as_posix()
        found[name] = place = store.of_file(state_of(name, path.stat()))
        if place:
            contents.add(path.read_bytes())
            kept = np.empty((place.length, *store.side, 3), np.uint8)
            store.read(place, kept)
            with Image.open(path) as picture:
                assert picture.mode == "RGB"
                assert np.array_equal(kept, transform.squares(picture, 1)), name
    assert len(store.pictures) == len(contents)
    return found


def test_the_squares_of_all_pictures_are_kept_each_once(world: World, mined: Path) -> None:
    found = prepared(mined, world.model)
    assert all(found.values())
    assert len(found) == len(files(mined)) - 3


def square_vectors(world: World, paths: list[Path]) -> np.ndarray:
    """Unit vectors (F, 1, D) of saved pictures."""
    encoder, _ = load_encoder(str(world.model), device=torch.device("cpu"))
    pixels = []
    for path in paths:
        with Image.open(path) as picture:
            pixels.append(encoder.transform.apply(picture.convert("RGB")))
    return encoder.images(np.stack(pixels)).numpy()[:, None]


@pytest.fixture(scope="module")
def everything(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[float, Path]]:
    """Every candidate's picture by video and time: a part for each, and nothing refused."""
    folder = tmp_path_factory.mktemp("everything")
    records = json.loads((world.folder / "train" / "train.json").read_text())["data"][::2]
    for record in records:
        record["support_frames"] = [0.0]
    (folder / "train").mkdir()
    rules = {"num_segments": 4000, "neg_sim_threshold": 2.0, "guard_s": 0.0}
    config = {"json_path": write(folder, records), "output_folder": folder / "dataset"}
    assert mine(config_of(world, **config, **rules)) == 0
    return {
        line["video_path"]: {
            shot["time_s"]: folder / "dataset" / shot["file"]
            for shot in line["true"] + line["negatives"]
        }
        for line in lines(folder / "dataset")
    }


@pytest.mark.parametrize("negatives", ["random", "hard"])
def test_negatives_are_by_definition(
    negatives: str,
    world: World,
    everything: dict[str, dict[float, Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(world, tmp_path, capsys, negatives=negatives, num_segments=3)
    encoder, _ = load_encoder(str(world.model), device=torch.device("cpu"))
    kept = refused = 0
    for question, line in zip(world.questions, lines(tmp_path), strict=True):
        truth, there = world.truth(question), everything[question.video_path]
        times_s = sorted(there)
        assert times_s == pytest.approx(candidates(truth), abs=1e-6)
        true = [tmp_path / shot["file"] for shot in line["true"]]
        vectors = square_vectors(world, [*true, *(there[t] for t in times_s)])
        vectors, true_vectors = vectors[len(true) :], vectors[: len(true)]
        alike = highest_similarity(vectors, true_vectors)
        if negatives == "random":
            order = random_order(len(times_s), 42, question.id)
        else:
            order = hard_order(vectors, encoder.texts([caption(question, 1)])[0][0])
        expected = []
        around = [min(s, truth.duration_s) for s in question.support_frames]
        near = [(s - 0.5, s + 0.5) for s in around] + question.support_ranges
        every_s = [round(time_s, 6) for _, time_s in truth.frames]
        end_of = dict(zip(every_s, [*every_s[1:], truth.duration_s], strict=True))
        for segment in range(3):
            allowed = [
                (order[row], time_s, float(alike[row]))
                for row, time_s in enumerate(times_s)
                if min(2, math.floor(3 * time_s / truth.duration_s)) == segment
                and time_s not in [shot["time_s"] for shot in line["true"]]
                and not any(
                    time_s <= b + 1e-4 and end_of[round(time_s, 6)] > a + 1e-4 for a, b in near
                )
            ]
            passing = [one for one in allowed if one[2] < THRESHOLD]
            refused += len(allowed) - len(passing)
            if passing:
                _, time_s, similarity = min(passing)
                expected.append((segment, time_s, negatives, similarity))
        found = [
            (shot["segment"], shot["time_s"], shot["source"], shot["similarity"])
            for shot in line["negatives"]
        ]
        assert [one[:3] for one in found] == [one[:3] for one in expected]
        assert [one[3] for one in found] == pytest.approx([one[3] for one in expected], abs=2e-4)
        kept += len(found)
    assert kept > 10
    assert refused > 10


def test_frames_that_a_question_names_are_negatives_beside_the_drawn_ones(
    world: World, mined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = world.questions[0]
    truth, support_s = world.truth(question), question.support_frames
    true_s = {shown(truth, time_s)[1] for time_s in support_s}
    named_s = [support_s[0], support_s[0] + 0.3, 9e9]  # the true frame, inside the guard, the end
    records = json.loads((world.folder / "train" / "train.json").read_text())["data"][:1]
    (tmp_path / "train").mkdir()
    path = write(tmp_path, [record | {"negative_frames": named_s} for record in records])
    capsys.readouterr()
    run(world, tmp_path / "out", capsys, json_path=path)
    (line,) = lines(tmp_path / "out")
    found = [shot for shot in line["negatives"] if shot["source"] == LABELLED]
    expected = sorted({shown(truth, time_s)[1] for time_s in named_s} - true_s)
    assert len(expected) == 2
    assert [shot["time_s"] for shot in found] == pytest.approx(expected, abs=1e-6)
    for shot in line["negatives"]:
        assert (tmp_path / "out" / shot["file"]).is_file()
        assert shot["end_s"] > shot["time_s"]
    drawn = {shot["time_s"] for shot in line["negatives"] if shot["source"] != LABELLED}
    assert drawn >= {shot["time_s"] for shot in lines(mined)[0]["negatives"]} - set(expected)
    assert not drawn & {shot["time_s"] for shot in found}
    # Training draws them first, in any order.
    examples, _ = load_data(path, tmp_path / "out", world.folder, 1, ratio=0.0)
    for epoch in range(5):
        dataset = PosNegDataset(examples, 2)
        dataset.set_epoch(epoch)
        first = {Path(file).name for file in dataset.drawn(0)[1][:2]}
        assert first == {Path(shot["file"]).name for shot in found}


def test_an_index_changes_the_cost_and_nothing_else(
    world: World,
    mined: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # One video is not in it: its candidates are encoded here.
    videos = sorted((world.folder / "train" / "videos").iterdir())[1:]
    (tmp_path / "list.txt").write_text("\n".join(map(str, videos)))
    index = tmp_path / "index"
    assert build_index(world, tmp_path / "list.txt", index, batch_frames=7) == 0
    opens = Opens(tmp_path / "spy", monkeypatch)
    bare = run(world, tmp_path / "bare", capsys, batch_frames=5, workers=2)
    assert opens.decoded() == dict.fromkeys(world.truths, 1)
    cached = run(world, tmp_path / "cached", capsys, index=index, model=None)
    assert opens.decoded() == dict.fromkeys(world.truths, 1)
    assert files(tmp_path / "bare") == files(tmp_path / "cached") == files(mined)
    assert all(prepared(tmp_path / "cached", world.model).values())
    true = {(line["video_path"], s["time_s"]) for line in lines(mined) for s in line["true"]}
    first = world.truths[min(world.truths)]
    assert cached.result["frames"] <= len(true) + len(candidates(first)) < bare.result["frames"]
    again = run(world, tmp_path / "cached", capsys)
    assert opens.decoded() == {}
    assert (again.result["mined"], again.result["reused"]) == (0, 2 * len(KINDS))
    assert again.result["negatives"] == cached.result["negatives"] > 0


def build_index(world: World, videos: Path, index: Path, **flags: Any) -> int:
    return build(
        BuildConfig(videos=videos, index=index, model=str(world.model), workers=1, **flags)
    )


def test_other_questions_change_nothing_for_a_question(
    world: World, mined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = json.loads((world.folder / "train" / "train.json").read_text())["data"]
    some = [*records[3::-1], records[-1]]
    path = tmp_path / "some.json"
    path.write_text(json.dumps(some))
    run(world, tmp_path / "dataset", capsys, json_path=path)
    known = {line["id"]: line for line in lines(mined)}
    assert lines(tmp_path / "dataset") == [known[record["id"]] for record in some]


def _quietly(config: MineConfig) -> None:
    torch.set_num_threads(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    sys.exit(mine(config))


def test_killed_again_and_again_it_ends_with_the_same_files(
    world: World, mined: Path, tmp_path: Path
) -> None:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])  # so that a run is at work at once
    output, path = tmp_path / "dataset", tmp_path / "dataset" / "mined.jsonl"
    config = config_of(world, output_folder=output)
    rng = random.Random(1)
    kills = 0
    while True:
        before = path.stat().st_size if path.exists() else 0
        process = context.Process(target=_quietly, args=(config,))
        process.start()
        if kills % 2 == 0:  # just after a line, in the next video
            while process.is_alive() and not (path.exists() and path.stat().st_size > before):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.15))
        else:
            process.join(rng.uniform(0, 1.5))
        if process.is_alive() and kills < 5:
            process.kill()
            kills += 1
        process.join()
        if process.exitcode == 0:
            assert files(output) == files(mined)
            if kills == 5:
                break
            shutil.rmtree(output)  # too fast for the killer: once more from the start


def test_two_processes_go_on_where_others_were(world: World, mined: Path, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    shutil.copytree(mined, output)
    there = (output / "mined.jsonl").read_bytes().splitlines(keepends=True)
    for line in there[6:14]:
        shutil.rmtree(output / "frames_true" / folder_name(json.loads(line)["id"]))
    (output / "mined.jsonl").write_bytes(b"".join(there[:3]) + there[6][:30])
    (output / ".mined-rank-3.jsonl").write_bytes(b"".join([*there[14:], *there[3:6], there[7][:9]]))
    (output / ".run-gone" / "pictures-0").mkdir(parents=True)
    (output / ".run-gone" / "pictures-0" / "0.png").touch()
    (output / ".mined.jsonl.1.tmp").touch()
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    command += ["--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0", "train/mine.py"]
    command += ["--input_folder", str(world.folder), "--output-folder", str(output)]
    command += ["--model_name", str(world.model), "--neg_sim_threshold", str(THRESHOLD)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["mined"], result["reused"], result["videos"]) == (8, 12, 4)
    assert files(output) == files(mined)


@pytest.fixture
def small(tmp_path: Path, generated: Generated, tiny_model: Path) -> World:
    """One video, and nothing asked yet."""
    path, truth = generated("constant")
    folder = tmp_path / "small"
    (folder / "train" / "videos").mkdir(parents=True)
    shutil.copy(path, folder / "train" / "videos")
    return World(folder, tiny_model, {path.name: truth}, {path.name: "constant"})


def ask(small: World, *records: dict[str, Any]) -> None:
    known = {"question": "What?", "video_path": "train/videos/constant.mp4", "support_frames": [1]}
    write(small.folder, [{"id": f"q{n}"} | known | more for n, more in enumerate(records)])


def test_ranges_and_scenes_alone_are_labels_too(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = [[[0.0, 0.5], [3.0, 3.5]], [[1.0, 1.6]]]
    ask(
        small,
        {"support_frames": [], "support_ranges": [[2.0, 3.0], [0.5, 1.0]]},
        {"support_frames": [], "scenes": scenes},
        {"support_frames": [1.0], "scenes": scenes},
        {"support_frames": [1.0], "span_s": [0.9, 2.6]},
    )
    ran = run(small, tmp_path / "dataset", capsys, neg_sim_threshold=1.1, guard_s=0.1)
    assert ran.code == 0, ran.err
    assert ran.result["mined"] == 4
    mined = lines(tmp_path / "dataset")
    true = [[shot["support_time_s"] for shot in line["true"]] for line in mined]
    assert true == [[2.5, 0.75], [0.25, 3.25, 1.3], [1.0], [1.0]]
    (truth,) = small.truths.values()
    for line in mined:
        for shot in line["true"]:
            assert shot["time_s"] == pytest.approx(shown(truth, shot["support_time_s"])[1])
            assert (tmp_path / "dataset" / shot["file"]).is_file()
    # Of the sampled frames, at 0, 0.48, 1, 1.48 … 3.48 s, those that are shown in no range and not
    # near a true frame; of the last question those of its span, in the 2nd, 4th and 5th of fifths.
    negatives = [[round(shot["time_s"], 2) for shot in line["negatives"]] for line in mined]
    assert negatives == [[0.0, 1.48, 3.48], [2.0, 2.48], [2.0, 2.48], [1.48, 2.0, 2.48]]
    assert [shot["segment"] for shot in mined[3]["negatives"]] == [1, 3, 4]
    again = run(small, tmp_path / "dataset", capsys, neg_sim_threshold=1.1, guard_s=0.1)
    assert (again.result["mined"], again.result["reused"]) == (0, 4)


def test_what_cannot_be_mined_is_reported_and_the_rest_is_mined(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = small.folder / "train" / "videos"
    (videos / "text.mp4").write_text("no video")
    ask(
        small,
        {"support_frames": [2.0, 4.0, 9.25]},
        {"video_path": "train/videos/gone.mp4"},
        {"video_path": "train/videos/gone.mp4"},
        {"support_frames": []},
        {"video_path": "train/videos/text.mp4"},
    )
    ran = run(small, tmp_path / "dataset", capsys, neg_sim_threshold=1.1)
    assert ran.code == 1
    counts = ("questions", "mined", "failed", "unlabelled", "videos", "true_frames", "clamped")
    assert [ran.result[name] for name in counts] == [5, 1, 3, 1, 1, 3, 2]
    gone = "cannot be read: No such file or directory (questions: q1, q2)"
    assert f"failed: {videos}/gone.mp4: {gone}\n" in ran.err
    assert f"failed: {videos}/text.mp4: cannot be opened as a video" in ran.err
    lack = "support_frames, support_ranges or scenes"
    assert f"left out: 1 questions without {lack}: q3\n" in ran.err
    assert (
        "warning: question q0: support time 9.25 s is past the end (4.000 s); "
        "taken is the last frame, at 3.960 s\n" in ran.err
    )
    (line,) = lines(tmp_path / "dataset")
    assert [(s["time_s"], s["clamped"]) for s in line["true"]] == [
        (pytest.approx(2.0), False),
        (pytest.approx(3.96), True),
        (pytest.approx(3.96), True),
    ]
    assert len(list((tmp_path / "dataset" / "frames_true" / "q0").iterdir())) == 2
    assert "Traceback" not in ran.err


def test_questions_without_negatives_are_kept_and_many_are_explained(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(small, {"support_ranges": [[0, 99]]}, {}, {})
    ran = run(small, tmp_path / "few", capsys, neg_sim_threshold=1.1)
    assert "without negatives: 1 questions, kept all the same: q0\n" in ran.err
    assert "warning" not in ran.err
    ran = run(small, tmp_path / "many", capsys, neg_sim_threshold=0.1)
    assert (ran.code, ran.result["without_negatives"]) == (0, 3)
    assert "more than half of the questions have no negatives; raise --neg_sim_threshold" in ran.err
    assert [line["negatives"] for line in lines(tmp_path / "many")] == [[], [], []]
    homes = sorted(path.name for path in (tmp_path / "many" / "frames_neg").iterdir())
    assert homes == ["q0", "q1", "q2"]


def test_copies_of_a_video_are_decoded_once(
    small: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    videos = small.folder / "train" / "videos"
    shutil.copy(videos / "constant.mp4", videos / "copy.mp4")
    ask(small, {}, {"video_path": "train/videos/copy.mp4", "support_frames": [2]})
    opens = Opens(tmp_path / "spy", monkeypatch)
    assert run(small, tmp_path / "dataset", capsys).result["videos"] == 1
    assert opens.decoded() == {"constant.mp4": 1}
    assert [line["true"][0]["time_s"] for line in lines(tmp_path / "dataset")] == [1.0, 2.0]


def test_only_what_changed_is_mined_again(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "dataset"
    ask(small, {}, {}, {}, {"id": "other"})
    run(small, output, capsys, neg_sim_threshold=1.1)
    first = {line["id"]: line for line in lines(output)}
    (output / first["q1"]["negatives"][0]["file"]).unlink()
    ask(small, {}, {}, {"support_frames": [3]}, {"id": "new"})
    ran = run(small, output, capsys, neg_sim_threshold=1.1)
    assert (ran.result["mined"], ran.result["reused"]) == (3, 1)
    second = {line["id"]: line for line in lines(output)}
    assert list(second) == ["q0", "q1", "q2", "new", "other"]
    assert {name for name in first if second[name] != first[name]} == {"q2"}
    assert (output / second["q1"]["negatives"][0]["file"]).is_file()
    shown_now = {path.name for path in (output / "frames_true" / "q2").iterdir()}
    assert shown_now == {"00003.000000.png"}


def test_batches_larger_than_what_workers_hand_over(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(small, {}, {"support_frames": [3.5]})
    dense: dict[str, Any] = {"fps": 25.0, "num_segments": 99, "guard_s": 0.0}
    for batch in (1, 64):
        ran = run(small, tmp_path / str(batch), capsys, batch_frames=batch, **dense)
        assert ran.result["frames"] == 100
    assert files(tmp_path / "1") == files(tmp_path / "64")
    assert len({s["similarity"] for s in lines(tmp_path / "1")[0]["negatives"]}) > 10


def test_hard_negatives_follow_the_caption(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(small, {"choices": ["A. " + "word " * 90]})
    hard: dict[str, Any] = {"negatives": "hard", "neg_sim_threshold": 1.1}
    ran = run(small, tmp_path / "a", capsys, caption=2, **hard)
    assert "1 texts are longer than the 77 tokens that the model reads, the first" in ran.err
    assert {s["source"] for line in lines(tmp_path / "a") for s in line["negatives"]} == {"hard"}
    with pytest.raises(CueframeError, match="has --caption 2, not 1"):
        run(small, tmp_path / "a", capsys, **hard)
    other = shutil.copytree(small.model, tmp_path / "other-texts")
    with pytest.raises(CueframeError, match=r"has --model .*clip, not .*other-texts"):
        run(small, tmp_path / "a", capsys, caption=2, model=str(other), **hard)
    ask(small, {})
    with pytest.raises(CueframeError, match="no choices, and --caption 2 reads nothing else"):
        run(small, tmp_path / "b", capsys, caption=2, **hard)


def test_jpg_and_ids_that_would_lead_out(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["../../out", "/etc/x", "..", "câu 1", "a" * 300, "a" * 299 + "b"]
    ask(small, *({"id": name} for name in names))
    output = tmp_path / "deep" / "dataset"
    assert run(small, output, capsys, image_format="jpg", neg_sim_threshold=1.1).code == 0
    assert [line["id"] for line in lines(output)] == names
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["dataset"]
    assert len(list((output / "frames_true").iterdir())) == len(names)
    for line in lines(output):
        with Image.open(output / line["true"][0]["file"]) as picture:
            assert (picture.format, read_number(picture)) == ("JPEG", 25)
    # JPEG changes the pixels, so training prepares what it reads.
    assert not any(prepared(output, small.model).values())


def test_bad_input_is_one_line(
    small: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(small, {})
    run(small, tmp_path / "done", capsys)
    (tmp_path / "theirs" / "frames_true").mkdir(parents=True)
    (tmp_path / "file").touch()
    videos = small.folder / "train" / "videos"
    build_index(small, videos, tmp_path / "slow", fps=1.0)
    build_index(small, videos, tmp_path / "scaled", resize="decoder")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"input_folder": tmp_path}, r"train\.json is not there; .* --json_path"),
        (
            {"input_folder": tmp_path, "json_path": small.folder / "train" / "train.json"},
            "none of the 1 videos is there .* --input_folder",
        ),
        ({"model": str(tmp_path / "no")}, "the model .* is no folder here"),
        ({"num_segments": 0}, "--num_segments is 0"),
        ({"guard_s": -1.0}, r"--guard_s is -1\.0"),
        ({"neg_sim_threshold": math.nan}, "--neg_sim_threshold is nan"),
        ({"fps": 0.0}, r"--fps is 0\.0"),
        ({"output_folder": tmp_path / "done", "seed": 1}, "has --seed 42, not 1"),
        ({"output_folder": tmp_path / "theirs"}, r"frames_true is there but no mining\.json"),
        ({"output_folder": tmp_path / "file"}, "cannot be written"),
        ({"index": tmp_path / "none"}, "is no index"),
        ({"index": tmp_path / "slow", "fps": 2.0}, r"was built with --fps 1\.0, not 2\.0"),
        ({"index": tmp_path / "scaled"}, "was built with --resize decoder"),
    ]
    for flags, message in cases:
        with pytest.raises(CueframeError, match=message) as raised:
            run(small, flags.pop("output_folder", tmp_path / "new"), capsys, **flags)
        assert "\n" not in str(raised.value)
    ask(small, {"support_frames": []})
    with pytest.raises(CueframeError, match="no question has support_frames"):
        run(small, tmp_path / "new", capsys)
    ask(small, {"support_frames": ["early"]})
    with pytest.raises(CueframeError, match=r"support_frames\[0\] is 'early'"):
        run(small, tmp_path / "new", capsys)


def test_a_wrong_call_ends_with_two_and_help_is_quick() -> None:
    done = subprocess.run(
        [sys.executable, "train/mine.py", "--num-segments", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    code = (
        "import runpy, sys\nsys.argv = ['train/mine.py', '--help']\n"
        "try:\n    runpy.run_path('train/mine.py', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers', 'numpy', 'av'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
