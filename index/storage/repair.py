"""Rebuild the derived files of an index: the catalog from the vector files, FAISS from both."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from index.discovery import HashedFile, hash_files, list_videos
from index.errors import CueframeError
from index.storage.catalog import (
    all_paths,
    all_videos,
    forget_videos,
    open_catalog,
    put_paths,
    put_video,
    row_of,
)
from index.storage.faiss_index import FaissUpdate, faiss_path
from index.storage.integrity import vector_files, vector_problems
from index.storage.store import Profile, Vectors, read_vectors

_NEVER_SEEN = -1
"""Size and mtime of a path known only by its hint, so that the next build hashes the file."""


def repair_index(index: Path, profile: Profile, source: Path | None) -> Iterator[str]:
    """Repair an index; yield what was done, one line each.

    The paths and failures of a readable catalog are kept. A vector file to which no path leads is
    added under its path hint, unless that file has other content by now.

    Args:
        index: Folder of the index, locked with `index.storage.lock.locked`.
        profile: Profile that must have made its vectors.
        source: Where to look for the videos besides the hints: folder, video or list of paths.
    """
    sound: dict[str, Vectors] = {}
    for path in vector_files(index):
        if any(vector_problems(index, path.stem, profile)):
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
            put_paths(catalog, (seen for seen in results if isinstance(seen, HashedFile)))
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        put_paths(catalog, _hinted(v for k, v in sound.items() if k not in known))
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        videos = all_videos(catalog)
        lost = [h for h, v in videos.items() if v.status == "indexed" and h not in sound]
        forget_videos(catalog, lost)
        for content_hash in known & sound.keys():
            put_video(catalog, row_of(index, sound[content_hash]))
        faiss_path(index).unlink(missing_ok=True)
        search = FaissUpdate(index, profile.width)
        search.add_missing(all_videos(catalog).values())
        search.write()
        yield f"made the search index anew, of {len(known & sound.keys())} videos"


def _hinted(orphans: Iterable[Vectors]) -> Iterator[HashedFile]:
    """Yield the path hints of vector files, except of files that have other content by now."""
    by_path = {Path(vectors.path_hint): vectors.content_hash for vectors in orphans}
    present = [path for path in by_path if path.is_file()]
    for path, result in hash_files(present):
        if isinstance(result, HashedFile) and result.content_hash == by_path[path]:
            yield result
    for path in by_path.keys() - set(present):
        yield HashedFile(str(path), _NEVER_SEEN, _NEVER_SEEN, by_path[path])
