#!/usr/bin/python3
"""MQ06, SR05, OP04: queue, quarantine and failed mail on the console's page, and what became of it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.chromium import Chromium, Site
from peer.core_server import CoreServer
from peer.net import Client
from peer.servers import ScriptedServer

chromium = Chromium()

GONE = "smtp://127.0.0.1:1"


class Mail(Site):
    """Mail to *@partner.test waits for a server that is gone; to *@example.test it is delivered."""

    def __init__(self, t, waiting=()):
        super().__init__(t)
        self.sink = ScriptedServer(t)
        self.gateway.put_profile("Exchange", [self.sink])
        self.gateway.put_profile("Partner", [GONE], retry={"first": 600, "max": 600})
        for name, profile in (("example", "Exchange"), ("partner", "Partner")):
            self.gateway.put_rule(name, profile, [f"*@{name}.test"])
            self.gateway.wait_rules(f"to@{name}.test")
        self.ids = {}
        for to in waiting:
            self.send(to)
            suite.wait_for(f"{to} is deferred", lambda: self.state(to) == "deferred")

    def send(self, to, content=b"Subject: hello\r\n\r\nbody\r\n"):
        with Client(self.gateway.port) as client:
            self.ids[to] = client.deliver(content, recipients=[to]).text.split()[-1]

    def state(self, to):
        return next((r["state"] for r in self.gateway.queue() if r["id"] == self.ids[to]), None)

    @property
    def calls(self):
        return {"state": self.state}


class LongQueue(Mail):
    """`total` messages are deferred in the profile Partner, `others`, which are
    older, in another one: their server is there, but takes no recipient yet."""

    def __init__(self, t, total, others=0):
        super().__init__(t)
        later = ScriptedServer(t)
        later.replies["RCPT"] = "450 4.2.1 not now"
        for name in ("Partner", "Other"):
            self.gateway.put_profile(name, [later], retry={"first": 600, "max": 600})
        self.gateway.put_rule("other", "Other", ["*@other.test"])
        self.gateway.wait_rules("to@other.test")
        recipients = [f"{i}@other.test" for i in range(others)] + [f"{i}@partner.test" for i in range(total)]
        with Client(self.gateway.port) as client:
            for to in recipients:
                client.deliver(b"Subject: hello\r\n\r\nbody\r\n", recipients=[to])
        suite.wait_for("all are deferred", lambda: self.count("deferred") == [total, others], 60)

    def count(self, state):
        """[of Partner, of Other]"""
        found = [entry["profile"] for entry in self.gateway.queue() if entry["state"] == state]
        return [found.count("Partner"), found.count("Other")]

    @property
    def calls(self):
        return {"held": lambda: self.count("held"), "end_sessions": self.end_sessions}

    def end_sessions(self):
        password = self.accounts["admin"]["password"]
        self.gateway.ctl("account", "passwd", "admin", stdin=f"{password}\n")


def test_MQ06_the_queue_is_filtered_and_tells_of_each_attempt(t):
    site = Mail(t, ["one@partner.test", "two@partner.test"])
    site.gateway.ctl("queue", "hold", site.ids["two@partner.test"])
    given = {"deferred": "one@partner.test", "held": "two@partner.test"}
    chromium.show("queue.filtered", site, **given)
    chromium.show("queue.decisions", site, server=GONE, reason="Connection refused", **given)


def test_MQ06_queued_mail_is_held_released_and_deleted_one_by_one(t):
    site = Mail(t, ["one@partner.test", "two@partner.test"])
    site.gateway.ctl("queue", "hold", site.ids["two@partner.test"])
    chromium.show("queue.orders", site, deferred="one@partner.test", held="two@partner.test", calls=site.calls)
    audit = site.gateway.ctl("audit", "list")
    assert all(what in audit for what in ("queue hold", "queue release", "queue delete")), audit


def test_MQ06_many_at_once_and_undone_at_once(t):
    waiting = [f"{i}@partner.test" for i in ("one", "two", "three")]
    site = Mail(t, waiting)
    chromium.show("queue.bulk", site, all=waiting, calls=site.calls)


def test_MQ06_all_that_match_are_held_whatever_page_they_are_on(t):
    site = LongQueue(t, 250, others=3)
    chromium.show("queue.all_that_match", site, profile="Partner", total=250, others=3, calls=site.calls)


def test_MQ06_orders_about_all_that_match_end_with_stop_and_with_the_session(t):
    site = LongQueue(t, 120)
    chromium.show("queue.all_stopped", site, total=120, calls=site.calls)
    chromium.show("queue.all_cut_off", site, total=120, held=44, calls=site.calls)
    assert site.count("held") == [64, 0], site.count("held")


def test_OP04_a_message_is_found_by_its_id(t):
    site = Mail(t, ["one@partner.test"])
    chromium.show("queue.found_by_id", site, id=site.ids["one@partner.test"])


def test_MQ06_rerouted_mail_is_delivered_by_the_other_profile(t):
    site = Mail(t, ["one@partner.test"])
    chromium.show("queue.rerouted", site, to="one@partner.test", profile="Exchange")
    suite.wait_for("delivered", lambda: site.sink.messages)
    assert site.sink.messages[0].recipients == ["one@partner.test"]


def test_MQ06_failed_mail_is_retried(t):
    site = Mail(t)
    site.sink.replies["RCPT"] = "550 5.1.1 nobody of that name"
    site.send("one@example.test")
    suite.wait_for("it has failed", lambda: site.state("one@example.test") == "failed")
    del site.sink.replies["RCPT"]
    chromium.show("queue.retried", site, to="one@example.test")
    suite.wait_for("delivered", lambda: site.sink.messages)


def test_SR05_release_from_the_quarantine_delivers(t):
    site, core = Mail(t), CoreServer(t)
    core.block(b"EVIL", "Infected")
    site.gateway.put_profile("Scanner", [core.url], type="core")
    site.gateway.put_rule("example", "Exchange", ["*@example.test"], core="Scanner")
    evil = b"Subject: an offer\r\n\r\nthis is EVIL\r\n"
    site.send("one@example.test", evil)
    suite.wait_for("in quarantine", lambda: site.state("one@example.test") == "quarantined")
    chromium.show("queue.released", site, to="one@example.test", reason="Infected", calls=site.calls,
                  link=f"{core.url}/#/public/process/dataId/{core.scans[0].id}")
    suite.wait_for("delivered", lambda: site.sink.messages)
    assert site.sink.messages[0].body.endswith(evil) and not site.gateway.queue()


if __name__ == "__main__":
    try:
        suite.run(globals())
    finally:
        chromium.close()
