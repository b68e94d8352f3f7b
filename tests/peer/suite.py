"""A suite: the functions test_* of one file, each with a scratch folder and a deadline.

    if __name__ == "__main__":
        suite.run(globals())

prints a line for each test and last "N passed, N failed, N skipped". Whatever a test started
through its scratch is ended, by its process id, when the test is over, however it ends; a
sanitizer's report in the scratch folder fails it, and so does a secret that turns up
(peer.secrets).
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 120
REPORT = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error):")


class Skip(Exception):
    """Raised with the reason why a test cannot be done here."""


class TooLate(Exception):
    pass


def wait_for(what, condition, seconds=20.0, every=0.02):
    """Returns condition()'s first true value; AssertionError naming `what` when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def expect(actual, **wanted):
    """Of some values of a report, by their names."""
    wrong = {k: (actual[k], v) for k, v in wanted.items() if actual[k] != v}
    assert not wrong, f"(is, should be): {wrong}"


class Scratch:
    """A folder, and everything that must be ended or undone when its test is over."""

    def __init__(self, name="postern"):
        # World-readable: sinks give up root.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}."))
        self.folder.chmod(0o755)
        self._undo = []
        self.inspections = [] # functions that say what is wrong with what is left, "" if nothing

    def on_close(self, action):
        self._undo.append(action)

    def path(self, name):
        return self.folder / name

    def spawn(self, command, log=None, **options):
        """Starts a process that close() ends. Its output goes to `log` in the folder."""
        if log is not None:
            with open(self.path(log), "ab") as out:
                options.setdefault("stdout", out)
                options.setdefault("stderr", out)
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        else:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.on_close(lambda: end_process(process))
        return process

    def reports(self):
        """What sanitizers said, in files of their own or in a log: a worker's stderr is the
        gateway's log."""
        texts = [f"{r.name}:\n{r.read_text(errors='replace')[:8000]}"
                 for r in sorted(self.folder.glob("sanitizer.*"))]
        for log in sorted(self.folder.rglob("*.log")):
            text = log.read_text(errors="replace")
            found = REPORT.search(text)
            if found:
                texts.append(f"{log.name}:\n{text[found.start():][:8000]}")
        texts += filter(None, (inspect() for inspect in self.inspections))
        return "\n".join(texts)

    def close(self):
        """Never raises: says what went wrong and goes on."""
        while self._undo:
            try:
                self._undo.pop()()
            except Exception:
                traceback.print_exc(file=sys.stdout)
        text = self.reports()
        shutil.rmtree(self.folder, ignore_errors=True)
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def end_process(process, seconds=10):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def session_pids(session):
    """The processes of a session, from /proc: a daemon and those it forked."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry.name))
    return sorted(found)


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _on_alarm(*_):
    raise TooLate()


def _run_one(name, test):
    started = time.monotonic()
    deadline = getattr(test, "deadline_s", DEADLINE_S)
    scratch = Scratch(f"postern-{name.removeprefix('test_')[:24]}")
    status, detail = "ok", ""
    signal.alarm(deadline)
    try:
        detail = test(scratch) or ""
    except Skip as skip:
        status, detail = "skipped", str(skip)
    except TooLate:
        status, detail = "FAILED", f"no end after {deadline} s\n{traceback.format_exc(limit=-6)}"
    except Exception:
        status, detail = "FAILED", traceback.format_exc(limit=-3)
    finally:
        signal.alarm(0)
    log = ""
    if status == "FAILED":
        for path in sorted(scratch.folder.rglob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-25:]
            log += f"-- {path.name}\n" + "\n".join(lines) + "\n"
    reports = scratch.close()
    if reports:
        status, detail = "FAILED", f"{detail}\n{reports}"
    text = f" [{detail}]" if detail and status != "FAILED" else ""
    print(f"{status:7} {name} ({time.monotonic() - started:.1f} s){text}", flush=True)
    if status == "FAILED":
        print(detail + log, flush=True)
    return status


def deadline(seconds):
    def mark(test):
        test.deadline_s = seconds
        return test
    return mark


def run(names):
    """Runs the tests of a module, or those that the command line names. Does not return."""
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)) # `finally` blocks clean up
    tests = {n: f for n, f in names.items() if n.startswith("test_") and callable(f)}
    wanted = sys.argv[1:]
    chosen = {n: f for n, f in tests.items() if not wanted or any(w in n for w in wanted)}
    if not chosen:
        sys.exit(f"no such test; there are: {' '.join(tests)}")
    statuses = [_run_one(n, f) for n, f in chosen.items()]
    failed = statuses.count("FAILED")
    print(f"{statuses.count('ok')} passed, {failed} failed, {statuses.count('skipped')} skipped",
          flush=True)
    sys.exit(1 if failed else 0)
