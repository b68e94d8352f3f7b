#!/usr/bin/python3
"""SP22, SP30 to SP33: what each fault of a server's TLS means for the mail, whichever way the
profile asks for TLS: whether the next server got it, or the same one in clear, what is said about
it, how long it held things up, and that nothing was said in clear that must not be.

All happen at once, in one gateway: each fault in each mode has a profile of its own with the faulty
server first and a good one second, and one message. Each time-out has a length of its own."""
import atexit
import base64
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.at_once import AtOnce, arrived
from peer.engine import Context
from peer.gateway import Gateway
from peer.net import sockets
from peer.secured import Papers, log_of, put, send, uri
from peer.servers import Login, ScriptedServer
from peer.tls_peer import TlsPeer

TIMEOUTS = {"connect": 2, "handshake": 2, "greeting": 4, "command": 6, "data_block": 8,
            "end_of_data": 10}
SLACK_S = 1.9 # less than what is between two of them
AT_ONCE_S = 3 # what takes no time, on a machine with other things to do
BIG = 4 << 20 # octets: more than lies in the buffers of two sockets
NAME, PASSWORD = "gateway", "tell-nobody-of-it"
CREDENTIALS = base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()

# How a message ends. NEXT: at the second server within the same attempt; CLEAR: here, in clear;
# DEFERRED: it may have been taken, and goes nowhere else (SP22).
NEXT, HERE, CLEAR, DEFERRED = "next", "here", "clear", "deferred"

# Which time-out ends a silence; of the first word in TLS it depends on who says it.
SHAKE, GREET, FIRST_WORD, COMMAND, BLOCK, END = ("handshake", "greeting", "first word", "command",
                                                 "data_block", "end_of_data")

MODES = {
    "optional": {"encryption": "starttls_optional"},
    "optional-login": {"encryption": "starttls_optional", "username": NAME, "password": PASSWORD},
    "required": {"encryption": "starttls_required", "username": NAME, "password": PASSWORD},
    "smtps": {"username": NAME, "password": PASSWORD},
}
STARTTLS = ("optional", "optional-login", "required")
LOGIN = ("optional-login", "required", "smtps")


class Fault:
    def __init__(self, script, ending, words="", waits=None, optional=None, modes=tuple(MODES),
                 version="1.3", chain=None, octets=0, before=0, times=1 << 30):
        """`words`: of the reason that is given. `optional`: how it ends where TLS is optional and
        there is no password. `before`: so many messages went there well and left a connection;
        the fault then happens `times`."""
        self.script, self.ending, self.words, self.waits = script, ending, words, waits
        self.optional, self.modes = optional or ending, modes
        self.version, self.chain, self.octets = version, chain, octets
        self.before, self.times = before, times

    def waits_in(self, mode):
        """Seconds, or None."""
        first = GREET if mode == "smtps" else SHAKE
        return TIMEOUTS.get(first if self.waits == FIRST_WORD else self.waits)

    def ending_in(self, mode):
        return self.optional if mode == "optional" else self.ending


def shaking(script, words="", waits=None, **more):
    """In the handshake, or before the first word in TLS: without it, where it is optional."""
    return Fault(script, NEXT, words, waits, optional=CLEAR, **more)


def pooled(script, **more):
    """On a connection that has taken a message before: a fresh one is no attempt."""
    return Fault(script, HERE, before=1, times=1, **more)


F = Fault
LOST, NO_TIME = "connection lost", "timed out"
FAULTS = {
    "none": F("", HERE),
    "none_1_2": F("", HERE, version="1.2"),
    "none_chain_of_100": F("", HERE, chain=100),
    "starttls_injected": F("220: inject", NEXT, "an attack", modes=STARTTLS),
    "hello_stall": shaking("hello: stall", NO_TIME, SHAKE),
    "hello_close": shaking("hello: close", "closed during the handshake"),
    "hello_reset": shaking("hello: reset", "reset by peer"),
    "hello_alert": F("hello: alert", NEXT, "handshake failure", modes=("smtps",)),

    "flight_stall": shaking("flight: stall", NO_TIME, SHAKE),
    "flight_slow": shaking("flight: slow", NO_TIME, SHAKE),
    "flight_close": shaking("flight: close", "closed during the handshake"),
    "flight_reset": shaking("flight: reset", "reset by peer"),
    "flight_alert": shaking("flight: alert", "handshake failure"),
    "flight_clear": shaking("flight: clear, stall", "what came is not TLS"),
    "flight_garbage": shaking("flight: garbage, stall", "the TLS handshake failed"),
    "flight_forged": shaking("flight: forged, stall", "the TLS handshake failed"),
    "flight_torn_stall": shaking("flight: torn, stall", NO_TIME, SHAKE),
    "flight_torn_close": shaking("flight: torn, close", "closed during the handshake"),
    "flight_torn_reset": shaking("flight: torn, reset", "reset by peer"),
    "flight_torn_garbage": shaking("flight: torn, garbage, garbage, usual, stall",
                                   "the TLS handshake failed"),
    "flight_sent_close": shaking("flight: usual, close", "the TLS handshake failed"),
    "flight_sent_reset": shaking("flight: usual, reset", "the TLS handshake failed"),
    "flight_sent_stall_1_2": shaking("flight: usual, stall", NO_TIME, SHAKE, version="1.2"),
    "flight_sent_close_1_2": shaking("flight: usual, close", "the TLS handshake failed",
                                     version="1.2"),
    "flight_sent_alert_1_2": shaking("flight: usual, alert", "handshake failure", version="1.2"),
    "finished_stall": F("finished: stall", NEXT, NO_TIME, FIRST_WORD),
    "finished_stall_1_2": shaking("finished: stall", NO_TIME, SHAKE, version="1.2"),
    "finished_close": shaking("finished: close", "the TLS handshake failed"),
    "finished_close_1_2": shaking("finished: close", "the TLS handshake failed", version="1.2"),
    "finished_reset": shaking("finished: reset", "the TLS handshake failed"),
    "finished_torn_stall": F("finished: torn, stall", NEXT, NO_TIME, FIRST_WORD),
    "finished_forged": shaking("finished: forged, stall", "the TLS handshake failed"),
    "version_1_1": shaking("", "protocol", version="1.1"),
    "chain_of_10000": shaking("", "excessive message size", chain=10000),

    "greeting_stall": F("CONNECT: stall", NEXT, NO_TIME, GREET, modes=("smtps",)),
    "greeting_close": F("CONNECT: close", NEXT, "closed", modes=("smtps",)),
    "greeting_half_close": F("CONNECT: half, close", NEXT, "closed", modes=("smtps",)),
    "greeting_sent_close": F("CONNECT: usual, close", NEXT, "closed", modes=("smtps",)),
    "greeting_forged": F("CONNECT: forged, stall", NEXT, "bad record mac", modes=("smtps",)),

    "ehlo_stall": F("EHLO: stall", NEXT, NO_TIME, SHAKE),
    "ehlo_close": F("EHLO: close", NEXT, "closed", optional=CLEAR),
    "ehlo_half_close": F("EHLO: half, close", NEXT, "closed"), # it did speak TLS
    "ehlo_goodbye": F("EHLO: goodbye, close", NEXT, "closed", optional=CLEAR),
    "ehlo_sent_close": F("EHLO: usual, close", NEXT),
    "ehlo_garbage": F("EHLO: garbage, stall", NEXT, optional=CLEAR),

    "auth_stall": F("AUTH: stall", NEXT, NO_TIME, SHAKE, modes=LOGIN),
    "auth_close": F("AUTH: close", NEXT, "closed", modes=LOGIN),
    "auth_sent_close": F("AUTH: usual, close", NEXT, modes=LOGIN),
    "auth_forged": F("AUTH: forged, stall", NEXT, "bad record mac", modes=LOGIN),

    "mail_stall": F("MAIL: stall", NEXT, NO_TIME, COMMAND),
    "mail_close": F("MAIL: close", NEXT, LOST),
    "mail_reset": F("MAIL: reset", NEXT, LOST),
    "mail_half_close": F("MAIL: half, close", NEXT, LOST),
    "mail_torn_close": F("MAIL: torn, close", NEXT, LOST),
    "mail_torn_stall": F("MAIL: torn, stall", NEXT, NO_TIME, COMMAND),
    "mail_sent_close": F("MAIL: usual, close", NEXT, LOST),
    "mail_garbage": F("MAIL: garbage, stall", NEXT, LOST),
    "mail_forged": F("MAIL: forged, stall", NEXT, LOST),
    "mail_clear": F("MAIL: clear, stall", NEXT, LOST),
    "mail_alert": F("MAIL: broken", NEXT, LOST),
    "mail_goodbye_close": F("MAIL: goodbye, close", NEXT, LOST),
    "mail_goodbye_stall": F("MAIL: goodbye, stall", NEXT, LOST),
    "mail_renegotiate": F("MAIL: renegotiate, usual", NEXT, LOST, version="1.2"),

    "rcpt_close": F("RCPT: close", NEXT, LOST),
    "rcpt_sent_close": F("RCPT: usual, close", NEXT, LOST),
    "rcpt_forged": F("RCPT: forged, stall", NEXT, LOST),
    "data_close": F("DATA: close", NEXT, LOST),
    "data_sent_close": F("DATA: usual, close", NEXT, LOST, octets=BIG),
    "data_forged": F("DATA: forged, stall", NEXT, LOST),
    "body_stall": F("BODY: stall", NEXT, NO_TIME, BLOCK, octets=BIG),
    "body_reset": F("BODY: reset", NEXT, LOST, octets=BIG),
    "body_forged": F("BODY: forged, stall", NEXT, LOST, octets=BIG),
    "body_alert": F("BODY: broken", NEXT, LOST, octets=BIG),

    "end_stall": F("END: stall", DEFERRED, NO_TIME, END),
    "end_close": F("END: close", DEFERRED, LOST),
    "end_reset": F("END: reset", DEFERRED, LOST),
    "end_half_close": F("END: half, close", DEFERRED, LOST),
    "end_torn_close": F("END: torn, close", DEFERRED, LOST),
    "end_torn_stall": F("END: torn, stall", DEFERRED, NO_TIME, END),
    "end_garbage": F("END: garbage, usual, stall", DEFERRED, LOST),
    "end_forged": F("END: forged, usual, stall", DEFERRED, LOST),
    "end_clear": F("END: clear, usual, stall", DEFERRED, LOST),
    "end_alert": F("END: broken", DEFERRED, LOST),
    "end_goodbye": F("END: goodbye, close", DEFERRED, LOST),
    "end_sent_close": F("END: usual, close", HERE),
    "end_sent_goodbye": F("END: usual, goodbye, stall", HERE),
    "end_renegotiate": F("END: renegotiate, usual", HERE, version="1.2"),
    "quit_stall": F("QUIT: stall", HERE),
    "quit_reset": F("QUIT: reset", HERE),

    "idle_close": pooled("idle: close"),
    "idle_goodbye": pooled("idle: goodbye, stall"),
    "idle_forged": pooled("idle: forged, stall"),
    "idle_clear": pooled("idle: clear, stall"),
    "reused_mail_close": pooled("MAIL: close"),
    "reused_mail_forged": pooled("MAIL: forged, stall"),
    "reused_rcpt_reset": pooled("RCPT: reset"),
    "reused_end_close": F("END: close", DEFERRED, LOST, before=1),
}
CELLS = {f"{name}-{mode}".replace("_", "-"): (fault, mode)
         for name, fault in FAULTS.items() for mode in fault.modes}


class Stage:
    """All cells, one after the other set up and all at once let loose."""

    def __init__(self):
        self.scratch = suite.Scratch("postern-tls-faults")
        atexit.register(self.scratch.close)
        papers = Papers(self.scratch)
        login = Login(NAME, PASSWORD)
        self.good = {is_smtps: ScriptedServer(self.scratch, tls=papers.good.server_context(),
                                              smtps=is_smtps, login=login)
                     for is_smtps in (False, True)}
        self.gateway = Gateway(self.scratch, workers=2, segment_size="64M")
        self.peers, profiles, rules = {}, [], []
        for cell, (fault, mode) in CELLS.items():
            context = Context(papers.good, papers.chain(fault.chain) if fault.chain else None,
                              fault.version)
            peer = TlsPeer(self.scratch, context, fault.script, smtps=mode == "smtps",
                           after=fault.before, times=fault.times)
            self.peers[cell] = peer
            profiles.append({
                "name": cell, "type": "smtp", "ca": papers.ca.pem, "timeouts": TIMEOUTS,
                "servers": [peer.uri, uri(self.good[mode == "smtps"], mode == "smtps")],
                "retry": {"first": 3600, "max": 3600}, "pool": {"enabled": fault.before > 0},
                **MODES[mode]})
            rules.append({"name": cell, "match": {"recipients": [f"*@{cell}.test"]}, "relay": cell})
        self.gateway.import_settings(profiles=profiles, rules=rules)
        self.gateway.wait_rules(f"x@{list(CELLS)[-1]}.test")
        self.sockets = {pid: sockets(pid) for pid in self.gateway.worker_pids()}
        self.ends = AtOnce(self.gateway)
        self._go_before([cell for cell, (fault, _) in CELLS.items() if fault.before])
        for cell, (fault, _) in CELLS.items():
            self.ends.send(cell, [f"x@{cell}.test"], octets=fault.octets)
        self.ends.wait(list(CELLS), 40)

    def _go_before(self, cells):
        for cell in cells:
            self.ends.send(cell, [f"before@{cell}.test"])
        suite.wait_for("a connection to each was left", lambda: not self.gateway.queue() and all(
            len(self.peers[cell].messages) == 1 for cell in cells))


stage, failure = None, None


def the_stage():
    """Set up once, also where that fails."""
    global stage, failure
    if failure is not None:
        raise failure
    if stage is None:
        try:
            stage = Stage()
        except Exception as error:
            failure = error
            raise
    return stage


def check(cell, fault, mode, at):
    peer, ending, (state, _) = at.peers[cell], fault.ending_in(mode), at.ends.seen[cell]
    next_ = arrived(at.good[mode == "smtps"], f"{cell}.test")
    here = [m for m in peer.messages if m.recipients == [f"x@{cell}.test"]]
    assert state == {NEXT: "gone", HERE: "gone", CLEAR: "gone"}.get(ending, ending), state
    assert len(next_) == (ending == NEXT), f"{len(next_)} at the next server"
    assert len(here) == (ending in (HERE, CLEAR, DEFERRED)), f"{len(here)} here"
    assert all((m.tls is None) == (ending == CLEAR) for m in here), "in clear, or not"
    assert all(m.tls for m in next_)
    assert not fault.script or peer.happened, "it has not happened"
    check_said(cell, mode, peer, ending)
    text = log_of(at.gateway, cell) + downgrade_of(at.gateway, peer)
    assert fault.words in text, text
    check_time(fault, peer, fault.waits_in(mode),
               (next_ or here)[0].when if ending != DEFERRED else None, at.ends.sent[cell])


def downgrade_of(gateway, peer):
    return "\n".join(line for line in gateway.log_text().splitlines()
                     if "event=downgrade" in line and f":{peer.port}" in line)


def check_said(cell, mode, peer, ending):
    """What left in clear, and where the password went."""
    may_be_clear = {"EHLO", "STARTTLS", "QUIT"} if mode != "smtps" else set()
    said = {line.split()[0] for line in peer.in_clear}
    assert ending == CLEAR or said <= may_be_clear, peer.in_clear
    assert not any(CREDENTIALS in line or "AUTH" in line for line in peer.in_clear)
    assert all((CREDENTIALS in line) == (mode in LOGIN) for line in peer.in_tls
               if line.startswith("AUTH")), peer.in_tls


def check_time(fault, peer, waits_s, arrived_when, sent):
    """What a fault may cost: the right time-out if there is nothing to be heard, else nothing."""
    if fault.before or fault.ending == HERE:
        return
    if waits_s is not None:
        # An end behind a body that is not read is not seen there.
        for lived in peer.lived or [arrived_when - sent]:
            assert waits_s - 0.5 < lived < waits_s + SLACK_S, f"{lived:.2f} s, not {waits_s}"
        return
    for lived in peer.lived:
        assert lived < AT_ONCE_S, f"held for {lived:.2f} s"
    assert arrived_when is None or arrived_when - sent < AT_ONCE_S, \
        f"there after {arrived_when - sent:.2f} s"


def named(name, fault):
    def test(_t):
        at, endings = the_stage(), []
        for mode in fault.modes:
            cell = f"{name}-{mode}".replace("_", "-")
            try:
                check(cell, fault, mode, at)
            except AssertionError as error:
                raise AssertionError(f"{fault.script!r}, {mode}: {error}\n"
                                     f"{log_of(at.gateway, cell)}") from None
            endings.append(f"{mode} {fault.ending_in(mode)}")
        return ", ".join(endings)
    return test


for _name, _fault in FAULTS.items():
    globals()[f"test_{'SP48' if _fault.times == 1 else 'SP22'}_{_name}"] = named(_name, _fault)


def test_SP22_what_may_have_arrived_is_said_to_be(_t):
    at = the_stage()
    lines = [line for line in at.gateway.log_text().splitlines() if "event=ambiguous" in line]
    wanted = [cell for cell, (fault, mode) in CELLS.items() if fault.ending_in(mode) == DEFERRED]
    missing = [cell for cell in wanted if not any(f":{at.peers[cell].port}" in l for l in lines)]
    assert not missing and len(lines) == len(wanted), (missing, lines)


def test_SP49_no_lease_and_no_socket_is_left(_t):
    at = the_stage()

    def left():
        return [row for row in at.gateway.rows("pool") if row["leases"] != row["idle"]]
    suite.wait_for("leases are those of idle connections", lambda: not left())
    for cell, (fault, mode) in CELLS.items():
        if fault.before:
            at.gateway.put_profile(cell, ["smtp://127.0.0.1:1"], **MODES[mode]) # retires the idle
    suite.wait_for("no lease", lambda: not any(r["leases"] for r in at.gateway.rows("pool")))
    suite.wait_for("no socket", lambda: all(
        sockets(pid) <= before for pid, before in at.sockets.items()))
    assert at.gateway.worker_pids() == sorted(at.sockets)


def test_SP32_a_renegotiation_is_refused_by_the_word(_t):
    at = the_stage()
    for mode in MODES:
        assert "no renegotiation" in at.peers[f"mail-renegotiate-{mode}"].broken, mode


def test_SP33_no_password_is_anywhere(_t):
    at = the_stage()
    for secret in (PASSWORD, CREDENTIALS):
        assert secret not in at.gateway.log_text()


def test_SP22_nobody_got_anything_twice(_t):
    at = the_stage()
    got = [r for peer in (*at.peers.values(), *at.good.values()) for m in peer.messages
           for r in m.recipients]
    assert len(got) == len(set(got))
    assert at.gateway.stop() == 0
    assert not at.scratch.reports(), at.scratch.reports()
    return f"{len(CELLS)} cells, {len(FAULTS)} faults"


# ---- more than is good for anyone ----

def peak_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_SP32_ten_thousand_certificates_take_no_memory(t):
    """5 MB a time, from 20 connections at once, after one session that was well."""
    papers = Papers(t)
    gateway = Gateway(t, workers=1, health={"failures": 50})
    few = TlsPeer(t, Context(papers.good, papers.chain(100)))
    many = TlsPeer(t, Context(papers.good, papers.chain(10000)))
    for name, peer in (("few", few), ("many", many)):
        put(gateway, name, [peer.uri], encryption="starttls_required", ca=papers.ca.pem)
    gateway.wait_rules("x@many.test")
    worker, = gateway.worker_pids()
    send(gateway, "x@few.test")
    suite.wait_for("a session that is well", lambda: few.messages)
    before = peak_kib(worker)
    for _ in range(20):
        send(gateway, "x@many.test")
    suite.wait_for("all are deferred", lambda: log_of(gateway, "many").count("msg=deferred") == 20)
    grown = peak_kib(worker) - before
    assert grown < 32 << 10, f"{grown} KiB" # a sanitizer keeps what was freed for a while
    assert not many.messages and gateway.worker_pids() == [worker]
    return f"{grown} KiB more for {many.connections} times"


def test_SP25_a_flood_of_key_updates_ends_at_once_and_delays_nobody(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1, health={"failures": 50})
    flood = TlsPeer(t, Context(papers.good), "MAIL: flood")
    good = TlsPeer(t, Context(papers.good))
    for name, peer in (("flood", flood), ("good", good)):
        put(gateway, name, [peer.uri], encryption="starttls_required", ca=papers.ca.pem,
            timeouts=TIMEOUTS)
    gateway.wait_rules("x@good.test")
    took = []
    for _ in range(20):
        send(gateway, "x@flood.test")
        sent = time.monotonic()
        send(gateway, "x@good.test")
        suite.wait_for("its message", lambda: len(good.messages) > len(took), every=0.002)
        took.append(time.monotonic() - sent)
    suite.wait_for("all are deferred", lambda: log_of(gateway, "flood").count("msg=deferred") == 20)
    assert LOST in log_of(gateway, "flood") and NO_TIME not in log_of(gateway, "flood")
    assert max(took) < 2, took
    return f"{flood.happened} floods, a message beside them took {max(took):.3f} s at most"


if __name__ == "__main__":
    suite.run(globals())
