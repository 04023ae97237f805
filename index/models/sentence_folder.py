"""Load what a folder of sentence-transformers holds, and refuse one that is not whole or not known.

A folder's modules.json names classes by their modules in Python, and the files beside it give them
settings; only classes and settings that run no code of the folder are taken.
"""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from index.errors import CueframeError
from index.models.libraries import fetch, package_of, quiet, read_modules
from index.models.model_folder import refuse_odd_files
from index.models.model_loading import in_one_line, load_config, load_weights, refuse_pickle

_FIRST = ("Transformer", "CLIPModel")
_LATER = ("Pooling", "Dense", "Normalize", "LayerNorm", "Dropout")
_SETTINGS = {"attn_implementation": ("eager", "sdpa"), "dtype": None, "torch_dtype": None}
"""What a folder may say about the loading of its model; others could load code."""
_GIVEN = {"model_args", "model_kwargs", "config_args", "config_kwargs"}
_FOR_PROCESSOR = {"tokenizer_args", "processor_kwargs"}
_MODEL_CONFIG = "config_sentence_transformers.json"


def load_sentence_transformer(name: str, flag: str) -> Any:
    """Load a SentenceTransformer in eval mode with float32 weights, every weight from its file.

    Args:
        name: Folder with modules.json, or name on the hub.
        flag: The flag that names the model, for error messages.

    Raises:
        ModelError: It is not a folder, and not available from the hub.
        CueframeError: sentence-transformers is not installed; the folder cannot be used.
    """
    library = package_of("sentence_transformers", name)
    with in_one_line(name, flag), quiet(), torch.random.fork_rng(devices=[]):
        folder = fetch(name, "sentence_transformers")
        modules = read_modules(folder)
        _refuse_other_modules(modules, folder, flag)
        first = folder / modules[0]["path"]
        for path in {folder / module["path"] for module in modules} - {first}:
            if path.is_dir():
                _refuse_odd(path)
        _refuse_other_type(folder, flag)
        refuse_unsound_transformer(first, flag)
        model = library.SentenceTransformer(
            str(folder),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            processor_kwargs=_processor_settings(first),
        )
        model.float()
        drop_pooler(model[0])
    model.eval()
    return model


def refuse_unsound_transformer(folder: Path, flag: str) -> None:
    """Refuse a folder of transformers that is not whole, or from which code would run.

    Args:
        folder: The folder.
        flag: The flag that names the model, for error messages.

    Raises:
        CueframeError: It is one, as `index.models.model_loading` says.
    """
    _refuse_odd(folder)
    load_config(str(folder), flag)
    # Read for its names and shapes alone: the library leaves a missing weight random.
    load_weights(
        AutoModel,
        str(folder),
        flag,
        dtype=torch.float32,
        device_map=torch.device("meta"),
        may_lack=("pooler.",),
    )


def drop_pooler(first: Any) -> None:
    """Drop the pooler of a Transformer module whose tokens' vectors are read.

    Where the folder lacks it, it would be random: another model at each loading. In training it
    would be waited for on several processes, since no gradient comes to it.
    """
    model = first.model
    output = getattr(first, "module_output_name", None)
    if output == "token_embeddings" and getattr(model, "pooler", None) is not None:
        model.pooler = None


def _refuse_odd(folder: Path) -> None:
    refuse_odd_files(folder)
    refuse_pickle(folder)
    _refuse_settings(folder)


def _refuse_other_modules(modules: list[dict[str, str]], folder: Path, flag: str) -> None:
    if not modules:
        raise CueframeError(f"{folder / 'modules.json'} names no module; fetch the model again")
    for place, module in enumerate(modules):
        package, _, kind = module["type"].rpartition(".")
        if package.split(".")[0] != "sentence_transformers":
            raise CueframeError(
                f"{folder} brings code of its own ({module['type']}), which is never run; name a "
                f"model whose modules are those of sentence-transformers with {flag}"
            )
        if kind not in (_LATER if place else _FIRST):
            raise CueframeError(
                f"{folder} has a module {kind}, which is none that Cueframe reads "
                f"({', '.join(_FIRST)}, then {', '.join(_LATER)}); name another model with {flag}"
            )


def _refuse_settings(folder: Path) -> None:
    """Refuse settings that could load code, or that the library replaces by a default."""
    for path in folder.glob("*config.json"):
        values = _read(path)
        for part in _GIVEN & values.keys():
            for key, value in values[part].items():
                known = _SETTINGS.get(key, ())
                if key != "trust_remote_code" and known is not None and value not in known:
                    raise CueframeError(
                        f"{path} sets {key} to {value!r} for loading, which Cueframe does not "
                        "take; name another model"
                    )
        for part in _FOR_PROCESSOR & values.keys():
            if unknown := set(values[part]) - {"model_max_length", "trust_remote_code"}:
                raise CueframeError(
                    f"{path} sets {min(unknown)} for its tokenizer, which Cueframe does not take; "
                    "name another model"
                )
        activation = values.get("activation_function")
        if activation is not None and not str(activation).startswith("torch.nn.modules."):
            raise CueframeError(
                f"{path} names an activation function that is none of torch's ({activation}); it "
                "is never run, so name another model"
            )


def _refuse_other_type(folder: Path, flag: str) -> None:
    path = folder / _MODEL_CONFIG
    kind = _read(path).get("model_type", "SentenceTransformer") if path.is_file() else None
    if kind not in (None, "SentenceTransformer"):
        raise CueframeError(
            f"{folder} holds a {kind}, which gives no single vector for a text or picture; name a "
            f"SentenceTransformer with {flag}"
        )


def _processor_settings(folder: Path) -> dict[str, Any]:
    """Return {} for texts alone; pictures are resized by Pillow, whatever else is installed."""
    names = ("preprocessor_config.json", "processor_config.json")
    return {"backend": "pil"} if any((folder / name).is_file() for name in names) else {}


def _read(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_bytes())
    if not isinstance(values, dict):
        raise CueframeError(f"{path} is damaged; fetch or save the model again")
    return values
