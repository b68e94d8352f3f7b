#!/usr/bin/python3
"""SR05, CO02: what becomes of mail that a scan blocked."""
import email
import email.policy
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.core_server import CoreServer
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer
from peer.web_faults import Status

EVIL = b"Subject: an offer\r\n\r\nthis is EVIL\r\n"


def start(t, profile=None, conf=None, **scan):
    sink, core = ScriptedServer(t), CoreServer(t)
    core.block(b"EVIL", "Infected")
    gateway = Gateway(t, build="asan", **(conf or {}))
    gateway.put_profile("relay", [sink])
    gateway.put_profile("scanner", [core.url], type="core", **(profile or {}))
    gateway.put_rule("all", "relay", core="scanner", scan=scan)
    gateway.wait_rules()
    return gateway, sink, core


def send(gateway, content=EVIL):
    with Client(gateway.port) as client:
        assert client.start()[0].code == 250
        assert client.content(content).code == 250


def wait_quarantined(gateway, count=1):
    return suite.wait_for(f"{count} in quarantine", lambda: (
        lambda found: found if len(found) == count else None)(
        gateway.ctl_json("quarantine", "list")["messages"]))


def body_of(message):
    """As it was sent in: without what we have put in front of it."""
    return message.body[message.body.index(b"Subject:"):]


def test_SR05_what_is_blocked_waits_in_the_quarantine(t):
    gateway, sink, _ = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    assert row["state"] == "quarantined" and row["held"] == "by a scan", row
    assert row["message"]["scan"]["verdict"] == "blocked", row
    listed = gateway.ctl("quarantine", "list")
    for word in (row["id"], "all", "from@client.test", "to@example.test", "Infected"):
        assert word in listed, (word, listed)
    send(gateway, b"Subject: good\r\n\r\nnothing\r\n")
    suite.wait_for("the good one", lambda: sink.messages)
    assert len(sink.messages) == 1 and b"good" in sink.messages[0].body
    assert b"X-Postern-Scan: allowed; files=1; core=http://127.0.0.1:" in sink.messages[0].body


def test_CO02_each_scan_has_its_page_at_the_server_that_took_the_file(t):
    gateway, _, core = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    page = f"{core.url}/#/public/process/dataId/{core.scans[0].id}"
    assert row["message"]["scan"]["files"][0]["link"] == page, row
    assert page in gateway.ctl("quarantine", "show", row["id"])


def test_CO02_link_base_says_where_people_find_it(t):
    gateway, _, core = start(t, profile={"link_base": "https://core.example.net/console/"})
    send(gateway)
    row, = wait_quarantined(gateway)
    page = f"https://core.example.net/console/#/public/process/dataId/{core.scans[0].id}"
    assert row["message"]["scan"]["files"][0]["link"] == page, row


def test_SR05_release_delivers_the_very_message(t):
    gateway, sink, core = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    assert "released" in gateway.ctl("quarantine", "release", row["id"])
    suite.wait_for("delivered", lambda: sink.messages)
    assert body_of(sink.messages[0]) == EVIL, sink.messages[0].body
    assert b'X-Postern-Scan: blocked; files=1; core=' in sink.messages[0].body
    suite.wait_for("it has left", lambda: not gateway.queue())
    assert len(core.scans) == 1, "it is not scanned for that"


def test_SR05_rescan_lets_it_go_when_it_is_clean_now(t):
    gateway, sink, core = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    gateway.ctl("quarantine", "rescan", row["id"])
    suite.wait_for("scanned again", lambda: len(core.scans) == 2)
    row, = wait_quarantined(gateway)
    core.markers.clear()
    gateway.ctl("quarantine", "rescan", row["id"])
    suite.wait_for("delivered", lambda: sink.messages)
    assert b"X-Postern-Scan: allowed" in sink.messages[0].body


def test_SR05_a_rescan_that_no_scanner_makes_lets_nothing_out(t):
    gateway, sink, core = start(t, on_unavailable="pass_with_header")
    send(gateway)
    row, = wait_quarantined(gateway)
    core.faults.add("*", Status(503, b"{}"), times=None)
    gateway.ctl("quarantine", "rescan", row["id"])
    suite.wait_for("it waits", lambda: next(
        (r for r in gateway.queue() if r["state"] == "deferred"), None))
    core.faults.clear()
    gateway.ctl("queue", "retry", row["id"])
    row, = wait_quarantined(gateway)
    assert "Infected" in row["message"]["scan"]["reason"], row
    assert not sink.messages


def test_SR05_forward_sends_the_very_message_as_an_attachment(t):
    gateway, sink, _ = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    assert "forwarded" in gateway.ctl("quarantine", "forward", row["id"], "expert@example.net")
    suite.wait_for("it has come", lambda: sink.messages)
    got = email.message_from_bytes(sink.messages[0].body, policy=email.policy.SMTP)
    assert sink.messages[0].recipients == ["expert@example.net"], sink.messages[0].recipients
    inner, = [p for p in got.walk() if p.get_content_type() == "message/rfc822"]
    assert inner.as_bytes().endswith(EVIL), inner.as_bytes()
    assert row["id"] in got["Subject"] and "postmaster@" in got["From"]
    assert wait_quarantined(gateway)[0]["id"] == row["id"], "it stays"
    assert "quarantine forward" in gateway.ctl("audit", "list")
    for to, word in (("nobody", "has no @"), ("*@example.net", "mailbox"), ("a b@c", "to:")):
        done = gateway.run_ctl("quarantine", "forward", row["id"], to)
        assert done.returncode == 1 and word in done.stderr, (to, done)


def test_SR05_delete_and_what_is_not_in_the_quarantine(t):
    gateway, sink, _ = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    gateway.ctl("queue", "delete", row["id"])
    assert not gateway.ctl_json("quarantine", "list")["messages"]
    done = gateway.run_ctl("quarantine", "release", row["id"])
    assert done.returncode == 1 and "no such message" in done.stderr, done
    sink.replies["RCPT"] = "450 4.2.1 later"
    send(gateway, b"Subject: good\r\n\r\nnothing\r\n")
    row = suite.wait_for("deferred", lambda: next(
        (r for r in gateway.queue() if r["state"] == "deferred"), None))
    for verb in ("release", "rescan", "delete"):
        done = gateway.run_ctl("quarantine", verb, row["id"])
        assert done.returncode == 1 and "not in its present state" in done.stderr, (verb, done)
    assert gateway.queue(), "still there"


def test_SR05_a_restart_keeps_the_quarantine(t):
    gateway, sink, _ = start(t)
    send(gateway)
    wait_quarantined(gateway)
    gateway.kill_all()
    gateway.start()
    gateway.wait_scanned()
    row, = wait_quarantined(gateway)
    assert "Infected" in row["message"]["scan"]["reason"], row
    gateway.ctl("quarantine", "release", row["id"])
    suite.wait_for("delivered", lambda: sink.messages)
    assert body_of(sink.messages[0]) == EVIL


def test_SR05_what_was_kept_long_enough_is_deleted(t):
    gateway, sink, _ = start(t)
    send(gateway)
    row, = wait_quarantined(gateway)
    suite.wait_for("it is two seconds old", lambda: time.time() >= gateway_time(row) + 2)
    gateway.reload(quarantine={"retention": "1s"})
    suite.wait_for("it is gone", lambda: not gateway.queue())
    assert "kept long enough" in gateway.log_text()
    assert not sink.messages


def gateway_time(row):
    return time.mktime(time.strptime(row["received"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_SR05_reject_is_final_and_keeps_it_as_failed(t):
    gateway, sink, core = start(t, on_blocked="reject")
    send(gateway)
    row = suite.wait_for("failed", lambda: next(
        (r for r in gateway.queue() if r["state"] == "failed"), None))
    shown = gateway.ctl("queue", "show", row["id"])
    assert "5.7.1" in shown and "Infected" in shown, shown
    gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("it is scanned again", lambda: len(core.scans) == 2)
    suite.wait_for("failed again", lambda: [r for r in gateway.queue() if r["state"] == "failed"])
    assert not sink.messages


def test_SR05_pass_with_header_tells_who_reads_it(t):
    gateway, sink, _ = start(t, on_blocked="pass_with_header", add_headers=False)
    send(gateway, b"X-Postern-Scan: allowed; nothing to see\r\n" + EVIL)
    suite.wait_for("delivered", lambda: sink.messages)
    body = sink.messages[0].body
    assert body.startswith(b"X-Postern-Scan: blocked; files=1; core=http://127.0.0.1:"), body
    assert b'reason="text-1.txt: Infected"' in body
    assert b"nothing to see" not in body and body_of(sink.messages[0]) == EVIL


def test_SR05_a_message_that_cannot_be_taken_apart_is_blocked(t):
    gateway, sink, core = start(t, conf={"mime": {"max_parts": 3}})
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    send(gateway, b"Subject: many\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"
         b"\r\n\r\n" + part * 5 + b"--b--\r\n")
    row, = wait_quarantined(gateway)
    assert "more than 3 parts" in row["message"]["scan"]["reason"], row
    assert not sink.messages and not core.scans


if __name__ == "__main__":
    suite.run(globals())
