"""Where the answers of one or several processes come together, kept as they are made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import PartialState

from index.lock import locked
from index.plan import Job
from index.team import await_message, meeting_place, publish, share_out
from infer.bulk import Asked, Record, by_video
from infer.journal import as_line, clear_journal, journal_of, kept, open_journal, writing


class Gathering(NamedTuple):
    """The answers so far."""

    lines: dict[str, bytes]
    """By question id; those of an interrupted run, and what was put since."""
    put: Callable[[Record], None]
    """Keep an answer."""
    gather: Callable[[Any], list[Any]]
    """At the end: hand in a process's report, and get all reports, and lines, on the first one."""


def own_share(asked: Sequence[Asked], state: PartialState) -> list[Asked]:
    """The questions of this process: whole videos, shared out by their numbers of questions."""
    videos = sorted(by_video(asked).items(), key=lambda video: (-len(video[1]), video[0]))
    jobs = [Job(asked[numbers[0]].path, content, len(numbers)) for content, numbers in videos]
    own = {job.content_hash for job in share_out(jobs, state.num_processes)[state.process_index]}
    return [one for one in asked if one.content_hash in own]


@contextmanager
def _no_empty_journal(output: Path) -> Iterator[None]:
    """A run that failed before its first answer leaves nothing."""
    try:
        yield
    except BaseException:
        if not kept(output):
            clear_journal(output)
        raise


@contextmanager
def gathering(output: str, run: Mapping[str, Any], state: PartialState) -> Iterator[Gathering]:
    """Gather answers for a file, with a journal beside it; without a file in memory alone.

    Args:
        output: The file, or - for stdout, which one process alone can have.
        run: What decides the answers; an interrupted run with the same goes on.
        state: The process's place among all.

    Raises:
        CueframeError: As `infer.journal.open_journal`, or another run is writing that file.
    """
    lines: dict[str, bytes] = {}
    if output == "-":

        def hold(record: Record) -> None:
            lines[record["id"]] = as_line(record)

        yield Gathering(lines, hold, lambda report: [report])
        return
    path = Path(output)
    folder = journal_of(path)
    with ExitStack() as stack:
        if state.is_main_process:
            stack.enter_context(locked(folder, "--output"))
            open_journal(path, run)
            stack.enter_context(_no_empty_journal(path))
        # The others are let in here, when the journal is open.
        meeting = stack.enter_context(meeting_place(folder, state))
        lines |= kept(path)
        add = stack.enter_context(writing(path, state.process_index))

        def put(record: Record) -> None:
            lines[record["id"]] = as_line(record)
            add(lines[record["id"]])

        def gather(report: Any) -> list[Any]:
            if not state.is_main_process:
                publish(meeting, f"{state.process_index}.json", report)
                return [report]
            others = [
                await_message(meeting, f"{rank}.json") for rank in range(1, state.num_processes)
            ]
            if others:
                lines.update(kept(path))
            return [report, *others]

        yield Gathering(lines, put, gather)
