#!/usr/bin/python3
"""MQ02, MQ03: a campaign of kills under load. Nothing that was promised is lost; what comes twice
was past its end of data when its worker died.

    tests/system/kill_campaign.py             30 kills over 20,000 messages
    POSTERN_LONG=1 ...                        1,000 kills (./dev test --long)
    POSTERN_SEED=N ...                        the same choices again

Every choice is made from the seed, which is printed; what the processes make of their time is not.
"""
import collections
import os
import pathlib
import random
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import CRASH, Gateway
from peer.net import free_port
from peer.receiver import MOODS, Receiver
from peer.senders import Odd, Promises, SmtpSource, Swaks

LONG = os.environ.get("POSTERN_LONG") == "1"
KILLS, MESSAGES = (1000, 200000) if LONG else (30, 20000)
WORKERS = 3
RARE = ("recycle_header", "recycle_unlink", "compaction")
POINTS = ("after_sync", "after_reply", "after_cell", *RARE)
POINT_PATIENCE_S = 3
KINDS = ["worker", "several", "master", "master", "all", "all", "frozen worker", "frozen master",
         "frozen all", "point", "point", "point"]
# Whatever dies, nothing is damaged, no message seems to be at fault, no worker talks nonsense. That
# servers which fail on purpose are down now and then is no news.
BAD_NEWS = re.compile(
    r"^\S+ \S+ (?:alert|error) (?!health )(?!.*msg=\"worker has died\").*$", re.M)


class Campaign:
    def __init__(self, t, seed):
        self.t, self.seed, self.random = t, seed, random.Random(seed)
        self.faults = Faults(t)
        self.receivers = [Receiver(t, free_port(), f"{seed}.{i}") for i in range(4)]
        self.lives = 0
        self.kills = [] # (when, what)
        self.sessions = []
        self.gateway = Gateway(t, workers=WORKERS, segment_size="1M", start=False)
        self.begin_life(wait=True)
        self.configure()
        self.promises = Promises()
        self.senders = []

    def configure(self):
        plain, one, two, bad = self.receivers
        retry = {"retry": {"first": 2, "factor": 2, "max": 20}}
        self.gateway.put_profile("plain", [plain], pool={"enabled": True}, **retry)
        self.gateway.put_profile("two", [one, two], preference="round_robin", **retry)
        self.gateway.put_profile("bad", [bad], **retry)
        for name in ("plain", "two", "bad"):
            self.gateway.put_rule(name, name, [f"*@{name}.test"])
        for name in ("plain", "two", "bad"):
            self.gateway.wait_rules(f"to@{name}.test")

    def load(self):
        domains = [f"{name}.test" for name in ("plain", "two", "bad")]
        for kind, count in ((SmtpSource, 4), (Odd, 2), (Swaks, 1)):
            for i in range(count):
                name = f"{kind.__name__.lower()}{i}"
                self.senders.append(kind(self.t, self.gateway.port, self.promises, domains,
                                         self.seed, name))

    # ---- lives and deaths ----

    def begin_life(self, wait=False):
        """posternd at once, as a service manager would; one stop point is armed in each life."""
        self.lives += 1
        self.point = self.random.choice(POINTS)
        self.point_stops = self.random.randrange(2) == 0
        self.when = self.faults.switch(f"point.{self.lives}")
        self.once = self.faults.once(f"point.{self.lives}")
        nth = self.random.randrange(1, 3 if self.point in RARE else 20)
        action = "stop" if self.point_stops else "kill"
        self.gateway.env = self.faults.env(
            hooks=f"{self.point}:{nth}:{action}:{self.when.when}:once={self.once}")
        self.gateway.start(wait=wait)
        self.sessions.append(self.gateway.process.pid)

    def note(self, what, when=None):
        self.kills.append((when or time.monotonic(), what))

    def signal(self, pids, number):
        for pid in reversed(pids): # as Gateway.kill_all() does, and for its reason
            suite.send_signal(pid, number)

    def kill(self, pids, what, is_frozen=False):
        if is_frozen:
            self.signal(pids, signal.SIGSTOP)
            time.sleep(0.1 + 0.7 * self.random.random()) # so long it is not heard of
        self.note(what)
        self.signal(pids, signal.SIGKILL)

    def kill_master(self, pids, what, is_frozen=False):
        master = self.gateway.process
        self.kill(pids, what, is_frozen)
        master.wait(10)
        self.begin_life()

    def kill_at_point(self):
        """False: nobody came there in time."""
        if self.once.exists():
            return False
        began = time.monotonic() # who kills itself there may have done so before that is seen
        with self.when:
            while not self.once.exists() and time.monotonic() < began + POINT_PATIENCE_S:
                time.sleep(0.005)
        if not self.once.exists():
            return False
        if self.point_stops:
            self.kill_master(self.gateway.pids(), f"all at {self.point}")
        else:
            self.note(self.point, began)
        return True

    def strike(self):
        kind = self.random.choice(KINDS)
        if kind == "point":
            if self.kill_at_point():
                return
            kind = "all"
        is_frozen = kind.startswith("frozen")
        pids, workers = self.gateway.pids(), self.gateway.worker_pids()
        if kind.endswith("master"):
            self.kill_master(pids[:1], kind, is_frozen)
        elif kind.endswith("all"):
            self.kill_master(pids, kind, is_frozen)
        elif workers:
            chosen = self.random.sample(workers, min(len(workers), 1 + (kind == "several")))
            self.kill(chosen, kind, is_frozen)

    def change_moods(self):
        *good, bad = self.receivers
        bad.mood(self.random.choice(MOODS))
        for receiver in good:
            receiver.mood(self.random.choice(("good", "good", "good", "slow")))

    def wait_messages(self, count):
        suite.wait_for(f"mail flows after {self.kills[-1:]}",
                       lambda: self.promises.messages >= count, 90)

    def run(self):
        self.load()
        while len(self.kills) < KILLS:
            self.change_moods()
            self.wait_messages((len(self.kills) + 1) * MESSAGES // KILLS)
            self.strike()
            if self.random.randrange(4) == 0: # once more while it finds its mail again
                time.sleep(0.5 * self.random.random())
                self.strike()
        self.wait_messages(MESSAGES)
        for sender in self.senders:
            sender.stop()

    # ---- the reckoning ----

    def taken(self):
        return collections.Counter(r for receiver in self.receivers
                                   for e in receiver.journal() if e.what == "took"
                                   for r in e.recipients)

    def queue(self):
        """A message has a row for each of its groups."""
        return {(row["id"], row["group"]): row["state"] for row in self.gateway.queue_pages()}

    def nowhere(self):
        """What was promised and is neither delivered nor in the queue."""
        queued, taken = {id_ for id_, _ in self.queue()}, self.taken()
        return [r for r, id_ in self.promises.ids.items() if r not in taken and id_ not in queued]

    def waiting(self, besides=("failed",)):
        return {row: state for row, state in self.queue().items() if state not in besides}

    def retry_all(self):
        ids = sorted({id_ for (id_, _), state in self.queue().items() if state == "deferred"})
        for at in range(0, len(ids), 500):
            self.gateway.run_ctl("queue", "retry", *ids[at:at + 500])

    def states_of(self, id_):
        shown = self.gateway.ctl_json("queue", "show", id_)
        return {r["address"]: r["state"] for g in shown["groups"]
                for r in g["message"]["recipients"]}

    def reckon(self):
        self.gateway.wait_ready(60)
        self.gateway.wait_scanned()
        nowhere = self.nowhere()
        assert not nowhere, nowhere[:9] # with much still deferred
        for receiver in self.receivers:
            receiver.take_all()
        self.retry_all()
        suite.wait_for("nothing waits any more", lambda: not self.waiting(), 90, 0.5)
        self.gateway.kill_all() # another start finds nothing that should be gone
        self.begin_life(wait=True)
        self.gateway.wait_scanned()
        waiting = self.waiting(("failed", "checking")) # failed mail may be moved to a file of its own
        assert not waiting, [(row, state, self.states_of(row[0])) for row, state in list(waiting.items())[:9]]
        taken = self.taken()
        failed = {}
        for recipient, id_ in self.promises.ids.items():
            if recipient not in taken and id_ not in failed:
                failed[id_] = self.states_of(id_)
        lost = [(r, id_, failed[id_].get(r)) for r, id_ in self.promises.ids.items()
                if r not in taken and failed[id_].get(r) != "refused"]
        assert not lost, lost[:9]
        return len([r for r in self.promises.ids if r not in taken])

    def kill_before(self, when):
        """Which one: the receivers are told by their kernel, at once."""
        numbers = [i for i, (killed, _) in enumerate(self.kills) if killed <= when]
        assert numbers, "a connection was lost before the first kill"
        return numbers[-1]

    def repeats(self):
        """[(what was killed, transactions in doubt, of which came again)]. Each recipient came again
        at most as often as it was in doubt: past its end of data at a receiver when a kill ended
        its connection, with no word of the gateway since."""
        events = [e for receiver in self.receivers for e in receiver.journal()]
        doubts = sorted((e for e in events if e.what == "lost"), key=lambda e: e.when)
        doubted, taken, again = collections.defaultdict(list), collections.Counter(), set()
        for number, doubt in enumerate(doubts):
            for recipient in doubt.recipients:
                doubted[recipient].append(number)
        for event in events:
            if event.what != "took":
                continue
            assert event.is_whole, event.recipients
            for r in event.recipients:
                assert self.promises.ids.get(r, event.id) == event.id, (r, event.id)
                taken[r] += 1
                if taken[r] > 1:
                    assert len(doubted[r]) >= taken[r] - 1, (r, event.when, self.kills)
                    again.add(doubted[r][taken[r] - 2])
        kills = [self.kill_before(doubt.when) for doubt in doubts]
        return [(what, kills.count(i), sum(kills[n] == i for n in again))
                for i, (_, what) in enumerate(self.kills)]


@suite.deadline(7200 if LONG else 400)
def test_MQ02_MQ03_nothing_is_lost_and_only_what_was_in_doubt_is_repeated(t):
    seed = int(os.environ.get("POSTERN_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"  seed {seed}", flush=True)
    campaign = Campaign(t, seed)
    campaign.run()
    refused = campaign.reckon()
    rows = campaign.repeats()
    log = campaign.gateway.log_text()
    bad = BAD_NEWS.findall(log) + CRASH.findall(log)
    assert not bad, bad[:9]
    damaged = list((campaign.gateway.folder / "state/spool/damaged").iterdir())
    assert not damaged, damaged
    assert campaign.gateway.stop() == 0
    left = [pid for session in campaign.sessions for pid in suite.session_pids(session)]
    assert not left, left
    kinds = collections.Counter(what for what, _, _ in rows)
    print("  " + ", ".join(f"{n} {what}" for what, n in sorted(kinds.items())), flush=True)
    moved = log.count("mail was moved out of a segment")
    return f"{len(rows)} kills, {campaign.promises.messages} messages, 0 lost, {refused} recipients " \
           f"refused and listed, {sum(r for _, _, r in rows)} repeats of {sum(d for _, d, _ in rows)} " \
           f"in doubt, {moved} segments emptied"


if __name__ == "__main__":
    suite.run(globals())
