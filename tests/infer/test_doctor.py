"""doctor.py on files whose faults are known; each advice, followed, removes its finding."""

import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from index.storage.catalog import forget_videos, open_catalog
from index.storage.store import read_profile, vectors_path, write_profile
from tests.distilled_models import make_distilled, make_xlm
from tests.fixtures_infer import Ran, as_a_user, build_index, ran, refused, seen_as, world
from tests.model_families import make_family
from tests.paths import ROOT
from tests.sentence_models import make

Records = list[dict[str, Any]]
TRUCK = "Which truck passes when the board shows a red star?"
XE = "Xe tải nào đi qua khi bảng hiện ngôi sao đỏ?"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Doctor:
    """Runs the command and keeps what it found last."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder
        self.last: dict[str, Any] = {}

    def __call__(self, records: Records, *flags: object) -> dict[str, dict[str, Any]]:
        """What it finds of these questions, by kind; ids and texts are made up if missing."""
        path = self.folder / "q.json"
        usual = [{"id": f"q{n}", "question": TRUCK, "video_path": "vp9.webm"} for n in range(99)]
        full = [a | b for a, b in zip(usual, records, strict=False)]
        path.write_text(json.dumps({"data": full}, ensure_ascii=False), encoding="utf-8")
        result = ran(self.capsys, "doctor.py", path, *flags, "--json")
        self.last = json.loads(result.out)
        found = {one["kind"]: one for one in self.last["findings"]}
        assert len(found) == len(self.last["findings"])
        severities = [one["severity"] for one in found.values()]
        assert severities == sorted(severities, key=["problem", "note", "fine"].index)
        assert all(one["advice"] for one in found.values() if one["severity"] != "fine")
        for one in found.values():
            assert all(map(is_line_of_its_own, one["advice"])), one["advice"]
        assert self.last["problems"] == severities.count("problem")
        assert result.code == (1 if "problem" in severities else 0)
        return {kind: one for kind, one in found.items() if one["severity"] != "fine"}

    def fine(self, kind: str) -> dict[str, Any]:
        """The figures of what was fine last."""
        (one,) = (one for one in self.last["findings"] if one["kind"] == kind)
        assert one["severity"] == "fine"
        figures: dict[str, Any] = one["figures"]
        return figures


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Doctor:
    return Doctor(capsys, tmp_path)


PROSE = re.compile(r" (makes|begins|and|or|with|if) |python.*python|;")


def is_line_of_its_own(advice: str) -> bool:
    """Whether a line is a command alone, or names none to paste."""
    if advice.startswith(("python ", "pip ", "iconv ")):
        return not PROSE.search(advice)
    return not re.search(r"python \w+/", advice)


def flags_in(advice: str, script: str) -> list[str]:
    """The flags after QUESTIONS of a command that is advised."""
    words = shlex.split(advice)
    assert words[:2] == ["python", f"infer/{script}"]
    return words[3:]


def flags_of_build(advice: str) -> list[str]:
    """The flags of an advised build."""
    words = shlex.split(advice.removeprefix("or "))
    assert words[:2] == ["python", "index/build.py"]
    return words[3:]


def follow(advice: str, videos: Path | None = None) -> None:
    """Run an advised command of index/ in this process, VIDEOS replaced."""
    words = shlex.split(advice.removeprefix("or "))
    assert words[0] == "python"
    words = [str(videos) if word == "VIDEOS" and videos else word for word in words[1:]]
    old, sys.argv = sys.argv, words
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    finally:
        sys.argv = old
    assert ended.value.code in (0, 1)


SOUND: dict[str, Any] = {
    "choices": ["A. Red", "B. Blue"],
    "answer": "B",
    "support_frames": [1.0],
    "duration_s": 3.0,
}

OF_THE_FILE: dict[str, tuple[Records, Records, dict[str, Any]]] = {
    # kind: (records, the same corrected, figures)
    "refused_records": (
        [SOUND, SOUND | {"id": "q0"}, SOUND | {"question": " "}],
        [SOUND, SOUND | {"id": "q9", "question": "Why?"}, SOUND | {"question": "Where is it?"}],
        {"refused": 2, "records": 3},
    ),
    "unread_keys": (
        [SOUND | {"timestamps": [1, 2]}],
        [SOUND | {"support_ranges": [1, 2]}],
        {"timestamps": {"meant_for": "support_ranges", "records": 1}},
    ),
    "equal_questions": (
        [SOUND, SOUND, SOUND | {"video_path": "few.mp4"}],
        [SOUND, SOUND | {"question": "Which truck?"}, SOUND | {"video_path": "few.mp4"}],
        {"repeated": 1},
    ),
    "equal_choices": (
        [SOUND | {"choices": ["A. Red", "B.  Red", "C. Blue"], "answer": "C"}],
        [SOUND | {"choices": ["A. Red", "B. Green", "C. Blue"], "answer": "C"}],
        {"questions": 1, "with_choices": 1},
    ),
    "number_of_choices": (
        [SOUND | {"choices": ["Red"], "answer": "Red"}],
        [SOUND],
        {"questions": 1},
    ),
    "wrong_answers": (
        [SOUND | {"answer": "Green"}],
        [SOUND | {"answer": "red"}],
        {"with_choices": 1, "without_answer": 0, "wrong": 1},
    ),
    "missing_answers": (
        [SOUND, SOUND | {"question": "Why?", "answer": None}],
        [SOUND, SOUND | {"question": "Why?"}],
        {"with_choices": 2, "without_answer": 1, "wrong": 0},
    ),
    "labels_past_the_end": (
        [SOUND | {"support_ranges": [[0, 99]]}],
        [SOUND | {"support_ranges": [[0, 3.5]]}],
        {"questions": 1, "of_known_length": 1, "outside": 1},
    ),
    "labelled": (
        [{"choices": ["Red", "Blue"], "answer": "Red"}],
        [SOUND],
        {"labelled": 0, "questions": 1},
    ),
    "labels_outside": (
        [SOUND | {"support_frames": [1.0, 3.0]}, {"question": "Why?", "support_frames": [9e9]}],
        [SOUND | {"support_frames": [1.0, 2.9]}, {"question": "Why?", "support_frames": [9e9]}],
        {"questions": 2, "of_known_length": 1, "outside": 1},
    ),
    "spans_outside": (
        [SOUND | {"span_s": [3.0, 4.0]}],
        [SOUND | {"span_s": [0.5, 4.0]}],
        {"questions": 1, "of_known_length": 1, "outside": 1},
    ),
    "labels_of_events": (
        [SOUND | {"events": ["a car", "a bus"]}],
        [SOUND | {"events": ["a car", "a bus"], "support_frames": [1.0, 2.0]}],
        {"questions": 1, "with_events": 1},
    ),
}


@pytest.mark.parametrize("kind", OF_THE_FILE)
def test_records_that_are_corrected_are_found_no_more(kind: str, doctor: Doctor) -> None:
    wrong, right, figures = OF_THE_FILE[kind]
    found = doctor(wrong)
    assert found[kind]["figures"] == figures
    assert kind not in doctor(right)


def test_all_counts_of_a_sound_file(doctor: Doctor) -> None:
    records = [
        SOUND | {"paraphrases": ["Which lorry?"], "negative_frames": [0.0]},
        SOUND | {"question": XE, "events": ["xe tải đỏ"]},
        SOUND | {"video_path": "b_frames.mp4", "video_aliases": ["x"]},
    ]
    assert doctor(records) == {}
    assert (doctor.last["questions"], doctor.last["index"], doctor.last["model"]) == (3, None, None)
    assert doctor.fine("refused_records") == {"refused": 0, "records": 3}
    assert doctor.fine("languages") == {"en": 2, "vi": 1}
    assert doctor.fine("labelled") == {"labelled": 3, "questions": 3}
    wanted = {"videos": 2, "fewest": 1, "median": 1.5, "most": 2}
    assert doctor.fine("questions_per_video") == wanted
    assert doctor.fine("labels_of_events") == {"questions": 0, "with_events": 1}


def test_flags_of_the_call_that_is_planned(doctor: Doctor) -> None:
    plain = {"support_frames": [1.0]}
    found = doctor([plain], "--caption", 2)
    assert found["questions_without_text"]["figures"] == {"questions": 1}
    assert found["questions_without_text"]["advice"] == ["use --caption 1"]
    assert "choices_setting" in found
    assert doctor([plain], "--caption", 1) == {}
    assert set(doctor([plain], "--choices", "each")) == {"choices_setting"}
    pair = [SOUND, SOUND | {"choices": ["Green", "Grey"], "answer": "Grey"}]
    found = doctor(pair)
    assert found["equal_but_for_choices"]["examples"] == ["q1 (as q0)"]
    (advice,) = found["equal_but_for_choices"]["advice"]
    assert doctor(pair, *flags_in(advice, "answer.py")) == {}


def test_keys_that_are_not_read_are_renamed_only_where_that_is_valid(doctor: Doctor) -> None:
    plain = {"choices": ["Red", "Blue"], "start": 1, "end": 2, "label": "x"}
    found = doctor([plain])["unread_keys"]
    assert found["ids"] == ["q0"]
    pair, label = found["advice"]
    assert pair.startswith("write start and end as support_ranges [[start, end]]")
    assert label.startswith("write what label says as answer, one of the choices")
    (taken, other) = doctor([SOUND | {"timestamps": [1, 2], "label": "A"}])["unread_keys"]["advice"]
    assert taken.startswith("rename timestamps to support_ranges")
    assert other.startswith("take label out")


def test_all_ids_are_in_the_json_and_no_line_is_fine_that_is_not(doctor: Doctor) -> None:
    records: Records = [
        {"question": f"{TRUCK} {n}", "choices": ["Red", "Blue"], "answer": "x"} for n in range(9)
    ]
    records.append({"support_frames": [1.0]})
    found = doctor(records)
    assert found["wrong_answers"]["ids"] == found["labelled"]["ids"] == [f"q{n}" for n in range(9)]
    fine = {one["kind"] for one in doctor.last["findings"] if one["severity"] == "fine"}
    assert not {"missing_answers", "labels_outside"} & fine


def test_numbers_as_choices_are_to_be_quoted(doctor: Doctor) -> None:
    advice = doctor([SOUND, SOUND | {"choices": [1, 2]}])["refused_records"]["advice"]
    assert advice[1].endswith('in quotes: "7", not 7')


def test_videos_under_another_name_are_named(doctor: Doctor) -> None:
    found = doctor([{"video_path": "z/FEW.AVI"}], "--index", world().index)["videos_missing"]
    assert found["advice"][0].startswith("correct video_path of q0, if it is this video: ")
    assert "few.mp4" in found["advice"][0]
    assert found["advice"][-1].startswith("or give another --index")


def test_files_of_labels(doctor: Doctor, tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    content = [{"id": "q0", "support_frames": [1.0]}, {"id": "q8", "answer": "A"}, 5]
    labels.write_text(json.dumps(content))
    plain = {"choices": ["Red", "Blue"], "answer": "Red"}
    found = doctor([plain], "--labels", labels)
    assert found["labels_without_question"]["figures"] == {"labels": 2, "without_question": 1}
    assert found["wrong_labels"]["figures"] == {"wrong": 1}
    labels.write_text(json.dumps(content[:1]))
    assert doctor([plain], "--labels", labels) == {}


def copied_index(folder: Path) -> tuple[Path, Path]:
    """A copy of the world's index and videos, each of which knows the other."""
    videos = shutil.copytree(world().videos, folder / "videos")
    for name in ("vp9.webm", "a", "b", "x", "y"):
        path = videos / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    build_index(videos, folder / "index", world().model)
    return videos, folder / "index"


def test_videos_that_the_index_does_not_hold(doctor: Doctor, tmp_path: Path) -> None:
    videos, index = copied_index(tmp_path)
    flags = ("--index", index)
    asked = [
        {"video_path": name, "question": f"{TRUCK} {n}", "support_frames": [0.01]}
        for n, name in enumerate(["b_frames.mp4", "few.mp4", "vp9.webm", "vp9", "bad.mp4", "same"])
    ]
    shutil.copytree(world().videos / "x", videos / "x")
    shutil.copytree(world().videos / "y", videos / "y")
    build_index(videos, index, world().model)
    with closing(open_catalog(index)) as catalog:
        forget_videos(catalog, [seen_as(index, videos / "few.mp4").content_hash])
    found = doctor(asked, *flags)
    figures = {kind: one["figures"] for kind, one in found.items() if kind.startswith("videos_")}
    assert figures == {
        "videos_missing": {"questions": 2, "videos": 2},
        "videos_waiting": {"questions": 1, "videos": 1},
        "videos_failed": {"questions": 1, "videos": 1},
        "videos_ambiguous": {"questions": 1, "videos": 1},
    }
    assert found["videos_missing"]["examples"][0] == "q2: vp9.webm is not in the index"

    asked[5]["video_path"] = "x/same.mp4"
    follow(found["videos_waiting"]["advice"][0])
    follow(found["videos_missing"]["advice"][0], world().videos / "vp9.webm")
    shutil.copy(world().videos / "a/constant.mp4", videos / "bad.mp4")
    follow(found["videos_failed"]["advice"][1])
    found = doctor(asked, *flags)
    assert not [kind for kind in found if kind.startswith("videos_")]
    assert doctor.fine("videos_missing") == {"questions": 0, "videos": 0}
    figures = doctor.fine("questions_per_video")
    assert (figures["videos"], figures["most"], figures["without_question"]) == (5, 2, 2)


def test_an_index_with_few_frames_or_lost_vectors(doctor: Doctor, tmp_path: Path) -> None:
    videos, index = copied_index(tmp_path)
    flags = ("--index", index)
    asked: Records = [{"video_path": "few.mp4"}, {"video_path": "one.mp4", "question": "Why?"}]
    found = doctor(asked, *flags)
    assert found["few_frames"]["figures"] == {"questions": 1, "frames": 4, "fewest": 1}
    advice = flags_in(found["few_frames"]["advice"][0], "answer.py")
    assert "few_frames" not in doctor(asked, *advice)

    events: Records = [{"video_path": "one.mp4", "events": ["a car", "a bus"]}]
    assert doctor(events, *flags)["events_without_frames"]["examples"] == ["q0 (2 events, 1 frame)"]
    events[0]["events"] = ["a car"]
    assert "events_without_frames" not in doctor(events, *flags)

    short: Records = [{"video_path": "b_frames.mp4", "span_s": [0.6, 0.625]}]
    found = doctor(short, *flags)
    assert found["spans_without_frame"]["examples"] == ["q0 (0.6 to 0.625 s)"]
    assert flags_of_build(found["spans_without_frame"]["advice"][1])[-2:] == ["--fps", "40"]
    short[0]["span_s"] = [0.6, 1.1]
    assert "spans_without_frame" not in doctor(short, *flags)

    lost = vectors_path(index, seen_as(index, videos / "few.mp4").content_hash)
    lost.write_bytes(lost.read_bytes()[:100])
    found = doctor(asked, *flags)
    assert found["vectors_missing"]["figures"] == {"videos": 1, "asked": 2}
    for advice in found["vectors_missing"]["advice"]:
        follow(advice)
    found = doctor(asked, *flags)
    assert "vectors_missing" not in found

    view = found["frame_view"]
    assert view["figures"]["sizes"] == {"320x180": 2}
    assert view["figures"]["mean_lost"] == pytest.approx(1 - 64 / int(64 * 16 / 9), abs=1e-5)
    follow(view["advice"][0])
    assert "frame_view" not in doctor(asked, *flags)
    assert doctor.fine("frame_view") == {"view": "stretch"}


def test_a_damaged_index_is_mended_as_it_says(doctor: Doctor, tmp_path: Path) -> None:
    index = shutil.copytree(world().index, tmp_path / "index")
    (index / "catalog.sqlite").write_bytes(b"nothing")
    found = doctor([{}], "--index", index)
    assert doctor.last["model"] is None
    advice, _ = found["index_damaged"]["advice"]
    follow(advice)
    assert "index_damaged" not in doctor([{}], "--index", index)
    assert doctor.last["model"] == str(world().model)


def test_an_encoder_that_does_not_belong_to_the_index(doctor: Doctor, tmp_path: Path) -> None:
    other = make_family("clip", tmp_path / "other")
    found = doctor([{}], "--index", world().index, "--model", other)
    (advice, *_) = found["other_model"]["advice"]
    assert "other_model" not in doctor([{}], *flags_in(advice, "doctor.py"))
    index = shutil.copytree(world().index, tmp_path / "index")
    gone = read_profile(index).model_copy(update={"model": str(tmp_path / "gone")})
    write_profile(index, gone)
    found = doctor([{}], "--index", index)
    assert found["model"]["advice"][0].startswith("give --model a folder")
    assert "model" not in doctor([{}], "--index", index, "--model", world().model)


LONG = {"question": f"{TRUCK} " * 9, "choices": [f"{TRUCK} " * 9 + w for w in "ab"]}


def test_texts_that_are_cut_off(doctor: Doctor) -> None:
    flags = ("--model", world().model, "--long-text", "truncate")
    records = [SOUND, SOUND | LONG | {"answer": None}]
    found = doctor(records, *flags)
    figures = found["long_texts"]["figures"]
    counts = {"questions": 2, "alone": 1, "caption_3": 1, "choices_each": 1, "as_asked": 1}
    assert figures == {"max_tokens": 77} | counts
    assert found["choices_cut"]["figures"] == {"questions": 1, "with_choices": 2}
    whole = doctor(records, *flags_in(found["long_texts"]["advice"][0], "answer.py"))
    assert not {"long_texts", "choices_cut"} & set(whole)
    each = flags_in(found["choices_cut"]["advice"][0], "answer.py")
    assert "choices_cut" not in doctor(records, *each)
    assert doctor.fine("long_texts")["as_asked"] == 1


def test_words_that_the_tokenizer_does_not_know(doctor: Doctor, tmp_path: Path) -> None:
    known = make_family("clip", tmp_path / "bytes")
    few = make("text", tmp_path / "few")
    records: Records = [
        {"question": "where is the red truck", "choices": ["xe", "đỏ"], "support_frames": [1.0]}
    ]
    found = doctor(records, "--model", few)
    assert found["unknown_tokens"]["figures"] == {"unknown": 2, "tokens": 7, "questions": 1}
    assert found["unknown_tokens"]["severity"] == "problem"
    assert found["choices_equal_to_the_model"]["examples"] == ["q0 (xe = đỏ)"]
    found = doctor(records, "--model", known)
    assert not {"unknown_tokens", "choices_equal_to_the_model"} & set(found)
    assert doctor.fine("unknown_tokens") == {"unknown": 0}


def test_words_that_fall_into_pieces(doctor: Doctor, tmp_path: Path) -> None:
    bytes_ = make_family("clip", tmp_path / "bytes")
    records: Records = [{"question": "Người nào", "support_frames": [1.0]}]
    found = doctor(records, "--model", bytes_)
    assert found["pieces"]["figures"]["vi"]["units"] == 2
    assert found["pieces"]["figures"]["vi"]["tokens"] > 2.5
    doctor(records, "--model", make("text", tmp_path / "words"))
    assert doctor.fine("pieces")["vi"] == {"per": "word", "tokens": 1.0, "units": 2}


def test_a_language_that_is_not_read_becomes_one_that_is(doctor: Doctor, tmp_path: Path) -> None:
    student = make_xlm(tmp_path / "student")
    german, vietnamese = (
        make_distilled(tmp_path / code, world().model, student, route="en", languages=code)
        for code in ("de", "vi")
    )
    records: Records = [{}, {"question": XE}]
    found = doctor(records, "--index", world().index, "--model", german)
    assert found["languages_not_read"]["figures"]["asked"] == {"en": 1, "vi": 1}
    assert found["languages_not_read"]["figures"]["not_read"] == ["vi"]
    suggest, _, distil, answer = found["languages_not_read"]["advice"]
    assert suggest.startswith("python train/distill.py --student ")
    assert shlex.split(distil)[2:5] == ["--index", str(world().index), "--student"]
    assert shlex.split(answer)[-2:] == ["--model", "saved_models/distilled"]
    found = doctor(records, "--index", world().index, "--model", vietnamese)
    assert not {"languages_not_read", "languages_not_known"} & set(found)
    assert doctor.fine("languages_read")["known"] == ["en", "vi"]
    # A file in one of its languages alone leaves the other side without a text.
    for record in records:
        assert "languages_not_read" not in doctor([record], "--model", vietnamese)
    found = doctor(records, "--index", world().index, "--model", vietnamese)
    # The English question is the teacher's, which knows all bytes; the other one the student's.
    assert {"unknown", "tokens"} < set(found["unknown_tokens"]["figures"])
    assert found["unknown_tokens"]["examples"][0].startswith("q1 ")


WORDS = {
    "where": "đâu",
    "is": "là",
    "the": "chiếc",
    "on": "trên",
    "red": "đỏ",
    "blue": "xanh",
    "green": "lục",
    "left": "trái",
    "right": "phải",
    "truck": "tải",
    "bus": "buýt",
    "car": "ôtô",
}


def in_both_languages() -> tuple[Records, Records]:
    """18 questions in English, and word by word in Vietnamese."""
    english = [
        f"where is the {colour} {kind} on the {side}"
        for colour in ("red", "blue", "green")
        for kind in ("truck", "bus", "car")
        for side in ("left", "right")
    ]
    return [
        [
            {"id": f"q{n}", "question": text, "video_path": f"{n}.mp4", "support_frames": [1.0]}
            for n, text in enumerate(texts)
        ]
        for texts in (english, [" ".join(WORDS[w] for w in text.split()) for text in english])
    ]  # type: ignore[return-value]  # a list of two


def reads_vietnamese(folder: Path) -> None:
    """Let a tokenizer turn each Vietnamese word into the English one."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    steps = [
        {"type": "Replace", "pattern": {"String": word}, "content": english}
        for english, word in WORDS.items()
    ]
    content["normalizer"] = {"type": "Sequence", "normalizers": steps}
    path.write_text(json.dumps(content))


def test_what_is_measured_on_translations(doctor: Doctor, tmp_path: Path) -> None:
    english, vietnamese = in_both_languages()
    translated = tmp_path / "vi.json"
    translated.write_text(json.dumps(vietnamese))
    model = make("text", tmp_path / "tower")
    found = doctor(english, "--model", model)
    note = found["languages_not_known"]
    assert note["figures"]["asked"] == {"en": 18}
    flags = flags_in(note["advice"][1], "doctor.py")
    flags[flags.index("TRANSLATED")] = str(translated)
    found = doctor(english, *flags)
    assert "languages_not_known" not in found
    figures = found["translations"]["figures"]
    assert (figures["languages"], figures["pairs"], figures["measured"]) == (["en", "vi"], 18, 18)
    assert figures["nearest"] == figures["chance"] == round(1 / 18, 6)
    assert found["translations"]["severity"] == "problem"

    reads = shutil.copytree(model, tmp_path / "reads")
    for path in reads.rglob("tokenizer.json"):
        reads_vietnamese(path.parent)
    assert doctor(english, "--model", reads, "--translations", translated) == {}
    assert doctor.fine("translations")["nearest"] == 1.0
    assert doctor.fine("translations")["low"] == 0.824121  # not of a width of 0

    translated.write_text(json.dumps(vietnamese[:12]))
    found = doctor(english, "--model", reads, "--translations", translated)
    assert found["without_translation"]["figures"] == {"questions": 6}


def test_what_is_measured_on_paraphrases(doctor: Doctor, tmp_path: Path) -> None:
    english, vietnamese = in_both_languages()
    both = [
        a | {"paraphrases": [b["question"], a["question"].replace(" ", "  ")]}
        for a, b in zip(english, vietnamese, strict=True)
    ]
    model = make("text", tmp_path / "tower")
    found = doctor(both, "--model", model)
    assert found["translations"]["figures"]["languages"] == ["en", "vi"]
    assert doctor.fine("other_wordings")["nearest"] == 1.0
    turned = [a | {"paraphrases": [b["question"]]} for a, b in zip(both, both[::-1], strict=True)]
    found = doctor(turned, "--model", model)
    assert found["other_wordings"]["severity"] == "note"


def said(result: Ran) -> str:
    assert result.err == ""
    assert max(len(line) for line in result.out.splitlines() if "-> python" not in line) < 80
    return result.out


def test_the_text_is_read_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would be wrapped
    path = Path("q.json")
    data = [SOUND | {"id": f"q{n}", "question": TRUCK, "video_path": "v"} for n in range(9)]
    data[3]["answer"] = "Gr\u001b[31m\neen"
    path.write_text(json.dumps(data))
    result = ran(capsys, "doctor.py", path)
    text = said(result)
    assert result.code == 1
    assert text.startswith("q.json: 9 questions\n")
    assert text.index("PROBLEM") < text.index("note  ") < text.index("fine  ")
    assert text.endswith("\n1 problem and 1 note\n")
    assert "\u001b" not in text
    path.write_text(json.dumps(data[:1]))
    result = ran(capsys, "doctor.py", path)
    assert (result.code, said(result).splitlines()[-1]) == (0, "nothing is wrong")


REFUSED: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "nothing": (lambda folder: [folder / "none.json"], "cannot be read"),
    "empty": (lambda folder: [folder / "empty.json"], "empty.json: "),
    "no index": (lambda folder: [folder / "q.json", "--index", folder], "is no index"),
    "no model": (lambda folder: [folder / "q.json", "--model", folder / "x"], "the model "),
    "no encoder": (
        lambda folder: [folder / "q.json", "--translations", folder / "q.json"],
        "--translations is for an encoder",
    ),
    "no labels": (
        lambda folder: [folder / "q.json", "--labels", folder / "labels.json"],
        "none of 1 labels",
    ),
    "no choices": (
        lambda folder: [folder / "q.json", "--caption", 1, "--choices", "each"],
        "--caption 1 reads no choices",
    ),
    "no frames": (lambda folder: [folder / "q.json", "--frames", 0], "--frames is 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_call_is_one_line(
    case: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "q.json").write_text(json.dumps([{"id": "a", "question": "b", "video": "c"}]))
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "labels.json").write_text(json.dumps({"z": 1}))
    call, wanted = REFUSED[case]
    refused(ran(capsys, "doctor.py", *call(tmp_path)), wanted)


def test_as_a_user_from_standard_input_without_torch() -> None:
    line = json.dumps({"id": "a", "question": TRUCK, "video": "c", "support_frames": [1]})
    result = as_a_user("doctor.py", "-", stdin=line)
    assert (result.code, said(result).splitlines()[0]) == (0, "standard input: 1 question")


def test_nothing_is_written(doctor: Doctor, tmp_path: Path) -> None:
    index = shutil.copytree(world().index, tmp_path / "index")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*")}
    doctor([{}], "--index", index)
    assert {path: path.stat().st_mtime_ns for path in index.rglob("*")} == before


def test_the_docs_show_what_it_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    (shown,) = re.findall(r"^```\n(questions.json: .*?)^```$", page, re.MULTILINE | re.DOTALL)
    shutil.copytree(world().index, tmp_path / "video_index")
    shutil.copytree(world().model, tmp_path / "tiny-clip")
    index = tmp_path / "video_index"
    write_profile(index, read_profile(index).model_copy(update={"model": "tiny-clip"}))
    monkeypatch.chdir(tmp_path)
    texts = ["Which truck?", "Which bus?", "Which truck?", "Where is the car?", "Why?", "Who?"]
    records = [
        SOUND | {"id": f"q{n}", "question": text, "video_path": "vp9.webm"}
        for n, text in enumerate(texts, 1)
    ]
    records[1]["video_path"] = "b_frames.mp4"
    records[2]["choices"] = ["A. Long", "B. Short"]
    records[3]["support_frames"] = [9.0]
    records[4]["video_path"] = "x.mp4"
    Path("questions.json").write_text(json.dumps([*records, records[0]]))
    result = ran(capsys, "doctor.py", "questions.json", "--index", "video_index")
    assert result.code == 1
    text = said(result).replace(str(world().videos), "/data")
    for part in shown.strip().split("\n\n"):
        assert f"{part}\n" in text


def test_the_docs_list_all_findings() -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| ([a-z, ]+) \|", page, re.MULTILINE)
    listed = {kind: as_ for row, as_ in rows for kind in re.findall(r"`(\w+)`", row)}
    files = [*(ROOT / "infer/diagnosis").glob("*.py"), ROOT / "infer/diagnosing.py"]
    source = "".join(path.read_text() for path in files)
    pattern = r'(?:Finding|of_error)\(\s*"(\w+)"(?:,\s*"(problem|note|fine)")?'
    made = re.findall(pattern, source)
    worse = {kind for kind, severity in made if severity != "fine"}
    worse |= {"translations", "other_wordings"}
    worse |= {f"videos_{fault}" for fault in ("missing", "ambiguous", "waiting", "failed")}
    assert set(listed) == worse
