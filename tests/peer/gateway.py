"""A Postern of the test's own: its configuration, its processes, its command line."""
import json
import os
import pathlib
import re
import signal
import subprocess

from .net import Client, Closed, free_port
from .secrets import Secrets
from .suite import ROOT, end_process, send_signal, session_pids, wait_for

CONF = """\
workers   = {workers}
hostname  = "gw.test"
state_dir = "{folder}/state"
run_dir   = "{folder}/run"
key_file  = "{folder}/store.key"
drain_time = 5
smtp {{
    listen = {{"127.0.0.1:{port}"}}
{smtp}}}
spool {{
    segment_size = {segment_size}
    keep_free = 0
{spool}}}
health {{
{health}}}
tls {{
{tls}}}
pool {{
{pool}}}
mime {{
{mime}}}
alerts {{
{alerts}}}
quarantine {{
{quarantine}}}
vault {{
{vault}}}
console {{
{console}}}
log {{
    target = "{folder}/posternd.log"
    level = {level}
}}
"""

CRASH = re.compile(r"^.*killed by signal (?:4|6|7|8|11) .*$", re.M)
TRUE_FALSE = {True: "true", False: "false"}
QUICK_HEALTH = {"probe_first": "1s", "probe_max": "1s"}


def _conf_value(value):
    return f'"{value}"' if isinstance(value, pathlib.Path) else TRUE_FALSE.get(value, value)


class Refused(Exception):
    """posternctl ended with another status than 0."""

    def __init__(self, done):
        super().__init__(f"exit {done.returncode}: {done.stderr}{done.stdout}")
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def bin_folder(build):
    return ROOT / "build" / os.environ.get("POSTERN_BUILD", build) / "bin"


class Gateway:
    """One state directory; posternd may be started and stopped on it many times."""

    def __init__(self, scratch, workers=2, build="debug", start=True, level="info",
                 segment_size="4M", smtp=None, spool=None, health=None, tls=None, pool=None,
                 mime=None, quarantine=None, vault=None, alerts=None, console=None, env=None):
        """`health`: QUICK_HEALTH, where a test waits for a server to be back; `env`: more of the
        environment (peer.faults)."""
        self.scratch, self.folder = scratch, scratch.path("gateway")
        self.folder.mkdir()
        self.env = dict(env or {})
        self.bin = bin_folder(build)
        self.port = free_port()
        self.settings = {"workers": workers, "level": level, "segment_size": segment_size,
                         "smtp": smtp or {}, "spool": spool or {}, "health": health or {},
                         "tls": tls or {}, "pool": pool or {}, "mime": mime or {},
                         "quarantine": quarantine or {}, "vault": vault or {}, "alerts": alerts or {},
                         "console": {"listen": '""', **(console or {})}}
        self.conf = self.folder / "postern.conf"
        self.log = self.folder / "posternd.log"
        self.socket = self.folder / "run/control.sock"
        self.process = None
        self.secrets = Secrets(self)
        self.write_conf()
        scratch.on_close(self.close)
        scratch.inspections.append(self.secrets.found)
        if start:
            self.start()

    # ---- processes ----

    def write_conf(self, **changes):
        self.settings.update(changes)
        lines = {k: "".join(f"    {key} = {_conf_value(v)}\n" for key, v in
                            self.settings[k].items())
                 for k in ("smtp", "spool", "health", "tls", "pool", "mime", "quarantine", "vault",
                            "alerts", "console")}
        self.conf.write_text(CONF.format(**{**self.settings, **lines}, folder=self.folder,
                                         port=self.port))

    @property
    def workers(self):
        return self.settings["workers"]

    def start(self, wait=True):
        reports = self.scratch.path("sanitizer")
        env = dict(os.environ, ASAN_OPTIONS=f"log_path={reports}:detect_leaks=1",
                   UBSAN_OPTIONS=f"log_path={reports}:print_stacktrace=1", **self.env)
        with open(self.scratch.path("posternd.stderr.log"), "ab") as out:
            self.process = subprocess.Popen([self.bin / "posternd", "-f", "-c", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True, env=env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        wait_for("posternd is up with all its workers", self._is_ready, seconds)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"posternd ended with {self.process.returncode}")
        if not self.socket.exists():
            return False
        try:
            ready = [w for w in self.worker_rows() if w["state"] == "running"]
            if len(ready) < self.workers:
                return False
            with Client(self.port, 5):
                return True
        except (Refused, OSError, AssertionError, Closed):
            return False

    def wait_scanned(self, seconds=30):
        """Until all that the spool holds is in the queue."""
        wait_for("all slots are scanned",
                 lambda: self.ctl_json("status")["slots_to_scan"] == 0, seconds)

    def pids(self):
        """posternd first, then its workers (and its console)."""
        if self.process is None:
            return []
        first = self.process.pid # whatever the numbers are: they begin anew at some time
        return sorted(session_pids(first), key=lambda pid: (pid != first, pid))

    def worker_pids(self):
        return [p for p in self.pids() if p != self.process.pid and not self._is_console(p)]

    @staticmethod
    def _is_console(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/comm").read_text() == "postern-console\n"
        except OSError:
            return False

    def stop(self, seconds=20):
        """SIGTERM; returns the exit status. A worker that crashes on its way out is a failure."""
        if self.process is None:
            return None
        process, before = self.process, len(self.log_text())
        self.secrets.note_processes(self.pids())
        if process.poll() is None:
            process.terminate()
            process.wait(seconds)
        wait_for("the workers have ended with their master",
                 lambda: not session_pids(process.pid), 15)
        self.process = None
        crashed = CRASH.search(self.log_text()[before:])
        assert crashed is None, crashed.group(0)
        return process.returncode

    def kill_all(self):
        """As a power cut that spares the disk: no process gets another instruction. The master is
        last: when it ends, the kernel sets going again what has stopped below it."""
        pids = self.pids()[::-1]
        for pid in pids:
            send_signal(pid, signal.SIGSTOP)
        for pid in pids:
            send_signal(pid, signal.SIGKILL)
        self.process.wait(10)
        wait_for("all killed", lambda: not session_pids(self.process.pid))
        self.process = None

    def reload(self, **changes):
        self.write_conf(**changes)
        os.kill(self.process.pid, signal.SIGHUP)

    def close(self):
        if self.process is None:
            return
        session = self.process.pid
        self.secrets.note_processes(session_pids(session))
        for pid in session_pids(session):
            send_signal(pid, signal.SIGCONT)
        end_process(self.process, 20)
        try:
            wait_for("workers ended", lambda: not session_pids(session), 10)
        except AssertionError:
            for pid in session_pids(session):
                send_signal(pid, signal.SIGKILL)
            print("  (workers outlived their master and were killed)", flush=True)
        self.process = None

    # ---- the command line ----

    def run_ctl(self, *args, stdin=None, seconds=60):
        command = [self.bin / "posternctl", "-s", self.socket, *map(str, args)]
        self.secrets.note_input(args, stdin)
        done = subprocess.run(command, text=True, capture_output=True, input=stdin or "",
                              timeout=seconds)
        self.secrets.note_output(done)
        return done

    def ctl(self, *args, **options):
        """Its output; Refused unless it ends with 0."""
        done = self.run_ctl(*args, **options)
        if done.returncode != 0:
            raise Refused(done)
        return done.stdout

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args))

    def _put(self, kind, value, *options):
        file = self.scratch.path(f"{kind}.json")
        file.write_text(json.dumps(value))
        return self.ctl(kind, "put", file, *options)

    def put_profile(self, name, servers, test=False, **properties):
        """`servers`: peers with a port, or URIs."""
        uris = [s if isinstance(s, str) else f"smtp://127.0.0.1:{s.port}" for s in servers]
        profile = {"name": name, "type": "smtp", "servers": uris, **properties}
        return self._put("profile", profile, *(() if test else ("--no-test",)))

    def put_rule(self, name, relay, recipients=("*@example.test",), **properties):
        rule = {"name": name, "match": {"recipients": list(recipients)}, "relay": relay,
                **properties}
        return self._put("rule", rule)

    def import_settings(self, profiles, rules):
        """Many at a time, untested."""
        file = self.scratch.path("import.json")
        file.write_text(json.dumps({"profiles": profiles, "rules": rules}))
        return self.ctl("import", file, "--no-test")

    def rows(self, *args):
        """A list answer: the array itself, or the one array in the object."""
        answer = self.ctl_json(*args)
        if isinstance(answer, dict):
            answer = next(v for v in answer.values() if isinstance(v, list))
        return answer

    def worker_rows(self):
        return self.rows("worker", "list")

    def queue(self):
        return self.rows("queue", "list", "--limit", 1000)

    def queue_pages(self):
        """All of the queue, however long, page by page."""
        after = ()
        while True:
            page = self.ctl_json("queue", "list", "--limit", 1000, *after)
            yield from page["messages"]
            if not page.get("next"):
                return
            after = ("--after", page["next"])

    def wait_rules(self, recipient="to@example.test", seconds=10):
        """Until every worker takes mail for `recipient`: a connection reaches any of them."""
        def taken():
            for _ in range(4 * self.workers if isinstance(self.workers, int) else 8):
                with Client(self.port) as client:
                    if any(r.code != 250 for r in client.start(recipients=[recipient])):
                        return False
            return True
        wait_for(f"rules for {recipient} at every worker", taken, seconds)

    def log_text(self):
        try:
            return self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""
