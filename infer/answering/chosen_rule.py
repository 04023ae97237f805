"""How the flags of infer/answer.py say that frames are picked: themselves, or a file of rules."""

from index.errors import CueframeError
from index.run_command import positive
from infer.answering.config import AnswerConfig
from infer.question_texts import caption_setting
from infer.selection.rule_file import ChosenRule, read_rule_file, refuse_other_use
from infer.selection.rules import Rule

AUTO = "auto"
"""The value of --pick that stands for the rule in --rules."""
NESTED = "hills"
"""The strategy whose sets grow with --frames auto (`infer.selection.nested`)."""
_IN_THE_FILE = ("smooth_s", "caption", "choices", "join")
"""Flags whose values the file has."""


def read_chosen_rule(config: AnswerConfig, key: str) -> ChosenRule | None:
    """Read --rules for --pick auto; None where frames are picked as the other flags say.

    Args:
        config: The flags.
        key: Key of the profile of the index.

    Raises:
        CueframeError: One of the two flags is given without the other, a flag is given whose value
            the file has, or the file cannot be used here.
    """
    if (config.pick == AUTO) != bool(config.rules):
        given, missing = "--pick auto", "--rules, a file of infer/compare.py --choose"
        if config.rules:
            given, missing = f"--rules {config.rules}", "--pick auto, which uses it"
        raise CueframeError(f"{given} needs {missing}; give both, or neither")
    if not config.rules:
        return None
    for name in _IN_THE_FILE:
        if getattr(config, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise CueframeError(
                f"{flag} {getattr(config, name)} is given besides --rules, which says it; leave "
                "one of them out"
            )
    chosen = read_rule_file(config.rules)
    refuse_other_use(config.rules, chosen, int(config.frames), key, config.long_text)
    return chosen


def rule_of(config: AnswerConfig, chosen: ChosenRule | None) -> tuple[Rule, int]:
    """Return how frames are picked, and the caption setting of the texts that this reads."""
    if chosen:
        return chosen.rule, chosen.caption
    pick = config.pick or (NESTED if config.frames == "auto" else Rule().pick)
    rule = Rule(pick, config.smooth_s or 0.0, config.choices or "joined", config.join or "max")
    return rule, caption_setting(config.caption, rule.choices)


def refuse_bad_coverage(config: AnswerConfig) -> None:
    """Refuse the flags of --frames auto where they do not go together.

    Raises:
        CueframeError: As above.
    """
    if config.frames == "auto":
        for flag, value in (("coverage", config.coverage), ("calibration", config.calibration)):
            if value is None:
                raise CueframeError(f"--frames auto needs --{flag}; give it, or a number of frames")
        if config.pick not in (None, NESTED):
            raise CueframeError(
                f"--frames auto with --pick {config.pick} has no sets that grow; give --pick "
                f"{NESTED}, or leave it out"
            )
    else:
        positive("--frames", config.frames)
        for name in ("coverage", "calibration", "trained_on"):
            if getattr(config, name) is not None:
                flag = "--" + name.replace("_", "-")
                raise CueframeError(
                    f"{flag} {getattr(config, name)} is for --frames auto; name that, too, or "
                    f"leave {flag} out"
                )
    if config.coverage is not None and not 0 < config.coverage < 1:
        raise CueframeError(
            f"--coverage is {config.coverage}; give a share between 0 and 1, as 0.9"
        )
