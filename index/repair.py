"""Make anew what of an index is derived: the catalog from the vector files, FAISS from both."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from index.catalog import (
    Seen,
    all_paths,
    all_videos,
    forget_videos,
    open_catalog,
    put_paths,
    put_video,
)
from index.errors import CueframeError
from index.faults import vector_faults, vector_files
from index.files import hash_files, list_videos
from index.plan import recorded
from index.search import faiss_path, update_search
from index.store import Profile, Vectors, read_vectors

_NEVER_SEEN = -1
"""Size and mtime of a path that is known by hint alone: the next build hashes such a file."""


def repair(index: Path, profile: Profile, source: Path | None) -> Iterator[str]:
    """Mend an index; yields what was done, one line each.

    What a readable catalog knows is kept. A vector file that no path of it leads to is taken in
    under its path hint, unless that file holds another content by now.

    Args:
        index: Folder of the index, held by `index.lock.locked`.
        profile: What its vectors must be made by.
        source: Where to look for the videos beside the hints: folder, video or list of paths.
    """
    sound: dict[str, Vectors] = {}
    for path in vector_files(index):
        if any(vector_faults(index, path.stem, profile)):
            path.unlink()
            yield f"deleted {path}; index/build.py embeds that video again"
        else:
            sound[path.stem] = read_vectors(index, path.stem)
    try:
        open_catalog(index, must_exist=True).close()
    except CueframeError:
        (index / "catalog.sqlite").unlink(missing_ok=True)
        yield "made the catalog anew"
    with closing(open_catalog(index)) as catalog:
        if source:
            results = (result for _, result in hash_files(list_videos(source)))
            put_paths(catalog, (seen for seen in results if isinstance(seen, Seen)))
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        put_paths(catalog, _hinted(v for k, v in sound.items() if k not in known))
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        videos = all_videos(catalog)
        lost = [h for h, v in videos.items() if v.status == "indexed" and h not in sound]
        forget_videos(catalog, lost)
        for content_hash in known & sound.keys():
            put_video(catalog, recorded(index, sound[content_hash]))
        faiss_path(index).unlink(missing_ok=True)
        update_search(index, profile.width, all_videos(catalog).values())
        yield f"made the search index anew, of {len(known & sound.keys())} videos"


def _hinted(orphans: Iterable[Vectors]) -> Iterator[Seen]:
    """The paths that vector files remember, where no other content stands there by now."""
    by_path = {Path(vectors.path_hint): vectors.content_hash for vectors in orphans}
    present = [path for path in by_path if path.is_file()]
    for path, result in hash_files(present):
        if isinstance(result, Seen) and result.content_hash == by_path[path]:
            yield result
    for path in by_path.keys() - set(present):
        yield Seen(str(path), _NEVER_SEEN, _NEVER_SEEN, by_path[path])
