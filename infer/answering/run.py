"""Run infer/answer.py, from its inputs to its output files."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import xxhash

from index.distributed import join_processes
from index.messages import say
from index.models.long_texts import Text
from index.models.model_files import files_fingerprint
from index.progress import bar
from index.resume import claim, deciding
from infer.answering.bulk import answer_all
from infer.answering.calibration import (
    calibrated,
    coverage_json,
    find_labelled,
    say_coverage,
)
from infer.answering.collector import collect_answers, own_shard
from infer.answering.config import FREE, AnswerConfig
from infer.answering.encoded_queries import encode_queries, texts_of
from infer.answering.inputs import Inputs
from infer.answering.outputs import print_problems, save_all, undecided_of, write_answers
from infer.answering.submission import write_submission
from infer.answering.text_cache import TextCache
from infer.asked_indexes import held_by_all, key_of
from infer.choices import chosen
from infer.queries import AnswerRecord, Query, make_queries
from infer.query_encoder import files_of_model, load_query_encoder, print_long_texts
from infer.questions import Question
from infer.readers.bulk_reading import AskModel, read_answers
from infer.readers.clip_reader import read_choices
from infer.readers.registry import OWN_READERS
from infer.readers.vision_language import (
    ReaderInput,
    generate,
    letter_probabilities,
    load_reader,
)
from infer.selection.nested import NestedSets
from infer.videos.indexed_videos import read_indexed_videos
from infer.videos.video_files import find_video_file


def answer_questions(config: AnswerConfig, inputs: Inputs) -> int:
    """Answer a file of questions; every process calls this.

    Returns:
        The exit code: 1 where a question failed or frames of a video could not be saved, else 0.

    Raises:
        CueframeError: A model cannot be used or did not build the index, there is an interrupted
            run with other settings, or a file cannot be written.
    """
    began_s = time.monotonic()
    questions = inputs.questions.records
    state = join_processes()
    first, *others = inputs.indexes
    indexed = read_indexed_videos(first.folder)
    file_of = partial(find_video_file, indexed, elsewhere=inputs.elsewhere)
    queries, failed = make_queries(questions, indexed, inputs.caption, inputs.rule.choices)
    queries, unseen = held_by_all(queries, others)
    failed |= unseen
    labelled = find_labelled(config, inputs, indexed, queries)
    if inputs.rule.choices == "each" and not any(one.choices for one in questions):
        say("no question has choices, so --choices each changes nothing")
    report: dict[str, Any] = {"long": [], "max_tokens": 0, "text_s": 0.0}

    def claimed(path: Path, remedy: str) -> None:
        contents = partial(contents_of, config, inputs, queries)
        claim(path, settings_of(config, inputs), remedy, contents)

    with collect_answers(config.output, claimed, state, no_lock=config.no_lock) as answers:
        resumed = len(answers.lines)
        todo = [one for one in own_shard(queries, state) if one.question.id not in answers.lines]
        loaded_s = time.monotonic()
        if todo:
            encoders = [
                load_query_encoder(
                    one.folder,
                    one.profile,
                    model=one.model,
                    dtype=config.dtype,
                    device=state.device,
                    text_only=True,
                )
                for one in inputs.indexes
            ]
            ask_model = None
            if config.reader not in OWN_READERS:
                ask_model = _model_reader(config, inputs, state.device)
            all_texts = partial(texts_of, choices=config.reader == "clip")
            every_text = chain.from_iterable(map(all_texts, todo))
            texts = [TextCache(encoders[0], every_text, config.long_text)]
            for encoder in encoders[1:]:
                own_texts = chain.from_iterable(one.texts for one in todo)
                texts.append(TextCache(encoder, own_texts, config.long_text))
            loaded_s = time.monotonic()
            k = calibrated(config, inputs, labelled, encoders) if labelled else int(config.frames)
            scale = encoders[0].scale
            records = _records(config, inputs, todo, texts, scale, ask_model, file_of, k)
            for place, record, seconds in bar(records, "question", len(todo)):
                if "error" in record:
                    failed[place] = record
                else:
                    answers.put(_finished(config, record, seconds))
            if unread := set[Text]().union(*(one.too_long for one in texts)):
                long = (one for one in todo if unread.intersection(all_texts(one)))
                report["long"] = [one.question.id for one in long]
            fewest = min(encoder.max_tokens for encoder in encoders)
            report |= {"max_tokens": fewest, "text_s": _spent_s(texts)}
        picked_s = time.monotonic()
        reports = answers.gather(report | {"failed": list(failed.items())})
        if not state.is_main_process:
            return 0
        failed = {
            place: record
            for one in reports
            for place, record in one["failed"]
            if record["id"] not in answers.lines
        }
        write_answers(config.output, inputs.questions, answers.lines, failed)
    too_long = [name for one in reports for name in one["long"]]
    undecided = undecided_of(answers.lines)
    print_problems(inputs.questions, failed, undecided)
    print_long_texts(too_long, config.long_text, max(one["max_tokens"] for one in reports))
    refused = len(inputs.questions.refused)
    result: dict[str, Any] = {
        "questions": len(questions) + refused,
        "answered": len(questions) - len(failed) - len(undecided),
        "failed": len(failed) + refused,
        "undecided": len(undecided),
        "too_long": len(too_long),
        "resumed": resumed,
    }
    if config.submission:
        result["guessed"] = write_submission(
            config.submission,
            inputs.questions,
            answers.lines,
            columns=config.submission_columns,
            guess=config.guess,
        )
    unsaved = 0
    if config.save_frames:
        saved, unsaved = save_all(
            config.save_frames, queries, answers.lines, file_of, inputs.frame_size
        )
        result |= {"saved_frames": saved, "unsaved_videos": unsaved}
    if labelled:
        result |= coverage_json(labelled, answers.lines.values())
        say_coverage(result)
    ended_s = time.monotonic()
    text_s = reports[0]["text_s"]
    result |= {
        "wall_s": round(ended_s - began_s, 3),
        "load_s": round(loaded_s - began_s, 3),
        "text_s": round(text_s, 3),
        "pick_s": round(picked_s - loaded_s - text_s, 3),
        "save_s": round(ended_s - picked_s, 3),
        "questions_per_s": round((len(questions) - resumed) / (ended_s - began_s), 1),
    }
    print(json.dumps(result), file=sys.stderr if config.output == "-" else sys.stdout)
    complete = inputs.questions.complete and (labelled is None or labelled.complete)
    return 1 if failed or unsaved or not complete else 0


def settings_of(config: AnswerConfig, inputs: Inputs) -> dict[str, Any]:
    """Return the settings that decide the answers; a run is resumed only with equal ones."""
    prompt, calibration = inputs.prompt, inputs.calibration
    models = [one.model_name for one in inputs.indexes]
    return deciding(config, FREE) | {
        "QUESTIONS": _digest(inputs.questions.records),
        "--calibration": _digest(calibration.records) if calibration else None,
        "--pick": config.pick or inputs.rule.pick,
        "--smooth-s": inputs.rule.smooth_s,
        "--choices": inputs.rule.choices,
        "--join": inputs.rule.join,
        "--caption": inputs.caption,
        "--index": key_of(inputs.indexes),
        "--model": models if len(models) > 1 else models[0],
        "--rules": inputs.chosen.model_dump() if inputs.chosen else None,
        "--prompt": [prompt.frame, prompt.choice, prompt.choices, prompt.free],
    }


def _digest(questions: Iterable[Question]) -> str:
    digest = xxhash.xxh3_128()
    for question in questions:
        known = question.model_dump(exclude_unset=True)
        digest.update(json.dumps(known, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def contents_of(config: AnswerConfig, inputs: Inputs, queries: Sequence[Query]) -> dict[str, str]:
    """Return hashes of the models and videos that decide the answers, as `claim` takes them."""
    hashes = [files_of_model(one.folder, one.profile, one.model_name) for one in inputs.indexes]
    files = {"files of --model": hashes[0]}
    for place, own in enumerate(hashes[1:], 2):
        files[f"files of --model {place}"] = own
    if config.reader not in OWN_READERS:
        files["files of --reader"] = files_fingerprint(config.reader, "--reader")
    return files | {f"video of question {one.question.id}": one.content_hash for one in queries}


def _model_reader(config: AnswerConfig, inputs: Inputs, device: torch.device) -> AskModel:
    """Load a vision-language model and return it as an `AskModel`."""
    reader = load_reader(config.reader, dtype=config.dtype, device_map=config.device_map or device)
    prompt = inputs.prompt

    def write(_queries: Sequence[Query], batch: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        return [{"text": t} for t in generate(reader, prompt, batch, config.max_new_tokens)]

    def choose(queries: Sequence[Query], batch: Sequence[ReaderInput]) -> list[dict[str, Any]]:
        shares = letter_probabilities(reader, prompt, batch)
        return [
            chosen(one.question, own.tolist()) for one, own in zip(queries, shares, strict=True)
        ]

    return write if config.free else choose


def _records(
    config: AnswerConfig,
    inputs: Inputs,
    todo: Sequence[Query],
    texts: Sequence[TextCache],
    scale: float,
    ask_model: AskModel | None,
    file_of: Callable[[str], Path],
    k: int | NestedSets,
) -> Iterator[tuple[int, AnswerRecord, float]]:
    """Yield each question's place, record and seconds; the time of a part is split evenly.

    Texts are those of each index's encoder.
    """
    first, *others = inputs.indexes
    which = config.reader_frames
    clip = config.reader == "clip"
    text_s: dict[int, float] = {}
    parts = answer_all(
        first.folder,
        first.profile,
        encode_queries(todo, texts[0], text_s, choices=clip, others=texts[1:]),
        rule=inputs.rule,
        k=k,
        seed=config.seed,
        read=partial(read_choices, scale=scale, which=which) if clip else None,
        others=[(one.folder, one.profile) for one in others],
    )
    if ask_model:
        parts = read_answers(
            parts,
            {one.place: one for one in todo}.__getitem__,
            ask_model,
            index=first.folder,
            file_of=file_of,
            which=which,
            batch=config.reader_batch,
            side=config.reader_side,
            free=config.free,
        )
    since_s, texts_s = time.monotonic(), _spent_s(texts)
    for part in parts:
        if not part:  # its time counts for the next one
            continue
        other_s = time.monotonic() - since_s - (_spent_s(texts) - texts_s)
        for place, record in part:
            yield place, record, text_s.pop(place) + other_s / len(part)
        since_s, texts_s = time.monotonic(), _spent_s(texts)


def _spent_s(texts: Sequence[TextCache]) -> float:
    return sum(one.spent_s for one in texts)


def _finished(config: AnswerConfig, record: AnswerRecord, seconds: float) -> AnswerRecord:
    """Return the record in the form in which it is written."""
    record = dict(record)
    answers = record.pop("answers", {})
    if answers:
        record |= {"reader": config.reader, "answer": answers[config.reader_frames[0]]}
    if answers and config.reader_frames != ("picked",):  # to say from which frames each one is
        record["answers"] = answers
    if config.timing:
        record["seconds"] = round(seconds, 6)
    return record
