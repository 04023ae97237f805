"""Search all videos of an index for a text, a picture, a moment, events, or a file of texts."""

from collections.abc import Iterator
from typing import NamedTuple

from accelerate import PartialState
from PIL import Image

from index.arrays import Floats
from index.messages import json_line, say
from index.storage.store import Profile, read_profile
from infer.query_encoder import load_query_encoder
from infer.records import RecordFile
from infer.searching.asking import (
    NamedQuery,
    TypedText,
    encode_typed,
    one_query,
    queries_of_file,
    typed,
)
from infer.searching.config import FindConfig
from infer.searching.cuts import moments_cut, sequences_cut
from infer.searching.exact_search import best_hits
from infer.searching.likeness import StoredFrame, frame_named
from infer.searching.pictures import picture_vectors, read_picture
from infer.searching.scope import open_scope
from infer.searching.text_file import WantedText, read_texts
from infer.videos.indexed_videos import read_indexed_videos


class _Asked(NamedTuple):
    """What is asked, before anything is encoded."""

    file: RecordFile[WantedText] | None
    picture: Image.Image | None
    like: StoredFrame | None
    texts: list[TypedText]
    """TEXT and those of --then, in order."""
    unwanted: TypedText | None


def find_and_print(config: FindConfig) -> int:
    """Print what is found, one JSON line each; returns the exit code.

    Args:
        config: Flags that `infer.searching.config.refuse_bad_call` lets pass.

    Raises:
        CueframeError: What is asked cannot be read, the index cannot be searched, or the model
            cannot be used or did not build the index.
    """
    texts = [] if config.text is None else [typed(config.text, "TEXT")]
    texts += [typed(text, "--then") for text in config.then]
    unwanted = None if config.without is None else typed(config.without, "--not")
    file = None if config.texts is None else read_texts(config.texts)
    picture = None if config.image is None else read_picture(config.image)
    profile, indexed = read_profile(config.index), read_indexed_videos(config.index)
    like = config.like and frame_named(config.like, config.index, profile, indexed)
    scope = open_scope(config.index, profile, indexed, config.videos)
    asked = _Asked(file, picture, like or None, texts, unwanted)

    most = min(config.top, config.per_video or config.top)
    moments = moments_cut(scope.paths, most, asked.like.frame if asked.like else None)
    cut = sequences_cut(scope.paths) if config.then else moments
    failed, lost = [*scope.failed], dict[str, str]()
    nothing = 0
    for block in _queries(config, profile, asked, failed):
        found = best_hits(scope, [one.query for one in block], config.top, cut, lost)
        for (name, _), hits in zip(block, found, strict=True):
            nothing += not hits
            for hit in hits:
                named = {} if name is None else {"query": name}
                print(json_line(named | hit.record))
    if nothing and not (failed or lost):
        few = f"no video has {1 + len(config.then)} frames" if config.then else "nothing is left"
        say(f"nothing is found: {few} to search")
    for reason in (*failed, *lost.values()):
        say(f"failed: {reason}")
    if file:
        file.print_refused("text")
    return 1 if failed or lost or (file and not file.complete) else 0


def _queries(
    config: FindConfig, profile: Profile, asked: _Asked, failed: list[str]
) -> Iterator[list[NamedQuery]]:
    """Encode what is asked; a stored frame alone needs no encoder."""
    events: list[Floats] = [asked.like.vectors] if asked.like else []
    if asked.like and not asked.unwanted:
        yield one_query(events, None)
        return
    device = PartialState().device
    encoder = load_query_encoder(
        config.index,
        profile,
        model=config.model,
        dtype=config.dtype,
        device=device,
        text_only=asked.picture is None,
    )
    long_text = config.long_text
    unwanted = asked.unwanted and encode_typed(encoder, asked.unwanted, long_text)
    if asked.file:
        yield from queries_of_file(asked.file.records, encoder, long_text, unwanted, failed)
        return
    events += [picture_vectors(encoder, asked.picture)] if asked.picture else []
    events += [encode_typed(encoder, text, long_text) for text in asked.texts]
    yield one_query(events, unwanted)
