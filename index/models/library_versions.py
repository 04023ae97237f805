"""Which versions of the libraries are installed that decide what a model makes of its input."""

from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = (
    "transformers",
    "tokenizers",
    "pillow",
    "torch",
    "open_clip_torch",
    "timm",
    "torchvision",
    "sentence-transformers",
)


def versions_here() -> dict[str, str]:
    """Return the versions of the libraries that decide what a model's own preparation does."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
