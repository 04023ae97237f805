"""Check an index, and repair it.

Usage: python index/check.py INDEX [--repair [--dry-run]] [--videos VIDEOS] [--purge]

Reads every vector file and compares it with profile, catalog and search index, and with --videos
every video with the catalog; each problem is one line on stdout. With --repair, what is derived is
made anew, and what is damaged is moved to INDEX/quarantine, never deleted; the next index/build.py
embeds those videos again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

try:
    import tyro

    from index.run_command import NoLock, run
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class CheckConfig:
    """Flags of index/check.py."""

    index: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INDEX")]
    """Folder of the index."""
    videos: Path | None = None
    """Folder, video or text file of paths: these files are read and compared with the catalog, and
    --repair enters where they are."""
    repair: bool = False
    """Mend the problems, after saying how; nothing is deleted."""
    dry_run: bool = False
    """Only say what --repair would do."""
    purge: bool = False
    """Delete what earlier repairs moved to INDEX/quarantine."""
    no_lock: NoLock = False


def check(config: CheckConfig) -> int:
    """Report problems, and repair them on request; return 1 if any remain, else 0."""
    from index.checking import check_index

    return check_index(
        config.index,
        repair=config.repair or config.dry_run,
        dry_run=config.dry_run,
        purge_quarantine=config.purge,
        videos=config.videos,
        no_lock=config.no_lock,
    )


if __name__ == "__main__":
    run(check, CheckConfig, __doc__)
