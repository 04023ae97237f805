"""Which set-ups of the launcher fit. No torch, so that others are refused at once.

A step computes the gradient of all processes' questions together (`train.grad_cache`), with the
whole model on each. Weights in shards, or shared out by layers, do not fit that.
"""

import os
from collections.abc import Mapping

from index.distributed import SIZES
from index.errors import CueframeError

_OTHERS = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "parallelism within a model (parallelism_config)",
}
"""What accelerate launch sets for them; the last one that is set says most."""


def refuse_other_launches(
    mixed_precision: str | None, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse what accelerate launch was set up for, where training would do something else.

    Args:
        mixed_precision: The flag, which goes before what the launcher says; None if not given.
        environment: What the launcher tells its processes.

    Raises:
        CueframeError: It is a model in shards, 8-bit floats, or several processes of which one was
            started.
    """

    def true(name: str) -> bool:
        return environment.get(name, "").lower() in ("1", "true", "yes", "y", "on", "t")

    if others := [name for key, name in _OTHERS.items() if true(key)]:
        raise CueframeError(
            f"the launcher is set up for {others[-1]}, and here each process needs the whole "
            "model; answer no to it in accelerate config, or launch with --config_file "
            "accelerate_config.yaml"
        )
    launched = environment.get("ACCELERATE_MIXED_PRECISION", "no")
    if mixed_precision is None and launched.lower() == "fp8":
        raise CueframeError(
            "the launcher is set up for mixed precision fp8, which training does not know; give "
            "--mixed_precision bf16, fp16 or no"
        )
    # What accelerate launch does for several processes on CPUs if it is given no mpirun.
    alone = "MASTER_ADDR" in environment and not any(name in environment for name in SIZES)
    if alone and true("ACCELERATE_USE_CPU"):
        raise CueframeError(
            "the launcher is set up for several processes on CPUs and has started one; start them "
            "with ACCELERATE_USE_CPU=true torchrun --nproc_per_node N (or unset MASTER_ADDR)"
        )
