"""Greedy decoding: of a model's folder the ends count alone, and of numbers the finite ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from index.errors import CueframeError
from infer.readers.generation import own_generation
from infer.readers.vision_language import (
    Reader,
    ReaderInput,
    generate,
    letter_probabilities,
    load_reader,
)
from tests.fixtures_readers import MAKERS, make_reader
from tests.infer.readers.test_vision_language import BATCH, CPU, EN

SETTINGS: dict[str, Any] = {
    "max_length": 3,
    "max_new_tokens": 2,
    "min_length": 500,
    "min_new_tokens": 50,
    "early_stopping": True,
    "max_time": 0.0,
    "stop_strings": ["a", "e"],
    "do_sample": True,
    "num_beams": 3,
    "use_mtp": True,
    "use_cache": False,
    "cache_implementation": "static",
    "cache_config": {"nbits": 4},
    "max_cache_len": 5,
    "temperature": 9.0,
    "top_k": 3,
    "top_p": 0.3,
    "min_p": 0.3,
    "top_h": 0.3,
    "typical_p": 0.3,
    "epsilon_cutoff": 0.1,
    "eta_cutoff": 0.1,
    "repetition_penalty": 3.0,
    "encoder_repetition_penalty": 3.0,
    "length_penalty": 3.0,
    "no_repeat_ngram_size": 1,
    "bad_words_ids": [[n] for n in range(30, 200)],
    "renormalize_logits": True,
    "forced_bos_token_id": 9,
    "forced_eos_token_id": 9,
    "remove_invalid_values": True,
    "exponential_decay_length_penalty": [1, 5.0],
    "suppress_tokens": [*range(30, 200)],
    "begin_suppress_tokens": [*range(30, 200)],
    "sequence_bias": [[[44], 50.0]],
    "token_healing": True,
    "guidance_scale": 3.0,
    "watermarking_config": {"greenlist_ratio": 0.3, "bias": 9.0},
    "num_return_sequences": 2,
    "output_attentions": True,
    "output_hidden_states": True,
    "output_scores": True,
    "output_logits": True,
    "return_dict_in_generate": False,
    "pad_token_id": 77,
    "bos_token_id": 5,
    "encoder_no_repeat_ngram_size": 2,
    "decoder_start_token_id": 4,
    "is_assistant": True,
    "num_assistant_tokens": 3,
    "num_assistant_tokens_schedule": "heuristic",
    "assistant_confidence_threshold": 0.9,
    "prompt_lookup_num_tokens": 3,
    "max_matching_ngram_size": 2,
    "assistant_early_exit": 1,
    "assistant_lookbehind": 3,
    "target_lookbehind": 3,
    "assistant_ensemble_weight": 0.5,
    "speculation_type": "dflash",
    "compile_config": {"fullgraph": True},
    "disable_compile": True,
    "continuous_batching_config": {"block_size": 1},
    "low_memory": True,
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "diversity_penalty": 0.5,
    "num_beam_groups": 2,
    "constraints": ["x"],
    "force_words_ids": [[[5]]],
    "prefill_chunk_size": 4,
    "invented": 1,
    "transformers_version": "99.0",
    "_from_model_config": True,
}
"""Each setting of a generation_config.json but the end, with a value that could change a text."""
REFUSED = {"early_stopping": "maybe", "cache_implementation": "new", "max_new_tokens": -1}
"""Values that transformers refuses, and a later version may not."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("readers")
    return {kind: make_reader(home / kind, kind) for kind in MAKERS}


def answers(folder: Path) -> tuple[list[list[float]], list[str]]:
    reader = load_reader(str(folder), device_map=CPU)
    free = [ReaderInput(shown.frames, shown.times_s, shown.question) for shown in BATCH[:2]]
    letters = letter_probabilities(reader, EN, BATCH[:2])
    return [shares.tolist() for shares in letters], generate(reader, EN, free, 6)


def changed(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | values))


def test_every_setting_is_tried() -> None:
    assert vars(GenerationConfig()).keys() <= {*SETTINGS, "eos_token_id"}


@pytest.mark.parametrize("kind", MAKERS)
def test_no_setting_of_the_folder_changes_an_answer(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    clean = answers(folders[kind])
    folder = Path(shutil.copytree(folders[kind], tmp_path / "copy"))
    for values in (SETTINGS, REFUSED):
        changed(folder, "generation_config.json", **values)
        assert answers(folder) == clean


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_alone_changes_an_answer(
    folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    for kind in MAKERS:
        folder = Path(shutil.copytree(folders[kind], tmp_path / kind))
        changed(folder, "generation_config.json", **{name: SETTINGS[name]})
        assert answers(folder) == answers(folders[kind])


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"num_beams": 3, "do_sample": True, "stop_strings": ["a"]}),
        ("tokenizer_config.json", {"truncation": True, "max_length": 10, "stride": 3}),
        ("tokenizer_config.json", {"return_attention_mask": False, "return_length": True}),
        ("tokenizer_config.json", {"pad_to_multiple_of": 64, "is_split_into_words": True}),
        ("tokenizer_config.json", {"model_input_names": ["input_ids"], "model_max_length": 8}),
    ],
)
def test_no_setting_in_other_files_changes_an_answer(
    folders: dict[str, Path], tmp_path: Path, file: str, values: dict[str, Any]
) -> None:
    """config.json had them once, and a processor's call takes what the tokenizer's file says."""
    folder = Path(shutil.copytree(folders["smolvlm"], tmp_path / "copy"))
    changed(folder, file, **values)
    assert answers(folder) == answers(folders["smolvlm"])


@pytest.mark.parametrize("kind", MAKERS)
def test_a_folder_without_such_a_file_says_the_same(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """Its tokenizer knows where a text ends."""
    folder = Path(shutil.copytree(folders[kind], tmp_path / "copy"))
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config["text_config"]):
        part.pop("eos_token_id", None)
    (folder / "config.json").write_text(json.dumps(config))
    assert answers(folder) == answers(folders[kind])


def test_code_that_generates_is_never_run(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["smolvlm"], tmp_path / "copy"))
    (folder / "custom_generate").mkdir()
    code = (
        f"open({str(tmp_path / 'it ran')!r}, 'w')\ndef generate(model, **how):\n    return None\n"
    )
    (folder / "custom_generate/generate.py").write_text(code)
    assert answers(folder) == answers(folders["smolvlm"])
    assert not (tmp_path / "it ran").exists()


class Tokenizer:
    """As far as the ends need one."""

    eos_token_id, pad_token_id = 7, 8


@pytest.mark.parametrize(
    ("generation", "config", "end"),
    [
        ({"eos_token_id": [4, 5]}, {"eos_token_id": 1}, [4, 5]),
        ({"eos_token_id": 0}, {}, 0),
        ({}, {"eos_token_id": 1}, 7),
        ({"eos_token_id": []}, {}, 7),
        (None, {"eos_token_id": 1, "text_config": {"eos_token_id": 2}}, 1),
        (None, {"eos_token_id": None, "text_config": {"eos_token_id": 2}}, 2),
        (None, {"decoder": {"eos_token_id": [2, 3]}, "text_config": None}, [2, 3]),
        (None, {}, 7),
    ],
)
def test_a_text_ends_where_the_folder_says(
    tmp_path: Path, generation: dict[str, Any] | None, config: dict[str, Any], end: Any
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    own = own_generation(str(tmp_path), "--reader", Tokenizer)
    assert (own.eos_token_id, own.pad_token_id, own.bos_token_id) == (end, 8, None)


def test_an_end_ends_a_text(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["smolvlm"], tmp_path / "copy"))
    reader = load_reader(str(folder), device_map=CPU)
    free = [ReaderInput(BATCH[0].frames, [0.5], "Red?")]
    (whole,) = generate(reader, EN, free, 6)
    ids = reader.processor.tokenizer(whole, add_special_tokens=False)["input_ids"]
    changed(folder, "generation_config.json", eos_token_id=[ids[2]])
    (part,) = generate(load_reader(str(folder), device_map=CPU), EN, free, 6)
    assert whole.startswith(part)
    assert len(part) < len(whole)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        "null",
        '{"eos_token_id": "x"}',
        '{"eos_token_id": -5}',
        '{"eos_token_id": [1.5]}',
        '{"bos_token_id": true}',
        '{"eos_token_id": 99999999999999999999}',
    ],
)
def test_a_damaged_file_is_one_line(folders: dict[str, Path], tmp_path: Path, content: str) -> None:
    folder = Path(shutil.copytree(folders["smolvlm"], tmp_path / "copy"))
    (folder / "generation_config.json").write_text(content)
    with pytest.raises(CueframeError) as caught:
        load_reader(str(folder), device_map=CPU)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    if "token" not in content:
        assert f"{folder}/generation_config.json is damaged" in str(caught.value)


CALLS: dict[str, Callable[[Reader, list[ReaderInput]], object]] = {
    "letters": lambda reader, batch: letter_probabilities(reader, EN, batch),
    "free": lambda reader, batch: generate(reader, EN, batch, 3),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", MAKERS)
def test_numbers_that_are_not_finite_are_no_answer(
    folders: dict[str, Path], kind: str, call: str
) -> None:
    """A word of the vocabulary that has none is enough, since it could be the likeliest."""
    reader = load_reader(str(folders[kind]), device_map=CPU)
    for value in (torch.nan, torch.inf):
        with torch.no_grad():  # one of the two is no negative infinity
            reader.model.get_output_embeddings().weight[5:7, 3] = torch.tensor([value, -value])
        with pytest.raises(CueframeError, match="no finite numbers in float32"):
            CALLS[call](reader, BATCH[:2])


@pytest.mark.parametrize("kind", MAKERS)
def test_weights_that_are_not_finite_are_one_line(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(folders[kind], tmp_path / "copy"))
    weights = load_file(folder / "model.safetensors")
    name = next(key for key in weights if key.endswith("norm.weight"))
    weights[name] = torch.full_like(weights[name], torch.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CueframeError, match=r"the reader .* computes no finite numbers"):
        load_reader(str(folder), device_map=CPU)
