"""Findings as text: 79 columns, the worst first, nothing that steers a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from infer.diagnosis.findings import Finding, Tally
from infer.diagnosis.report import WIDTH, as_json, as_text, verdict

FINE = Finding("a", "fine", "all is well", {"n": 0})
NOTE = Finding("b", "note", "it can be better " * 9, {"n": 1}, ("q1", "q2"), ("python a.py " * 9,))
PROBLEM = Finding("c", "problem", "it is bad", {"n": 2}, ("q1: " + "why " * 30,), ("mend it",))


def test_the_layout() -> None:
    text = as_text("q.json: 3 questions", [FINE, NOTE, FINE, PROBLEM])
    lines = text.splitlines()
    assert lines[:3] == ["q.json: 3 questions", "", "PROBLEM  it is bad"]
    assert lines[3].startswith("         - q1: why")
    assert "      -> mend it" in lines
    assert "         q1, q2" in lines
    assert f"      -> {'python a.py ' * 9}" in lines  # a command is not broken
    assert lines[-4:] == ["fine     all is well"] * 2 + ["", "1 problem and 1 note"]
    assert all(len(line) <= WIDTH for line in lines if "-> python" not in line)


@given(st.text(max_size=300))
def test_nothing_breaks_a_line(text: str) -> None:
    shown = as_text("q", [Finding("c", "problem", "x", {}, (text,), (f"python {text}",))])
    assert shown.replace("\n", "").isprintable() or " " in text or not text.isprintable()
    assert not {"\r", "\x1b", "\u2028"} & set(shown)


def test_json_and_verdict() -> None:
    found = as_json({"file": "q"}, [FINE, PROBLEM])
    assert (found["file"], found["problems"], found["notes"]) == ("q", 1, 0)
    assert [one["kind"] for one in found["findings"]] == ["c", "a"]
    assert verdict([FINE]) == "nothing is wrong"
    assert verdict([PROBLEM, PROBLEM]) == "2 problems"


def test_a_tally_counts_all_and_names_a_few() -> None:
    tally = Tally()
    for n in range(7):
        tally.add(f"q{n}", str(n))
    assert tally.count == 7
    assert tally.examples == ("q0 (0)", "q1 (1)", "q2 (2)", "q3 (3)", "q4 (4)")
    assert tally.named() == "q0, q1, q2, q3, q4 and 2 more"
