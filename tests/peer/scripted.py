"""A receiving server that does what a script says, a network that takes its time, and fast receivers
of TLS and of uploads: the programs smtp_peer (script.h says what a script can, report.h what a report
holds), delay_relay, tls_sink and vault_sink.

    peer = ScriptedPeer(t, "every MAIL 8 close 421 4.3.2 seven are enough")
    relay = DelayRelay(t, peer.port, delay_ms=20)
    ...
    peer.script("refuse")            # from now on; connections that are open stay
    peer.report()["connections"]["most_idle"]
"""
import json
import os
import select
import signal
import subprocess
import time

from .suite import ROOT, end_process, wait_for

ANSWER_S = 20


def program(name, build):
    return ROOT / "build" / os.environ.get("POSTERN_BUILD", build) / "test" / name


class BadScript(Exception):
    """With the line that is not understood."""


class Program:
    """One of them: it answers signals with a line on its standard output. It keeps its port over
    stop() and start(); `last` is its report as of its last end."""

    def __init__(self, scratch, name, port, build, options):
        self.port, self.last, self._process = port, None, None
        self._scratch, self._path, self._options = scratch, program(name, build), options
        scratch.on_close(self.stop)

    def start(self):
        self._report = self._scratch.path(f"{self._path.name}.{id(self)}.json")
        env = dict(os.environ, ASAN_OPTIONS=f"log_path={self._scratch.path('sanitizer')}",
                   UBSAN_OPTIONS=f"log_path={self._scratch.path('sanitizer')}")
        with open(self._scratch.path(f"{self._path.name}.log"), "ab") as log:
            self._process = subprocess.Popen(
                [self._path, "-p", str(self.port or 0), "-o", self._report, *self._options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env)
        answer = self._answer()
        if not answer:
            self._process.wait(ANSWER_S)
            self._process = None
            raise BadScript(self._scratch.path(f"{self._path.name}.log").read_text().splitlines()[-1])
        self.port = int(answer)

    def _answer(self):
        """A line that it says; "" when it has ended."""
        out, line, deadline = self._process.stdout.fileno(), b"", time.monotonic() + ANSWER_S
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            assert select.select([out], [], [], left)[0], f"no answer of {self._path.name}"
            octet = os.read(out, 1)
            if not octet:
                return ""
            line += octet
        return line.decode().strip()

    def _signal(self, number):
        self._process.send_signal(number)
        answer = self._answer()
        assert answer, f"{self._path.name} has ended"
        return answer

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        """Everything that was open ends. Its last report is `last`."""
        if self._process is None:
            return
        process, self._process = self._process, None
        end_process(process, ANSWER_S)
        process.stdout.close()
        assert process.returncode == 0, f"{self._path.name} ended with {process.returncode}"
        self.last = json.loads(self._report.read_text())

    def restart(self):
        self.stop()
        self.start()

    def report(self):
        """As of now; after stop() as of then."""
        if self._process is None:
            return self.last
        assert self._signal(signal.SIGUSR1) == "report"
        return json.loads(self._report.read_text())


class ScriptedPeer(Program):
    """`script`: text as in script.h, "" is a good server. `rows`: one per connection in reports;
    `live`: a line per second in smtp_peer.log."""

    def __init__(self, scratch, script="", port=None, build="debug", rows=False, live=False):
        self._script = scratch.path(f"smtp_peer.{id(self)}.script")
        self._script.write_text(script)
        super().__init__(scratch, "smtp_peer", port, build,
                         ["-s", self._script, *["-r"] * rows, *["-l"] * live])
        self.start()

    def script(self, text):
        """In force when this returns. BadScript: the old one still is."""
        self._script.write_text(text)
        if self._process is None:
            return
        answer = self._signal(signal.SIGHUP)
        if answer != "script":
            raise BadScript(answer)

    def connections(self, key=None):
        connections = self.report()["connections"]
        return connections[key] if key else connections

    def wait_ended(self, count):
        wait_for(f"{count} ends", lambda: self.connections("ended") >= count)

    def messages(self, key="taken"):
        return self.report()["messages"][key]


class DelayRelay(Program):
    """Between its port and `target`, each octet takes `delay_ms` each way."""

    def __init__(self, scratch, target, delay_ms=20, port=None, build="debug"):
        super().__init__(scratch, "delay_relay", port, build, ["-t", str(target), "-d",
                                                               str(delay_ms)])
        self.start()


class TlsSink(Program):
    """Takes everything, over STARTTLS or with `smtps` from the first octet, and counts handshakes:
    full ones and resumed ones. Shows `paper` (peer.certificates)."""

    def __init__(self, scratch, paper, resumes=True, smtps=False, port=None, build="debug"):
        super().__init__(scratch, "tls_sink", port, build,
                         ["-c", paper.certificate, "-k", paper.key, *["-n"] * (not resumes),
                          *["-i"] * smtps])
        self.start()

    def messages(self):
        return self.report()["messages"]["taken"]


class VaultSink(Program):
    """Takes every upload, and counts; asks for no key."""
    base = "/vault_rest"

    def __init__(self, scratch, port=None, build="debug"):
        super().__init__(scratch, "vault_sink", port, build, [])
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.base}"
