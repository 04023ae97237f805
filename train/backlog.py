"""What is still to be mined: the questions, compared with lines and videos that are there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from index.errors import CueframeError
from index.files import hash_files
from index.plan import Job
from infer.questions import Question
from train.harvest import question_key
from train.ledger import Record, is_whole


@dataclass(kw_only=True)
class Backlog:
    """Every question asked for is to do, done, or of a video that failed."""

    jobs: list[Job] = field(default_factory=list)
    """The videos with anything to do, largest first; copies are one video."""
    ids: dict[str, list[str]] = field(default_factory=dict)
    """Questions to do, by content hash."""
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """Path to reason, of videos that cannot be read."""
    path_of: dict[str, str] = field(default_factory=dict)
    """The video of every question, by id; one of its copies where it has any."""

    @property
    def to_do(self) -> set[str]:
        """All questions to do."""
        return {name for ids in self.ids.values() for name in ids}


def backlog(
    questions: Iterable[Question],
    captions: Mapping[str, str],
    records: Mapping[str, Record],
    input_folder: Path,
    output: Path,
) -> Backlog:
    """Hash the questions' videos and find what is to do.

    A question whose labels, caption or video have changed since is to do again, and so is one
    whose pictures are gone.

    Args:
        questions: All with a support time.
        captions: By id, where they matter (`train.harvest.question_key`).
        records: What was mined, by id.
        input_folder: From which a question's video_path counts.
        output: From which a line's files count.

    Raises:
        CueframeError: Not one video can be read.
    """
    paths = {q.id: input_folder / q.video_path for q in questions}
    hashed = dict(hash_files(dict.fromkeys(paths.values())))
    jobs: dict[str, Job] = {}
    found = Backlog()
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
        found.path_of[q.id] = jobs.setdefault(content, Job(seen.path, content, seen.size)).path
        found.ids.setdefault(content, []).append(q.id)
    if len(found.failed) == len(hashed):
        path, reason = next(iter(found.failed.items()))
        raise CueframeError(
            f"none of the {len(hashed)} videos is there ({path} {reason}); --input_folder is the "
            "folder from which video_path counts"
        )
    found.jobs = sorted(jobs.values(), key=lambda job: (-job.size, job.content_hash))
    return found
