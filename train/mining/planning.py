"""Plan a mining run: compare the questions with the manifest and the videos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from index.discovery import hash_files
from index.errors import CueframeError
from index.planning import Job
from infer.questions import Question
from infer.videos.video_files import file_in
from train.mining.manifest import ManifestRecord, is_whole
from train.mining.question_frames import question_key


@dataclass(kw_only=True)
class MiningPlan:
    """The plan of a mining run: each question is to do, done, or about a video that failed."""

    jobs: list[Job] = field(default_factory=list)
    """The videos still to be mined, largest first; copies are one video."""
    ids: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the questions to do, by content hash."""
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """Path to reason, of videos that cannot be read."""
    path_of: dict[str, str] = field(default_factory=dict)
    """Path of every question's video, by id; copies to be mined have one common path."""

    @property
    def to_do(self) -> set[str]:
        """Ids of all questions to do."""
        return {name for ids in self.ids.values() for name in ids}


def plan_mining(
    questions: Iterable[Question],
    captions: Mapping[str, str],
    records: Mapping[str, ManifestRecord],
    input_folder: Path,
    output: Path,
) -> MiningPlan:
    """Hash the questions' videos and find the questions to do.

    A question whose labels, caption or video have changed is mined again, and so is one whose
    pictures are gone.

    Args:
        questions: All questions with a label.
        captions: By id, if they matter (`train.mining.question_frames.question_key`).
        records: Manifest records by id.
        input_folder: Folder to which a question's video_path is relative.
        output: Folder to which a record's files are relative.

    Raises:
        CueframeError: None of the videos can be read.
    """
    paths = {
        q.id: file_in(input_folder, q.video_path, q.video_aliases) or input_folder / q.video_path
        for q in questions
    }
    hashed = dict(hash_files(dict.fromkeys(paths.values())))
    jobs: dict[str, Job] = {}
    found = MiningPlan()
    for q in questions:
        seen = hashed[paths[q.id]]
        found.path_of[q.id] = str(paths[q.id])
        if isinstance(seen, OSError):
            found.failed[str(paths[q.id])] = f"cannot be read: {seen.strerror}"
            continue
        content = seen.content_hash
        record = records.get(q.id)
        key = question_key(q, content, captions.get(q.id))
        if record and record["key"] == key and is_whole(output, record):
            found.done.add(q.id)
            continue
        found.path_of[q.id] = jobs.setdefault(content, seen).path
        found.ids.setdefault(content, []).append(q.id)
    if len(found.failed) == len(hashed):
        path, reason = next(iter(found.failed.items()))
        raise CueframeError(
            f"none of the {len(hashed)} videos is there ({path} {reason}); --input_folder is the "
            "folder from which video_path counts"
        )
    found.jobs = sorted(jobs.values(), key=lambda job: (-job.size, job.content_hash))
    return found
