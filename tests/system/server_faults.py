#!/usr/bin/python3
"""SP22, SP48: what each fault of a server means for the mail, seen from outside: how the message ends,
whether the next server got it, how often the faulty one was tried, how long it held things up.

All faults happen at once, in one gateway: each has a profile of its own with the faulty server first
and a good one second, all time-outs set to 1 s, and one message."""
import atexit
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.at_once import AtOnce, arrived
from peer.gateway import Gateway
from peer.scripted import ScriptedPeer
from peer.servers import ScriptedServer

TIMEOUT_S = 1
SLACK_S = 0.9 # less than another time-out
TIMEOUTS = dict.fromkeys(("connect", "greeting", "handshake", "command", "data_block",
                          "end_of_data"), TIMEOUT_S)
BIG = 12 << 20 # octets: more than lies in the buffers of two sockets

# How a message ends. NEXT: the second server gets it within the same attempt.
NEXT, HERE, DEFERRED, FAILED = "next", "here", "deferred", "failed"
# What keeps the client waiting for one time-out and no longer.
WAITS = True


class Fault:
    def __init__(self, script, ending, waits=False, tries=1, recipients=1, octets=0,
                 transactions=None, before=0):
        """`tries`: connections to the faulty server. `transactions`: MAILs there, if it matters.
        `before`: so many messages went there well, and left a connection to be used again."""
        self.script, self.ending, self.waits, self.tries = script, ending, waits, tries
        self.recipients, self.octets, self.transactions = recipients, octets, transactions
        self.before = before


def reused(script, ending, waits=False, tries=2):
    """On a connection that has taken a message before. A fresh one to the same server is no attempt."""
    return Fault(script, ending, waits, tries, before=1)


F = Fault
FAULTS = {
    "refused": F("refuse", NEXT, tries=0),
    "syn_unanswered": F("hole", NEXT, WAITS, tries=0),

    "greeting_none": F("every banner stall", NEXT, WAITS),
    "greeting_421": F("every banner close 421 4.3.2 closing", NEXT),
    "greeting_450": F("every banner reply 450 4.3.0 not now", NEXT),
    "greeting_554": F("every banner reply 554 5.3.2 no service", NEXT),
    "greeting_250": F("every banner reply 250 ok", NEXT),
    "greeting_half": F("every banner half", NEXT, WAITS),
    "greeting_garbage": F("every banner garbage", NEXT),
    "greeting_huge": F("every banner huge", NEXT),
    "greeting_flood": F("every banner flood", NEXT),
    "greeting_drop": F("every banner drop", NEXT),
    "greeting_reset": F("every banner delay 20 then reset", NEXT),

    "ehlo_421": F("every EHLO close 421 4.3.2 closing", NEXT),
    "ehlo_450": F("every EHLO reply 450 4.3.0 not now", NEXT),
    "ehlo_550_helo_taken": F("every EHLO reply 550 5.7.1 no", HERE),
    "ehlo_and_helo_550": F("every EHLO reply 550 5.7.1 no\nevery HELO reply 550 5.7.1 no", NEXT),
    "ehlo_354": F("every EHLO reply 354 go on", NEXT),
    "ehlo_stall": F("every EHLO stall", NEXT, WAITS),
    "ehlo_half": F("every EHLO half", NEXT, WAITS),
    "ehlo_garbage": F("every EHLO garbage", NEXT),
    "ehlo_flood": F("every EHLO flood", NEXT),
    "ehlo_drop": F("every EHLO drop", NEXT),
    "ehlo_reset": F("every EHLO reset", NEXT),
    "helo_stall": F("every EHLO reply 500 what?\nevery HELO stall", NEXT, WAITS),

    "mail_421": F("every MAIL close 421 4.3.2 closing", NEXT),
    "mail_421_and_stays": F("every MAIL reply 421 4.3.2 closing", NEXT),
    "mail_432": F("every MAIL reply 432 4.7.12 not now", NEXT),
    "mail_451_4_3_0": F("every MAIL reply 451 4.3.0 trouble", NEXT),
    "mail_451_4_7_500": F("every MAIL reply 451 4.7.500 server busy", NEXT),
    "mail_450_bare": F("every MAIL reply 450 trouble", NEXT),
    "mail_450_4_1_8": F("every MAIL reply 450 4.1.8 sender unknown now", DEFERRED),
    "mail_550": F("every MAIL reply 550 5.7.1 not you", FAILED),
    "mail_354": F("every MAIL reply 354 go on", NEXT),
    "mail_stall": F("every MAIL stall", NEXT, WAITS),
    "mail_half": F("every MAIL half", NEXT, WAITS),
    "mail_garbage": F("every MAIL garbage", NEXT),
    "mail_huge": F("every MAIL huge", NEXT),
    "mail_drop": F("every MAIL drop", NEXT),
    "mail_reset": F("every MAIL reset", NEXT),

    "rcpt_421": F("every RCPT close 421 4.3.2 closing", NEXT),
    "rcpt_all_451_4_3_0": F("every RCPT reply 451 4.3.0 trouble", NEXT, recipients=3),
    "rcpt_450_bare": F("every RCPT reply 450 not now", DEFERRED),
    "rcpt_450_4_2_1": F("every RCPT reply 450 4.2.1 mailbox busy", DEFERRED),
    "rcpt_452_4_5_3_at_once": F("every RCPT reply 452 4.5.3 too many", DEFERRED),
    "rcpt_452_4_5_3_after_2": F("every RCPT 3.. reply 452 4.5.3 too many", HERE, recipients=5,
                                transactions=3),
    "rcpt_452_bare_after_1": F("every RCPT 2.. reply 452 too many", HERE, recipients=3,
                               transactions=3),
    "rcpt_552_5_5_3_after_4": F("every RCPT 5.. reply 552 5.5.3 too many", HERE, recipients=5,
                                transactions=2),
    "rcpt_550": F("every RCPT reply 550 5.1.1 no such user", FAILED),
    "rcpt_354": F("every RCPT reply 354 go on", NEXT),
    "rcpt_stall": F("every RCPT stall", NEXT, WAITS),
    "rcpt_garbage": F("every RCPT garbage", NEXT),
    "rcpt_drop": F("every RCPT drop", NEXT),

    "data_421": F("every DATA close 421 4.3.2 closing", NEXT),
    "data_451_4_3_0": F("every DATA reply 451 4.3.0 trouble", NEXT),
    "data_451_4_2_1": F("every DATA reply 451 4.2.1 not now", DEFERRED),
    "data_554": F("every DATA reply 554 5.7.1 no", FAILED),
    "data_250": F("every DATA reply 250 ok", NEXT),
    "data_stall": F("every DATA stall", NEXT, WAITS),
    "data_garbage": F("every DATA garbage", NEXT),
    "data_drop": F("every DATA drop", NEXT),
    "data_354_and_250_at_once": F("every DATA early", NEXT),

    "content_451": F("every content 100000 reply 451 4.3.0 full then deaf", DEFERRED, octets=BIG),
    "content_552": F("every content 100000 reply 552 5.3.4 too big then deaf", FAILED, octets=BIG),
    "content_421": F("every content 100000 reply 421 4.3.2 closing then deaf", NEXT, octets=BIG),
    "content_unread": F("every content 100000 deaf", NEXT, WAITS, octets=BIG),
    "content_reset": F("every content 100000 reset", NEXT, octets=BIG),

    "end_421": F("every END close 421 4.3.2 closing", NEXT),
    "end_451_4_3_0": F("every END reply 451 4.3.0 trouble", DEFERRED),
    "end_452_4_3_1": F("every END reply 452 4.3.1 disk full", DEFERRED),
    "end_554": F("every END reply 554 5.6.0 spam", FAILED),
    "end_354": F("every END reply 354 go on", DEFERRED),
    "end_stall": F("every END stall", DEFERRED, WAITS),
    "end_half": F("every END half", DEFERRED, WAITS),
    "end_garbage": F("every END garbage", DEFERRED),
    "end_drop": F("every END drop", DEFERRED),
    "end_reset": F("every END reset", DEFERRED),
    "end_250_and_drop": F("every END reply 250 2.0.0 taken then drop", HERE),
    "end_250_twice": F("every END reply 250 2.0.0 taken then usual", HERE),
    "end_250_late": F("every END delay 500 then usual", HERE),

    "quit_stall": F("every QUIT stall", HERE),
    "quit_reset": F("every QUIT reset", HERE),

    "reused_gone": reused("connection 1 after 1 messages drop", HERE),
    "reused_gone_with_421": reused("connection 1 after 1 messages close 421 4.3.2 one is enough", HERE),
    "reused_mail_drop": reused("every MAIL 2 drop", HERE),
    "reused_mail_reset": reused("every MAIL 2 reset", HERE),
    "reused_mail_421": reused("every MAIL 2 close 421 4.3.2 closing", HERE),
    "reused_mail_stall": reused("every MAIL 2 stall", HERE, WAITS),
    "reused_mail_451_4_3_0": reused("every MAIL 2 reply 451 4.3.0 trouble", NEXT, tries=1),
    "reused_rcpt_drop": reused("every RCPT once usual\nevery RCPT once drop", HERE),
    "reused_data_drop": reused("every DATA once usual\nevery DATA once drop", HERE),
    "reused_end_421": reused("every END once usual\nevery END close 421 4.3.2 no", NEXT, tries=1),
    "reused_end_drop": reused("every END once usual\nevery END drop", DEFERRED, tries=1),
}
# Of these the client cannot know whether the message was taken: it must not go to another server.
AMBIGUOUS = ("end_354", "end_stall", "end_half", "end_garbage", "end_drop", "end_reset",
             "reused_end_drop")


def addresses(name):
    return [f"{number}@{name.replace('_', '-')}.test" for number in range(FAULTS[name].recipients)]


class Stage:
    """All faults, one after the other set up and all at once let loose."""

    def __init__(self):
        self.scratch = suite.Scratch("postern-faults")
        atexit.register(self.scratch.close)
        self.good = ScriptedServer(self.scratch, "good")
        self.bad = {n: ScriptedPeer(self.scratch, f.script, rows=True) for n, f in FAULTS.items()}
        self.gateway = Gateway(self.scratch, workers=1, segment_size="64M")
        for name in FAULTS:
            self.gateway.put_profile(name, [self.bad[name], self.good], timeouts=TIMEOUTS,
                                     retry={"first": 3600, "max": 3600},
                                     pool={"enabled": FAULTS[name].before > 0})
            self.gateway.put_rule(name, name, [f"*@{name.replace('_', '-')}.test"])
        self.gateway.wait_rules(addresses(name)[0])
        self.ends = AtOnce(self.gateway)
        self._go_before([name for name in FAULTS if FAULTS[name].before > 0])
        for name in FAULTS:
            self._send(name, name)
        self.ends.wait(list(FAULTS), 40)

    def _go_before(self, names):
        for name in names:
            self._send(name, f"before {name}")
        suite.wait_for("a connection to each is idle", lambda: not self.gateway.queue() and all(
            self.bad[n].messages() == 1 for n in names))

    def _send(self, name, subject):
        self.ends.send(name, addresses(name), subject, FAULTS[name].octets)

    def at_next(self, name):
        return arrived(self.good, addresses(name)[0].partition("@")[2])

    def log_of(self, name):
        return "\n".join(line for line in self.gateway.log_text().splitlines()
                         if name in line or f":{self.bad[name].port}" in line)


stage = None


def the_stage():
    global stage
    if stage is None:
        stage = Stage()
    return stage


def check(name, fault, at):
    report = at.bad[name].report()
    state, _ = at.ends.seen[name]
    found = at.at_next(name)
    recipients = sorted(r for m in found for r in m.recipients)
    here = report["messages"]
    assert state == {NEXT: "gone", HERE: "gone"}.get(fault.ending, fault.ending), state
    assert recipients == (sorted(addresses(name)) if fault.ending == NEXT else []), \
        f"at the next server: {recipients}"
    assert here["repeated"] == 0
    wanted_here = fault.before + (fault.recipients if fault.ending == HERE else 0)
    assert here["recipients"] == wanted_here, f"here: {here}"
    assert all(rule["used"] > 0 for rule in report["rules"]), "it has not happened"
    assert report["connections"]["accepted"] == fault.tries, report["connections"]
    if fault.transactions is not None:
        assert report["commands"]["MAIL"] == fault.transactions, report["commands"]
    check_time(fault, report, found, at.ends.sent[name])


def check_time(fault, report, found, sent):
    """What a fault may cost: one time-out if there is nothing to be heard, else next to nothing."""
    limit = (TIMEOUT_S if fault.waits else 0) + SLACK_S
    if found:
        took = found[0].when - sent
        assert took <= limit, f"at the next server after {took:.2f} s"
        if fault.waits:
            assert took >= TIMEOUT_S * 0.9, f"given up after {took:.2f} s"
    for row in report["rows"]:
        if fault.waits and not fault.before and row["ended_ms"] is not None:
            lived = (row["ended_ms"] - row["accepted_ms"]) / 1000
            assert TIMEOUT_S * 0.9 <= lived <= limit, f"held for {lived:.2f} s"


def named(name, fault):
    def test(_t):
        at = the_stage()
        try:
            check(name, fault, at)
        except AssertionError as error:
            raise AssertionError(f"{fault.script!r}: {error}\n{at.log_of(name)}") from None
        return fault.ending
    return test


for _name, _fault in FAULTS.items():
    globals()[f"test_{'SP48' if _fault.before else 'SP22'}_{_name}"] = named(_name, _fault)


def test_SP22_what_may_have_arrived_is_said_to_be(_t):
    at = the_stage()
    lines = [line for line in at.gateway.log_text().splitlines() if "event=ambiguous" in line]
    missing = [n for n in AMBIGUOUS if not any(str(at.bad[n].port) in line for line in lines)]
    assert not missing and len(lines) == len(AMBIGUOUS), "\n".join(lines)
    listed = at.gateway.ctl_json("queue", "ambiguous")["losses"]
    servers = {f"smtp://127.0.0.1:{at.bad[n].port}" for n in AMBIGUOUS}
    assert {row["server"] for row in listed} == servers and len(listed) == len(lines), listed
    assert at.gateway.ctl_json("status")["ambiguous"] == len(lines)


def test_SP22_no_fault_costs_more_than_one_time_out(_t):
    at = the_stage()
    took = {n: at.at_next(n)[0].when - at.ends.sent[n] for n, f in FAULTS.items() if f.ending == NEXT}
    at_once = max((s, n) for n, s in took.items() if not FAULTS[n].waits)
    waited = max((s, n) for n, s in took.items() if FAULTS[n].waits)
    assert at_once[0] < SLACK_S and waited[0] < TIMEOUT_S + SLACK_S, (at_once, waited)
    return f"to the next server: {at_once[0]:.2f} s at most, {waited[0]:.2f} s after a silence"


def test_SP22_nobody_got_anything_twice(_t):
    at = the_stage()
    got = [r for m in at.good.messages for r in m.recipients]
    assert len(got) == len(set(got))
    assert at.gateway.stop() == 0
    assert not at.scratch.reports(), at.scratch.reports()


if __name__ == "__main__":
    suite.run(globals())
