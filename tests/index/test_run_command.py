"""What all commands have in common: quick help with a default for each flag, and exit codes."""

import errno
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["index/build.py", "videos", "--model", ""], "--model is empty; give a value, or leave"),
        (["index/build.py", "videos", "--model="], "--model is empty"),
        (["index/build.py", ""], "an argument is empty"),
        (["infer/answer.py", "q.json", "--reader", "", "--guess", ""], "--reader is empty"),
        (["infer/score.py", "a.jsonl", "q.json", "--judge", ""], "--judge is empty"),
        (["infer/find.py", "", "--index", "nowhere"], "an argument is empty"),
        (["train/main.py", "--output_path", ""], "--output_path is empty"),
        (["train/mine.py", "--model_name", ""], "--model_name is empty"),
    ],
)
def test_an_empty_value_is_no_default(words: list[str], wanted: str) -> None:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: {wanted}")


def test_an_empty_guess_is_a_value(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "infer/answer.py", str(tmp_path / "none.json"), "--guess", ""],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "is empty" not in done.stderr


def test_the_commands_are_found() -> None:
    assert {"index/build.py", "index/check.py"} <= set(COMMANDS)


def imported_by(*arguments: str) -> set[str]:
    """The packages that a Python process imports, or tries to, beside the standard library."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.split("|")[-1].strip() for line in done.stderr.splitlines()[1:]}
    return {module.partition(".")[0] for module in modules} - sys.stdlib_module_names


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_but_tyro_and_a_hash(command: str) -> None:
    # So it takes a third of a second; with numpy alone it would be half a second, with torch four.
    packages = imported_by(command, "--help") - imported_by("-c", "pass")
    of_tyro = {"tyro", "typeguard", "typing_extensions", "docstring_parser"}
    of_jython = {"org"}  # the standard library looks for it
    assert "tyro" in packages
    assert packages <= of_tyro | of_jython | {"xxhash", "index", "infer", "train"}


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
        ("infer/doctor.py", ["QUESTIONS"]),
        ("infer/find.py", ["[TEXT]"]),
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "Missing from index/build.py: VIDEOS"),
        ("v --fps two", "--fps: no type matching"),
        ("v --view round", "invalid choice 'round' for argument '--view'. Expected one of"),
        ("v --none", "Unrecognized options: --none"),
        ("v --fps", "Missing value for argument '--fps'"),
        ("v $'a\\nb\\e[2J'", r"a b\x1b[2J"),
        ("v " + "w" * 300, "wwww"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(arguments: str, said: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} index/build.py {arguments}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("; see --help\n")
    assert done.stderr.count("\n") == 1


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


def test_an_error_that_nobody_foresaw_is_one_line_and_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, line in (
        (ZeroDivisionError("division\nby zero"), "ZeroDivisionError: division by zero"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("\x1b[2Jx\udcff"), r"RuntimeError: \x1b[2Jx\udcff"),
        (IsADirectoryError(21, "no", "a\nb"), r"IsADirectoryError: [Errno 21] no: 'a\nb'"),
        (OSError(errno.EMFILE, "many"), f"OSError: [Errno {errno.EMFILE}] many"),
        (sqlite3.OperationalError("disk I/O error"), "OperationalError: disk I/O error"),
        (ValueError("x" * 10**6), "ValueError: " + "x" * 999 + "…"),
    ):
        assert outcome(error, monkeypatch)[0] == 3
        said = capsys.readouterr()
        assert said == ("", f"error: command: {line}; --debug shows the traceback\n")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        *((number, "make room or rights") for number in (errno.EACCES, errno.EROFS, errno.ENOSPC)),
        *((number, "make room or rights") for number in (errno.EMFILE, errno.EIO, errno.ENOTCONN)),
        (errno.ENAMETOOLONG, "give a shorter path"),
        (errno.ELOOP, "mend the link"),
    ],
)
def test_a_file_out_of_reach_is_named_with_a_remedy_wherever_it_is_met(
    number: int, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(OSError(number, "why", "a\nb"), monkeypatch)[0] == 2
    assert capsys.readouterr().err == (
        f"error: a\\nb cannot be read or written (why); {remedy}, and run again\n"
    )


def test_notes_name_the_file_at_hand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ValueError("bad")
    error.add_note("videos/a.mp4")
    assert outcome(error, monkeypatch)[0] == 3
    assert "ValueError: bad; videos/a.mp4; --debug" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ZeroDivisionError(), 3), (CueframeError("what; remedy"), 2)]
)
def test_debug_shows_the_traceback_before_the_line(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(error, monkeypatch, "--debug", "--count", "2") == (code, Flags(count=2))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "    raise ending" in lines
    assert lines[-1].startswith("error: ")


def ended(script: str, arguments: str = "", **more: Any) -> "subprocess.CompletedProcess[str]":
    """How a process ends that runs a command whose body is `script`, by way of a shell."""
    code = (
        "import os, signal, sys, time\n"
        "from index.run_command import run\n"
        "from tests.index.test_run_command import Flags\n"
        "def command(flags):\n"
        f"    {script}\n"
        "    return 0\n"
        "run(command, Flags, None)\n"
    )
    return subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$1" {arguments}', sys.executable, code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **more,
    )


CLOSED = "error: standard output is closed; send it to a file, or to /dev/null\n"
FULL = (
    "error: standard output cannot be written (No space left on device); make room or rights, and "
    "run again\n"
)


@pytest.mark.parametrize(
    ("script", "arguments", "code", "said"),
    [
        ("print(1)", ">&-", 2, CLOSED),
        ("print(1)", ">/dev/full", 2, FULL),
        ("print('x' * 10**6)", ">/dev/full", 2, FULL),
        ("sys.stdout.buffer.writelines([b'x' * 10**5] * 2)", ">/dev/full", 2, FULL),
        ("print(1)", "--help >/dev/full", 2, FULL),
        ("print(1)", "--help >&-", 2, CLOSED),
        ("assert sys.stdin.read() == ''", "<&-", 0, ""),
        ("print(1, file=sys.stderr)", "2>&-", 0, ""),
        ("print(1, file=sys.stderr)", "2>/dev/full", 3, ""),
        ("1 / 0", "2>&-", 3, ""),
        ("1 / 0", ">/dev/full 2>/dev/full", 3, ""),
        ("1 / 0", ">&- 2>&- <&-", 2, ""),
        ("time.sleep(60)", "--count two >&-", 2, CLOSED),
    ],
)
def test_lost_output_is_never_a_success(script: str, arguments: str, code: int, said: str) -> None:
    done = ended(script, arguments)
    assert (done.returncode, done.stderr) == (code, said)
    assert done.stdout == ""


def test_a_file_is_not_opened_in_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    for stream in ("<&-", "2>&-", "<&- 2>&-"):
        script = (
            f"f = open({str(tmp_path / 'f')!r}, 'w'); assert f.fileno() > 2;"
            "print('x', file=sys.stderr)"
        )
        assert ended(script, stream).returncode == 0
        assert (tmp_path / "f").read_text() == ""


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")],
)
def test_a_signal_unwinds_the_command(number: str, code: int, word: str, tmp_path: Path) -> None:
    mark = tmp_path / "cleaned"
    script = (
        f"try: os.kill(os.getpid(), signal.{number}); time.sleep(60)\n"
        # Launchers send the signal again, to the group and to each process.
        f"    finally: {'os.kill(os.getpid(), signal.SIGTERM);' if code == 143 else ''}"
        f" time.sleep(0.1); open({str(mark)!r}, 'w').close()"
    )
    done = ended(script)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == f"{word}; what was finished is kept\n"
    assert mark.exists()


def test_a_command_may_handle_the_signal_itself() -> None:
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: print('own'));"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = ended(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "own\n", "")


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


NEEDED = {
    "index/build.py": ["v"],
    "index/check.py": ["i"],
    "infer/answer.py": ["q"],
    "infer/compare.py": ["q"],
    "infer/doctor.py": ["q"],
    "infer/find.py": ["t"],
    "infer/score.py": ["a", "q"],
    "train/distill.py": ["--student", "s"],
    "train/interpolate.py": ["a", "b"],
    "train/pseudo.py": ["--json_path", "q", "--unlabelled", "u"],
}
"""Arguments without which a command is a wrong call."""


def ended_so(command: str, body: str) -> "subprocess.CompletedProcess[str]":
    """How a command ends whose work is `body`, an expression."""
    code = (
        "import os, runpy, signal, sys, time\n"
        "import index.run_command as edge\n"
        "run = edge.run\n"
        f"edge.run = lambda _, config, usage: run(lambda flags: {body}, config, usage)\n"
        f"sys.argv = {[command, *NEEDED.get(command, [])]!r}\n"
        f"runpy.run_path({command!r}, run_name='__main__')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_as_the_docs_say(command: str) -> None:
    name = Path(command).name
    kill = "(os.kill(os.getpid(), signal.{}), time.sleep(60))"
    for body, code, said in (
        ("0", 0, ""),
        ("1", 1, ""),
        (
            "1 / 0",
            3,
            f"error: {name}: ZeroDivisionError: division by zero; --debug shows the traceback\n",
        ),
        (kill.format("SIGINT"), 130, "interrupted; what was finished is kept\n"),
        (kill.format("SIGTERM"), 143, "terminated; what was finished is kept\n"),
    ):
        done = ended_so(command, body)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", said)
    wrong = subprocess.run(
        [sys.executable, command, "--no-such-flag"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_the_docs_list_the_exit_codes() -> None:
    text = (ROOT / "docs/index_on_disk.md").read_text().split("## How a command ends")[1]
    codes = re.findall(r"^\| (\d+) \|", text.split("## ")[0], re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "130", "143"]


def test_every_command_has_debug() -> None:
    for command in COMMANDS:
        assert "traceback" in flags_of(command)["--debug"]
