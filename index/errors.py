"""The errors that a user can cause.

Exception
└── CueframeError        one line: problem, value, remedy
    ├── VideoError       one video cannot be used; the run goes on without it
    ├── ModelError       a model cannot be found; what does not need it goes on
    └── DamagedError     a file of an index holds something other than what was written
"""


class CueframeError(Exception):
    """A wrong call or unusable input; its message is the line that the user reads."""


class VideoError(CueframeError):
    """One video cannot be used; the run goes on without it."""


class ModelError(CueframeError):
    """A model is neither a folder nor available from the hub; what does not need it goes on."""


class DamagedError(CueframeError):
    """A file of an index was read, and is not what was written; one out of reach is none."""
