"""Checks of the videos: how many questions each has, and whether the index holds them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from index.messages import name_some
from index.storage.catalog import has_whole_file
from infer.diagnosis.case import AskedVideos, Fault, Plan, questions_about
from infer.diagnosis.commands import Commands, folder_of_all
from infer.diagnosis.findings import MOST_EXAMPLES, Finding, Tally, share, some
from infer.questions import Question
from infer.selection.events import events_fault
from infer.videos.indexed_videos import name_without_ending
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
    said = f"{some(len(questions), 'question')} about {some(len(numbers), 'video')}: "
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
        said = (
            f"{videos.folder} lists the videos of {some(len(questions), 'question')}, which is all"
        )
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
            tuple(_advice(fault, questions, videos, commands, tally)),
            tally.ids,
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


def _advice(
    fault: Fault,
    questions: Sequence[Question],
    videos: AskedVideos,
    commands: Commands,
    found: Tally,
) -> Iterator[str]:
    folder = folder_of_all(videos.indexed.seen)
    if fault == "missing":
        yield from _advice_of_missing(questions, videos, commands)
    elif fault == "ambiguous":
        yield f"give more of the path in video_path of {found.named()}"
    elif fault == "waiting":
        yield commands.build(folder)
    else:
        yield "fetch these files again, or convert them, then"
        yield commands.build(folder, "--retry")


def _advice_of_missing(
    questions: Sequence[Question], videos: AskedVideos, commands: Commands
) -> Iterator[str]:
    """Yield what to do where the index lacks videos: it may hold them under another name."""
    renamed: dict[tuple[str, ...], Tally] = {}
    new = 0
    for question, video in zip(questions, videos.of_questions, strict=True):
        if video.fault == "missing":
            names = videos.indexed.namesakes.get(name_without_ending(video.path), [])
            new += not names
            if names:
                renamed.setdefault(tuple(names), Tally()).add(question.id)
    for paths, asking in list(renamed.items())[:MOST_EXAMPLES]:
        yield f"correct video_path of {asking.named()}, if it is this video: {name_some(paths)}"
    if len(renamed) > MOST_EXAMPLES:
        yield f"and so of {len(renamed) - MOST_EXAMPLES} more videos, whose questions --json names"
    if new:
        if renamed:
            yield "add the others:"
        yield commands.build("VIDEOS")
        yield "VIDEOS: the folder that holds them"
    if all(video.fault == "missing" for video in videos.of_questions):
        yield f"or give another --index, if {videos.folder} is not that of these questions"


def vector_files(
    questions: Sequence[Question], videos: AskedVideos, commands: Commands
) -> Iterator[Finding]:
    """Vector files of the questions' videos that are missing or cut, as their sizes tell."""
    asked = {one.row.content_hash: one for one in videos.of_questions if one.row}
    lost, contents = Tally(), set[str]()
    for path, row, *_ in asked.values():
        if row and not has_whole_file(videos.folder, row):
            lost.add(path)
            contents.add(row.content_hash)
    if lost.count:
        yield Finding(
            "vectors_missing",
            "problem",
            f"{share(lost.count, len(asked))} videos of the questions have lost their vectors: the "
            "file is missing, or cut",
            {"videos": lost.count, "asked": len(asked)},
            lost.examples,
            (commands.repair(), commands.build(folder_of_all(videos.indexed.seen))),
            ids=questions_about(questions, videos, contents),
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
            refused.add(question.id, f"{some(events, 'event')}, {some(row.frames, 'frame')}")
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
            (f"name fewer events in {refused.named()}, or take more frames:", rebuilt),
            ids=refused.ids,
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
            ids=fewer.ids,
        )
