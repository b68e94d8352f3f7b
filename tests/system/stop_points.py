#!/usr/bin/python3
"""MQ02, MQ03: death at the very places of common/hook.h, and exactly what each may repeat.

Each test runs twice: only the worker is killed, by itself, while the master goes on; and all are
killed while the worker stands at the place, and everything starts anew."""
import collections
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.net import Client, Closed
from peer.servers import ScriptedServer


class Place:
    """A gateway with one worker that dies, or stands still, when it comes to a place for the n-th
    time after arm(). Its server defers whoever is named keep."""

    def __init__(self, t, hook, nth, all_die, **profile):
        self.faults = Faults(t)
        self.switch = self.faults.switch(hook)
        self.once = self.faults.once(hook)
        self.all_die = all_die
        self.sink = ScriptedServer(t)
        self.sink.replies["RCPT"] = self.on_rcpt
        self.keeps = True
        action = "stop" if all_die else "kill"
        env = self.faults.env(hooks=f"{hook}:{nth}:{action}:{self.switch.when}:once={self.once}")
        self.gateway = Gateway(t, workers=1, segment_size="1M", env=env)
        self.gateway.put_profile("relay", [self.sink],
                                 retry={"first": 1, "factor": 1, "max": 1}, **profile)
        self.gateway.put_rule("all", "relay")
        self.gateway.wait_rules()
        self.promised, self.unanswered = [], []

    def on_rcpt(self, _server, argument):
        return "450 4.2.1 later" if self.keeps and "keep" in argument else None

    def send(self, recipients, size=200):
        """One connection, one message after the other; stops where the worker does."""
        body = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72)
        recipient = None
        try:
            with Client(self.gateway.port, 3) as client:
                for recipient in recipients:
                    assert client.deliver(body, recipients=[recipient]).code == 250
                    self.promised.append(recipient)
        except (OSError, Closed, AssertionError): # it says 421 when it can
            self.unanswered.append(recipient)

    def arm(self):
        self.switch.on()

    def wait_death(self):
        suite.wait_for("a worker is there", self.once.exists, 30)
        self.switch.off()
        if self.all_die:
            self.gateway.kill_all()
            self.gateway.start()
        else:
            suite.wait_for("its death is noticed",
                           lambda: "worker has died" in self.gateway.log_text())
            self.gateway.wait_ready()

    def taken(self):
        return collections.Counter(r for m in self.sink.messages for r in m.recipients)

    def wait_quiet(self):
        """Nothing is past its end of data: what is delivered is recorded, the rest is deferred."""
        suite.wait_for("only what is kept waits", lambda: all(
            row["state"] == "deferred" for row in self.gateway.queue()), 60)

    def wait_empty(self):
        self.gateway.wait_scanned()
        suite.wait_for("the queue is empty", lambda: not self.gateway.queue(), 60)

    def repeated(self):
        """All that was promised arrives, and another start finds nothing that is left; what came
        more often than once."""
        self.keeps = False
        self.wait_empty()
        self.gateway.kill_all()
        self.gateway.start()
        self.wait_empty()
        assert not list((self.gateway.folder / "state/spool/damaged").iterdir())
        taken = self.taken()
        assert set(self.promised) <= set(taken), set(self.promised) - set(taken)
        assert set(taken) <= {*self.promised, *self.unanswered}
        return {r: n for r, n in taken.items() if n > 1}


def both_ways(hook, nth, **profile):
    """Two tests of one: worker alone, and all."""
    def make(test):
        for name, all_die in (("its_worker", False), ("everybody", True)):
            def one(t, all_die=all_die):
                place = Place(t, hook, nth, all_die, **profile)
                return test(place)
            one.deadline_s = 180
            globals()[f"{test.__name__}_when_{name}_is_killed"] = one
    return make


def names(prefix, count):
    return [f"{prefix}{number}@example.test" for number in range(count)]


@both_ways("after_reply", 5, max_connections=1)
def test_MQ03_after_a_reply_and_before_its_cell_one_message_is_repeated(place):
    place.arm()
    place.send(names("n", 10))
    place.wait_death()
    repeated = place.repeated()
    assert list(repeated.values()) == [2], repeated


@both_ways("after_cell", 5, max_connections=1)
def test_MQ03_after_the_cell_nothing_is_repeated(place):
    place.arm()
    place.send(names("n", 10))
    place.wait_death()
    assert not place.repeated()


def after_sync(place, size):
    place.send(names("before", 2), size)
    suite.wait_for("they are delivered", lambda: not place.gateway.queue())
    place.arm()
    place.send(names("n", 3), size)
    place.wait_death()
    assert place.unanswered == names("n", 1)
    assert not place.repeated()
    assert set(place.unanswered) <= set(place.taken())


@both_ways("after_sync", 1)
def test_MQ02_after_the_sync_and_before_the_reply_the_message_is_there_once(place):
    after_sync(place, 200)


@both_ways("after_sync", 1)
def test_MQ02_after_the_sync_of_a_large_message_it_is_there_once(place):
    after_sync(place, 1200000)


def until_it_happens(place, send):
    """send() until it leads to the place; there while nothing is being delivered."""
    for round_ in range(20):
        place.switch.off()
        send(f"{round_}-")
        place.wait_quiet()
        place.arm()
        try:
            suite.wait_for("somebody comes there", place.once.exists, 3)
            break
        except AssertionError:
            continue
    place.wait_death()


def fill(place, tag):
    """Segments of which most is delivered at once and a little stays."""
    for number in range(8):
        place.send([*names(f"{tag}{number}-", 24), f"keep-{tag}{number}@example.test"], 40000)


def moved(place):
    return place.gateway.log_text().count("mail was moved out of a segment")


def in_compaction(place):
    until_it_happens(place, lambda tag: fill(place, tag))
    if not place.all_die: # then what was begun is gone on with, else it must not matter
        before = moved(place)
        fill(place, "again-")
        suite.wait_for("segments are emptied", lambda: moved(place) > before, 30)
    assert not place.repeated()


@both_ways("compaction", 1)
def test_MQ03_in_a_compaction_nothing_is_repeated_and_nothing_lost(place):
    in_compaction(place)


@both_ways("compaction", 4)
def test_MQ03_in_a_later_compaction_nothing_is_repeated_and_nothing_lost(place):
    in_compaction(place)


@both_ways("recycle_header", 2)
def test_MQ02_in_the_recycling_of_a_segment_nothing_is_repeated_and_nothing_lost(place):
    until_it_happens(place, lambda tag: fill(place, tag))
    assert not place.repeated()


@both_ways("recycle_unlink", 2)
def test_MQ02_in_the_removal_of_a_segment_nothing_is_repeated_and_nothing_lost(place):
    until_it_happens(place, lambda tag: fill(place, tag))
    assert not place.repeated()


if __name__ == "__main__":
    suite.run(globals())
