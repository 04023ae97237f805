"""The side that only imports modules: what every command pays before it begins.

python -m tests.bench.imports MODULE …
"""

import sys
from importlib import import_module

if __name__ == "__main__":
    for name in sys.argv[1:]:
        import_module(name)
