"""The checks of tests/bench/gpu_check.py on what models do: training, reading, ends of memory.

python -m tests.bench.gpu_models      what a process that a launcher started meets with
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
import torch.distributed

from index.distributed import join_processes
from index.errors import CueframeError
from tests.bench.frame import command, file_in, python, spent_by
from tests.bench.gpu_scene import Scene
from tests.bench.materials import write_questions
from tests.fixtures_readers import make_qwen2_5_vl, make_qwen_of_3b
from tests.paths import ROOT


def training(scene: Scene) -> Iterator[str]:
    """Training in bf16, in fp16 and with LoRA, each begun and then continued."""
    model, folder = scene.model("ViT-B/32"), scene.folder
    videos = sorted(scene.videos().iterdir())[:2]
    questions = folder / "labelled.json"
    write_questions(questions, videos, 16, 2.0)
    mined = folder / "mined"
    where = ["--json-path", questions, "--model", model]
    into = ["--input-folder", folder, "--output-folder", mined, "--neg-sim-threshold", "1.1"]
    said = scene.run("train/mine.py", *where, *into).said
    yield f"mined: {said}"
    kinds: dict[str, list[object]] = {
        "bf16": ["--mixed-precision", "bf16"],
        "fp16": ["--mixed-precision", "no" if scene.tiny else "fp16"],
        "lora": ["--mixed-precision", "bf16", "--lora-rank", 8],
    }
    for steps in (3, 6):
        running: dict[str, subprocess.Popen[str]] = {}
        for kind, how in kinds.items():
            words: list[object] = [
                "--image-path",
                mined,
                "--video-path",
                folder,
                "--judge",
                "none",
                *how,
            ]
            words += ["--output-path", folder / kind, "--ratio", 0, "--batch-size", 4]
            words += ["--accumulation-steps", 1, "--steps", steps, "--log-every", 1]
            words += ["--resume"] if steps > 3 else []
            argv = command("train/main.py", *where, *words)
            environment = {**os.environ, "PYTHONPATH": _paths()}
            if scene.tiny:
                environment["ACCELERATE_USE_CPU"] = "true"
            running[kind] = subprocess.Popen(
                argv,
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        for kind, process in running.items():
            result, told = process.communicate()
            assert process.returncode == 0, f"{kind}: {told.strip().splitlines()[-1:]}"
            said = json.loads(result.strip().splitlines()[-1])
            yield f"{kind}: {said}"
            assert said["steps"] == said["saved_step"] == steps
            assert math.isfinite(said["last_loss"])


def _paths() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def reader(scene: Scene) -> Iterator[str]:
    """A vision-language model of three billion parameters reads frames."""
    count = scene.sized(16, 2)
    questions = scene.folder / "read.json"
    write_questions(questions, sorted(scene.videos().iterdir()), count)
    began_s = time.monotonic()
    make = make_qwen2_5_vl if scene.tiny else make_qwen_of_3b
    folder = file_in(scene.folder, "reader", make)
    yield f"made in {time.monotonic() - began_s:.0f} s"
    words = ["--index", scene.index(), "--output", scene.folder / "read.jsonl"]
    spent = scene.run("infer/answer.py", questions, *words, "--reader", folder)
    assert spent.said["answered"] == count, spent.said
    yield f"{count} questions in {spent.wall_s:.1f} s: {spent.said}"


def out_of_memory(scene: Scene) -> Iterator[str]:
    """Too little memory on the GPU is one line that says what to lower."""
    if scene.tiny:
        return
    index = scene.folder / "too-large"
    for share, more in ((0.005, []), (0.1, ["--batch-frames", "20000"])):
        code = (
            "import runpy, sys, torch\n"
            "torch.cuda.set_per_process_memory_fraction(float(sys.argv[1]))\n"
            "sys.argv = sys.argv[2:]\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        words = [scene.videos(), "--index", index, "--model", scene.model("ViT-L/14"), *more]
        _, *build = command("index/build.py", *words)
        said = "it had room enough, so nothing was tried"
        try:
            spent_by([sys.executable, "-c", code, str(share), *build], "a build")
        except CueframeError as error:
            said = str(error)
        yield said
        assert "ended with code 2: error: " in said
        assert "out of memory" in said.lower()


def launched(scene: Scene) -> Iterator[str]:
    """One process that a launcher started: NCCL on a GPU, gloo on a CPU."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
    on_cpu = ["env", "ACCELERATE_USE_CPU=true"] if scene.tiny else []
    met = spent_by([*on_cpu, *launch, *python("tests.bench.gpu_models")[1:]], "a meeting").said
    yield f"{met}"
    assert met["sum"] == 1
    assert met["backend"] == ("gloo" if scene.tiny else "nccl")
    index = scene.folder / "launched"
    words = [scene.video(1), "--index", index, "--model", scene.model("ViT-B/32")]
    said = spent_by([*on_cpu, *launch, *command("index/build.py", *words)[1:]], "a build").said
    assert said["indexed"] == 1, said
    yield f"{said}"


def _meet() -> None:
    state = join_processes()
    ones = torch.ones(1, device=state.device)
    torch.distributed.all_reduce(ones)
    print(json.dumps({"backend": state.backend, "sum": float(ones), "device": str(state.device)}))


if __name__ == "__main__":
    _meet()
