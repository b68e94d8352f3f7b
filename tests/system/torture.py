#!/usr/bin/python3
"""Memory runs out: the n-th allocation of a process fails, for a seeded sample of n over a small
fixed workload. Whatever fails, no process dies of a pointer that leads nowhere, nothing that was
answered 250 is lost, and no client hears a 5xx for it (MQ02, MQ07).

A process may end over it, in order and with a last line (common/oom.h), and is replaced. libconfuse
crashes by itself when it gets no memory for a configuration: common/conf.c makes sure of it first,
so that only this test, which fails one allocation and not the one before, gets there."""
import os
import pathlib
import random
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway, Refused
from peer.load import missing
from peer.net import Client, Closed
from peer.servers import ScriptedServer

LONG = os.environ.get("POSTERN_LONG") == "1"
SEED = int(os.environ.get("POSTERN_SEED", "20260101"))
LIVES = 20 # samples that one gateway goes through
OUT_OF_MEMORY, REFUSED = 3, 1 # exit statuses: common/oom.h, and of a start
HARMLESS = ("exit status", "it ran out of memory", "by the master")

LARGE = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 20000
DOTTED = b"Subject: many\r\n\r\n" + (b"..dot\r\n" + b"a" * 600 + b"\r\n") * 9
MANY = [f"many.{i}@example.test" for i in range(40)] + ["other@other.test"]


def sample(few, most):
    """Of the numbers of allocations, `few` or with --long twenty times as many."""
    count = min(20 * few, most) if LONG else few
    return sorted(random.Random(SEED).sample(range(1, most + 1), count))


class Promises:
    """What was answered 250, and what was refused for good."""

    def __init__(self):
        self.made, self.refused = [], []

    def _judge(self, replies):
        self.refused += [r for r in replies if r.code >= 500]
        return all(r.code < 400 for r in replies)

    def send(self, port, recipients, data):
        """A connection that ends, and a refusal for now, promise nothing."""
        try:
            with Client(port, 20) as client:
                if self._judge(client.start(recipients=recipients)) and \
                        self._judge([client.content(data)]):
                    self.made += recipients
        except AssertionError as no:
            self._judge([r for r in no.args if hasattr(r, "code")])
        except (OSError, Closed, ValueError):
            pass


class Stage:
    """A gateway with two servers, one of which takes nothing, and a switch for each sampled n."""

    def __init__(self, scratch, program, samples):
        self.faults = Faults(scratch)
        self.switches = [self.faults.switch(f"n{i}") for i in range(len(samples))]
        rules = [f"malloc:{n}:ENOMEM:in={program}:{s.when}:once={self.faults.once(i)}"
                 for i, (n, s) in enumerate(zip(samples, self.switches))]
        self.sink = ScriptedServer(scratch)
        self.deaf = ScriptedServer(scratch, replies={"END": "451 4.2.1 later"})
        self.gateway = Gateway(scratch, workers=1, segment_size="1M",
                               env=self.faults.env(" ".join(rules)))
        self.promises = Promises()
        self.put("relay", self.sink)
        self.put("deaf", self.deaf)
        self.gateway.put_rule("all", "relay")
        self.gateway.put_rule("others", "deaf", ["*@other.test"])
        self.gateway.wait_rules()
        self.gateway.wait_rules("to@other.test")

    def put(self, name, server):
        self.gateway.put_profile(name, [server], retry={"first": 1, "factor": 1, "max": 1},
                                 pool={"enabled": True})

    def mail(self, tag):
        port = self.gateway.port
        for i in range(3):
            self.promises.send(port, [f"{tag}.{i}@example.test"], b"Subject: x\r\n\r\nx\r\n")
        self.promises.send(port, [f"{tag}.{r}" for r in MANY], DOTTED)
        self.promises.send(port, [f"{tag}.large@example.test"], LARGE)

    def orders(self):
        """What an operator does; any of it may be refused, or cut off by the daemon's end."""
        gateway = self.gateway
        for order in (lambda: gateway.queue(), lambda: gateway.ctl("status"),
                      lambda: gateway.ctl("queue", "show", gateway.queue()[0]["id"]),
                      lambda: gateway.ctl("queue", "retry", gateway.queue()[0]["id"]),
                      lambda: self.put("spare", self.sink), lambda: gateway.ctl("export"),
                      lambda: gateway.ctl("profile", "test", "relay"),
                      lambda: gateway.ctl("profile", "delete", "spare"),
                      lambda: gateway.reload()):
            try:
                order()
            except (Refused, IndexError, KeyError, ValueError, ProcessLookupError):
                pass

    def is_settled(self):
        """Nothing is on its way; what the deaf server does not take may be."""
        return not missing([p for p in self.promises.made if "other.test" not in p], [self.sink])


def fault_of(faults, pid):
    """Who asked for what the process did not get."""
    return "; ".join(getattr(line, "from") for line in faults.lines(did="ENOMEM", pid=pid))


def check_deaths(log, faults):
    """How many workers died; AssertionError if one crashed of it."""
    ends = re.findall(r'pid=(\d+) reason="?([^"]*).*worker has died', log)
    for pid, end in ends:
        fault = fault_of(faults, int(pid))
        assert any(h in end for h in HARMLESS) or "libconfuse" in fault, (end, fault)
    return len(ends)


def check_master(process, faults):
    fault = fault_of(faults, process.pid)
    assert process.returncode in (REFUSED, OUT_OF_MEMORY) or "libconfuse" in fault, \
        (process.returncode, fault)


def torture(program, samples):
    """The workload once for each sample; what became of it."""
    fired = deaths = ends = promised = 0
    for first in range(0, len(samples), LIVES):
        with suite.Scratch("torture") as scratch:
            stage = Stage(scratch, program, samples[first:first + LIVES])
            gateway, seen = stage.gateway, 0
            for number, switch in enumerate(stage.switches):
                with switch:
                    stage.mail(f"s{number}")
                    stage.orders()
                if gateway.process.poll() is not None:
                    check_master(gateway.process, stage.faults)
                    ends += 1
                    gateway.process = None
                    gateway.start()
                found = check_deaths(gateway.log_text(), stage.faults)
                if found > seen:
                    gateway.wait_ready(70)
                seen = found
            suite.wait_for("all that was promised", stage.is_settled, 60)
            assert not stage.promises.refused, stage.promises.refused
            assert gateway.stop(30) == 0
            fired += len(stage.faults.lines(did="ENOMEM"))
            promised += len(stage.promises.made)
            deaths += seen
    assert fired >= len(samples) // 2, f"only {fired} of {len(samples)} allocations were reached"
    return f"seed {SEED}: {fired} of {len(samples)} failed, {deaths} workers and {ends} masters " \
        f"ended, {promised} promised"


@suite.deadline(3600 if LONG else 180)
def test_MQ02_a_worker_at_work(t):
    return torture("postern-worker", sample(8, 1300))


@suite.deadline(3600 if LONG else 180)
def test_MQ02_the_master_at_work(t):
    return torture("posternd", sample(8, 3500))


def torture_start(t, program, samples):
    """A start over queued mail: it fails with a reason, or the mail is there. The next is well."""
    gateway, faults = Gateway(t, workers=1, segment_size="1M"), Faults(t)
    gateway.put_profile("relay", ["smtp://127.0.0.1:1"], retry={"first": 60, "max": 60})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    promises = Promises()
    for i in range(5):
        promises.send(gateway.port, [f"queued.{i}@example.test"], b"Subject: x\r\n\r\nx\r\n")
    assert len(promises.made) == 5 and gateway.stop() == 0
    refused = fired = deaths = 0
    for n in samples:
        once = faults.once(n)
        gateway.env = faults.env(f"malloc:{n}:ENOMEM:in={program}:once={once}")
        gateway.log.unlink(missing_ok=True)
        gateway.start(wait=False)
        suite.wait_for("it runs, or not", lambda: gateway.process.poll() is not None or
                       gateway._is_ready(), 60)
        status = gateway.process.poll()
        if status is None:
            suite.wait_for("the queue", lambda: len(queue_of(gateway)) == 5, 30)
            status = stop(gateway)
        if status != 0:
            check_master(gateway.process, faults)
            refused += 1
        gateway.process = None
        deaths += check_deaths(gateway.log_text(), faults)
        fired += once.exists()
    assert fired == len(samples), f"only {fired} of {len(samples)} allocations were reached"
    return f"seed {SEED}: {fired} failed, {refused} starts refused, {deaths} workers ended"


def stop(gateway):
    """As gateway.stop(), which forgets the process; it may end by itself before."""
    process = gateway.process
    status = gateway.stop(30)
    gateway.process = process
    return status


def queue_of(gateway):
    """The daemon may end over this very question."""
    try:
        return gateway.queue()
    except (Refused, KeyError, ValueError):
        return [None] * 5 if gateway.process.poll() is not None else []


@suite.deadline(1200 if LONG else 120)
def test_MQ02_a_worker_that_starts(t):
    return torture_start(t, "postern-worker", sample(12, 690))


@suite.deadline(1200 if LONG else 120)
def test_MQ02_the_master_that_starts(t):
    return torture_start(t, "posternd", sample(12, 1600))


if __name__ == "__main__":
    suite.run(globals())
