"""Collect the answers of one or several processes, logging each as it is made."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import PartialState

from index.distributed import balanced_shards, gather, rendezvous
from index.storage.lock import locked
from infer.answering.run_log import (
    as_json_line,
    log_folder,
    log_writer,
    logged_lines,
    open_log,
    remove_log,
)
from infer.queries import AnswerRecord, Query, group_by_video


class AnswerCollector(NamedTuple):
    """The answers so far, and the functions that add to them."""

    lines: dict[str, bytes]
    """JSON lines by question id: those of an interrupted run, and those added since."""
    put: Callable[[AnswerRecord], None]
    """Add an answer."""
    gather: Callable[[Any], list[Any]]
    """Send a process's report at the end; on rank 0, return all reports and complete `lines`."""


def own_shard(queries: Sequence[Query], state: PartialState) -> list[Query]:
    """Return this process's shard: whole videos, balanced by their numbers of questions."""
    videos = sorted(group_by_video(queries).items(), key=lambda video: (-len(video[1]), video[0]))
    shards = balanced_shards(videos, state.num_processes, lambda video: len(video[1]))
    own = {content for content, _ in shards[state.process_index]}
    return [query for query in queries if query.content_hash in own]


@contextmanager
def _no_empty_log(output: Path) -> Iterator[None]:
    """Remove the log of a run that fails before its first answer."""
    try:
        yield
    except BaseException:
        if not logged_lines(output):
            remove_log(output)
        raise


@contextmanager
def collect_answers(
    output: str,
    claim_log: Callable[[Path, str], None],
    state: PartialState,
    *,
    no_lock: bool = False,
) -> Iterator[AnswerCollector]:
    """Collect answers for a file, with a log beside it, or for stdout, in memory alone.

    Args:
        output: The file, or - for stdout, which only a single process can use.
        claim_log: As `infer.answering.run_log.open_log` takes it; called where a log is kept.
        state: From `index.distributed.join_processes`.
        no_lock: Go on where the disk has no locks.

    Raises:
        CueframeError: As `infer.answering.run_log.open_log`, or another run is writing that file.
    """
    lines: dict[str, bytes] = {}
    if output == "-":

        def hold(record: AnswerRecord) -> None:
            lines[record["id"]] = as_json_line(record)

        yield AnswerCollector(lines, hold, lambda report: [report])
        return
    path = Path(output)
    folder = log_folder(path)
    with ExitStack() as stack:
        if state.is_main_process:
            stack.enter_context(locked(folder, "--output", no_lock=no_lock))
            stack.enter_context(_no_empty_log(path))
            open_log(path, claim_log)
        # The other processes pass here, when the log is open.
        messages = stack.enter_context(rendezvous(folder, state))
        lines |= logged_lines(path)
        add = stack.enter_context(log_writer(path, state.process_index))

        def put(record: AnswerRecord) -> None:
            lines[record["id"]] = as_json_line(record)
            add(lines[record["id"]])

        def gather_reports(report: Any) -> list[Any]:
            reports = gather(messages, state, report)
            if len(reports) > 1:
                lines.update(logged_lines(path))
            return reports

        yield AnswerCollector(lines, put, gather_reports)
