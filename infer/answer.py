"""Answer questions with frames, and with a choice where a reader is named, from an index.

Usage: python infer/answer.py QUESTIONS --index video_index
       python infer/answer.py QUESTIONS --reader clip
       accelerate launch infer/answer.py QUESTIONS --reader Qwen/Qwen2.5-VL-3B-Instruct

QUESTIONS is a JSON file (an object with "data", or a list), JSON lines, or - for standard input.
Each question becomes one JSON line of --output, in the questions' order. The result of the run is
one JSON object on stdout. Frames are decoded for a vision-language reader and --save-frames alone.
"""

import json
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.cli import run
from infer.answer_flags import OWN_READERS, AnswerConfig, refuse_bad_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from index.store import Profile
    from infer.bulk import Asked, Record
    from infer.prompts import Prompt
    from infer.questions import Question
    from infer.reading import Answer
    from infer.texts import Texts
    from infer.vlm import Shown

_BLOCK = 2048
"""Questions whose texts, and those of their choices, are encoded and held at a time."""


def answer(config: AnswerConfig) -> int:
    """Answer a file of questions; every process runs this. Returns the exit code."""
    began_s = time.monotonic()
    refuse_bad_values(config)
    # What can be wrong with the call is found before torch is loaded.
    from index.files import list_videos
    from index.store import read_profile
    from infer.frames import frame_size
    from infer.prompts import load_prompt
    from infer.questions import by_tail, load_questions

    size, prompt = frame_size(config.size), load_prompt(config.prompt)
    questions = load_questions(config.questions)
    profile = read_profile(config.index)
    elsewhere = by_tail(map(str, list_videos(config.videos))) if config.videos else {}

    from index.progress import bar
    from index.team import join_team
    from infer.bulk import ask
    from infer.gathering import gathering, own_share
    from infer.indexed import load_asking_encoder, read_library
    from infer.originals import find_original
    from infer.results import save_all, tell, write_answers, write_submission
    from infer.texts import Texts

    state = join_team()
    library = read_library(config.index)
    file_of = partial(find_original, library, elsewhere=elsewhere)
    asked, failed = ask(questions, library, config.caption)
    report: dict[str, Any] = {"cut": [], "max_tokens": 0, "text_s": 0.0}
    run_of = _identity(config, questions, profile, prompt)
    with gathering(config.output, run_of, state) as answers:
        resumed = len(answers.lines)
        todo = [one for one in own_share(asked, state) if one.question.id not in answers.lines]
        loaded_s = time.monotonic()
        if todo:
            encoder = load_asking_encoder(
                config.index, profile, model=config.model, dtype=config.dtype, device=state.device
            )
            ask_model = None
            if config.reader not in OWN_READERS:
                ask_model = _model_reader(config, prompt, state.device)
            texts = Texts(encoder, chain.from_iterable(_texts(config, one) for one in todo))
            loaded_s = time.monotonic()
            records = _records(config, profile, todo, texts, encoder.scale, ask_model, file_of)
            for place, record, seconds in bar(records, "question", len(todo)):
                if "error" in record:
                    failed[place] = record
                else:
                    answers.put(_finished(config, record, seconds))
            if texts.too_long:
                long = (one for one in todo if texts.too_long.intersection(_texts(config, one)))
                report["cut"] = [one.question.id for one in long]
            report |= {"max_tokens": encoder.max_tokens, "text_s": texts.spent_s}
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
        write_answers(config.output, questions, answers.lines, failed)
    cut = [name for one in reports for name in one["cut"]]
    tell(failed, cut, max(one["max_tokens"] for one in reports))
    result: dict[str, Any] = {
        "questions": len(questions),
        "answered": len(questions) - len(failed),
        "failed": len(failed),
        "too_long": len(cut),
        "resumed": resumed,
    }
    if config.submission:
        write_submission(config.submission, questions, answers.lines)
    unsaved = 0
    if config.save_frames:
        saved, unsaved = save_all(config.save_frames, asked, answers.lines, file_of, size)
        result |= {"saved_frames": saved, "unsaved_videos": unsaved}
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
    return 1 if failed or unsaved else 0


def _identity(
    config: AnswerConfig, questions: "list[Question]", profile: "Profile", prompt: "Prompt"
) -> dict[str, Any]:
    """What decides the answers: a run that was interrupted goes on only with the same."""
    import xxhash

    asked = xxhash.xxh3_128()
    for question in questions:
        asked.update(json.dumps(question.model_dump(), sort_keys=True).encode() + b"\n")
    return {
        "QUESTIONS": asked.hexdigest(),
        "--index": profile.key,
        "--pick": config.pick,
        "--frames": config.frames,
        "--caption": config.caption,
        "--model": config.model or profile.model,
        "--dtype": config.dtype,
        "--seed": config.seed,
        "--reader": config.reader,
        "--reader-frames": list(config.reader_frames),
        "--reader-side": config.reader_side,
        "--prompt": [prompt.frame, prompt.choice, prompt.choices, prompt.free],
        "--free": config.free,
        "--max-new-tokens": config.max_new_tokens,
        "--timing": config.timing,
    }


def _texts(config: AnswerConfig, one: "Asked") -> list[str]:
    """All texts that are encoded for a question."""
    from index.errors import CueframeError
    from infer.zero_shot import choice_texts

    if config.reader != "clip":
        return [one.text]
    try:
        return [one.text, *choice_texts(one)]
    except CueframeError:  # the reader says so
        return [one.text]


def _model_reader(config: AnswerConfig, prompt: "Prompt", device: "torch.device") -> "Answer":
    """A vision-language model as `infer.reading` asks it."""
    from infer.choices import chosen
    from infer.vlm import generate, letter_probabilities, load_reader

    reader = load_reader(config.reader, dtype=config.dtype, device_map=config.device_map or device)

    def write(_asked: "Sequence[Asked]", shown: "Sequence[Shown]") -> list[dict[str, Any]]:
        return [{"text": t} for t in generate(reader, prompt, shown, config.max_new_tokens)]

    def choose(asked: "Sequence[Asked]", shown: "Sequence[Shown]") -> list[dict[str, Any]]:
        shares = letter_probabilities(reader, prompt, shown)
        return [chosen(one.question, own.tolist()) for one, own in zip(asked, shares, strict=True)]

    return write if config.free else choose


def _records(
    config: AnswerConfig,
    profile: "Profile",
    todo: "list[Asked]",
    texts: "Texts",
    scale: float,
    ask_model: "Answer | None",
    file_of: "Callable[[str], Path]",
) -> "Iterator[tuple[int, Record, float]]":
    """Places and records, as they get ready, and each one's share of the seconds that it took."""
    from infer.bulk import answer_all
    from infer.reading import read_frames
    from infer.texts import blocks
    from infer.zero_shot import zero_shot

    which, k = config.reader_frames, config.frames
    at = {one.place: one for one in todo}
    for block in blocks(todo, _BLOCK):
        before_s = texts.spent_s
        vectors = texts.encode([one.text for one in block])  # (block, D)
        read = zero_shot(block, texts.encode, scale, which, k) if config.reader == "clip" else None
        text_s = (texts.spent_s - before_s) / len(block)
        parts = answer_all(
            config.index,
            profile,
            block,
            vectors,
            pick=config.pick,
            k=k,
            seed=config.seed,
            read=read,
        )
        if ask_model:
            parts = read_frames(
                parts,
                at.__getitem__,
                ask_model,
                index=config.index,
                file_of=file_of,
                which=which,
                k=k,
                batch=config.reader_batch,
                side=config.reader_side,
                free=config.free,
            )
        since_s = time.monotonic()
        for part in parts:
            seconds = text_s + (time.monotonic() - since_s) / max(1, len(part))
            yield from ((place, record, seconds) for place, record in part)
            if part:  # else its time is the next one's
                since_s = time.monotonic()


def _finished(config: AnswerConfig, record: "Record", seconds: float) -> "Record":
    """The record as it is written."""
    record = dict(record)
    answers = record.pop("answers", {})
    if answers:
        record |= {"reader": config.reader, "answer": answers[config.reader_frames[0]]}
    if answers and config.reader_frames != ("picked",):  # else whose they are would be unknown
        record["answers"] = answers
    if config.timing:
        record["seconds"] = round(seconds, 6)
    return record


if __name__ == "__main__":
    run(answer, AnswerConfig, __doc__)
