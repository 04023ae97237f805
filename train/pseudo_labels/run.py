"""From labelled and unlabelled questions to a file of both."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState

from index.errors import CueframeError
from index.messages import json_line, say
from index.models.encoder import Encoder
from index.storage.atomic_write import written_whole
from index.storage.store import read_profile
from infer.metrics import is_labelled, require_labels
from infer.query_encoder import load_query_encoder
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.videos.indexed_videos import read_indexed_videos
from train.distilling.encoding import means_of, windows_of
from train.distilling.hits import asked_of_index
from train.model_card import trained_videos
from train.pseudo_labels.config import PseudoConfig
from train.pseudo_labels.cross_fit import (
    WITH,
    Margin,
    Pick,
    Read,
    folds_of,
    heads_of,
    margin_of,
    picks_of,
    targets_of,
    validated,
)
from train.split import PSEUDO_LABEL


def label(config: PseudoConfig) -> int:
    """Label questions and write the file; a table to stderr, a JSON object to stdout.

    Returns:
        The exit code: 1 where a record of the questions cannot be read, else 0.

    Raises:
        CueframeError: Unusable questions, index or model, too few labels, or a file that cannot be
            written.
    """
    began_s = time.monotonic()
    given = read_questions(config.json_path, layout=config.format, labels=config.labels)
    more = read_questions(config.unlabelled, layout=config.format)
    for file in (given, more):
        file.print_refused("question")
    require_labels(given.records)
    known = {one.id for one in given.records}
    others = [one for one in more.records if not is_labelled(one) and one.id not in known]
    if not others:
        raise CueframeError(
            f"all {len(more.records)} questions of {config.unlabelled} have a label, or the id of "
            f"one of {config.json_path}; name questions without labels by --unlabelled"
        )
    profile = read_profile(config.index)
    encoder = load_query_encoder(
        config.index, profile, model=config.model, dtype="float32", device=PartialState().device
    )
    taught = _read(
        [one for one in given.records if is_labelled(one)], "--json_path", config, encoder
    )
    untaught = _read(others, "--unlabelled", config, encoder)
    _refuse(taught, untaught, config, Path(config.model or profile.model))

    folds, targets = folds_of(taught.videos, config.folds, config.seed), targets_of(taught)
    heads = heads_of(taught.texts, targets, folds, config.strength)
    margin = margin_of(taught, picks_of(taught, heads, config.guard_s), folds, config.precision)
    picks = picks_of(untaught, heads, config.guard_s)
    table = validated(
        taught,
        targets,
        untaught,
        picks,
        folds,
        heads,
        margin.least,
        config.strength,
        config.seed,
    )
    table.print()
    gain = table.leads[WITH]

    # A video with labels is read by the head that held it out, any other by the one of all labels.
    head_of = dict(zip(taught.videos, folds.tolist(), strict=True))
    own = [
        picks[n][head_of.get(content, len(heads) - 1)] for n, content in enumerate(untaught.videos)
    ]
    kept = [n for n, one in enumerate(own) if one.lead.by >= margin.least]
    written = bool(kept) and (gain.low > 0 or config.regardless)
    say(
        f"{len(kept)} of {len(own)} questions have a frame that leads by {margin.least:.3f} or "
        f"more; on held-out videos {margin.precision:.1%} of such picks show the evidence"
    )
    if written:
        records = [_record(one) for one in given.records]
        records += [_labelled(untaught.asked.queries[n].question, own[n], margin) for n in kept]
        _write(config.output_path, records)
        say(f"{config.output_path} has {len(given.records)} questions and {len(kept)} more")
    else:
        say(
            "nothing is written: pseudo-labels change the hits on held-out videos by "
            f"{100 * gain.mean:+.1f} ({100 * gain.low:+.1f} … {100 * gain.high:+.1f}) points, "
            "which is no gain beyond chance; --regardless writes them"
        )
    result = {
        "labelled": len(taught.videos),
        "unlabelled": len(untaught.videos),
        "pseudo_labelled": len(kept),
        "written": written,
        "margin": margin._asdict(),
        "gain": gain._asdict(),
        "hits": table.json(),
        "output_path": str(config.output_path) if written else None,
    }
    print(json_line(result | {"wall_s": round(time.monotonic() - began_s, 3)}))
    return 0 if given.complete and more.complete else 1


def _read(questions: Sequence[Question], flag: str, config: PseudoConfig, encoder: Encoder) -> Read:
    """Find the questions' videos and encode their texts; those without a video are named."""
    indexed = read_indexed_videos(config.index)
    asked = asked_of_index(questions, config.index, read_profile(config.index), indexed)
    if not asked.queries:
        raise CueframeError(
            f"{config.index} has no video of {len(questions)} questions of {flag}; name the index "
            "of their videos by --index"
        )
    texts = windows_of(encoder, [one.question.question for one in asked.queries])
    return Read(asked, means_of(texts))


def _refuse(taught: Read, untaught: Read, config: PseudoConfig, model: Path) -> None:
    """Refuse videos that the model knows by heart: its leads there say nothing of others.

    Raises:
        CueframeError: The model was trained on one of the videos.
    """
    learned = trained_videos(model)
    for flag, read in (("--json_path", taught), ("--unlabelled", untaught)):
        for query in read.asked.queries:
            if query.content_hash in learned:
                raise CueframeError(
                    f"question {query.question.id} of {flag} is about {query.path}, on which "
                    f"{model} was trained; give questions about other videos, or the index of a "
                    f"model that was not trained on them (--index {config.index})"
                )


def _record(question: Question) -> dict[str, Any]:
    """Return a question's fields, as a questions file has them."""
    return question.model_dump(mode="json", exclude_defaults=True)


def _labelled(question: Question, pick: Pick, margin: Margin) -> dict[str, Any]:
    """Return a question's fields with a pseudo-label: the middle of the frame's time."""
    return _record(question) | {
        "support_frames": [round((pick.start_s + pick.end_s) / 2, 4)],
        PSEUDO_LABEL: {"lead": round(pick.lead.by, 4), "margin": round(margin.least, 4)},
    }


def _write(path: Path, records: Sequence[dict[str, Any]]) -> None:
    with written_whole(path) as temporary:
        text = json.dumps({"data": records}, ensure_ascii=False, indent=1) + "\n"
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
