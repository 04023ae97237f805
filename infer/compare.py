"""Compare all picking strategies on labelled questions, in one pass over the vectors.

Usage: python infer/compare.py QUESTIONS --index video_index
       python infer/compare.py QUESTIONS --choose rules.json

QUESTIONS is a file with support_frames, support_ranges or scenes. The table goes to stderr, the
result as one JSON object to stdout. With --choose, rules are tried by cross-validation over videos,
and the file gets the best, or the default where its lead may be chance.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

try:
    import tyro

    from index.errors import CueframeError
    from index.run_command import own_default, positive, run
    from index.storage.atomic_write import folder_of, refuse_overwriting, refuse_unwritable
    from infer.flags import (
        DEFAULT_INDEX,
        CaptionSetting,
        ChoicesSetting,
        IndexFolders,
        JoinSetting,
        LabelFiles,
        LongTextSetting,
        QueryModels,
        QuestionFormat,
        RulesFile,
        SmoothSeconds,
    )
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)
if TYPE_CHECKING:
    from infer.selection.rule_file import ChosenRule


@dataclass(kw_only=True, slots=True)
class CompareConfig:
    """Flags of infer/compare.py."""

    questions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTIONS")]
    """File of labelled questions, or - for standard input."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    index: IndexFolders = ()
    frames: int = 4
    """K, frames per question."""
    smooth_s: SmoothSeconds = None
    caption: CaptionSetting = None
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    choices: ChoicesSetting = None
    join: JoinSetting = None
    long_text: LongTextSetting = "windows"
    model: QueryModels = ()
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    seed: int = 42
    """Seed of the bootstrap, and of the folds of --choose."""
    choose: Annotated[Path | None, own_default("the strategies are compared", "FILE.json")] = None
    """Choose a rule on these questions and write it to this file, for infer/answer.py --pick auto
    --rules FILE.json."""
    rules: RulesFile = None


def compare(config: CompareConfig) -> int:
    """Score all strategies; returns the exit code."""
    positive("--frames", config.frames)
    _refuse_outputs(config)
    from infer.asked_indexes import asked_indexes, key_of
    from infer.metrics import require_labels
    from infer.question_files.loading import read_questions

    # Before torch is loaded, so that unusable questions fail at once.
    file = read_questions(config.questions, layout=config.format, labels=config.labels)
    file.print_refused("question")
    require_labels(file.records)
    indexes = asked_indexes(config.index or (DEFAULT_INDEX,), config.model)
    common: dict[str, Any] = {
        "k": config.frames,
        "smooth_s": config.smooth_s or 0.0,
        "caption": config.caption,
        "choices": config.choices or "joined",
        "join": config.join or "max",
        "long_text": config.long_text,
        "dtype": config.dtype,
        "seed": config.seed,
    }
    if config.choose:
        from infer.choosing import choose_and_write

        code = choose_and_write(file.records, indexes, config.choose, **common)
    else:
        from infer.comparing import compare_strategies

        code = compare_strategies(
            file.records, indexes, **common, chosen=_chosen(config, key_of(indexes))
        )
    return code if file.complete else 1


def _refuse_outputs(config: CompareConfig) -> None:
    """Refuse --choose where its file is read, too, or cannot be written."""
    if config.choose and config.rules:
        raise CueframeError("--choose writes a file that --rules reads; give one of them at a time")
    refuse_overwriting(
        {"--choose": config.choose},
        {
            "the questions": [Path(config.questions)] if config.questions != "-" else [],
            "the labels": config.labels,
            "the index": config.index or (DEFAULT_INDEX,),
            "the model": map(folder_of, config.model),
        },
    )
    if config.choose:
        refuse_unwritable(config.choose, "--choose")


def _chosen(config: CompareConfig, key: str) -> "ChosenRule | None":
    """Return the content of --rules, checked against the other flags; None without it."""
    if not config.rules:
        return None
    from infer.selection.rule_file import read_rule_file, refuse_other_use

    chosen = read_rule_file(config.rules)
    refuse_other_use(config.rules, chosen, config.frames, key, config.long_text)
    return chosen


if __name__ == "__main__":
    run(compare, CompareConfig, __doc__)
