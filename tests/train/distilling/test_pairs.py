"""Pairs of texts and translations, from every form that people have them in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from train.distilling.column_language import languages_of_each
from train.distilling.pair_tables import active, inert
from train.distilling.pairs import Pair, Pairs, read_pairs

EN = [
    "What colour is the car?",
    "How many people are in the kitchen?",
    "a red car on a wet road",
    "Why does the man run?",
    "two dogs play with a ball",
    "Which sign is seen at night?",
]
VI = [
    "Chiếc xe màu gì?",
    "Có bao nhiêu người trong bếp?",
    "một chiếc xe đỏ trên đường ướt",
    "Tại sao người đàn ông chạy?",
    "hai con chó chơi với quả bóng",
    "Biển báo nào được nhìn thấy vào ban đêm?",
]
FR = [
    "De quelle couleur est la voiture ?",
    "Combien de personnes sont dans la cuisine ?",
    "une voiture rouge sur une route mouillée",
    "Pourquoi l'homme court-il ?",
    "deux chiens jouent avec un ballon",
    "Quel panneau voit-on la nuit ?",
]
ZH = [
    "车是什么颜色的？",
    "厨房里有多少人？",
    "湿路上的红色汽车",
    "那个男人为什么跑？",
    "两只狗在玩球",
    "晚上看到哪个标志？",
]
ID = [
    "Apa warna mobil itu?",
    "Ada berapa orang di dapur?",
    "mobil merah di jalan basah",
    "Mengapa pria itu berlari?",
    "dua anjing bermain dengan bola",
    "Rambu mana yang terlihat di malam hari?",
]


def read(path: Path, text: str | bytes, *more: Path) -> Pairs:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_pairs([path, *more])


def sides(found: Pairs) -> list[tuple[str, str]]:
    return [(pair.teacher, pair.student) for pair in found.pairs]


def lines(*columns: list[str], head: str = "", separator: str = ",") -> str:
    rows = [separator.join(cells) for cells in zip(*columns, strict=True)]
    return "".join(row + "\n" for row in ([head] if head else []) + rows)


@pytest.mark.parametrize("other", [VI, FR, ZH, ID])
def test_five_pairs_are_never_taken_for_one_language(tmp_path: Path, other: list[str]) -> None:
    for left_out in range(6):
        some = [[one for n, one in enumerate(side) if n != left_out] for side in (EN, other)]
        assert len(read(tmp_path / "a.tsv", lines(*some, separator="\t")).pairs) == 5


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "head", ["", "text{}translation", "teacher{}student", "en{}vi", "x{}target"]
)
@pytest.mark.parametrize("start", ["", "\ufeff", "sep=?\n"])
def test_tables_with_and_without_a_head(
    tmp_path: Path, separator: str, head: str, start: str
) -> None:
    text = start + lines(EN, VI, head=head.format(separator), separator=separator)
    found = read(tmp_path / "a.csv", text)
    assert sides(found) == list(zip(EN, VI, strict=True))
    assert found.pairs[0] == Pair(EN[0], VI[0], EN[0], "vi")
    assert (found.teacher_language, found.languages) == ("en", ("vi",))
    assert (found.wrong, found.notes, found.asked) == ([], [], [])


def test_commas_in_texts_do_not_separate_them(tmp_path: Path) -> None:
    text = lines(["Yes, I do, sir", "no, no"], ["Oui, monsieur", "non"], separator="\t")
    assert sides(read(tmp_path / "a.txt", text)) == [
        ("Yes, I do, sir", "Oui, monsieur"),
        ("no, no", "non"),
    ]


def test_names_say_which_column_is_which_and_others_are_not_read(tmp_path: Path) -> None:
    rows = [f"{n},{vi},seen by An,{en}" for n, (en, vi) in enumerate(zip(EN, VI, strict=True))]
    found = read(tmp_path / "a.csv", "\n".join(["id,translation,notes,source", *rows]))
    assert sides(found) == list(zip(EN, VI, strict=True))
    assert found.notes == [f"{tmp_path / 'a.csv'}: not read: the columns 'id', 'notes'"]


def test_several_languages_at_once(tmp_path: Path) -> None:
    text = lines(EN, ["", *VI[1:]], [*FR[:4], "", ""], head="en,vi,fr")
    found = read(tmp_path / "a.csv", text)
    assert found.languages == ("vi", "fr")
    assert len(found.pairs) == 9
    assert found.pairs[0] == Pair(EN[1], VI[1], EN[1], "vi")
    assert {pair.student for pair in found.pairs if pair.language == "fr"} == set(FR[:4])
    assert found.wrong == found.notes == []


def test_id_is_indonesian_where_its_cells_are_texts(tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.csv", lines(EN, ID, head="en,id")).pairs) == 6
    numbered = lines([f"q{n}" for n in range(6)], EN, VI, head="id,en,vi")
    assert sides(read(tmp_path / "a.csv", numbered)) == list(zip(EN, VI, strict=True))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda en, vi: {"text": en, "translation": vi},
        lambda en, vi: {"translation": vi, "text": en},
        lambda en, vi: {"translation": {"en": en, "vi": vi}},
        lambda en, vi: [en, vi],
    ],
)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_records(tmp_path: Path, wrap: Any, suffix: str) -> None:
    records = [wrap(en, vi) for en, vi in zip(EN, VI, strict=True)]
    text = json.dumps(records) if suffix == "json" else "\n".join(map(json.dumps, records))
    if isinstance(records[0], list) and suffix == "jsonl":
        return  # a file that begins with a list is one document
    assert sides(read(tmp_path / f"a.{suffix}", text)) == list(zip(EN, VI, strict=True))


def test_a_dictionary(tmp_path: Path) -> None:
    text = json.dumps(dict(zip(EN, VI, strict=True)))
    assert sides(read(tmp_path / "a.json", text)) == list(zip(EN, VI, strict=True))


def test_texts_are_cleaned_and_equal_pairs_count_once(tmp_path: Path) -> None:
    text = "en,vi\nthe  sign &amp; car,Bie\u0302\u0309n\nthe sign & car,Biển\n"
    found = read(tmp_path / "a.csv", text)
    assert sides(found) == [("the sign & car", "Biển")]
    assert found.notes == ["1 pairs stand more than once, and count once"]


def test_a_bad_row_costs_itself(tmp_path: Path) -> None:
    bad = [
        "taxi,taxi",
        "5,50",
        ",trống",
        "bell\x07,chuông",
        f"{'x' * 20_001},dài",
        "a,b,c",
        "only,",
    ]
    found = read(tmp_path / "a.csv", lines(EN, VI, head="en,vi") + "\n".join(bad))
    assert sides(found) == list(zip(EN, VI, strict=True))
    name = tmp_path / "a.csv"
    assert found.notes == [f"{name}: 1 of 12 texts have no translation yet, the first in line 14"]
    wanted = {
        8: "its text and its translation are both 'taxi'",
        9: "'5' and '50' have no letters",
        10: "its text is empty",
        11: "'bell\\x07' holds the character U+0007",
        12: "a text has 20001 characters",
        13: "it has 3 cells, and the table 2 columns",
    }
    for line, reason in wanted.items():
        assert [one for one in found.wrong if f"{name}: line {line}: {reason}" in one], line
    assert len(found.wrong) == len(wanted)


def test_one_side_alone_may_be_a_number(tmp_path: Path) -> None:
    assert sides(read(tmp_path / "a.csv", "en,vi\n7,bảy\n")) == [("7", "bảy")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (lines(EN, [""] * 6, head="text,translation"), "none of 6 texts has a translation yet"),
        (lines(EN, [""] * 6), "none of 6 texts has a translation yet"),
        (lines(EN, EN, head="text,translation"), "the same in all of 6 pairs"),
        (lines(EN, EN[::-1], head="text,translation"), "both in one language, en"),
        (lines(EN, head="text"), "want two columns"),
        (lines(EN, list("123456")), "want two columns"),
        ("", "it is empty; want two columns, divided by , ; or tabs"),
        (lines(EN, ["xe"] * 6), "all of 6 translations are .?xe.?; give each text its own"),
        ("en,en\na,b\n", "is the name of two columns"),
        ("en,vi\ncar,xe \xe9\n".encode("latin-1"), "not UTF-8; save the file as UTF-8"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_nothing_left_is_one_line(tmp_path: Path, text: str | bytes, error: str) -> None:
    with pytest.raises(CueframeError, match=error) as raised:
        read(tmp_path / "a.csv", text)
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "a.csv") in str(raised.value)


def test_a_column_in_the_first_language_costs_itself(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", lines(EN, VI, EN[::-1]))
    assert found.languages == ("vi",)
    assert len(found.pairs) == 6
    assert "column 3: the texts and their translations are both in one language" in found.wrong[0]


def test_names_of_columns_are_believed(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", lines(EN, EN[::-1], [""] * 6, head="en-GB,text_da,fr"))
    assert (found.teacher_language, found.languages) == ("en", ("da",))
    assert found.notes == [f"{tmp_path / 'a.csv'}, column fr: it holds no translation yet"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv", Path("-")):
        with pytest.raises(CueframeError, match=r"cannot be read|can be read once"):
            read_pairs([path])


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    found = read(path, lines(EN, VI, head="en,vi"), path)
    assert len(found.pairs) == 6
    assert found.notes == ["files given twice and read once: 1"]


def questions(texts: list[str], **fields: list[Any]) -> list[dict[str, Any]]:
    return [
        {"id": f"q{n}", "question": text, "video_path": f"v{n // 2}.mp4"}
        | {key: values[n] for key, values in fields.items() if values[n] is not None}
        for n, text in enumerate(texts)
    ]


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(records))
    return path


def test_paraphrases_in_other_languages(tmp_path: Path) -> None:
    others = [[vi, en, fr] for vi, en, fr in zip(VI, EN[1:] + EN[:1], FR, strict=True)]
    labels = [[1.0], None, None, [2.0], None, None]
    records = questions(EN, paraphrases=others, support_frames=labels)
    found = read_pairs([written(tmp_path / "q.json", records)])
    assert set(sides(found)) == {*zip(EN, VI, strict=True), *zip(EN, FR, strict=True)}
    assert {pair.group for pair in found.pairs} == {"v0.mp4", "v1.mp4", "v2.mp4"}
    assert found.pairs[0] == Pair(EN[0], VI[0], "v0.mp4", "vi")
    assert [(one.question.id, one.teacher, one.student) for one in found.asked] == [
        ("q0", EN[0], VI[0]),
        ("q3", EN[3], VI[3]),
        ("q0", EN[0], FR[0]),
        ("q3", EN[3], FR[3]),
    ]


def test_paraphrases_that_are_no_translations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "q.json", questions(EN, paraphrases=[[one] for one in EN[::-1]]))
    with pytest.raises(CueframeError, match="all of 6 paraphrases are in en"):
        read_pairs([path])
    with pytest.raises(CueframeError, match="no question has paraphrases"):
        read_pairs([written(tmp_path / "r.json", questions(EN))])
    assert "not used yet" not in capsys.readouterr().err


def test_questions_joined_by_id(tmp_path: Path) -> None:
    choices = ["A. Red", "B. Blue", "C. 5"]
    en = questions(
        EN,
        choices=[choices] * 6,
        support_frames=[[1.0], None, None, None, None, None],
        events=[None, None, None, ["rain", "sun"], None, None],
    )
    vi = questions(
        VI,
        choices=[["A. Đỏ", "B. Xanh", "C. 5"]] * 5 + [["A. Đỏ"]],
        events=[None, None, None, ["mưa", "nắng"], None, None],
        support_frames=[None, [3.0], None, None, None, None],
    )
    vi[4]["id"] = "other"
    paths = [written(tmp_path / "en.json", en), written(tmp_path / "vi.json", vi)]
    found = read_pairs(paths)
    without = [n for n in range(6) if n != 4]
    assert set(sides(found)) == {
        *((EN[n], VI[n]) for n in without),
        *[("Red", "Đỏ"), ("Blue", "Xanh"), ("rain", "mưa"), ("sun", "nắng")],
    }
    groups = {pair.teacher: pair.group for pair in found.pairs}
    assert (groups[EN[0]], groups["rain"], groups["Red"]) == ("v0.mp4", "v1.mp4", "v0.mp4")
    assert [(one.question.id, one.teacher, one.student) for one in found.asked] == [
        ("q0", EN[0], VI[0]),
        ("q1", EN[1], VI[1]),
    ]
    assert found.notes[0] == f"1 questions of {paths[0]} are not in {paths[1]}: q4"
    assert found.notes[1] == f"1 questions of {paths[1]} are not in {paths[0]}: other"
    assert "the choices or events of 1 questions are left out" in found.notes[2]
    assert "4 choices and events are left out" in found.notes[3]
    assert found.wrong == []


def test_questions_of_other_ids_and_the_same_questions(tmp_path: Path) -> None:
    en = written(tmp_path / "en.json", questions(EN))
    other = written(tmp_path / "vi.json", [one | {"id": f"x{one['id']}"} for one in questions(VI)])
    with pytest.raises(CueframeError, match=r"no id of .* is in .*, 'q0' for one"):
        read_pairs([en, other])
    with pytest.raises(CueframeError, match="the same in all of 6 pairs"):
        read_pairs([en, written(tmp_path / "copy.json", questions(EN))])


def test_what_groups_a_question_can_be_given(tmp_path: Path) -> None:
    path = written(tmp_path / "q.json", questions(EN, paraphrases=[[one] for one in VI]))
    found = read_pairs([path], group_of=lambda question: question.id)
    assert [pair.group for pair in found.pairs] == [f"q{n}" for n in range(6)]


def test_languages_of_mixed_texts() -> None:
    found = languages_of_each([*EN, *VI, *FR, *ZH, *ID], "en")
    assert found == [code for code in ("en", "vi", "fr", "zh", "id") for _ in range(6)]


@given(st.text(alphabet="'=+-@a1", max_size=6))
def test_a_cell_never_runs_and_is_read_back_as_it_was(text: str) -> None:
    assert inert(text)[:1] not in tuple("=+-@")
    assert active(inert(text)) == text
