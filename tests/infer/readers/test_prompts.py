"""Templates: what they become, and what is wrong with a file of them, in one line."""

from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.readers.prompts import BUILT_IN, Prompt, ask, frame_labels, load_prompt

WHOLE = {
    "frame": "At {time} s",
    "choice": "({letter}) {text}",
    "choices": "{question} {choices}",
    "free": "{question}",
}


def write(path: Path, **templates: str) -> str:
    path.write_text(
        "".join(f'{key} = """{template}"""\n' for key, template in templates.items()), "utf-8"
    )
    return str(path)


def refusal(name: str) -> str:
    with pytest.raises(CueframeError) as caught:
        load_prompt(name)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"--prompt {name}")
    return line


@pytest.mark.parametrize("name", BUILT_IN)
def test_those_built_in_show_all_there_is(name: str) -> None:
    prompt = load_prompt(name)
    assert isinstance(prompt, Prompt)
    first, second = frame_labels(prompt, [3.44, 10.0])
    assert "3.4" in first
    assert "10.0" in second
    choices = [("A", "Đỏ {x}"), ("B", "Xanh")]
    lines = ask(prompt, "Xe {màu} gì?", choices).split("\n")
    assert "Xe {màu} gì?" in lines[1]
    assert lines[2:4] == ["A. Đỏ {x}", "B. Xanh"]
    free = ask(prompt, "Xe màu gì?", [])
    assert "Xe màu gì?" in free
    assert free != ask(prompt, "Xe màu gì?", choices)


def test_the_languages_differ() -> None:
    assert "letter" in load_prompt("en").choices
    assert "chữ cái" in load_prompt("vi").choices


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path / "own.toml", **{**WHOLE, "free": "{{{question}}}"}))
    assert frame_labels(prompt, [1.5]) == ["At 1.5 s"]
    assert ask(prompt, "Q?", [("A", "x"), ("B", "y")]) == "Q? (A) x\n(B) y"
    assert ask(prompt, "Q?", []) == "{Q?}"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal("de")
    assert "cannot be read" in refusal(str(tmp_path))
    bad = tmp_path / "bad.toml"
    bad.write_text("frame = ")
    assert "is no TOML file" in refusal(str(bad))
    bad.write_bytes(b'frame = "\xff"')
    assert "is no TOML file" in refusal(str(bad))


@pytest.mark.parametrize("key", WHOLE)
def test_a_missing_template_is_one_line(tmp_path: Path, key: str) -> None:
    fewer = {name: template for name, template in WHOLE.items() if name != key}
    assert f"{key} is missing" in refusal(write(tmp_path / "own.toml", **fewer))


def test_an_unknown_template_is_one_line(tmp_path: Path) -> None:
    assert "system is unknown" in refusal(write(tmp_path / "own.toml", **WHOLE, system="Be brief."))


def test_a_template_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("frame = 3")
    assert "frame is 3; want a text" in refusal(str(path))


@pytest.mark.parametrize(
    ("key", "template", "wrong"),
    [
        ("frame", "A frame", "{time} is missing"),
        ("choice", "{letter}", "{text} is missing"),
        ("choices", "{question}", "{choices} is missing"),
        ("choices", "{choices}", "{question} is missing"),
        ("free", "Say it", "{question} is missing"),
        ("frame", "{time} {question}", "{question} is unknown"),
        ("free", "{question} {choices}", "{choices} is unknown"),
        ("free", "{question} {question.__class__}", "{question.__class__} is unknown"),
        ("free", "{question} {}", "{} is unknown"),
        ("free", "{question} {0}", "{0} is unknown"),
        ("free", "{question} {", "is malformed"),
        ("free", "{question} }", "is malformed"),
        ("free", "{question:d}", "is malformed"),
        ("frame", "{time:%H}", "is malformed"),
        ("frame", "{time:{number}x}", "is malformed"),
    ],
)
def test_a_wrong_placeholder_is_one_line(
    tmp_path: Path, key: str, template: str, wrong: str
) -> None:
    line = refusal(write(tmp_path / "own.toml", **{**WHOLE, key: template}))
    assert f": {key}" in line
    assert wrong in line
