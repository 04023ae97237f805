"""Find the moments of all videos of an index that fit a text best. The search is exact.

Usage: python infer/find.py "a red car on a bridge" --index video_index --top 10
       python infer/find.py "a red truck" --not "a green sign" --videos "2024/*.mp4"
       python infer/find.py "a red truck" --then "a green sign"
       python infer/find.py --texts texts.txt --per-video 1
       python infer/find.py --like x.mp4@12.5

Each hit is one JSON line on stdout, the best first.
"""

import sys

try:
    from index.run_command import run
    from infer.searching.config import FindConfig, refuse_bad_call
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def find(config: FindConfig) -> int:
    """Print what is found; returns the exit code."""
    refuse_bad_call(config)
    from infer.finding import find_and_print

    return find_and_print(config)


if __name__ == "__main__":
    run(find, FindConfig, __doc__)
