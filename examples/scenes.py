"""Draw short street videos and ask questions about them: the demo's data set.

    python examples/scenes.py demo/scenes

    demo/scenes/train/train.json    questions about the videos to learn from
    demo/scenes/train/videos/       scene_000.mp4 …
    demo/scenes/test/test.json      questions about videos that training never sees
    demo/scenes/test/videos/        scene_060.mp4 …

A board hangs over a street. Now and then it lights up with a sign for about a second, while
something passes below; in between the street is empty and the board dark. In English or
Vietnamese, a question names the sign and asks which truck, or which red thing, passed; or it names
the thing and asks for the sign. The choices use the same words for things and signs as the
questions. In one video no two signs, nor two things, have the same colour or shape, so each
question means one event.

With --place edges there are two boards, at the left and the right edge, and all that happens is
outside of the middle square that CLIP's own processor sees. So the things are as narrow as a
board. For comparison, --place sides has two boards and such things at the left and the right of the
middle square, and --place middle-small one board in its middle.

A question gives three of the four properties of its event, so that hardly any frame of another
video matches it too. (Giving only two, such as the red truck, made so many false negatives that a
tiny CLIP trained on 280 questions hit 85 % of the unseen events.)
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from PIL import Image, ImageDraw

from examples.drawing import (
    COLOURS,
    HEIGHT,
    SIGN_GRID,
    SIGNS,
    THING_GRID,
    THINGS,
    sprite,
    street,
)
from examples.wording import WORDINGS, Language, Wording
from index.errors import CueframeError
from index.run_command import run

Place = Literal["middle", "middle-small", "sides", "edges"]
WIDTH, RATE_FPS = 320, 10
BOARDS: dict[Place, tuple[int, ...]] = {  # pixels from the left
    "middle": (160,),
    "middle-small": (160,),
    "sides": (105, 215),  # as far from the middle square's edges as "edges" from the frame's
    "edges": (35, 285),
}
MARGIN = 4  # frames kept free on both sides of an event, for driving in and out
QUESTIONS_PER_VIDEO = (5, 5, 4)  # in turn


@dataclass(frozen=True, slots=True)
class Painted:
    """A coloured thing or sign, such as a red truck."""

    colour: str
    name: str

    def words(self, language: Language) -> dict[str, str]:
        """Return its name, its colour and both together, as questions and choices write them."""
        return WORDINGS[language].words(self.colour, self.name)


@dataclass(frozen=True, slots=True)
class Event:
    """A sign that is lit and the thing that passes, from frame `first` to `last` inclusive."""

    first: int
    last: int
    thing: Painted
    sign: Painted

    @property
    def range_s(self) -> tuple[float, float]:
        """Times of the first and the last lit frame in seconds."""
        return self.first / RATE_FPS, self.last / RATE_FPS


@dataclass(frozen=True, slots=True)
class Scene:
    """The content of one video: its name, its length in frames, its events in order of time."""

    name: str
    frames: int
    events: list[Event]


def plan_scene(number: int, seed: int) -> Scene:
    """Invent a scene of 14 to 16 s with 5 or 6 events of 1.0 to 1.2 s.

    At two frames a second each event is sampled at least twice, while four frames spread evenly
    over the video meet three events in ten.
    """
    rng = random.Random(f"{seed}/{number}")  # noqa: S311  (pictures, not secrets)
    frames = rng.randint(14 * RATE_FPS, 16 * RATE_FPS)
    lengths = [rng.randint(RATE_FPS + 1, RATE_FPS + 3) for _ in range(rng.randint(5, 6))]
    count = len(lengths)
    things, signs = (
        list(map(Painted, rng.sample(list(COLOURS), count), rng.sample(list(names), count)))
        for names in (THINGS, SIGNS)
    )
    return Scene(f"scene_{number:03d}", frames, place_events(rng, frames, lengths, things, signs))


def place_events(
    rng: random.Random,
    frames: int,
    lengths: Sequence[int],
    things: Sequence[Painted],
    signs: Sequence[Painted],
) -> list[Event]:
    """Spread events of some lengths in frames over a video, in order, with pauses as they fall."""
    spare = frames - sum(lengths) - 2 * MARGIN * len(lengths)
    pauses = sorted(rng.randint(0, spare) for _ in lengths)  # frames passed before each event
    events, busy = [], 0
    for pause, length, thing, sign in zip(pauses, lengths, things, signs, strict=True):
        first = pause + busy + MARGIN
        events.append(Event(first, first + length - 1, thing, sign))
        busy += length + 2 * MARGIN
    return events


def ask(
    scene: Scene, count: int, folder: str, seed: int, wording: Wording | None = None
) -> list[dict[str, Any]]:
    """Ask about `count` events of a scene, one question each; return the questions' records."""
    rng = random.Random(f"{seed}/{scene.name}")  # noqa: S311
    events = sorted(rng.sample(scene.events, count), key=lambda event: event.first)
    return [ask_about(event, scene, n, folder, rng, wording) for n, event in enumerate(events)]


def ask_about(
    event: Event,
    scene: Scene,
    number: int,
    folder: str,
    rng: random.Random,
    wording: Wording | None = None,
) -> dict[str, Any]:
    """Ask about one event of a scene; return the record of question `number` of its video.

    Draws of equal `rng` ask the same in every wording; None asks in one language or the other.
    """
    language: Language = rng.choice(("en", "vi"))
    spoken = wording or WORDINGS[language]
    part, told = rng.choice(list(spoken.questions))
    asked, seen, names = event.thing, event.sign, list(THINGS)
    if part == "sign":
        asked, seen, names = event.sign, event.thing, list(SIGNS)
    if told == "name":
        others = [Painted(colour, asked.name) for colour in COLOURS if colour != asked.colour]
    else:
        others = [Painted(asked.colour, name) for name in names if name != asked.name]
    options = rng.sample([asked, *rng.sample(others, 3)], 4)
    said = [spoken.words(option.colour, option.name)["both"] for option in options]
    choices = lettered(said)
    question = spoken.questions[part, told].format(
        told=spoken.words(asked.colour, asked.name)[told],
        seen=spoken.words(seen.colour, seen.name)["both"],
    )
    return {
        "id": f"{scene.name}-{number}" if wording else f"{scene.name}-{language}-{number}",
        "question": question[0].upper() + question[1:],
        "choices": choices,
        "answer": choices[options.index(asked)],
        "video_path": f"{folder}/videos/{scene.name}.mp4",
        "support_frames": [support_s(event, rng)],
        "support_ranges": [list(event.range_s)],
    }


def lettered(options: Sequence[str]) -> list[str]:
    """Put A., B., C., D. in front of four choices."""
    return [f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True)]


def support_s(event: Event, rng: random.Random) -> float:
    """Return the second of an event that a labeller notes: about its middle."""
    start_s, end_s = event.range_s
    return round((start_s + end_s) / 2 + rng.uniform(-0.1, 0.1), 2)


def draw_frames(scene: Scene, seed: int, place: Place = "middle") -> Iterator[Image.Image]:
    """Yield a scene's frames in order, each 320x180.

    All scenes of a seed have one street: given a backdrop per scene, a model could memorise the
    videos by their backdrops instead of learning to tell trucks and hearts.
    """
    rng = random.Random(f"{seed}/{scene.name}/look")  # noqa: S311
    start = rng.randrange(WIDTH)
    width = max(3 * WIDTH, start + scene.frames + WIDTH)  # the longest scenes go further
    backdrop = street(random.Random(seed), width)  # noqa: S311
    light = Image.new("RGB", (WIDTH, HEIGHT), rng.choice([(20, 22, 30), (255, 244, 226)]))
    boards, size = BOARDS[place], 1.3 if place == "middle" else 0.55
    looks = []
    for event in scene.events:
        thing = sprite(THINGS[event.thing.name][1], THING_GRID, event.thing.colour, size)
        sign = sprite(SIGNS[event.sign.name][1], SIGN_GRID, event.sign.colour, 1.2)
        direction = rng.choice((-1, 1))
        if direction < 0:
            thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        board = rng.choice(boards) if len(boards) > 1 else boards[0]
        looks.append((event, thing, sign, direction, board))
    for i in range(scene.frames):
        frame = backdrop.crop((start + i, 0, start + i + WIDTH, HEIGHT))
        frame = Image.blend(frame, light, 0.2 * i / scene.frames)  # dusk falls, or day breaks
        for board in boards:
            ImageDraw.Draw(frame).rectangle((board - 34, 6, board + 34, 74), fill=(44, 46, 52))
        for event, thing, sign, direction, board in looks:
            if not event.first - MARGIN <= i <= event.last + MARGIN:
                continue  # far outside of the frame
            lit = event.first <= i <= event.last
            if lit:
                frame.paste(sign, (board - 30, 10), sign)
            way = direction * _way(i - event.first, event.last - i)
            if len(boards) > 1:  # in and out at its own edge
                way = way / 6 if lit else math.copysign(way, board - WIDTH / 2)
            centre = board + way
            frame.paste(thing, (round(centre - thing.width / 2), 170 - thing.height), thing)
        yield frame


def _way(since_first: int, until_last: int) -> float:
    """Return a thing's distance from its board's middle in pixels.

    It enters fast, passes slowly while the board is lit, and leaves fast. So it is inside CLIP's
    centre crop when and only when the board is lit.

    Args:
        since_first: Frames since the board was lit, negative before.
        until_last: Frames until the last lit one, negative after.
    """
    if since_first < 0:
        return -12 + 180 * since_first
    if until_last < 0:
        return 12 - 180 * until_last
    return 24 * since_first / (since_first + until_last) - 12


def write_video(path: Path, frames: Iterator[Image.Image]) -> None:
    """Encode frames as h264 in mp4 at 10 frames per second, the same bytes for the same frames.

    With x264's usual `crf` the bytes differed in 10 of 25 runs, with a constant quantiser never.
    """
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "qp": "24", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def draw_scenes(
    folder: Path,
    *,
    train_videos: int = 60,
    test_videos: int = 20,
    seed: int = 0,
    place: Place = "middle",
) -> Path:
    """Draw videos and write their questions, the same for the same seed; returns the folder.

    Scenes of an earlier run in the folder are replaced. Raises CueframeError for a negative
    number of videos or a folder that is a file.
    """
    if (fewest := min(train_videos, test_videos)) < 0:
        raise CueframeError(f"cannot draw {fewest} videos; ask for 0 or more")
    if folder.exists() and not folder.is_dir():
        raise CueframeError(f"{folder} is a file; name a folder to draw the scenes in")
    numbers = iter(range(train_videos + test_videos))
    for part, count in (("train", train_videos), ("test", test_videos)):
        videos = folder / part / "videos"
        videos.mkdir(parents=True, exist_ok=True)
        for old in videos.glob("scene_*.mp4"):
            old.unlink()
        records: list[dict[str, Any]] = []
        for i in range(count):
            scene = plan_scene(next(numbers), seed)
            write_video(videos / f"{scene.name}.mp4", draw_frames(scene, seed, place))
            records += ask(scene, QUESTIONS_PER_VIDEO[i % len(QUESTIONS_PER_VIDEO)], part, seed)
        write_questions(folder / part / f"{part}.json", records)
    return folder


def write_questions(path: Path, records: list[dict[str, Any]]) -> None:
    """Write the records of questions to a JSON file."""
    content = {"__count__": len(records), "data": records}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")


@dataclass(kw_only=True, slots=True)
class ScenesConfig:
    """Flags of examples/scenes.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to draw in; scenes of an earlier run are replaced."""
    train_videos: int = 60
    """Number of videos to learn from, 14 to 16 s each, with 4 or 5 questions each."""
    test_videos: int = 20
    """Number of videos that training never sees."""
    seed: int = 0
    """The same seed draws the same scenes."""
    place: Place = "middle"
    """Where the events are; all but middle have things as narrow as a board."""


def scenes(config: ScenesConfig) -> int:
    """Draw the scenes and print their folder; returns 0."""
    draw_scenes(
        config.folder,
        train_videos=config.train_videos,
        test_videos=config.test_videos,
        seed=config.seed,
        place=config.place,
    )
    print(f"drew {config.train_videos} + {config.test_videos} videos in {config.folder}")
    return 0


if __name__ == "__main__":
    run(scenes, ScenesConfig, __doc__)
