"""The bench of languages from drawn videos to its tables, and what real weights are worth."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import examples.languages.bench
from examples.languages.bench import BenchConfig, Choice, call, command, distil
from examples.languages.draw import DrawConfig, draw_sides
from examples.languages.measure import ask, hits, ratio, uniform_hits
from examples.languages.pairs import Pairs, read_pairs, some, write_pairs
from examples.languages.tables import AS_IT_IS, ENGLISH, MIXED_UP, UNIFORM
from index.errors import CueframeError
from index.models.student import load_student
from tests.distilled_models import make_xlm
from tests.fixtures_infer import build_index
from tests.multilingual_e5 import e5_or_skip
from tests.paths import ROOT


def random_student(folder: Path) -> Path:
    plain = make_xlm(folder.with_name("plain"))
    load_student(str(plain), pooling="mean", prompt=None).save(folder)
    return folder


def test_it_distils_and_asks_in_every_wording(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    drawn = DrawConfig(folder=tmp_path / "clips", train_videos=0, pair_videos=2, test_videos=2)
    questions = draw_sides(drawn, 1)["test"]
    own = tmp_path / "encoders" / "0"
    for side in ("pairs", "test"):
        assert build_index(tmp_path / "clips" / side / "videos", own / side, tiny_model) == 0
    random_student(tmp_path / "e5")

    def one_choice(folder: Path, seed: int, *, tuned: bool) -> dict[str, Choice]:
        assert not tuned
        pairs = some(read_pairs(folder / "clips" / "pairs"), 8, seed)
        return {"8 pairs": Choice(Pairs(pairs.questions, [("A red car.", "Xe màu đỏ.")]))}

    monkeypatch.setattr(examples.languages.bench, "choices_of", one_choice)
    capfd.readouterr()
    assert command(BenchConfig(folder=tmp_path)) == 0
    said = capfd.readouterr()
    result = json.loads(said.out)
    assert (result["questions"], result["videos"]) == (questions, 2)
    assert list(result["rows"]) == [ENGLISH, AS_IT_IS, MIXED_UP, UNIFORM, "8 pairs"]
    taught = result["rows"]["8 pairs"]
    assert (taught["pairs"], taught["head"], taught["english_is_equal"]) == ([9], ["ridge"], [True])
    assert len(taught["wordings"]) == 6
    page = (tmp_path / "languages.md").read_text(encoding="utf-8")
    assert page in said.err
    assert page.count("| 8 pairs |") == 4
    assert not (own / "distilled").exists()


def test_what_distilling_refuses_ends_the_bench() -> None:
    with pytest.raises(CueframeError, match=r"train/distill\.py ended with code 2"):
        call("--student", "none")


def english_encoder(folder: Path) -> None:
    """Train on English alone, as `make bench-languages` does, and index the other two sides."""
    clips, own = folder / "clips", folder / "encoders" / "0"
    questions, model = clips / "train" / "train.json", own / "tiny-clip"
    lines = [
        f"examples/tiny_clip.py {model} --questions {questions}",
        f"train/mine.py --input_folder {clips} --output_folder {own}/dataset --model_name {model} "
        "--neg_sim_threshold 1.1",
        f"train/main.py --json_path {questions} --image_path {own}/dataset "
        f"--video_path {clips}/train/videos --model_name {model} --output_path {own}/trained "
        "--loss_setting 3 --batch_size 64 --accumulation_steps 1 --epochs 40 --lr 1e-3 --ratio 0",
        f"index/build.py {clips}/pairs/videos --index {own}/pairs --model {own}/trained",
        f"index/build.py {clips}/test/videos --index {own}/test --model {own}/trained",
    ]
    for line in lines:
        python(*line.split())


def python(script: str, *arguments: object) -> None:
    line = [sys.executable, str(ROOT / script), *map(str, arguments)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_real_weights_read_vietnamese_nearly_as_well_as_the_encoder_reads_english(
    tmp_path: Path,
) -> None:
    e5_or_skip(tmp_path / "e5")
    draw_sides(DrawConfig(folder=tmp_path / "clips", pair_videos=40, test_videos=30), 1)
    english_encoder(tmp_path)
    index = tmp_path / "encoders" / "0" / "test"
    files = {n: tmp_path / "clips" / "test" / f"{n}.json" for n in ("english", "vietnamese")}
    plain = ask(index, files)
    english, videos = hits(plain["english"]), plain["english"].videos
    assert english.mean() > 0.85
    assert uniform_hits(plain["english"].timed).mean() < 0.5
    pairs = read_pairs(tmp_path / "clips" / "pairs")
    for number, least in ((20, 0.9), (200, 0.97)):
        model = tmp_path / f"taught-{number}"
        files_of_pairs = write_pairs(some(pairs, number, 0), tmp_path / "some")
        told = distil(tmp_path, index.with_name("pairs"), files_of_pairs, model, 0, "ridge")
        assert told["pairs"] == number
        asked = ask(index, files, str(model))
        assert (hits(asked["english"]) == english).all()
        share = ratio(hits(asked["vietnamese"])[None], english[None], videos, 0)
        assert share.mean >= least, f"{number} pairs: {share}"
        answers = []
        for name, of in (("taught", ["--model", model]), ("plain", [])):
            output = tmp_path / f"{name}-{number}.jsonl"
            asking = (files["english"], "--index", index, "--output", output)
            python("infer/answer.py", *asking, *of)
            answers.append([json.loads(one) for one in output.read_text().splitlines()])
        assert answers[0] == answers[1]
