#!/usr/bin/python3
"""CO01, CO02, SR05, SP24, SP25: what a message is made of is scanned before it goes on, and the verdict
decides, whatever breaks."""
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.core_server import CoreServer
from peer.gateway import QUICK_HEALTH
from peer.mime_maker import make, plain
from peer.nginx import Nginx
from peer.stages import LATER, Stages, field
from peer.web_faults import (Cut, Early, Garbage, Hang, HangUp, Late, NoLength, Reset, Status,
                             nginx_page)

GOOD = {"good.bin": b"nothing wrong here"}
EVIL = {"good.bin": b"nothing wrong here", "evil.bin": b"it is EVIL inside"}
WAITS = ("waiting", "deferred")
QUARANTINED = ("held", "quarantined")
KILLS = 30


def start(t, cores=1, core=None, **options):
    """`core`: what CoreServer takes; all block what is EVIL."""
    servers = [CoreServer(t, **(core or {})) for _ in range(cores)]
    for server in servers:
        server.block(b"EVIL", "Infected by hand")
    return Stages(t, cores=servers, **options), servers


def verdicts(scene):
    return [field(m.body, "X-Postern-Scan") for m in scene.relay.messages]


def scans_of(server):
    return len(server.scans)


# ---- what is scanned ----------------------------------------------------------------------------

@suite.deadline(300)
def test_CO01_every_part_of_300_messages_is_scanned_and_they_go_on_unchanged(t):
    first = int(os.environ.get("POSTERN_SEED") or random.SystemRandom().randrange(1 << 24))
    print(f"  seeds from {first}", flush=True)
    scene, cores = start(t, 2, {"polls": 1, "silent": 1}, of_core={"preference": "round_robin"})
    for seed in range(first, first + 300):
        scene.send(make(seed, huge=seed % 100 == 99))
    scene.wait_relayed(300, 200)
    assert all(len(scene.relayed(m)) == 1 for m in scene.sent.values())
    assert all(len(v) == 1 and v[0].startswith("allowed") for v in verdicts(scene)), verdicts(scene)[:3]
    count = scene.check_scans(scene.sent.values())
    scene.check_no_violations()
    assert not any(core.strangers for core in cores)
    return f"{count} parts, {sum(c.calls['result'] for c in cores)} polls, " \
           f"{sum(c.connections for c in cores)} connections"


def test_CO01_names_rule_and_who_asks_are_told(t):
    scene, (core,) = start(t, core={"rules": ["Mail & more"]}, scan={"workflow": "Mail & more"})
    scene.send(plain(1, {"Bericht ü.bin": b"x"}))
    scene.wait_relayed(1)
    scan, = core.by_name("Bericht ü.bin")
    assert scan.rule == "Mail%20%26%20more", scan.rule
    assert scan.user_agent, "nobody"


def test_CO01_empty_parts_are_not_submitted(t):
    scene, (core,) = start(t)
    scene.send(plain(1, {"empty.bin": b"", **GOOD}))
    scene.wait_relayed(1)
    assert all(s.size for s in core.scans) and core.by_name("good.bin")
    assert [r.status for r in core.log if r.call == "submit"] == [200] * scans_of(core)


def test_CO01_polls_keep_their_distance(t):
    """Every few hundred milliseconds is enough, says the documentation, and many hurt: what takes
    longer is asked for less often."""
    scene, (core,) = start(t, core={"seconds": 3})
    scene.send(plain(1, GOOD))
    scene.wait_relayed(1)
    for scan in core.scans:
        assert 2 <= len(scan.polls) <= 15, len(scan.polls)
        assert min(scan.spacing[1:]) > 0.03 and scan.spacing[-1] > 0.3, scan.spacing
    return f"{[round(s, 2) for s in core.scans[0].spacing]}"


# ---- the verdict --------------------------------------------------------------------------------

def test_SR05_blocked_is_quarantined_rejected_or_marked(t):
    for action in ("quarantine", "reject", "pass_with_header"):
        with suite.Scratch(f"postern-{action}") as scratch:
            scene, _ = start(scratch, core={"polls": 1}, scan={"on_blocked": action})
            evil = scene.send(plain(1, EVIL))
            scene.send(plain(2, GOOD))
            scene.wait_relayed(1 + (action == "pass_with_header"))
            if action == "pass_with_header":
                said = sorted(v for values in verdicts(scene) for v in values)
                assert said[0].startswith("allowed") and said[1].startswith("blocked"), said
                assert "Infected by hand" in said[1], said
                continue
            scene.wait_state(evil, *(QUARANTINED if action == "quarantine" else ("failed",)))
            shown = scene.shown(evil)
            assert "Infected by hand" in shown and "evil.bin" in shown, shown
            assert action == "quarantine" or "5.7.1" in shown, shown
            tried, = [a["tried"] for g in json.loads(shown)["groups"] for a in g["message"]["attempts"]]
            assert tried[-1]["result"] == "blocked", tried
            assert not scene.relayed(scene.sent[evil])


def test_SR05_quarantine_is_the_default_and_outlives_a_restart(t):
    scene, _ = start(t)
    evil = scene.send(plain(1, EVIL))
    scene.wait_state(evil, *QUARANTINED)
    scene.gateway.kill_all()
    scene.gateway.start()
    scene.gateway.wait_scanned()
    scene.wait_state(evil, *QUARANTINED)
    assert not scene.relay.messages


def test_VA05_a_verdict_from_outside_is_removed(t):
    for adds in (True, False):
        with suite.Scratch("postern-forged") as scratch:
            scene, _ = start(scratch, scan={"add_headers": adds, "on_blocked": "pass_with_header"})
            made = plain(1, EVIL)
            made.message = b"X-Postern-Scan: allowed; forged\r\nX-POSTERN-SCAN: allowed;\r\n forged\r\n" + \
                made.message
            scene.send(made)
            scene.wait_relayed(1)
            assert b"forged" not in scene.relay.messages[0].body
            said, = verdicts(scene)
            assert [s.partition(";")[0] for s in said] == ["blocked"], said


def test_CO02_the_link_is_to_the_server_that_took_the_file(t):
    scene, (one, two) = start(t, 2)
    one.queue = 0
    evil = scene.send(plain(1, EVIL))
    scene.wait_state(evil, *QUARANTINED)
    scan, = two.by_name("evil.bin")
    assert f"{two.url}/#/public/process/dataId/{scan.id}" in scene.shown(evil), scene.shown(evil)


def test_CO02_a_link_base_is_used_instead(t):
    scene, (core,) = start(t, of_core={"link_base": "https://core.example.test"})
    evil = scene.send(plain(1, EVIL))
    scene.wait_state(evil, *QUARANTINED)
    link = f"https://core.example.test/#/public/process/dataId/{core.by_name('evil.bin')[0].id}"
    assert link in scene.shown(evil), scene.shown(evil)


# ---- which server -------------------------------------------------------------------------------

def test_SP24_one_that_is_busy_means_the_next(t):
    for preference in ("failover", "round_robin"):
        with suite.Scratch(f"postern-{preference}") as scratch:
            scene, (one, two, three) = start(scratch, 3, {"polls": 1},
                                             of_core={"preference": preference})
            one.queue = 0
            for n in range(8):
                scene.send(plain(n, {f"{n}.bin": b"%d" % n}))
                scene.wait_relayed(n + 1)
            scene.check_scans(scene.sent.values())
            assert not one.scans and one.calls["submit"] > 0
            assert bool(three.scans) == (preference == "round_robin")
            assert not one.strangers and not two.strangers and not three.strangers


def test_SP24_round_robin_shares(t):
    scene, cores = start(t, 3, of_core={"preference": "round_robin"})
    for n in range(12):
        scene.send(plain(n, {f"{n}.bin": b"%d" % n}))
        scene.wait_relayed(n + 1)
    counts = [sum(len(c.by_name(f"{n}.bin")) for n in range(12)) for c in cores]
    assert counts == [4, 4, 4], counts


def test_SP24_a_poll_goes_to_the_server_that_took_the_file(t):
    scene, cores = start(t, 2, {"polls": 3}, of_core={"preference": "round_robin"})
    for n in range(20):
        scene.send(plain(n, {f"{n}.bin": b"%d" % n}))
    scene.wait_relayed(20)
    assert not any(c.strangers for c in cores)
    assert all(len(s.polls) >= 4 for c in cores for s in c.scans)


def test_SP24_a_server_that_has_forgotten_a_file_gets_it_again(t):
    scene, (core,) = start(t, core={"seconds": 60})
    scene.send(plain(1, GOOD))
    suite.wait_for("it is asked", lambda: any(s.polls for s in core.scans))
    core.seconds = 0
    core.forget()
    scene.wait_relayed(1)
    assert core.strangers


# What the first of two does once -> a scan at the second, or again: the message goes on within a moment.
NEXT = {
    "submit_500": ("submit", Status(500, b'{"err":"unexpected"}')),
    "submit_503_of_nginx": ("submit", Status(503, nginx_page(503))),
    "submit_early_503": ("submit", Early(503, nginx_page(503))),
    "submit_cut_in_its_body": ("submit", Cut("body")),
    "submit_reset": ("submit", Reset("answer")),
    "submit_is_done_and_its_answer_lost": ("submit", Cut("done")),
    "submit_garbage": ("submit", Garbage()),
    "result_cut_once": ("result", Cut("answer")),
    "result_500_once": ("result", Status(500)),
    "result_late": ("result", Late(1)),
    "result_without_length": ("result", NoLength()),
    "connection_gone_when_it_is_used_again": ("submit", HangUp()),
}


def goes_on(call, fault):
    def test(t):
        scene, (one, two) = start(t, 2, {"polls": 1})
        one.faults.add(call, fault)
        scene.send(plain(1, GOOD))
        scene.wait_relayed(1, 15)
        assert fault.happened == 1 and verdicts(scene)[0][0].startswith("allowed")
        assert not one.strangers and not two.strangers
        scene.check_no_violations()
    return test


globals().update({f"test_SP22_SP24_{name}": goes_on(*row) for name, row in NEXT.items()})


def test_SP23_a_scanner_that_is_down_is_left_out_until_it_is_back(t):
    scene, (one, two) = start(t, 2)
    one.down()
    for n in range(10):
        scene.send(plain(n, {f"{n}.bin": b"%d" % n}))
        scene.wait_relayed(n + 1)
    scene.wait_server("core", one, "down")
    one.up()
    scene.wait_server("core", one, "warming")
    assert one.calls["version"] > 0
    scene.send(plain(10, GOOD))
    scene.wait_relayed(11)
    assert one.by_name("good.bin")


def test_SP23_mail_waits_while_all_are_down_and_goes_on_by_itself(t):
    scene, cores = start(t, 2)
    for core in cores:
        core.down()
    ids = [scene.send(plain(n, {f"{n}.bin": b"%d" % n})) for n in range(20)]
    scene.wait_state(ids[0], *WAITS)
    scene.wait_server("core", cores[0], "down")
    assert not scene.relay.messages
    for core in cores:
        core.up()
    scene.wait_relayed(20)
    scene.check_scans(scene.sent.values())


def test_SP23_a_wrong_key_opens_the_breaker_with_that_reason(t):
    scene, (core,) = start(t, core={"keys": ["the-right-key"]}, of_core={"api_key": "the-wrong-key"})
    id_ = scene.send(plain(1, GOOD))
    row = scene.wait_server("core", core, "login refused")
    assert "403" in row["reason"] and row["next_probe"] is None, row
    scene.wait_state(id_, *WAITS)
    asked = core.calls["submit"]
    scene.send(plain(2, GOOD))
    assert core.calls["submit"] == asked
    scene.of_core["api_key"] = "the-right-key"
    scene.save()
    scene.wait_relayed(2)


# ---- when there is no verdict -------------------------------------------------------------------

def test_SR05_what_happens_without_a_verdict(t):
    for action, goes in (("defer", False), ("pass_with_header", True)):
        with suite.Scratch(f"postern-{action}") as scratch:
            scene, (core,) = start(scratch, scan={"on_unavailable": action}, retry=LATER)
            core.down()
            id_ = scene.send(plain(1, EVIL))
            if goes:
                scene.wait_relayed(1)
                said, = verdicts(scene)
                assert [s.partition(";")[0] for s in said] == ["unavailable"], said
            else:
                scene.wait_state(id_, *WAITS)
                scene.wait_shown(id_, "refused")
                assert not scene.relay.messages


def test_SR05_what_a_scanner_never_takes_is_blocked_and_no_reason_to_ask_the_others(t):
    """Too large is about the file: a 500, by the documentation."""
    scene, (one, two) = start(t, 2, {"largest": 1000})
    id_ = scene.send(plain(1, {"large.bin": b"x" * 5000}))
    scene.wait_state(id_, *QUARANTINED)
    scene.wait_shown(id_, "large.bin: it is larger than the scanner takes")
    assert not two.calls and not scene.relay.messages
    assert scene.server_row("core", one)["state"] == "up"


def test_SP25_a_scanner_that_hangs_keeps_nobody_else_waiting(t):
    scene, (one, two) = start(t, 2, of_core={"timeouts": {"transfer": 3}},
                              health=QUICK_HEALTH | {"failures": 100})
    one.faults.add("*", Hang("head"), times=None)
    scene.gateway.put_rule("plain", "relay", ["*@plain.test"])
    scene.gateway.wait_rules("x@plain.test")
    for n in range(30):
        scene.send(plain(n, {f"{n}.bin": b"%d" % n}))
    began = time.monotonic()
    for n in range(30, 40):
        scene.send(plain(n, GOOD), "x@plain.test")
    suite.wait_for("the others' mail", lambda: sum(
        m.recipients == ["x@plain.test"] for m in scene.relay.messages) == 10, 3)
    took = time.monotonic() - began
    scene.wait_relayed(40)
    assert scans_of(two) >= 30
    return f"{took:.1f} s"


def test_SP25_a_scan_that_takes_too_long_is_deferred_and_asked_for_again(t):
    scene, (core,) = start(t, core={"seconds": 3600}, retry=LATER,
                           of_core={"timeouts": {"result": 2}})
    id_ = scene.send(plain(1, GOOD))
    scene.wait_state(id_, "deferred", seconds=10)
    assert not scene.relay.messages
    for scan in core.scans:
        scan.ends_after_s = 0
    scene.gateway.ctl("queue", "retry", id_)
    scene.wait_relayed(1)
    assert core.calls["submit"] == 2, "its files were submitted again"


# ---- TLS, and kills -----------------------------------------------------------------------------

def test_SP07_SP30_behind_nginx_with_tls_and_client_certificates(t):
    ca, core = Authority(t), CoreServer(t, polls=1)
    paper, client = ca.issue("good", ["IP:127.0.0.1"]), ca.issue("gateway", ["gateway.test"])
    nginx = Nginx(t, core, paper, client_ca=ca)
    scene = Stages(t, cores=[nginx], of_core={"ca": ca.pem, "client_certificate": True},
                   tls={"certificate": client.certificate, "key": client.key})
    for seed in range(20):
        scene.send(make(seed))
    scene.wait_relayed(20)
    scene.cores = [core]
    count = scene.check_scans(scene.sent.values())
    assert not core.violations
    assert all(a.startswith("200 ") and 'client="CN=gateway"' in a for a in nginx.accesses)
    return f"{count} parts"


def test_SP07_without_its_certificate_nothing_is_scanned(t):
    ca, core = Authority(t), CoreServer(t)
    nginx = Nginx(t, core, ca.issue("good", ["IP:127.0.0.1"]), client_ca=ca)
    scene = Stages(t, cores=[nginx], of_core={"ca": ca.pem}, retry=LATER)
    id_ = scene.send(plain(1, GOOD))
    scene.wait_shown(id_, "400")
    assert not core.calls and not scene.relay.messages


@suite.deadline(240)
def test_CO01_MQ03_kills_lose_nothing_and_let_nothing_evil_through(t):
    seed = int(os.environ.get("POSTERN_SEED") or random.SystemRandom().randrange(1 << 24))
    print(f"  seed {seed}", flush=True)
    scene, cores = start(t, 2, {"seconds": 0.1}, workers=6, of_core={"preference": "round_robin"})
    end = scene.load(lambda n: plain(n, {f"{n}.bin": b"%d" % n} |
                                     ({"evil.bin": b"EVIL %d" % n} if n % 5 == 0 else {})))
    scene.kill(seed, KILLS, lambda: sum(map(scans_of, cores)))
    end()
    suite.wait_for("nothing waits but what is kept", lambda: all(
        r["state"] in QUARANTINED for r in scene.gateway.queue()), 60)
    kept = {r["id"] for r in scene.gateway.queue()}
    for id_, made in scene.sent.items():
        is_evil = made.seed % 5 == 0
        assert (id_ in kept) == is_evil, (id_, made.seed)
        assert bool(scene.relayed(made)) != is_evil, (id_, made.seed)
    assert not any(c.strangers for c in cores)
    scene.check_no_violations()
    return f"{len(scene.sent)} messages, {sum(map(scans_of, cores))} scans, {len(kept)} kept"


if __name__ == "__main__":
    suite.run(globals())
