"""One server process: begun, waited for, and ended in every way that a test may want. It never outlives this program."""

import contextlib
import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

from programs import Unavailable

ANSWER_WITHIN_S = 90
STOP_WITHIN_S = 30
LOOK_EVERY_S = 0.05
# Below the ports that outgoing connections get, so that nobody takes a server's port while it is down.
PORTS = (15_000, 32_000)
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def port_of(data, name):
    """A free port; the same one at every start on this data, so that addresses stay true."""
    file = data / f"{name}.port"
    while not file.exists():
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(*PORTS)))
            file.write_text(str(probe.getsockname()[1]))
    return int(file.read_text())


class Server:
    def __init__(self, name, command, log, answers, user=None, stop_signal=signal.SIGTERM, environment=None):
        self.name, self.command, self.log, self.answers = name, [str(word) for word in command], pathlib.Path(log), answers
        self.user, self.stop_signal, self.environment = user, stop_signal, environment
        self.process = None

    def launch(self):
        self.process = spawn(self.command, self.log, self.user, self.environment)

    def wait_until_it_answers(self):
        end = time.monotonic() + ANSWER_WITHIN_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.log.read_text(errors="replace")[-2000:]
                raise Unavailable(f"{self.name} does not answer (exit status {self.process.poll()}): {' / '.join(said.split(chr(10))[-12:])}")
            time.sleep(LOOK_EVERY_S)

    def start(self):
        if self.process and self.process.poll() is None:
            raise ValueError("it runs already")
        self.launch()
        self.wait_until_it_answers()

    def stop(self):
        self.tell_to_stop()
        self.wait_for_its_end()

    def kill(self):
        # Held first, so that it has no child that is not among these.
        self.pause()
        family = [*children(self.process.pid), self.process.pid]
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        # What they share is free only when the last of them is gone.
        end = time.monotonic() + STOP_WITHIN_S
        while any(runs(process) for process in family) and time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def tell_to_stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(self.stop_signal)

    def wait_for_its_end(self):
        if self.process:
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()


def spawn(command, log, user=None, environment=None):
    def before():
        if user:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        # After the change of user, which clears it.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    with open(log, "ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=before, start_new_session=True, cwd="/",
            env={**os.environ, **(environment or {})},
        )


def children(process):
    with contextlib.suppress(OSError):
        return [int(child) for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def runs(process):
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def exchange(port, request, answer_bytes):
    """Whether a server on a port answers a request with that many bytes."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(request)
        return len(connection.recv(answer_bytes, socket.MSG_WAITALL)) == answer_bytes
    return False
