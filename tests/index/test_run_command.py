"""What all commands have in common: quick help with a default for each flag, and exit codes."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st

from index.build import BuildConfig
from index.errors import CueframeError, VideoError
from index.run_command import positive, run
from tests.paths import ROOT

COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for floor in ("index", "infer", "train")
    for path in (ROOT / floor).glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
)


def cpu_s(*arguments: str) -> float:
    """CPU seconds of a Python process, which other work on the machine disturbs less than time."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_the_commands_are_found() -> None:
    assert {"index/build.py", "index/check.py"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_takes_at_most_three_times_tyro_alone(command: str) -> None:
    rounds = []
    for _ in range(10):  # the least of each; on a quiet machine it is 2.0 to 2.4 times
        rounds.append((cpu_s(command, "--help"), cpu_s("-c", "import tyro")))
        help_s, tyro_s = (min(costs) for costs in zip(*rounds, strict=True))
        if len(rounds) >= 3 and help_s < 3 * tyro_s:
            break
    assert help_s < 3 * tyro_s


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "tyro" in imported
    heavy = ("torch", "transformers", "accelerate", "numpy", "faiss", "h5py", "av", "pydantic")
    assert not imported & set(heavy)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_checkout_that_was_not_installed_says_so_in_one_line(command: str) -> None:
    packages = str(Path(tyro.__file__).parents[1])
    for path, missing in (("", "tyro"), (packages, "index")):
        done = subprocess.run(
            [sys.executable, "-S", command, "--help"],  # -S: no site-packages, nothing installed
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: no module ")
        assert f" {missing}; run pip install -e ." in done.stderr or path == ""
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("index/build.py", ["VIDEOS"]),
        ("index/check.py", ["INDEX"]),
        ("infer/answer.py", ["QUESTIONS"]),
        ("infer/compare.py", ["QUESTIONS"]),
        ("infer/find.py", ["TEXT"]),
        ("infer/score.py", ["ANSWERS", "QUESTIONS"]),
    ],
)
def test_positional_arguments_have_names(command: str, names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    usage = done.stdout.split("\n\n")[0]
    assert usage.endswith(" ".join(names)) or f" {' '.join(names)}" in usage


def flags_of(command: str) -> dict[str, str]:
    """Flag (or argument) to its help, as --help prints them."""
    done = subprocess.run(
        [sys.executable, command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    found: dict[str, str] = {}
    flag = ""
    for line in re.findall(r"│ (.*) │", done.stdout):
        if not line.startswith(" "):
            flag = line.split("  ")[0].strip()
        found[flag] = f"{found.get(flag, '')} {line.strip()}"
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_says_what_it_is_and_its_default(command: str) -> None:
    flags = flags_of(command)
    assert len(flags) > 2
    for flag, text in flags.items():
        if flag != "-h, --help":
            assert re.search(r"\((default: [^)]+|required)\)", text), f"{flag} has no default"
            words = text.replace(flag, "").split("(default")[0].split("(required")[0].split()
            assert len(words) >= 3, f"{flag} has no help"


def test_build_has_a_flag_for_each_setting() -> None:
    said = " ".join(flags_of("index/build.py"))
    for field in fields(BuildConfig):
        if field.name != "videos":
            assert f"--{field.name.replace('_', '-')}" in said


def parse(*arguments: str) -> BuildConfig:
    return tyro.cli(BuildConfig, args=list(arguments), config=(tyro.conf.FlagCreatePairsOff,))


def test_flags_may_be_written_with_either_line_and_by_either_name() -> None:
    for arguments in (
        ("v", "--batch-frames", "3", "--time-limit-s", "5", "--model", "m"),
        ("--batch_frames", "3", "--time_limit_s", "5", "v", "--model_name", "m"),
        ("v", "--batch_frames=3", "--time-limit_s=5", "--model-name=m"),
    ):
        config = parse(*arguments)
        assert config == BuildConfig(videos=Path("v"), batch_frames=3, time_limit_s=5.0, model="m")
    assert parse("v", "--prune", "--retry", "--rebuild").rebuild


def test_a_wrong_call_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("v", "--fps", "two"), ("v", "--view", "round"), ("v", "--none")):
        with pytest.raises(SystemExit) as caught:
            parse(*arguments)
        assert caught.value.code == 2
    capsys.readouterr()


@given(st.floats() | st.integers() | st.none())
def test_positive_lets_pass_what_is_above_nothing_and_finite(value: float | None) -> None:
    good = value is None or 0 < value < float("inf")
    if good:
        positive("--fps", value)
    else:
        with pytest.raises(CueframeError, match=r"--fps is .*; give a number above 0"):
            positive("--fps", value)


@dataclass(kw_only=True, slots=True)
class Flags:
    """Flags of a test."""

    count: int = 3
    """How many."""
    loud: bool = False
    """Whether loud."""


def outcome(
    ending: int | BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[object, Flags | None]:
    """Exit code of a command that ends so, and the flags that it got."""
    given_flags: list[Flags] = []

    def command(flags: Flags) -> int:
        given_flags.append(flags)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as caught:
        run(command, Flags, "What it does.")
    return caught.value.code, given_flags[0] if given_flags else None


def test_the_commands_code_is_the_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (0, 1, 2):
        assert outcome(code, monkeypatch, "--count", "7", "--loud") == (
            code,
            Flags(count=7, loud=True),
        )
    assert outcome(0, monkeypatch) == (0, Flags())


@pytest.mark.parametrize("error", [CueframeError("what; remedy"), VideoError("what; remedy")])
def test_an_error_of_the_users_is_one_line_and_2(
    error: CueframeError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(error, monkeypatch)[0] == 2
    assert capsys.readouterr() == ("", "error: what; remedy\n")


def test_an_interrupt_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(KeyboardInterrupt(), monkeypatch)[0] == 130
    assert capsys.readouterr().err == "interrupted; what was finished is kept\n"


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])

    def command(flags: Flags) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(command, Flags, None)


def test_help_that_is_not_read_to_its_end_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} infer/answer.py --help | head -n 1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "from index.run_command import run\n"
        "from tests.index.test_run_command import Flags\n"
        "def command(flags):\n"
        "    for number in range(100_000): print(number)\n"
        "    return 1\n"
        "run(command, Flags, None)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([".", "--fps", "0"], "--fps is 0.0; give a number above 0"),
        ([".", "--workers", "-1"], "--workers is -1; give a number above 0"),
        ([".", "--time-limit-s", "inf"], "--time-limit-s is inf; give a number above 0"),
    ],
)
def test_a_bad_call_of_build_is_one_line_and_2(
    arguments: list[str], line: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "index/build.py", *arguments, "--index", str(tmp_path / "index")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: {line}\n"
