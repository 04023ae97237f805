"""Look at a questions file, an index and an encoder together, and print what is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from index.errors import CueframeError, DamagedError
from index.languages import language_of
from index.messages import json_line
from index.models.long_texts import LongText
from index.storage.store import Profile, read_profile
from infer.diagnosis.case import Case, Plan, asked_videos
from infer.diagnosis.commands import FILE, Commands
from infer.diagnosis.findings import Finding, of_error, some
from infer.diagnosis.guesses import guessed_languages
from infer.diagnosis.pairs import by_languages, reworded, translated
from infer.diagnosis.registry import all_findings
from infer.diagnosis.report import as_json, as_text
from infer.diagnosis.translations import Measured
from infer.question_files.loading import read_with_notices
from infer.question_texts import ChoiceTexts, caption_setting
from infer.videos.indexed_videos import IndexedVideos, read_indexed_videos

if TYPE_CHECKING:
    from index.models.model_loading import Dtype


class _Index(NamedTuple):
    profile: Profile
    indexed: IndexedVideos


def diagnose_and_print(
    source: str,
    *,
    layout: str = "auto",
    labels: Sequence[Path] = (),
    model: str | None = None,
    index: Path | None = None,
    translations: str | None = None,
    caption: int | None = None,
    choices: ChoiceTexts = "joined",
    long_text: LongText = "windows",
    frames: int = 4,
    as_json_object: bool = False,
    dtype: "Dtype" = "auto",
    seed: int = 42,
) -> int:
    """Print all findings to stdout; arguments are the flags of infer/doctor.py.

    Returns:
        The exit code: 1 where something is a problem, else 0.

    Raises:
        CueframeError: A file cannot be read, the index is none, or --model cannot be loaded.
    """
    if translations and not (model or index):
        raise CueframeError("--translations is for an encoder; name one with --model or --index")
    plan = Plan(caption_setting(caption, choices), choices, long_text, frames)
    commands = Commands(questions=FILE if source == "-" else source, index=index, model=model)
    file, notices = read_with_notices(source, layout=layout, labels=labels)
    if labels and not notices.labelled:
        raise notices.without_labels(labels)
    questions = file.records
    found: list[Finding] = []
    opened = _opened(index, found) if index else None
    profile = opened.profile if opened else None
    loaded, measured = None, None
    if model or profile:
        from infer.diagnosis.encoder_checks import load_for, measure

        pairs, without = translated(questions, translations) if translations else ([], [])
        groups = by_languages(pairs, language_of)
        groups += by_languages(reworded(questions), language_of)
        loaded = load_for(model, index, profile, commands)
        found += loaded.found
        if groups and loaded.model:
            near = measure(loaded.model, groups, dtype=dtype, seed=seed)
            measured = Measured(near, without)
    case = Case(
        file=file,
        questions=questions,
        notices=notices,
        languages=guessed_languages(questions),
        plan=plan,
        commands=commands,
        videos=asked_videos(index, *opened, questions) if index and opened else None,
        model=loaded.model if loaded else None,
        known=loaded.languages if loaded else None,
        measured=measured,
    )
    found += all_findings(case)
    if as_json_object:
        print(json_line(as_json(_names(case), found)))
    else:
        print(as_text(_head(case, found), found), end="")
    return 1 if any(one.severity == "problem" for one in found) else 0


def _opened(index: Path, found: list[Finding]) -> _Index | None:
    """Read profile and catalog of an index; damage is a finding."""
    try:
        return _Index(read_profile(index), read_indexed_videos(index))
    except DamagedError as error:
        found.append(of_error("index_damaged", error, index))
        return None


def _names(case: Case) -> dict[str, Any]:
    """Return what was looked at, for --json."""
    return {
        "file": case.file.name,
        "questions": len(case.questions),
        "index": str(case.videos.folder) if case.videos else None,
        "model": case.model.name if case.model else None,
    }


def _head(case: Case, found: Sequence[Finding]) -> str:
    """Return what was looked at, in words."""
    said = f"{case.file.name}: {some(len(case.questions), 'question')}"
    if case.videos:
        said += f", asked of {case.videos.folder}"
    if case.model:
        said += f", read by {case.model.name}"
    if case.commands.questions == FILE and any(
        f" {FILE}" in s for one in found for s in one.advice
    ):
        said += f" ({FILE}: a file that you save them to)"
    return said
