"""README says what is there: its file tree, its commands and their flags."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FOLDERS = ("index", "infer", "train", "examples")


def tree() -> set[str]:
    """The files of README's tree."""
    found, folder = set(), ""
    for line in README.split("## Files")[1].split("## Licence")[0].splitlines():
        if match := re.match(r"^    (\w+)/", line):
            folder = match[1]
        elif match := re.match(r"^      ([\w.]+)  +\S", line):
            found.add(f"{folder}/{match[1]}")
    return found


def test_the_tree_has_a_line_for_each_file() -> None:
    present = {
        f"{folder}/{path.name}"
        for folder in FOLDERS
        for path in (ROOT / folder).iterdir()
        if path.is_file() and path.name not in ("__init__.py", "py.typed")
    }
    assert tree() == present


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\b\w+/\w+\.py", README))))
def test_what_readme_names_exists(command: str) -> None:
    assert (ROOT / command).is_file()


COMMANDS = sorted(
    f"{p.parent.name}/{p.name}"
    for folder in FOLDERS
    for p in (ROOT / folder).glob("*.py")
    if "__main__" in p.read_text()
)


def test_every_flag_that_readme_names_is_some_commands() -> None:
    helps = ""
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        helps += done.stdout
    others = {"--no-deps", "--no-build-isolation", "--config_file", "--nproc_per_node", "--help"}
    flags = {flag.replace("_", "-") for flag in re.findall(r"--\w[\w-]+", README)} - {
        flag.replace("_", "-") for flag in others
    }
    assert flags <= set(re.findall(r"--\w[\w-]+", helps))


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\S+)", README, re.MULTILINE)) <= targets
