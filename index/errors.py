"""The one family of errors that a user can cause.

Exception
└── CueframeError        one line: what, the value, the remedy
    ├── VideoError       one video cannot be used; the others go on
    └── ModelError       a model cannot be had; what does not need it goes on
"""


class CueframeError(Exception):
    """A wrong call or unusable input; its text is the line that the user reads."""


class VideoError(CueframeError):
    """One video cannot be used; the run goes on without it."""


class ModelError(CueframeError):
    """A model is not on the hub or not in its folder; what does not need it goes on."""
