"""A distillation: read, encode, cross-validate, fit, and write the folder."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from index.errors import CueframeError
from index.languages import refuse_unknown_languages
from index.messages import json_line, say
from index.models.distilled_model import Distilled, DistilledModel
from index.models.dual_model import DualModel
from index.models.encoder import Encoder, ready_encoder, refuse_text_tower
from index.models.student import load_student, with_head
from index.storage.store import Profile, read_profile
from infer.evaluation.text_tables import format_estimate, print_table, row_json
from infer.query_encoder import load_query_encoder
from infer.questions import Question
from infer.videos.indexed_videos import IndexedVideos, find_indexed, read_indexed_videos
from train.distilling.asked import asked_questions, hits_of, placed_questions
from train.distilling.config import DistillConfig
from train.distilling.cross_validation import Decision, folds_of_pairs
from train.distilling.encoding import means_of, read_by, windows_of
from train.distilling.fitting import Fitted, fit
from train.distilling.new_folder import new_folder
from train.distilling.pairs import Pair, Pairs, read_pairs
from train.distilling.question_pairs import video_of
from train.distilling.record import digest_of, write_card, write_record
from train.model_card import versions
from train.saving import explain_saving, give_usual_rights
from train.seed import set_seed

_FEW_PAIRS = 50


def distill(config: DistillConfig) -> int:
    """Teach a student, and write the folder; a table to stderr, a JSON object to stdout.

    Returns:
        The exit code: 1 where a record of the pairs or questions cannot be read, else 0.

    Raises:
        CueframeError: Unusable pairs, questions, index, teacher or student, or a folder that holds
            something or cannot be written.
    """
    began_s = time.monotonic()
    index = config.index_folder
    profile, indexed = read_profile(index), read_indexed_videos(index)
    group_of = _contents(indexed)
    pairs = read_pairs(config.pair_files, group_of)
    pairs.print_left_out()
    asked, complete = asked_questions(pairs, config.questions, config.format, config.labels)
    learned = pairs.pairs + (_mixed(pairs.pairs, pairs.teacher_language) if config.mix else [])
    groups = [pair.group for pair in learned]
    folds = folds_of_pairs(
        groups + [group_of(one.question) for one in asked],
        [{pair.teacher, pair.student} for pair in learned],
        [one.said for one in asked],
        config.seed,
    )
    route = pairs.teacher_language if config.route else None
    if route:
        _refuse_unknown_languages([route, *pairs.languages])
    set_seed(config.seed)
    device = PartialState().device

    with new_folder(config.output, "--output-path") as folder:
        student = load_student(config.student, pooling=config.pooling, prompt=config.prompt)
        student.ready_to_save()
        encoder = load_query_encoder(
            index, profile, model=config.model, dtype="float32", device=device
        )
        teacher = _teacher(encoder)
        ready_encoder(student, dtype="float32", device=device)

        windows = windows_of(teacher, [pair.teacher for pair in learned])
        placed = placed_questions(
            asked,
            teacher,
            index=index,
            profile=profile,
            indexed=indexed,
            teacher_language=pairs.teacher_language,
        )
        fitted = fit(
            student,
            read_by(student, [*(pair.student for pair in learned), *(one.text for one in asked)]),
            means_of(windows),
            folds,
            groups=groups,
            own=[pair.teacher for pair in pairs.pairs],
            hits_by=lambda ways: hits_of(placed, ways, config.seed),
            wanted=config.head,
            count=config.tune_student,
            seed=config.seed,
        )
        _say_pairs(pairs)
        _say_decision(fitted.decision)
        for table in fitted.hits.values():
            table.print()

        teacher.model.module.to("cpu")
        student.module.to("cpu")
        weight, bias = (torch.from_numpy(part.astype(np.float32)) for part in fitted.head)
        model = DistilledModel(
            str(config.output),
            teacher.model,
            with_head(student, weight, bias),
            Distilled(route=route, languages=pairs.languages),
        )
        with explain_saving(config.output, "make room or rights, and run again"):
            model.save(folder)
            give_usual_rights(folder)
        result = _result(pairs, learned, route, fitted)
        _write_records(folder, config, profile, teacher, pairs, fitted, result)
    if not (config.route or config.mix):
        say(
            f"the student reads texts in {pairs.teacher_language}, too, which it was not taught; "
            "--route leaves them to the teacher"
        )
    say(f"the distilled model is in {config.output}; ask with {_flags(index, config.output)}")
    wall_s = round(time.monotonic() - began_s, 3)
    print(json_line(result | {"output_path": str(config.output), "wall_s": wall_s}))
    return 0 if complete and not pairs.wrong else 1


def _result(pairs: Pairs, learned: list[Pair], route: str | None, fitted: Fitted) -> dict[str, Any]:
    return {
        "pairs": len(pairs.pairs),
        "mixed": len(learned) - len(pairs.pairs),
        "groups": len({pair.group for pair in learned}),
        "wrong": len(pairs.wrong),
        "teacher_language": pairs.teacher_language,
        "languages": list(pairs.languages),
        "route": route,
        "head": fitted.decision.head,
        "why": fitted.decision.why,
        "strength": fitted.strength,
        "held_out": {name: row_json(row) for name, row in fitted.decision.rows.items()},
        "hits": {language: table.json() for language, table in fitted.hits.items()},
    }


def _write_records(
    folder: Path,
    config: DistillConfig,
    profile: Profile,
    teacher: Encoder,
    pairs: Pairs,
    fitted: Fitted,
    result: dict[str, Any],
) -> None:
    """Write what tells how the model was made, and how good it is."""
    write_record(
        folder,
        {
            "configuration": asdict(config),
            "teacher": teacher.name,
            "index": {"model": profile.model, "fingerprint": profile.fingerprint},
            "pairs": {str(path): digest_of(path) for path in config.pair_files},
            "versions": versions(),
            "result": result,
        },
    )
    write_card(
        folder,
        name=str(config.output),
        student=config.student,
        teacher=teacher.name,
        index=config.index_folder,
        pairs=len(pairs.pairs),
        teacher_language=pairs.teacher_language,
        languages=pairs.languages,
        route=result["route"],
        decision=fitted.decision,
        hits=fitted.hits,
    )


def _flags(index: Path, model: Path) -> str:
    return shlex.join(["--index", str(index), "--model", str(model)])


def _say_pairs(pairs: Pairs) -> None:
    number = len(pairs.pairs)
    say(
        f"{number} pairs: the teacher reads {pairs.teacher_language}, and the student learns "
        f"{', '.join(pairs.languages)}"
    )
    if number < _FEW_PAIRS:
        say(f"warning: {number} pairs are few, and figures on them are rough; give {_FEW_PAIRS}")


def _contents(indexed: IndexedVideos) -> Callable[[Question], str]:
    """Return what gives the content of a question's video; of one that is not indexed its path."""

    def content_of(question: Question) -> str:
        try:
            return find_indexed(indexed, question.video_path, question.video_aliases)[
                1
            ].content_hash
        except CueframeError:
            return video_of(question)

    return content_of


def _refuse_unknown_languages(codes: Sequence[str]) -> None:
    """Refuse a route by languages that cannot be told apart, before the work."""
    try:
        refuse_unknown_languages(codes)
    except CueframeError as error:
        raise CueframeError(
            f"{error}; or let the student read all texts, without --route"
        ) from error


def _mixed(pairs: list[Pair], language: str) -> list[Pair]:
    """Return each text of the teacher's language as its own translation."""
    first = {pair.teacher: pair.group for pair in reversed(pairs)}
    return [Pair(text, text, group, language) for text, group in reversed(first.items())]


def _teacher(encoder: Encoder) -> Encoder:
    """Return the model that built the index, which may be asked by one distilled before."""
    model: DualModel = encoder.model
    teacher = Encoder(model.teacher) if isinstance(model, DistilledModel) else encoder
    refuse_text_tower(teacher.model)
    teacher.model.ready_to_save()
    return teacher


def _say_decision(decision: Decision) -> None:
    columns = list(next(iter(decision.rows.values())))
    body = [
        [name, *(format_estimate(column, row) for column in columns)]
        for name, row in decision.rows.items()
    ]
    print_table([["%, held-out pairs", *columns], *body])
    say(f"head: {decision.head}, since {decision.why}")
