"""One message for each of many profiles, all under way at once, and how each of them ended.

    ends = AtOnce(gateway)
    ends.send("x", ["1@x.test"])
    ends.wait(["x"])
    ends.seen["x"]          # ("gone", "deferred" or "failed", when it was seen)
"""
import time

from .net import Client
from .suite import wait_for

LINE = b"0123456789abcdef" * 15 + b"0123456789abcd\r\n"
ENDS = ("gone", "deferred", "failed")


class AtOnce:
    def __init__(self, gateway):
        self.gateway = gateway
        self.sent, self.seen = {}, {}

    def send(self, profile, recipients, subject="x", octets=0):
        """To a profile to whose rule these recipients belong."""
        body = f"Subject: {subject}\r\n\r\n".encode() + LINE * (octets // len(LINE))
        with Client(self.gateway.port) as client:
            reply = client.deliver(body, recipients=recipients)
            assert reply.code == 250, reply
        self.sent[profile] = time.monotonic()

    def wait(self, profiles, seconds):
        def all_ended():
            rows = {r["profile"]: r for r in self.gateway.queue()}
            now = time.monotonic()
            for name in profiles:
                state = rows[name]["state"] if name in rows else "gone"
                if state in ENDS:
                    self.seen.setdefault(name, (state, now))
            return len(self.seen) == len(profiles)
        try:
            wait_for("all have ended one way or other", all_ended, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}: {sorted(set(profiles) - set(self.seen))}") from None


def arrived(server, domain):
    """The messages at a ScriptedServer for recipients in `domain`."""
    return [m for m in server.messages if m.recipients[0].endswith("@" + domain)]
