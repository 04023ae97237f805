"""The only module that loads models, image processors and tokenizers of transformers.

A model is given by its folder or by its name on the hub. transformers makes up what a folder lacks
(random weights, an empty tokenizer) and runs code that a folder brings; here every such folder is
refused with a one-line error that names the remedy:

    not available                        a wrong name, the hub out of reach
    cannot be read                       no config.json, damaged files
    an adapter                           its weights are an addition to another model's
    custom code                          never run, and no prompt on stdin
    weights as a pickle                  opening one can run code
    weights missing, surplus, misshapen  config.json and the weights are not of one model
    a tokenizer of another model
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from index.errors import CueframeError, ModelError
from index.memory import is_out_of_memory
from index.models.families import family_of
from index.models.model_folder import is_folder, refuse_odd_files
from index.models.model_size import refuse_missing_bytes
from index.models.text_side import without_vision

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

_MOST_LAYERS = 1_000
"""A model of more is taken for a damaged config.json; to build it would take hours."""
_LIGHTER = {"--reader": "lower --dtype, spread it with --device-map auto, or "}
"""Other ways to need less memory, by flag."""
_BUFFERS = ("position_ids", "inv_freq", "num_batches_tracked", "relative_position_index")
"""Name suffixes of buffers that old versions saved and new ones compute."""
_HEADS = ("classifier", "cls", "head", "lm_head", "pooler", "score")
"""First name parts of the heads that models for other tasks have."""


@contextmanager
def in_one_line(name: str, flag: str) -> Iterator[None]:
    """Turn whatever transformers raises over a model into a one-line `CueframeError`."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    except CueframeError:
        raise
    except Exception as error:
        raise _explained(name, flag, error) from error


def load_config(name: str, flag: str) -> PreTrainedConfig:
    """Load the configuration of a model; fail at once if the model is out of reach.

    Args:
        name: Folder, or name on the hub.
        flag: The flag that names the model, for the error message.

    Raises:
        ModelError: It is not a folder, and not available from the hub.
        CueframeError: Its folder cannot be used.
    """
    with in_one_line(name, flag):
        folder = Path(name)
        if not is_folder(name):
            # from_pretrained would retry for 100 s if the hub is out of reach.
            files = ["config.json", "adapter_config.json"]
            folder = Path(snapshot_download(name, allow_patterns=files))
        refuse_odd_files(folder)
        if (folder / "adapter_config.json").is_file():
            raise CueframeError(
                f"{name} holds an adapter, not a whole model; merge it with peft, by "
                "AutoPeftModel.from_pretrained(NAME).merge_and_unload().save_pretrained(FOLDER), "
                f"and give {flag} that folder"
            )
        config: PreTrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=False)
        refuse_absurd_depth(config.to_dict(), name)
        return config


def load_weights(
    kind: Any,
    name: str,
    flag: str,
    *,
    dtype: torch.dtype,
    device_map: torch.device | Literal["auto"] | None = None,
    may_lack: tuple[str, ...] = (),
    may_have: tuple[str, ...] = (),
    generation: GenerationConfig | None = None,
) -> PreTrainedModel:
    """Load a model in eval mode, every weight from its file.

    Args:
        kind: A class of transformers with `from_pretrained`, for example AutoModel.
        name: As for `load_config`, which must be called first.
        flag: As for `load_config`.
        dtype: Dtype of the loaded weights, whatever the file has.
        device_map: One device, "auto" to spread it over all, None for the CPU.
        may_lack: Name prefixes of weights that may be missing, since they are not used.
        may_have: Name prefixes of weights that may be there besides, since they are not used.
        generation: What its `generate` goes by, in place of the folder's generation_config.json.

    Raises:
        ModelError, CueframeError: As for `load_config`; also if the weights are not those that
            the configuration describes.
    """
    with in_one_line(name, flag):
        if is_folder(name):
            refuse_pickle(Path(name))
            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            refuse_missing_bytes(kind, config, Path(name))
        model: PreTrainedModel
        model, found = kind.from_pretrained(
            name,
            dtype=dtype,
            device_map=device_map,
            use_safetensors=True,
            trust_remote_code=False,
            generation_config=generation,
            ignore_mismatched_sizes=True,  # refused below, naming one instead of all
            output_loading_info=True,
        )

    def is_surplus(key: str) -> bool:
        return not key.startswith(may_have) and _is_surplus(key)

    refuse_other_weights(
        name,
        missing=[key for key in found["missing_keys"] if not key.startswith(may_lack)],
        misshapen=found["mismatched_keys"],
        surplus=[key for key in found["unexpected_keys"] if is_surplus(key)],
    )
    model.eval()
    return model


def refuse_other_weights(
    name: str,
    *,
    missing: Collection[str],
    misshapen: Collection[tuple[str, Sequence[int], Sequence[int]]],
    surplus: Collection[str],
    config: str = "config.json",
) -> None:
    """Refuse weights that are not those that the model's configuration describes.

    Args:
        name: Folder, or name on the hub.
        missing: Names of weights that the files lack.
        misshapen: Name, shape in the files and shape by the configuration.
        surplus: Names of weights that only the files have.
        config: The file that holds the configuration.

    Raises:
        CueframeError: There is one of either kind.
    """
    again = "fetch or save it again"
    if missing:
        raise CueframeError(f"{name} lacks {len(missing)} weights, such as {min(missing)}; {again}")
    if misshapen:
        key, has, wants = min(misshapen)
        raise CueframeError(
            f"{name} has {len(misshapen)} weights of other shapes than its {config} says, such "
            f"as {key}: {tuple(has)}, not {tuple(wants)}; {again}"
        )
    if surplus:
        raise CueframeError(
            f"{name} has {len(surplus)} weights that its {config} has no place for, such as "
            f"{min(surplus)}; {again}"
        )


def load_dual_encoder(
    name: str, flag: str = "--model", *, text_only: bool = False
) -> PreTrainedModel:
    """Load a model of images and texts (CLIP or similar), with float32 weights.

    Args:
        name: Folder, or name on the hub.
        flag: The flag that names the model, for error messages.
        text_only: Leave its vision side out (`index.models.text_side`), of a model that was loaded
            as a whole before, so that it is known to be sound.

    Raises:
        ModelError, CueframeError: As for `load_weights`; also if it is not a dual encoder.
    """
    config = load_config(name, flag)
    family = family_of(config)
    if family.refusal:
        raise CueframeError(f"{name} is {family.refusal}")
    if family.package and find_spec(family.package) is None:
        raise CueframeError(
            f"{name} is a {family.title} model, whose image processor needs {family.package}; "
            f"install it with pip install {family.package}, or name another model with {flag}"
        )
    kind: Any = AutoModel._model_mapping.get(type(config), None)
    if family.own_class:
        kind = getattr(transformers, family.own_class)
    elif not hasattr(kind, "get_image_features") or not hasattr(kind, "get_text_features"):
        raise CueframeError(
            f"{name} is a {config.model_type} model, not a dual encoder of images and texts; "
            f"name a CLIP or SigLIP model with {flag}"
        )
    may_have = family.elsewhere
    if text_only:
        kind, may_have = without_vision(kind), ("",)  # whatever the file has besides
    elif not family.own_class:
        kind = AutoModel
    return load_weights(kind, name, flag, dtype=torch.float32, may_have=may_have)


def load_generation_values(name: str, flag: str) -> dict[str, Any]:
    """Return the generation_config.json of a model, without one the config.json, as it is written.

    transformers would check every setting in it, and so refuse a model for one that is not used.

    Raises:
        ModelError, CueframeError: As for `load_config`.
    """
    with in_one_line(name, flag):
        names = ["generation_config.json", "config.json"]
        folder = Path(name)
        if not is_folder(name):
            folder = Path(snapshot_download(name, allow_patterns=names))
        path = next(path for path in map(folder.joinpath, names) if path.is_file())
        try:
            values = dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise CueframeError(
                f"{path} is damaged ({error}); fetch or save the model again"
            ) from error
        # Some models have these values with their text part.
        parts = [values.get(part) or {} for part in ("decoder", "generator", "text_config")]
        return next(filter(None, parts), {}) | {k: v for k, v in values.items() if v is not None}


def load_image_processor(name: str, flag: str) -> Any:
    """Load a model's image processor in its PIL form: the same pixels whatever is installed."""
    with in_one_line(name, flag):
        return AutoImageProcessor.from_pretrained(name, backend="pil", trust_remote_code=False)


def load_tokenizer(name: str, flag: str) -> Any:
    """Load the tokenizer of a model."""
    with in_one_line(name, flag):
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)


def load_processor(name: str, flag: str, **parts: Any) -> Any:
    """Load image processor and tokenizer as one object; `parts` go to `from_pretrained`."""
    with in_one_line(name, flag):
        return AutoProcessor.from_pretrained(name, trust_remote_code=False, **parts)


def refuse_other_tokenizer(tokenizer: Any, config: PreTrainedConfig, name: str) -> None:
    """Refuse a tokenizer that is not the model's.

    Raises:
        CueframeError: It has fewer than half of the model's tokens, like the empty one that
            transformers makes up, or more than the model has.
    """
    refuse_other_vocabulary(len(tokenizer), int(config.get_text_config().vocab_size), name)


def refuse_other_vocabulary(tokens: int, known: int, name: str) -> None:
    """Refuse a tokenizer of so many tokens for a model that knows so many; see above."""
    if not known // 2 <= tokens <= known:
        raise CueframeError(
            f"the tokenizer of {name} has {tokens} tokens and the model {known}; save the right "
            "one there with save_pretrained"
        )


def _explained(name: str, flag: str, error: Exception) -> CueframeError:
    text = str(error).strip() or type(error).__name__
    first = text.split("\n")[0].rstrip(".")
    if "custom code" in text:
        return CueframeError(
            f"{name} brings code of its own, which is never run; name a model that transformers "
            f"{transformers.__version__} knows by itself with {flag}"
        )
    if isinstance(error, ImportError):
        return CueframeError(
            f"{name} needs a package that is not installed ({first}); install it, or name another "
            f"model with {flag}"
        )
    if "pooler_output" in text:
        return CueframeError(
            f"{name} has a tower that gives no vector of a whole picture or text ({first}); name "
            f"a model whose towers have a pooler, or a CLIP or SigLIP model, with {flag}"
        )
    if is_out_of_memory(error):
        return CueframeError(
            f"out of memory ({first}) while {name} is loaded; {_LIGHTER.get(flag, '')}name a "
            f"smaller model with {flag}"
        )
    if is_folder(name):
        return CueframeError(
            f"the model folder {name} cannot be loaded: {first}; fetch it again, or give {flag} "
            "another folder written by save_pretrained"
        )
    return ModelError(
        f"the model {name} is no folder here and cannot be had from the hub: {first}; give {flag} "
        "a folder written by save_pretrained, or a name on the hub"
    )


def refuse_absurd_depth(values: dict[str, Any], name: str) -> None:
    """Refuse a configuration of more layers than any model has.

    Raises:
        CueframeError: It is one.
    """
    for key, value in values.items():
        if isinstance(value, dict):
            refuse_absurd_depth(value, name)
        elif str(key).endswith("layers"):
            for count in value if isinstance(value, list) else [value]:
                if isinstance(count, int) and count > _MOST_LAYERS:
                    raise CueframeError(
                        f"{name} has {key} {count} in its config.json, more than {_MOST_LAYERS}; "
                        "fetch or save it again"
                    )


def refuse_pickle(folder: Path) -> None:
    """Refuse a folder that has weights as a pickle alone.

    Raises:
        CueframeError: It is one.
    """
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    if pickles and not any(folder.glob("*.safetensors")):
        raise CueframeError(
            f"{folder} has its weights as a pickle ({pickles[0]}), which can run code when it is "
            "opened; where you trust it, load it with transformers, and write it with "
            "save_pretrained as safetensors"
        )


def _is_surplus(key: str) -> bool:
    return not key.endswith(_BUFFERS) and key.split(".")[0] not in _HEADS
