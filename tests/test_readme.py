"""README and docs say what is there: files, commands, flags, links, and the table of changes."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FOLDERS = ("index", "infer", "train", "examples")
PATH = re.compile(r"(?<![\w/.-])(?:index|infer|train|examples|tests|docs)/[\w./-]*\w\.\w+")
OTHERS_FLAGS = {
    *("--no-deps", "--no-build-isolation", "--exclude-editable"),  # pip's
    *("--config_file", "--nproc_per_node", "--main_process_port", "--help"),
    *("--shm-size", "--signal"),  # Docker's, Slurm's
}
COMMANDS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text()
)


def pages() -> list[object]:
    return [pytest.param(page, id=page.name) for page in PAGES]


def test_the_list_of_files_has_a_line_for_each() -> None:
    text = (ROOT / "docs/architecture.md").read_text().split("## Files")[1]
    listed = re.findall(r"^\| `([\w/.]+)` \|", text, re.MULTILINE)
    present = {
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in (".py", ".toml", ".j2") and path.name != "__init__.py"
    }
    assert sorted(listed) == sorted(present)


@pytest.mark.parametrize("page", pages())
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text().replace("train/videos/x.mp4", "").replace("train/train.json", "")
    named = {path for path in PATH.findall(text) if not path.endswith("/")}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_kind_of_input_is_proved_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    page = (ROOT / "docs/inputs.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(test_\w+)`", row)]
    assert len(named) == len([row for row in rows if row != "proved by"]) > 30
    assert [name for name in named if f"def {name}(" not in tests] == []


@functools.cache
def flags() -> set[str]:
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
    return set(re.findall(r"--\w[\w-]+", helps))


@pytest.mark.parametrize("page", pages())
def test_the_flags_that_a_page_names_are_some_commands(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--\w[\w-]+", page.read_text())) - OTHERS_FLAGS
    assert {flag.replace("_", "-") for flag in named} <= flags()


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", page.read_text()):
        if target.startswith("http"):
            continue
        other = page.parent / target if target else page
        assert other.is_file(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, (target, anchor)


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"^make (\S+)", page.read_text(), re.MULTILINE)) <= targets


def test_readme_is_read_in_one_breath() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 200
    assert sum(line.startswith("![") for line in lines) == 2  # the way, and the report


def test_each_change_of_contributing_touches_three_files_at_most() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (?!to change|---)([^|`]+) \| ([^|]+) \|$", text, re.MULTILINE)
    changes = {what: re.findall(r"`([\w/.]+)`", files) for what, files in rows}
    changes = {what: files for what, files in changes.items() if files}
    assert len(changes) == 17
    for what, files in changes.items():
        assert 1 <= len(files) <= 3, what
        assert all((ROOT / file).is_file() for file in files), what
