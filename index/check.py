"""Check an index, and repair its derived files.

Usage: python index/check.py INDEX [--videos VIDEOS] [--repair]

Opens every vector file and compares it with the catalog and the search index; each problem is one
line on stdout. With --repair the search index and the catalog are rebuilt from the vector files;
damaged vector files are deleted, and the next index/build.py embeds those videos again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

try:
    import tyro

    from index.run_command import run
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class CheckConfig:
    """Flags of index/check.py."""

    index: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INDEX")]
    """Folder of the index."""
    videos: Path | None = None
    """Folder, video or text file of paths, in which --repair looks for the videos."""
    repair: bool = False
    """Rebuild catalog and search index, and delete damaged vector files."""


def check(config: CheckConfig) -> int:
    """Report problems, and repair them on request; return 1 if any remain, else 0."""
    from index.checking import check_index

    return check_index(config.index, repair=config.repair, videos=config.videos)


if __name__ == "__main__":
    run(check, CheckConfig, __doc__)
