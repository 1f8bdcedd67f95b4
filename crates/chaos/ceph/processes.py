"""Processes that end with the check: each by its own number, whatever happens to whoever started it."""

import os
import signal
import socket
import subprocess
import time
import urllib.request


class Failed(Exception):
    """What the check itself could not do; nothing is proved by it."""


class Processes:
    """Ends what it has started, the youngest first."""

    def __init__(self, logs):
        self.logs = logs
        self.running = {}

    def start(self, name, *command, env=None):
        """Starts a program; what it prints goes to a file of its name. It dies with this process, even if that is killed."""
        with open(self.log(name), "ab") as log:
            # A session of its own: Ctrl-C is for the check, which then ends everything in order.
            self.running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)
        return self.running[name]

    def log(self, name):
        return os.path.join(self.logs, name + ".out")

    def printed(self, name):
        with open(self.log(name), errors="replace") as log:
            return log.read()

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name, limit):
        """SIGTERM, and its exit status; None if it had to be killed."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def end(self):
        for name in reversed(list(self.running)):
            self.kill(name)


def wait(what, there, limit=60, pause=0.1):
    """What `there` gives, once it gives anything; an OSError of it is a no."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            found = there()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(pause)
    raise Failed(f"{what}: not within {limit} s")


def answers(url):
    """Whether anybody answers there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=2).read()
    except urllib.error.HTTPError:
        pass
    return True


def free_port(taken=set()):
    """A port on loopback that nobody has, below those that the system gives to whoever asks for any, and none twice."""
    for port in range(20000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            taken.add(port)
            return port
    raise Failed("no port between 20000 and 32000 is free")
