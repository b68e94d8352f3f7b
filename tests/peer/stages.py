"""A gateway whose mail passes scanners and a vault on its way to a relay.

    scene = Stages(t, cores=[CoreServer(t)], vault=VaultServer(t))
    made = scene.send(make(7))
    scene.wait_relayed(1)
    scene.check_uploads([made])
"""
import collections
import hashlib
import itertools
import random
import re
import signal
import threading
import unicodedata

from .gateway import QUICK_HEALTH, Gateway, Refused
from .net import Client, Closed
from .servers import ScriptedServer
from .suite import send_signal, wait_for

RETRY = {"first": 1, "factor": 1, "max": 1}
LATER = {"first": 600, "max": 600}
QUEUED = re.compile(r"queued as ([0-9A-Z]{13})")
NAME_MOST = 255
DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def is_safe(name):
    return 0 < len(name.encode()) <= NAME_MOST and name not in (".", "..") and \
        not set(name) & (DIRECTIONS | set("/\\")) and \
        not any(unicodedata.category(c) == "Cc" for c in name) and name[-1] not in " ."


def field(octets, name):
    """The values of a header field of a message."""
    header = octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace") + "\r\n"
    header = re.sub(r"\r\n[ \t]+", " ", header)
    return re.findall(rf"(?im)^{re.escape(name)}:[ \t]*(.*?)\r?$", header)


class Stages:
    """`cores`: CoreServers or what has a `url`; `scan`, `upload`: of the rule; `of_core`, `of_vault`: of
    the profiles. One rule, for *@example.test."""

    def __init__(self, t, cores=(), vault=None, workers=2, retry=None, scan=None, upload=None,
                 of_core=None, of_vault=None, health=QUICK_HEALTH, **options):
        self.t, self.cores, self.vault = t, list(cores), vault
        self.of_core, self.of_vault = dict(of_core or {}), dict(of_vault or {})
        self.scan, self.upload, self.retry = scan, upload, retry or RETRY
        self.relay = ScriptedServer(t)
        self.gateway = Gateway(t, workers=workers, health=health, **options)
        self.sent = {} # Made by the id it got
        self.save()
        self.gateway.wait_rules()

    def save(self):
        self.gateway.put_profile("relay", [self.relay], retry=self.retry)
        if self.cores:
            self.gateway.put_profile("core", [c.url for c in self.cores], type="core", **self.of_core)
        if self.vault:
            self.save_vault()
        self.put_rule("all", core="core" if self.cores else None,
                      vault="vault" if self.vault else None)

    def save_vault(self, **changes):
        self.of_vault |= changes
        key = getattr(self.vault, "key", None)
        self.gateway.put_profile("vault", [self.vault.url], type="vault",
                                 **{"api_key": key, **self.of_vault})

    def put_rule(self, name, **properties):
        more = {n: v for n, v in (("scan", self.scan), ("upload", self.upload)) if v is not None}
        self.gateway.put_rule(name, "relay", **more, **properties)

    # ---- mail ----

    def send(self, made, recipient="to@example.test"):
        """Of mime_maker; in clear, as 8BITMIME. Returns the id."""
        with Client(self.gateway.port, 60) as client:
            for reply in client.start(recipients=[recipient], parameters=" BODY=8BITMIME"):
                assert reply.code == 250, reply
            reply = client.content(made.stuffed)
        assert reply.code == 250, reply
        id_ = QUEUED.search(reply.text)[1]
        self.sent[id_] = made
        return id_

    def relayed(self, made):
        """What the relay got of it."""
        return [m for m in list(self.relay.messages) if m.body.endswith(made.message)]

    def wait_relayed(self, count, seconds=60):
        wait_for(f"{count} messages at the relay", lambda: len(self.relay.messages) >= count, seconds)
        assert len(self.relay.messages) == count, len(self.relay.messages)

    def row(self, id_):
        return next((r for r in self.gateway.queue() if r["id"] == id_), None)

    def wait_state(self, id_, *states, seconds=20):
        return wait_for(f"{id_} is {' or '.join(states)}", lambda: (
            r := self.row(id_)) and r["state"] in states and r, seconds)

    def shown(self, id_):
        """All that is told of a message, as text."""
        return self.gateway.ctl("--json", "queue", "show", id_)

    def wait_shown(self, id_, words, seconds=20):
        def says():
            try:
                return words in self.shown(id_)
            except Refused: # not heard of yet
                return False
        wait_for(f"queue show {id_} says {words!r}", says, seconds)

    def server_row(self, profile, server):
        return next(r for r in self.gateway.rows("server", "list", profile)
                    if f":{server.port}" in r["server"])

    def wait_server(self, profile, server, state, seconds=20):
        return wait_for(f"{server.url} is {state}", lambda: (
            r := self.server_row(profile, server))["state"] == state and r, seconds)

    # ---- kills ----

    def load(self, make, threads=3):
        """Sends make(number) without end, in threads; returns a function that ends that. What was
        answered 250 is in `sent`."""
        ends, count = threading.Event(), itertools.count()

        def run():
            while not ends.is_set():
                try:
                    self.send(make(next(count)))
                except (OSError, AssertionError, Closed):
                    pass # as clients see it when a worker dies
                ends.wait(0.05)
        running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
        for thread in running:
            thread.start()

        def end():
            ends.set()
            for thread in running:
                thread.join(70)
        return end

    def kill(self, seed, times, done):
        """So many kills -9 of one worker, and every sixth of all with a new start, which lets the
        supervisor forget its back-off. `done` counts what must go on between them."""
        chance, killed = random.Random(seed), 0
        while killed < times:
            before = done()
            wait_for(f"work goes on after {killed} kills", lambda: done() >= before + 3, 60)
            pids = self.gateway.worker_pids()
            if killed % 6 == 5:
                self.gateway.kill_all()
                self.gateway.start()
                killed += 1
            elif pids:
                send_signal(chance.choice(pids), signal.SIGKILL)
                killed += 1

    # ---- what became of it ----

    def check_uploads(self, mades):
        """Every attachment is in the vault once, octet for octet and by its name, nothing else is, and
        what belongs to a message is one transfer, which was complete before the message went on."""
        left = collections.defaultdict(list)
        for upload in self.vault.uploads:
            left[upload.sha256].append(upload)
        count = 0
        for made in mades:
            groups = {}
            parts = made.of("attachment", "message")
            for part in sorted(parts, key=lambda p: p.name is None): # those with a choice come last
                upload = take(left[sha256(part.bytes)], part, groups)
                groups[upload.group.id] = upload.group
                count += 1
            assert len(groups) <= 1, (made.seed, "in several transfers")
            for group in groups.values():
                assert group.state == "complete", (made.seed, group.state)
                assert all(group.when < m.when for m in self.relayed(made)), made.seed
        rest = [u for uploads in left.values() for u in uploads]
        assert not rest, rest[:5]
        return count

    def check_scans(self, mades):
        """Every part was at some Core, once. One that is empty no Core takes; a message within is what
        its own parts are."""
        scans = collections.Counter(s.sha256 for core in self.cores for s in core.scans)
        parts = collections.Counter(sha256(p.bytes) for m in mades for p in m.parts
                                    if p.bytes and p.kind != "message")
        missing, more = parts - scans, scans - parts
        assert not missing and not more, (missing, more)
        return sum(parts.values())

    def check_no_violations(self):
        """What the stand-ins were asked was well asked."""
        for server in (*self.cores, *([self.vault] if self.vault else [])):
            assert not getattr(server, "violations", None), server.violations


def take(uploads, part, groups):
    """The one that may be this part; of those that are alike, the one in a transfer that has begun."""
    def fits(upload):
        return upload.name == part.name if part.name is not None else \
            is_safe(upload.name) and upload.name.endswith(part.name_ends)
    fitting = sorted(filter(fits, uploads), key=lambda u: u.group.id not in groups)
    assert fitting, (part, [u.name for u in uploads])
    uploads.remove(fitting[0])
    return fitting[0]
