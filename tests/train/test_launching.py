import os
import subprocess
import sys
from pathlib import Path

import pytest

from index.errors import CueframeError
from tests.fixtures_train import as_flags, config
from tests.paths import ROOT
from train.launching import refuse_other_launches

ONE = {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_CPU": "False"}
"""Of a process that accelerate launch starts alone."""


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM"),
        (
            {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_USE_PARALLELISM_CONFIG": "true"},
            "parallelism_config",
        ),
        ({"ACCELERATE_MIXED_PRECISION": "fp8"}, "--mixed_precision bf16"),
        ({"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"}, "torchrun --nproc_per_node"),
    ],
)
def test_others_are_refused_in_one_line(environment: dict[str, str], named: str) -> None:
    with pytest.raises(CueframeError) as refused:
        refuse_other_launches(None, ONE | environment)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ACCELERATE_USE_FSDP": "false"},
        {"ACCELERATE_MIXED_PRECISION": "bf16"},
        {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2"},  # several GPUs
        {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "10.0.0.1", "WORLD_SIZE": "2"},  # torchrun
        {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "::1", "OMPI_COMM_WORLD_SIZE": "2"},
    ],
)
def test_what_fits_passes(environment: dict[str, str]) -> None:
    refuse_other_launches(None, ONE | environment)


def test_the_flag_goes_before_the_launchers_precision() -> None:
    refuse_other_launches("bf16", {"ACCELERATE_MIXED_PRECISION": "fp8"})


def test_it_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert not {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
    )
    words = [str(ROOT / "train" / "main.py"), *as_flags(config(tmp_path / "out"))]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.argv = sys.argv[1:]\n{code}", *words],
        env=os.environ | {"ACCELERATE_USE_DEEPSPEED": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith("error: the launcher is set up for DeepSpeed, ")
    assert done.stderr.count("\n") == 1
