"""Faults on demand: what tests/shim and common/hook.h are told, and what they did.

    faults = Faults(t)
    full = faults.switch("full")
    gateway = Gateway(t, env=faults.env(f"pwritev:always:ENOSPC:path=/spool/:{full.when}"))
    with full: ...                   # begins and ends while the daemon runs
    faults.lines(call="pwritev", did="ENOSPC")
"""
from .suite import ROOT, wait_for

SHIM = ROOT / "build/debug/test/libpostern_shim.so"


class Switch:
    """A file that is there while the fault is on."""

    def __init__(self, path):
        self.path, self.when = path, f"when={path}"

    def on(self):
        self.path.touch()

    def off(self):
        self.path.unlink(missing_ok=True)

    def __enter__(self):
        self.on()
        return self

    def __exit__(self, *_):
        self.off()


class Line:
    """One call of the log. Numbers are numbers; `begin` and `end` are in order within `pid`."""

    def __init__(self, text):
        fields = dict(part.partition("=")[::2] for part in text.split(" "))
        for name, value in fields.items():
            setattr(self, name, int(value) if value.lstrip("-").isdigit() else value)

    def __repr__(self):
        return f"<{self.program} {self.pid} {self.begin} {self.call} {self.did} {self.result}>"


class Faults:
    def __init__(self, scratch):
        self.scratch = scratch
        self.log = scratch.path("faults.txt")

    def switch(self, name):
        switch = Switch(self.scratch.path(f"switch.{name}"))
        self.scratch.on_close(switch.off) # whoever hangs by it must be able to end
        return switch

    def once(self, name):
        """For a hook: a file that says that it happened."""
        return self.scratch.path(f"once.{name}")

    def env(self, rules="", hooks=""):
        assert SHIM.exists(), f"{SHIM} is not built: cmake --build --preset debug"
        env = {"POSTERN_HOOK": hooks} if hooks else {}
        if rules:
            env.update(LD_PRELOAD=str(SHIM), POSTERN_FAULT=rules, POSTERN_FAULT_LOG=str(self.log))
        return env

    def lines(self, **wanted):
        """What was done so far, oldest first; `path` is compared as a part."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return []
        lines = [Line(line) for line in text.split("\n")[:-1]]
        part = wanted.pop("path", "")
        return [line for line in lines if part in line.path and
                all(getattr(line, name) == value for name, value in wanted.items())]

    def wait(self, count=1, seconds=20, **wanted):
        wait_for(f"{count} faults of {wanted}", lambda: len(self.lines(**wanted)) >= count, seconds)
