"""Commands that have a small /dev/shm of their own, as in a container."""

import functools
import subprocess

import pytest


def in_a_container(room: str, *command: str) -> list[str]:
    """Return a command with a /dev/shm of that size; skip the test where there can be none."""
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    words += [f'mount -t tmpfs -o size={room} shm /dev/shm && exec "$@"', "sh"]
    if why := _refused((*words, "true")):
        pytest.skip(f"no name space with a /dev/shm of its own here: {why}")
    return [*words, *command]


@functools.cache
def _refused(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
