"""An index of one long video of random vectors, and questions about it with answers."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from index.decoding.frame_types import VideoMetadata
from index.discovery import HashedFile
from index.storage.catalog import open_catalog, put_paths, put_video, row_of
from index.storage.store import Vectors, read_profile, write_profile, write_vectors
from tests.fixtures_infer import TEXTS, world

VIDEO = "/videos/long.mp4"


def long_index(folder: Path, rows: int, vectors: np.ndarray | None = None) -> Path:
    """An index of a video of so many rows, two a second, by the model of `world`.

    Its vectors are random, or those given (rows, D).
    """
    rng = np.random.default_rng(0)
    profile = read_profile(world().index)
    if vectors is None:
        vectors = rng.normal(size=(rows, profile.width))
    vectors = vectors[:, None]
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    time_s = np.floor(np.arange(rows) / 2 * 29.97) / 29.97
    stored = Vectors(
        embeddings=vectors.astype(np.float16),
        time_s=time_s,
        end_s=time_s + 1 / 29.97,
        content_hash="ab" * 16,
        path_hint=VIDEO,
        profile=profile,
        metadata=VideoMetadata(duration_s=rows / 2, start_s=0.0, width=64, height=64, warnings=[]),
    )
    folder.mkdir()
    write_profile(folder, profile)
    write_vectors(folder, stored)
    with closing(open_catalog(folder)) as catalog:
        put_paths(catalog, [HashedFile(VIDEO, 1, 1, stored.content_hash)])
        put_video(catalog, row_of(folder, stored))
    return folder


def long_questions(folder: Path, rows: int, count: int) -> tuple[Path, Path]:
    """Files of answers and of questions; each third question asks about a part of its own."""
    rng = np.random.default_rng(count)
    questions, answers = [], []
    for n in range(count):
        length_s = rows / 2
        own = [round(float(rng.uniform(0, length_s / 2)), 2), length_s]
        from_s = own[0] if n % 3 == 0 else 0.0
        starts_s = np.sort(rng.uniform(from_s, length_s - 20, 1 + n % 3)).round(2).tolist()
        one: dict[str, Any] = {"id": f"q{n}", "question": TEXTS[n % 4], "video_path": VIDEO}
        one["choices"] = ["Red", "Blue", "Green", TEXTS[3]]
        one |= {"support_ranges": [[a, a + 8.0] for a in starts_s], "support_frames": starts_s}
        questions.append(one | ({"span_s": own} if n % 3 == 0 else {}))
        picked = np.sort(rng.choice(np.arange(int(2 * from_s) + 2, rows), 4, replace=False))
        frames = [{"time_s": float(np.floor(row / 2 * 29.97) / 29.97)} for row in picked]
        answers.append({"id": f"q{n}", "frames": frames})
    asked, given = folder / f"questions{count}.json", folder / f"answers{count}.jsonl"
    asked.write_text(json.dumps({"data": questions}))
    given.write_text("".join(json.dumps(one) + "\n" for one in answers))
    return given, asked
