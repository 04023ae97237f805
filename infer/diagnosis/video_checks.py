"""Checks of the videos: how many questions each has, and whether the index holds them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from index.storage.catalog import has_whole_file
from infer.diagnosis.case import AskedVideos, Fault, Plan
from infer.diagnosis.commands import Commands, folder_of_all
from infer.diagnosis.findings import Finding, Tally, share, some
from infer.questions import Question
from infer.selection.events import events_fault
from infer.videos.video_names import comparable

_SAID: dict[Fault, str] = {
    "missing": "questions are about a video that is not in {index}",
    "ambiguous": "questions name a video by a path that fits several of {index}",
    "waiting": "questions are about a video that {index} has no vectors of yet",
    "failed": "questions are about a video that could not be indexed",
}


def questions_per_video(
    questions: Sequence[Question], videos: AskedVideos | None = None
) -> Iterator[Finding]:
    """How many questions the videos have, and how many videos of the index have none."""
    counts: Counter[str] = Counter()
    for place, question in enumerate(questions):
        row = videos.of_questions[place].row if videos else None
        counts[row.content_hash if row else comparable(question.video_path)] += 1
    numbers = sorted(counts.values())
    figures = {
        "videos": len(numbers),
        "fewest": numbers[0],
        "median": median(numbers),
        "most": numbers[-1],
    }
    said = f"{len(questions)} questions about {len(numbers)} videos: "
    said += f"{numbers[0]} to {numbers[-1]} a video, median {figures['median']:g}"
    if videos:
        unasked = len(videos.indexed.videos.keys() - counts.keys())
        figures["without_question"] = unasked
        said += f"; {unasked} of {len(videos.indexed.videos)} indexed videos have none"
    yield Finding("questions_per_video", "fine", said, figures)


def videos_not_found(
    questions: Sequence[Question], videos: AskedVideos, commands: Commands
) -> Iterator[Finding]:
    """Questions whose video the index does not hold, by the reason."""
    found = {fault: Tally() for fault in _SAID}
    lost = {fault: dict[str, str]() for fault in _SAID}  # one example a video
    for question, video in zip(questions, videos.of_questions, strict=True):
        if video.fault:
            found[video.fault].add(question.id)
            # Of those that failed to be indexed, the remedy belongs to the reason.
            said = video.error if video.fault == "failed" else video.error.rpartition("; ")[0]
            lost[video.fault].setdefault(video.path, said)
    if not any(tally.count for tally in found.values()):
        said = f"{videos.folder} holds the videos of all {len(questions)} questions"
        yield Finding("videos_missing", "fine", said, {"questions": 0, "videos": 0})
    for fault, tally in found.items():
        if not tally.count:
            continue
        yield Finding(
            f"videos_{fault}",
            "problem",
            f"{share(tally.count, len(questions))} {_SAID[fault].format(index=videos.folder)}, "
            f"{some(len(lost[fault]), 'video')} in all",
            {"questions": tally.count, "videos": len(lost[fault])},
            tuple(
                f"{name}: {lost[fault][path]}" for name, path in _one_each(questions, videos, fault)
            ),
            _advice(fault, videos, commands, tally),
        )


def _one_each(
    questions: Sequence[Question], videos: AskedVideos, fault: Fault
) -> Iterator[tuple[str, str]]:
    """Yield the first question about each of the first three videos of a fault, and its video."""
    seen: list[str] = []
    for place, video in enumerate(videos.of_questions):
        if video.fault == fault and video.path not in seen:
            seen.append(video.path)
            yield questions[place].id, video.path
        if len(seen) == 3:
            return


def _advice(fault: Fault, videos: AskedVideos, commands: Commands, found: Tally) -> tuple[str, ...]:
    if fault == "missing":
        return (commands.build("VIDEOS"), "VIDEOS: the folder that holds them")
    if fault == "ambiguous":
        return (f"give more of the path in video_path of {found.named()}",)
    folder = folder_of_all(videos.indexed.seen)
    if fault == "waiting":
        return (commands.build(folder),)
    return (
        "fetch these files again, or convert them, then",
        commands.build(folder, "--retry"),
    )


def vector_files(videos: AskedVideos, commands: Commands) -> Iterator[Finding]:
    """Vector files of the questions' videos that are missing or cut, as their sizes tell."""
    asked = {one.row.content_hash: one for one in videos.of_questions if one.row}
    lost = Tally()
    for path, row, *_ in asked.values():
        if row and not has_whole_file(videos.folder, row):
            lost.add(path)
    if lost.count:
        yield Finding(
            "vectors_missing",
            "problem",
            f"{share(lost.count, len(asked))} videos of the questions have lost their vectors: the "
            "file is missing, or cut",
            {"videos": lost.count, "asked": len(asked)},
            lost.examples,
            (commands.repair(), commands.build(folder_of_all(videos.indexed.seen))),
        )


def few_frames(
    questions: Sequence[Question], videos: AskedVideos, plan: Plan, commands: Commands
) -> Iterator[Finding]:
    """Questions that ask for more frames than the index has of their video."""
    fewer, refused = Tally(), Tally()
    for question, (_, row, *_) in zip(questions, videos.of_questions, strict=True):
        if row is None or row.frames is None:
            continue
        events = len(question.events)
        if events and events_fault(events, row.frames):
            refused.add(question.id, f"{events} events, {row.frames} frames")
        elif not events and plan.frames > row.frames:
            fewer.add(question.id, f"{row.frames}")
    fps = f"{2 * videos.profile.fps:g}"
    rebuilt = commands.build(folder_of_all(videos.indexed.seen), "--rebuild", "--fps", fps)
    if refused.count:
        yield Finding(
            "events_without_frames",
            "problem",
            f"{some(refused.count, 'question')} with more events than the index has frames of "
            "the video, or than one question may have",
            {"questions": refused.count},
            refused.examples,
            (f"name fewer events in {refused.named()}, or", rebuilt),
        )
    if fewer.count:
        least = min(
            row.frames or plan.frames
            for question, (_, row, *_) in zip(questions, videos.of_questions, strict=True)
            if row and not question.events
        )
        yield Finding(
            "few_frames",
            "note",
            f"{share(fewer.count, len(questions))} questions get fewer than {plan.frames} frames, "
            "since the index has no more of their video",
            {"questions": fewer.count, "frames": plan.frames, "fewest": least},
            fewer.examples,
            (commands.answer("--frames", str(least)), rebuilt),
        )
