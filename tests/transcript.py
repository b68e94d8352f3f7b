"""transcript: what the suites of tests/run say and count.

    tell = Transcript("unit", live=True)   # shown as it comes; else all at once by show()
    tell("  ok      test_x (0.1 s)")
    tell.failures()                        # what to read of it: each failed test with what follows it

Suites may run side by side, each with a transcript of its own, so that what they say is never mixed.
"""
import re

FAILURE = re.compile(r"\s*FAILED\b")
NEXT = re.compile(r"\s*(ok|skipped|FAILED)\b")
SHOWN = 40 # lines of a failure that are said once more


class Tally:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    print(text, flush=True)


def tail(text, lines=80):
    return "\n".join(text.splitlines()[-lines:])


class Transcript:
    def __init__(self, name, live):
        self.name, self.live, self.lines = name, live, []
        if live:
            say(f"== {name}")

    def __call__(self, text):
        self.lines += text.splitlines()
        if self.live:
            say(text)

    def show(self):
        if not self.live:
            say("\n".join([f"== {self.name}", *self.lines]))

    def failures(self):
        """Each failure's first lines and its last: where it was, and what it said."""
        found, failure = [], None
        for line in self.lines:
            if FAILURE.match(line):
                failure = [line]
                found.append(failure)
            elif NEXT.match(line):
                failure = None
            elif failure is not None:
                failure.append(line)
        return ["\n".join(f if len(f) <= SHOWN else f[:SHOWN // 2] + ["  ..."] + f[-SHOWN // 2:]) for f in found]
