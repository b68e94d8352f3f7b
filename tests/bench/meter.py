"""CPU time, memory and system calls of running processes, from the outside."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def stat_fields(pid):
    """/proc/PID/stat from the state on (field 3 is index 0); None when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None


def tree(root):
    """`root` and everything below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := stat_fields(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def exact_seconds(pid):
    """CPU time of all threads of one living process, to the nanosecond."""
    total = 0
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (OSError, ValueError):
        fields = stat_fields(pid)
        return (int(fields[11]) + int(fields[12])) / TICK if fields else 0.0
    return total / 1e9


class GroupMeter:
    """CPU time of a tree whose processes come and go: a cgroup (v2) where one can be made, else
    the kernel's sums over the living and the reaped."""

    def __init__(self, root):
        self.root, self.folder = root, None
        try:
            mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
            top = next(m.split()[1] for m in mounts if m.split()[2] == "cgroup2")
            own = next(line.partition("::")[2] for line in
                       pathlib.Path(f"/proc/{root}/cgroup").read_text().splitlines()
                       if line.startswith("0::"))
            folder = pathlib.Path(top) / f"postern-bench.{os.getpid()}.{root}"
            folder.mkdir()
            self.folder, self.home = folder, pathlib.Path(top + own)
            for _ in range(2): # twice: one forked meanwhile is caught by the second pass
                for pid in tree(root):
                    self._move(pid, folder)
            self.seconds()
        except (OSError, StopIteration, ValueError):
            self.close()

    @staticmethod
    def _move(pid, folder):
        try:
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            pass

    def seconds(self):
        if self.folder is not None:
            text = (self.folder / "cpu.stat").read_text()
            return int(re.search(r"usage_usec (\d+)", text).group(1)) / 1e6
        total = 0
        for pid in tree(self.root):
            fields = stat_fields(pid)
            total += sum(int(f) for f in fields[11:15]) if fields else 0
        return total / TICK

    def close(self):
        if self.folder is None:
            return
        for _ in range(2):
            for pid in (self.folder / "cgroup.procs").read_text().split():
                self._move(pid, self.home)
        try:
            self.folder.rmdir()
        except OSError:
            pass
        self.folder = None


def machine_busy_seconds():
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / TICK


def memory_kib(pid):
    """{"VmHWM", "VmRSS", "RssAnon", "RssFile"}: the last is what of mapped files is in memory, which
    the kernel can take away at any time."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: int(v) for k, v in re.findall(r"^(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+)", text, re.M)}


class MemoryWatch:
    """The most of each figure of memory_kib() until end(), looked at every 20 ms."""

    def __init__(self, pid):
        self.before = memory_kib(pid)
        self.most, self._pid = dict(self.before), pid
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.wait(0.02):
            now = memory_kib(self._pid)
            self.most = {k: max(v, now[k]) for k, v in self.most.items()}

    def end(self):
        self._ending.set()
        self._thread.join()
        return self.most


class CallCounter:
    """strace -c -f on the given processes, from begin to end."""

    def __init__(self, pids, log):
        self.log = log
        command = ["strace", "-c", "-f", "-qq", "-o", str(log)]
        for pid in pids:
            command += ["-p", str(pid)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 10
        while not all(self._is_traced(p) for p in pids):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError("strace could not attach: "
                                   + self.process.communicate()[1].decode(errors="replace"))
            time.sleep(0.02)

    @staticmethod
    def _is_traced(pid):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return True
        return not re.search(r"TracerPid:\s+0$", status, re.M)

    def end(self):
        """{call: count}"""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        calls = {}
        for line in self.log.read_text().splitlines():
            fields = line.split()
            if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
                calls[fields[-1]] = calls.get(fields[-1], 0) + int(fields[3])
        return calls


def profile(pids, seconds, folder, top=30):
    """Where the time goes: perf's hottest symbols of these processes, or None without perf."""
    if shutil.which("perf") is None:
        return None
    data = folder / "perf.data"
    record = subprocess.run(["perf", "record", "-q", "-F", "997", "-o", data, "-p",
                             ",".join(map(str, pids)), "--", "sleep", str(seconds)],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True)
    report = subprocess.run(["perf", "report", "-q", "--stdio", "-i", data, "--sort", "comm,dso,sym",
                             "--percent-limit", "0.4"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    lines = [line for line in report.stdout.splitlines() if "%" in line]
    return lines[:top] if record.returncode == 0 and lines else None
