"""Where programs and data are kept. A temporary data folder is locked while it is used; one whose user was killed is swept by the next start."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile

PREFIX = "twig-servers-"


def programs():
    # PostgreSQL refuses root, and nobody else gets into root's home.
    home = pathlib.Path("/var/cache" if os.geteuid() == 0 else os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    folder = home / "twig-servers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(file, wait=True):
    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextlib.contextmanager
def data(kept):
    if kept:
        kept = kept.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        with locked(kept / "lock"):
            yield kept
        return
    sweep()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    try:
        with locked(folder / "lock"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep():
    for folder in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            # A folder without a lock is being made at this moment.
            if (folder / "lock").exists():
                with locked(folder / "lock", wait=False):
                    shutil.rmtree(folder, ignore_errors=True)
