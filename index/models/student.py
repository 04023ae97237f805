"""A multilingual text encoder that learns to give the vectors of another model's text side.

The student of Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual using
Knowledge Distillation". Its head is a linear map from its own unit vectors onto the teacher's text
space.

D_s: width of the student's vectors, D_t: of the teacher's.
"""

import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM

from index.errors import CueframeError
from index.messages import say
from index.models.families import text_positions
from index.models.libraries import fetch, library_of, package_of, quiet
from index.models.model_loading import in_one_line, load_config, refuse_other_tokenizer
from index.models.sentence_folder import (
    drop_pooler,
    load_sentence_transformer,
    refuse_unsound_transformer,
)
from index.models.sentence_model import SentenceModel

_FLAG = "--student"
_E5 = re.compile(r"(?<![a-z0-9])e5(?![a-z0-9])", re.IGNORECASE)
_E5_PROMPT = "query: "
"""What E5's questions began with in its training (Wang et al. 2024); its folders do not say so."""


def load_student(name: str, *, pooling: str | None, prompt: str | None) -> SentenceModel:
    """Load a text encoder with float32 weights on the CPU.

    Args:
        name: Folder or name on the hub, of sentence-transformers, or of a text encoder of
            transformers such as BERT or XLM-R.
        pooling: How the vectors of the tokens become one, by the name that sentence-transformers
            has for it: "mean", "cls", "max" and others. None: as modules.json says.
        prompt: What a text begins with when it is asked. None: the model's own, and of an E5 that
            has none "query: ", which is said on stderr.

    Raises:
        ModelError: It is neither a folder nor available from the hub.
        CueframeError: sentence-transformers is not installed; it is no text encoder, has a vision
            side, or cannot be loaded; its pooling is not known, or another than `pooling`.
    """
    with in_one_line(name, _FLAG):
        library = library_of(name)
    if library == "sentence_transformers":
        model = load_sentence_transformer(name, _FLAG)
        if "image" in model.modalities:
            raise _with_vision(name)
        _refuse_other_pooling(name, model, pooling)
    elif library == "transformers":
        model = _of_transformers(name, pooling)
    else:
        what = "is distilled already" if library == "distilled" else f"is a model of {library}"
        raise CueframeError(
            f"{name} {what}, and no text encoder alone; name one such as multilingual E5 or XLM-R "
            f"with {_FLAG}"
        )
    with in_one_line(name, _FLAG):
        _set_prompt(name, model, prompt)
        if (positions := _positions(model[0].config)) is not None:
            model.max_seq_length = min(model.max_seq_length or positions, positions)
        student = SentenceModel(name, model, None)
        _refuse_cut_vectors(student)
        refuse_other_tokenizer(model.tokenizer, model[0].config, name)
    return student


def with_head(student: SentenceModel, weight: Tensor, bias: Tensor) -> SentenceModel:
    """Return a student with a linear map after its unit vectors, whose output are unit vectors.

    Args:
        student: The student, whose weights the new one shares.
        weight: (D_t, D_s) float32.
        bias: (D_t,) float32.
    """
    parts = package_of("sentence_transformers", student.name).sentence_transformer.modules
    old = student.module
    modules: list[Any] = list(old)
    if type(modules[-1]).__name__ != "Normalize":
        modules.append(parts.Normalize())
    head = parts.Dense(
        weight.shape[1],
        weight.shape[0],
        activation_function=nn.Identity(),
        init_weight=weight.detach().clone(),
        init_bias=bias.detach().clone(),
    )
    with quiet():
        model = _sentence_transformer(
            student.name,
            [*modules, head, parts.Normalize()],
            prompts=dict(old.prompts),
            default_prompt_name=old.default_prompt_name,
        )
    return SentenceModel(student.name, model, None)


def _of_transformers(name: str, pooling: str | None) -> Any:
    """Make a SentenceTransformer of a text encoder of transformers: its tokens' vectors pooled."""
    library = package_of("sentence_transformers", name)
    parts = library.sentence_transformer.modules
    with in_one_line(name, _FLAG), quiet(), torch.random.fork_rng(devices=[]):
        _refuse_no_text_encoder(name)
        known = parts.Pooling.POOLING_MODES
        if pooling is None:
            raise CueframeError(
                f"{name} does not say how the vectors of its tokens become one; say it as its "
                "model card does, with --pooling mean or --pooling cls"
            )
        if pooling not in known:
            raise CueframeError(f"--pooling {pooling!r} is unknown; want one of {', '.join(known)}")
        folder = fetch(name, "transformers")
        refuse_unsound_transformer(folder, _FLAG)
        here = {"local_files_only": True, "trust_remote_code": False}
        first = parts.Transformer(
            str(folder),
            model_kwargs={"dtype": torch.float32, "use_safetensors": True, **here},
            processor_kwargs=dict(here),
            config_kwargs=dict(here),
        )
        drop_pooler(first)
        pooled = parts.Pooling(first.get_embedding_dimension(), pooling)
        return _sentence_transformer(name, [first, pooled, parts.Normalize()])


def _sentence_transformer(name: str, modules: list[Any], **settings: Any) -> Any:
    library = package_of("sentence_transformers", name)
    model = library.SentenceTransformer(modules=modules, device="cpu", **settings)
    model.eval()
    return model


def _refuse_no_text_encoder(name: str) -> None:
    config = load_config(name, _FLAG)
    if hasattr(config, "vision_config"):
        raise _with_vision(name)
    if config.is_encoder_decoder or type(config) not in AutoModelForMaskedLM._model_mapping:
        raise CueframeError(
            f"{name} is a {config.model_type} model, not a text encoder; name one such as XLM-R, "
            f"BERT or multilingual E5 with {_FLAG}"
        )


def _refuse_cut_vectors(student: SentenceModel) -> None:
    if (cut := student.module.truncate_dim) is not None:
        raise CueframeError(
            f"{student.name} cuts its vectors to {cut} values (truncate_dim), and a head reads "
            "them whole; remove it from its config_sentence_transformers.json"
        )


def _with_vision(name: str) -> CueframeError:
    return CueframeError(
        f"{name} has a vision side, and a student reads texts alone; name a text encoder such as "
        f"multilingual E5 or XLM-R with {_FLAG}"
    )


def _refuse_other_pooling(name: str, model: Any, pooling: str | None) -> None:
    own = [one.pooling_mode for one in model if type(one).__name__ == "Pooling"]
    if len(own) != 1:
        raise CueframeError(
            f"the modules.json of {name} names {len(own)} poolings, not one; name a text encoder "
            f"with one, or a folder of transformers and --pooling mean, with {_FLAG}"
        )
    if pooling not in (None, own[0]):
        shown = own[0] if isinstance(own[0], str) else "+".join(own[0])
        raise CueframeError(
            f"--pooling {pooling} is not that of {name}, which was trained with {shown}; leave "
            "--pooling out"
        )


def _set_prompt(name: str, model: Any, prompt: str | None) -> None:
    """Set the prompt of queries, where one is given or the model's family is known to have one."""
    if prompt is not None:
        model.prompts["query"] = prompt
        return
    own = model.prompts.get("query") or model.prompts.get(model.default_prompt_name)
    if own or not _E5.search(name):
        return
    if "instruct" in name.lower():
        raise CueframeError(
            f"{name} reads an instruction before each text, and its folder names none; give its "
            'model card\'s with --prompt, such as --prompt "Instruct: Find the frame. Query: "'
        )
    model.prompts["query"] = _E5_PROMPT
    say(f"{name} is an E5 without prompts, so each text begins with {_E5_PROMPT!r} (--prompt)")


def _positions(config: Any) -> int | None:
    """Return how many tokens a text encoder has positions for, None where it does not say so."""
    known = getattr(config.get_text_config(), "max_position_embeddings", None)
    return text_positions(config) if known and known > 0 else None
