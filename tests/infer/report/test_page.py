"""The report says what it is given, runs nothing of it, and works in a browser."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from index.errors import CueframeError
from index.spans import Spans
from infer.answer_file import Chosen, ReaderFrames
from infer.evaluation.baselines import FIGURES
from infer.metrics import TimedQuestion, picks_in_evidence
from infer.questions import Question
from infer.report.chart import curve_of
from infer.report.page import Case, Summary, outcome, times_to_show, worst_first, write_report
from tests.curves import moments
from tests.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAN = float("nan")
SUMMARY = Summary(
    title="Picks & worth",
    lines=["4 questions <on> 2 videos", "index video_index"],
    columns=["hit", "recall", "hit@0.5"],
    rows=[("picks", ["50.0", "50.0", "–"]), ("uniform", ["33.3", "25.0", "–"])],
    k=4,
)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def case(name: str, picked_s: list[float], **changes: Any) -> Case:
    """A case of a 10 s video of two rows a second, whose score rises; `changes` of the question."""
    record = {"id": name, "question": f"Question {name}?", "video_path": "x.mp4"} | changes
    question = Question.model_validate(record)
    time_s, picks_s = np.arange(0, 10, 0.5), np.array(picked_s)
    timed = TimedQuestion(question, *moments(picks_s, 10.0), "v")
    return Case(
        question=question,
        video=f"/videos/{question.video_path}",
        time_s=time_s,
        curve=curve_of(
            time_s, np.linspace(-0.1, 0.4, len(time_s)).astype(np.float32), 10.0, picks_s
        ),
        duration_s=10.0,
        picked_s=picks_s,
        shows_evidence=picks_in_evidence(timed, picks_s),
        picked_scores=[0.25] * len(picks_s),
        figures={
            key: figure.value(timed, Spans(picks_s, picks_s), 4) for key, figure in FIGURES.items()
        },
    )


def with_figures(name: str, **figures: float) -> Case:
    made = case(name, [1.0])
    return Case(**{**vars(made), "figures": figures})


PICKED = [1.0, 3.0, 6.0, 9.0]
CASES = [
    case("unlabelled", PICKED),
    case(
        "hit-vi",
        PICKED,
        question="Xe nào đi qua cầu Đỏ?",
        choices=["A. Xe tải", "B. Xe buýt"],
        answer="B. Xe buýt",
        support_ranges=[[2.5, 3.5], [7.0, 8.0]],
        video_path="y.mp4",
    ),
    case("miss", PICKED, support_frames=[4.5, 2.0], answer="what no choice says"),
]


def jpeg(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (240, 135), colour).save(file, "JPEG")
    return file.getvalue()


def pictures_of(cases: list[Case]) -> dict[str, dict[float, bytes]]:
    """A colour for each second."""
    return {
        video: {t: jpeg(f"hsl({36 * int(t)}, 80%, 50%)") for t in times_s}
        for video, times_s in times_to_show(cases).items()
    }


def written(
    folder: Path, cases: list[Case], summary: Summary = SUMMARY, pictures: Any = None
) -> str:
    path = folder / "report.html"
    write_report(path, summary, cases, pictures_of(cases) if pictures is None else pictures)
    return path.read_text(encoding="utf-8")


def articles(html: str) -> list[str]:
    return re.findall(r"<article.*?</article>", html, re.DOTALL)


def test_the_worst_come_first_and_what_has_no_label_last() -> None:
    in_order = [
        with_figures("miss, far", hit=0, recall=0, distance_s=5),
        with_figures("miss, near", hit=0, recall=0, distance_s=1),
        with_figures("miss, as near", hit=0, recall=0, distance_s=1),
        with_figures("miss, no distance", hit=0, recall=0, distance_s=NAN),
        with_figures("hit of a half", hit=1, recall=0.5, distance_s=0.1),
        with_figures("hit", hit=1, recall=1, distance_s=0.3),
        with_figures("no label", hit=NAN, recall=NAN),
        with_figures("no figure"),
    ]
    shuffled = [in_order[n] for n in (6, 5, 1, 4, 0, 2, 3, 7)]
    assert [one.question.id for one in worst_first(shuffled)] == [
        one.question.id for one in in_order
    ]
    assert [outcome(one) for one in in_order[3:7]] == ["miss", "hit", "hit", "unlabelled"]


def test_pictures_are_of_picks_and_true_frames() -> None:
    both = case("a", [], support_frames=[4.0, 2.0, 4.0], support_ranges=[[0, 1]])
    assert times_to_show([*CASES, both]) == {
        "/videos/x.mp4": [1.0, 2.0, 3.0, 4.0, 4.5, 6.0, 9.0],
        "/videos/y.mp4": [1.0, 3.0, 6.0, 7.5, 9.0],
    }


def test_each_case_says_what_it_is(tmp_path: Path) -> None:
    html = written(tmp_path, CASES)
    miss, hit, unlabelled = articles(html)
    assert "✗ Miss" in miss
    assert "✓ Hit" in hit
    assert "No label" in unlabelled
    assert 'lang="vi">Xe nào' in hit
    assert re.search(r'lang="[a-z]{2,3}">Question miss\?', miss)
    assert re.search(r'class="right">B. Xe buýt<', hit)
    assert "<li>A. Xe tải</li>" in hit
    assert re.search(r"Answer: <b[^>]*>what no choice says</b>", miss)
    assert "recall</dt><dd>50 %<" in hit
    assert "<dt>hit@0.5" not in hit  # it has no support times
    assert [hit.count(text) for text in ("✓ inside", "<figcaption>")] == [1, 4 + 2]
    assert "<td>33.3</td>" in html
    assert "4 questions &lt;on&gt; 2 videos" in html


def read(one: Case, **answers: Chosen) -> Case:
    by_frames: dict[ReaderFrames, Chosen] = {**answers}  # type: ignore[dict-item]  # names of ReaderFrames
    return Case(**{**vars(one), "read": by_frames})


def test_what_a_reader_chose_stands_at_its_choice(tmp_path: Path) -> None:
    letters = {"choices": ["A. Red", "B. Blue"], "answer": "B", "support_frames": [1.0]}
    both = read(
        case("both", PICKED, **letters),
        picked=Chosen(letter="B", text="", probabilities={"A": 0.196, "B": 0.804}),
        uniform=Chosen(letter="A", text=""),
    )
    free = read(case("free", PICKED), picked=Chosen(text="<b>blue</b>"))
    html = written(tmp_path, [both, free])
    first, second = articles(html)
    wrong, right = re.findall(r"<li.*?</li>", first)
    assert re.sub(r"<[^>]*>", "", wrong) == "A. Red chosen from uniform"
    assert re.sub(r"<[^>]*>", "", right) == "B. Blue (the answer) chosen from picked 80 %"
    assert 'class="right"' in right
    assert 'class="right"' not in wrong
    assert "Answer:" not in first
    assert "&lt;b&gt;blue&lt;/b&gt;" in second
    assert "from which frames" in html
    assert "from which frames" not in written(tmp_path, CASES)


@pytest.mark.parametrize(
    ("choices", "answer", "right"),
    [
        (["Red", "Blue"], "A", ["Red"]),
        (["A. Red", "B. Blue"], "Blue", ["B. Blue"]),
        (["Red"], "Red", ["Red"]),
        (["Red", "Red"], "Blue", []),
        ([str(n) for n in range(30)], "29", ["29"]),
        (["Red", "Blue"], None, []),
    ],
)
def test_the_right_choice_is_marked(
    choices: list[str], answer: str | None, right: list[str], tmp_path: Path
) -> None:
    html = written(tmp_path, [case("a", PICKED, choices=choices, answer=answer)])
    assert re.findall(r'<li class="right">(.*?)<', html) == right
    assert ("Answer:" in html) == (answer is not None and not right)
    assert len(re.findall(r"<li.*?</li>", articles(html)[0])) == len(choices)


def test_marks_stand_at_their_times(tmp_path: Path) -> None:
    _, hit, _ = articles(written(tmp_path, CASES))
    circles = re.findall(r'class="pick( in)?">.*?<circle cx="([\d.]+)%" cy="([\d.]+)"', hit)
    assert [(inside, float(x)) for inside, x, _ in circles] == [
        ("", 10),
        (" in", 30),
        ("", 60),
        ("", 90),
    ]
    heights = [float(y) for *_, y in circles]
    assert heights == sorted(heights, reverse=True)  # the score rises
    spans = re.findall(r'class="span" x="([\d.]+)%" width="([\d.]+)%"', hit)
    assert [(float(x), float(width)) for x, width in spans] == [(25, 10), (70, 10)]
    assert re.findall(r'<use href="#mark" x="([\d.]+)%"', hit) == ["30.0", "75.0"]
    borders = re.findall(r'class="border" x1="([\d.]+)%" x2="[\d.]+%" y2="128"', hit)
    assert [float(x) for x in borders] == [0, 25, 50, 75, 100]


def test_the_segments_of_a_part_lie_in_it_on_the_whole_timeline(tmp_path: Path) -> None:
    part = replace(case("part", [4.0, 7.0], span_s=[4.0, 8.0]), start_s=4.0, duration_s=4.0)
    page = written(tmp_path, [part])
    borders = re.findall(r'class="border" x1="([\d.]+)%" x2="[\d.]+%" y2="128"', page)
    # The last row of the video begins at 9.5 s.
    assert [float(x) for x in borders] == [round(100 * s / 9.5, 2) for s in (4, 5, 6, 7, 8, 9.5)]


def test_each_picture_is_stored_once(tmp_path: Path) -> None:
    pictures = {"/videos/x.mp4": {t: jpeg("red") for t in (1.0, 3.0, 6.0)}}
    pictures["/videos/x.mp4"][9.0] = jpeg("blue")
    pictures["/videos/x.mp4"][8.0] = jpeg("green")  # nobody asks for it
    html = written(tmp_path, [CASES[0], CASES[2], CASES[1]], pictures=pictures)
    stored = re.search(r'id="pictures">(.*?)</script>', html, re.DOTALL)
    assert stored
    assert len(json.loads(stored[1])) == 2
    miss, hit, _ = articles(html)
    assert re.findall(r'data-picture="(\d)"', miss) == ["0", "0", "0", "1"]
    assert miss.count("no picture") == 2  # at its support times
    assert hit.count("no picture") == 6


NASTY = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} {# no #}",
    '" onmouseover="alert(1)" \' <!-- & &nosuch;',
]


@pytest.mark.parametrize("text", NASTY)
def test_what_looks_like_code_is_shown_as_text(text: str, tmp_path: Path) -> None:
    odd = case(
        text, PICKED, question=text, choices=[text], answer=text + "?", video_path=text, kept=text
    )
    odd = Case(**{**vars(odd), "figures": {text: 0.5}})
    summary = Summary(title=text, lines=[text], columns=[text], rows=[(text, [text])], k=4)
    html = written(tmp_path, [odd], summary)
    plain = written(tmp_path, [case("a", PICKED)])
    assert html.count("<script") == plain.count("<script") == 2
    assert "<img src" not in html
    assert ' onmouseover="' not in html
    (shown,) = re.findall(r"<h3[^>]*>(.*?)</h3>", html, re.DOTALL)
    assert unescape(shown) == text


def test_odd_cases_are_drawn_too(tmp_path: Path) -> None:
    flat = case("flat", PICKED)
    one = case("one row", [0.0], support_frames=[400.0])
    zero = np.zeros(1)
    tiny = {"time_s": zero, "curve": curve_of(zero, zero, 0.0, one.picked_s)}
    level = curve_of(flat.time_s, np.full(20, 0.3, np.float32), flat.end_s, flat.picked_s)
    unscored = {"curve": None, "picked_scores": [NAN] * 4}
    cases = [
        Case(**{**vars(flat), "curve": level}),
        Case(**{**vars(one), **tiny, "duration_s": 0.0}),
        Case(**{**vars(case("unscored", PICKED)), **unscored}),
        case("nothing picked", []),
        Case(**{**vars(flat), "video": "/videos/\udcff.mp4"}),  # a name that is not UTF-8
    ]
    html = written(tmp_path, cases, pictures={})
    assert "nan" not in html
    assert len(articles(html)) == 5
    assert len(articles(written(tmp_path, []))) == 0


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CueframeError, match=r"report\.html cannot be written"):
        write_report(tmp_path / "file" / "report.html", SUMMARY, CASES, {})


def test_a_built_wheel_has_the_template(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert "infer/report/page.html.j2" in zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium without a network."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("CUEFRAME_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.skip("no chromium on the path; CUEFRAME_CHROMIUM names one")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def page_of(browser: "Browser", report: Path, width: int = 1280) -> "Iterator[Page]":
    """The report in a window; nothing may be said on the console or asked of a network."""
    said: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    foreign = [one for one in said if not one.startswith(("data:", report.as_uri()))]
    assert not foreign


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 questions, code among their texts, and one with all that is long."""
    nasty = [case(f"nasty-{n}", PICKED, question=text) for n, text in enumerate(NASTY)]
    more = [case(f"more-{n}", PICKED, support_frames=[n / 4]) for n in range(32)]
    long = case("x" * 300, PICKED, question="y" * 400, choices=["z" * 200], video_path="p/" * 150)
    folder = tmp_path_factory.mktemp("report")
    written(folder, [*CASES, *nasty, *more, long])
    return folder / "report.html"


def shown(page: "Page") -> list[str]:
    ids: list[str] = page.locator("article:not([hidden]) .name b").all_text_contents()
    return ids


def test_the_filter_shows_what_it_says(browser: "Browser", report: Path) -> None:
    with page_of(browser, report) as page:
        everything = shown(page)
        count = page.locator("output")
        assert count.text_content() == f"{len(everything)} of 40 shown"
        assert len(everything) == 40
        found = {}
        for name in ("Misses", "Hits", "No label"):
            page.get_by_label(name).check()
            found[name] = shown(page)
            assert count.text_content() == f"{len(found[name])} of 40 shown"
        assert "miss" in found["Misses"]
        assert "hit-vi" in found["Hits"]
        assert "unlabelled" in found["No label"]
        assert found["Misses"] + found["Hits"] + found["No label"] == everything
        page.get_by_label("All").check()
        search = page.get_by_role("searchbox")
        for text in ("cầu đỏ", "CAU DO", "hit-VI", "xe buyt", "videos/y.mp4", " do  tai "):
            search.fill(text)
            assert shown(page) == ["hit-vi"], text
        search.fill("cau mo")
        assert shown(page) == []
        assert page.get_by_text("No question matches.").is_visible()
        search.fill("<script>")
        assert shown(page) == ["nasty-0"]
        page.get_by_label("Hits").check()  # both at once
        assert shown(page) == []


def test_the_filter_does_not_search_a_readers_answers(browser: "Browser", tmp_path: Path) -> None:
    said = Chosen(letter="A", text="", probabilities={"A": 0.8, "B": 0.2})
    odd = case("odd", PICKED, choices=["Red", "Blue"], answer="B")
    written(tmp_path, [read(odd, picked=said, all=Chosen(text="Green")), case("plain", PICKED)])
    with page_of(browser, tmp_path / "report.html") as page:
        assert page.get_by_text("picked 80 %").last.is_visible()
        search = page.get_by_role("searchbox")
        for text, wanted in (("picked", []), ("80", []), ("green", []), ("red", ["odd"])):
            search.fill(text)
            assert shown(page) == wanted, text


def test_the_filter_is_reached_by_the_keyboard(browser: "Browser", report: Path) -> None:
    with page_of(browser, report) as page:
        page.keyboard.press("Tab")  # the table, which may scroll
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert page.get_by_label("Misses").is_checked()
        page.keyboard.press("Tab")
        page.keyboard.type("miss")
        assert shown(page) == ["miss"]


def test_pictures_show_when_they_come_near(browser: "Browser", report: Path) -> None:
    with page_of(browser, report) as page:
        last = page.locator("article").last
        assert last.locator("img[src]").count() == 0
        last.scroll_into_view_if_needed()
        last.locator("img[src]").first.wait_for()
        widths = "images => Promise.all(images.map((i) => i.decode().then(() => i.naturalWidth)))"
        assert last.locator("img").evaluate_all(widths) == [240] * 4


def test_a_tall_picture_is_shown_whole(browser: "Browser", tmp_path: Path) -> None:
    file = io.BytesIO()
    tall = Image.new("RGB", (135, 240), "white")
    tall.paste("red", (0, 0, 135, 24))
    tall.paste("red", (0, 216, 135, 240))
    tall.save(file, "JPEG", quality=95)
    written(
        tmp_path, [CASES[0]], pictures={"/videos/x.mp4": dict.fromkeys(PICKED, file.getvalue())}
    )
    with page_of(browser, tmp_path / "report.html") as page:
        page.locator("img[src]").first.wait_for()
        page.locator("img").evaluate_all("images => Promise.all(images.map((i) => i.decode()))")
        shot = page.locator(".still").first.screenshot()
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    for y in (picture.height // 20, picture.height * 19 // 20):
        end = picture.getpixel((picture.width // 2, y))
        assert isinstance(end, tuple)
        assert end[0] > 200 > 80 > end[1]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: "Browser", report: Path, width: int) -> None:
    with page_of(browser, report, width) as page:
        page.add_style_tag(content="article { content-visibility: visible !important }")
        assert page.evaluate("document.documentElement.scrollWidth") == width
