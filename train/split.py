"""Labelled questions with their mined frames, split by video.

A split by question would train on most of the validation videos (92 % of them on the real data,
which has 2.7 questions a video). So the split is by the *content* of the video files.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

from index.discovery import hash_files
from index.errors import CueframeError
from index.messages import say
from infer.metrics import is_labelled
from infer.question_texts import captions
from infer.questions import Question
from infer.videos.frame_files import folder_name
from infer.videos.video_files import file_in
from train.mining.manifest import NEGATIVE_FOLDER, TRUE_FOLDER, read_records
from train.video_groups import Linked, whole_groups

_SUFFIXES = (".png", ".jpg", ".jpeg")
PSEUDO_LABEL = "pseudo_label"
"""Key of questions whose label train/pseudo.py found; they train, and never validate."""
_NAMED = 5
"""Maximum number of questions that a message names; the rest is counted."""


class Example(TypedDict):
    """A question with its frames, and all that training and scoring need of it."""

    id: str
    caption: str
    paraphrases: list[str]
    """Captions of its other wordings, each once, to train on as well."""
    pos_path: str
    """Folder of its true frames; "" if frames are not needed (`image_path` is None)."""
    neg_path: str
    """Folder of its mined negatives, which may hold none; "" as above."""
    video_path: str
    """The video file, or where it should be."""
    content_hash: str
    """Content hash of the video file (xxh3, 128 bits): equal for copies."""
    question: Question


def split_data(
    questions: Sequence[Question],
    json_path: str | Path,
    image_path: str | Path | None,
    video_path: str | Path,
    caption_setting: int,
    ratio: float,
    seed: int,
    contents: Mapping[str, str] | None,
    linked: Linked | None = None,
) -> tuple[list[Example], list[Example]]:
    """Split labelled questions with their mined frames by video.

    Questions without a label, without mined frames, or without a known content hash of
    their video are left out, with a line on stderr that counts and names them.

    Args:
        questions: The questions.
        json_path: Their file, for messages.
        image_path: Folder that train/mine.py wrote; None if no frames are needed.
        video_path: Folder of the videos. A record's video_path, or a tail of it, is relative to it.
        caption_setting: 1 the question, 2 its choices, 3 both.
        ratio: Fraction of the videos held out for validation, 0 (none) to 1 (all); in between,
            both sides have at least one video if there are two.
        seed: Seed of the split.
        contents: Content hashes by question id, as far as an index knows them. Others come from
            mined.jsonl, and only videos in neither are hashed.
        linked: Finds the videos that show a part of each other; they stay on one side. None looks
            for none.

    Returns:
        train_list and val_list, each in the questions' order.

    Raises:
        CueframeError: As for `caption`; also if a folder is missing or no question is left.
    """
    lack = "no support_frames, support_ranges or scenes"
    usable = _left([q for q in questions if is_labelled(q)], questions, lack)
    known = dict(contents or {})
    if image_path is not None:
        mined = _mined(usable, Path(image_path))
        usable = _left(mined, usable, "no mined frames; run train/mine.py again")
        known = {name: r["content_hash"] for name, r in read_records(Path(image_path)).items()}
        known |= contents or {}
    files = _video_files(usable, Path(video_path))
    known |= _hashed({name: file for name, file in files.items() if name not in known})
    where = f"no video in {video_path}; name its folder by --video_path"
    usable = _left([q for q in usable if q.id in known], usable, where)
    if not usable:
        raise CueframeError(f"{json_path} has no question to train on; see the lines above")
    examples = [
        Example(
            id=q.id,
            caption=own,
            paraphrases=others,
            pos_path=_folder(image_path, TRUE_FOLDER, q),
            neg_path=_folder(image_path, NEGATIVE_FOLDER, q),
            video_path=str(files.get(q.id, Path(video_path) / q.video_path)),
            content_hash=known[q.id],
            question=q,
        )
        for q in usable
        for own, *others in [captions(q, caption_setting)]
    ]
    paths = {one["content_hash"]: one["video_path"] for one in examples}
    groups = linked(paths) if linked and 0 < ratio < 1 else {}
    held_out = held_out_videos(paths, ratio, seed, groups)
    train_list = [one for one in examples if one["content_hash"] not in held_out]
    val_list = [
        one
        for one in examples
        if one["content_hash"] in held_out
        and PSEUDO_LABEL not in (one["question"].model_extra or {})
    ]
    check_split(train_list, val_list)
    return train_list, val_list


def shuffled(content_hashes: Iterable[str], seed: int) -> list[str]:
    """Return the distinct videos in the order of a digest of seed and content."""
    return sorted(
        set(content_hashes), key=lambda content: blake2b(f"{seed} {content}".encode()).digest()
    )


def held_out_videos(
    content_hashes: Iterable[str],
    ratio: float,
    seed: int,
    linked: Mapping[str, str] = MappingProxyType({}),
) -> set[str]:
    """Choose the videos for validation by a digest of seed and content.

    So neither the order of the videos nor that of the questions matters, and a video added later
    changes the side of few others. Linked videos are held out together or not at all
    (`train.linked_videos`).
    """
    videos = shuffled(content_hashes, seed)
    count = round(ratio * len(videos))
    if 0 < ratio < 1:
        count = min(max(count, 1), len(videos) - 1)
    return set(whole_groups(videos, linked, count))


def check_split(train_list: Sequence[Example], val_list: Sequence[Example]) -> None:
    """Refuse a split in which a video, by content, is on both sides.

    Raises:
        CueframeError: There is such a video; its first question on either side is named.
    """
    trained = {one["content_hash"]: one for one in reversed(train_list)}
    for one in val_list:
        other = trained.get(one["content_hash"])
        if other:
            raise CueframeError(
                f"question {one['id']} validates on {one['video_path']}, which question "
                f"{other['id']} trains on (as {other['video_path']}); split by video"
            )


def _left(kept: list[Question], of: Sequence[Question], lack: str) -> list[Question]:
    """Return the kept questions, after printing a line about the others."""
    there = {q.id for q in kept}
    gone = [q.id for q in of if q.id not in there]
    if gone and os.environ.get("RANK", "0") == "0":
        named = ", ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
        say(f"left out: {len(gone)} of {len(of)} questions ({named}): {lack}")
    return kept


def _mined(questions: list[Question], image_path: Path) -> list[Question]:
    """Return the questions that have a true frame; the folder must exist."""
    if not (image_path / TRUE_FOLDER).is_dir():
        raise CueframeError(
            f"{image_path / TRUE_FOLDER} is missing; mine the frames first, with python "
            f"train/mine.py --output_folder {image_path}, or name their folder by --image_path"
        )
    return [q for q in questions if pictures_in(_folder(image_path, TRUE_FOLDER, q))]


def _folder(image_path: str | Path | None, kind: str, question: Question) -> str:
    return "" if image_path is None else str(Path(image_path) / kind / folder_name(question.id))


def pictures_in(folder: str) -> list[str]:
    """Return the pictures in a folder, by name; none if it is missing."""
    if not folder or not Path(folder).is_dir():
        return []
    found = (p for p in Path(folder).iterdir() if p.suffix.lower() in _SUFFIXES)
    return sorted(str(p) for p in found)


def _video_files(questions: list[Question], video_path: Path) -> dict[str, Path]:
    """Find the video files by question id, by the longest tail of video_path that exists."""
    found = {q.id: file_in(video_path, q.video_path, q.video_aliases) for q in questions}
    return {name: file for name, file in found.items() if file is not None}


def _hashed(files: dict[str, Path]) -> dict[str, str]:
    """Hash the files that can be read, by question id; each file is read once."""
    hashes = dict(hash_files(dict.fromkeys(files.values())))
    return {
        name: seen.content_hash
        for name, file in files.items()
        if not isinstance(seen := hashes[file], OSError)
    }
