#!/usr/bin/python3
"""An operator who has made his first profile and rule sees a message go through."""
import email
import email.policy
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.core_server import CoreServer
from peer.gateway import Gateway
from peer.servers import ScriptedServer
from peer.vault_server import VaultServer


def read(message):
    return email.message_from_bytes(message.body, policy=email.policy.SMTP)


def test_a_test_message_comes_through(t):
    sink = ScriptedServer(t)
    gateway = Gateway(t, build="asan")
    done = gateway.run_ctl("test-message", "--to", "me@example.test")
    assert done.returncode == 1 and "no rule" in done.stderr, done
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    said = gateway.ctl("test-message", "--to", "me@example.test", "--from", "you@example.org")
    suite.wait_for("it has come", lambda: sink.messages)
    message, = sink.messages
    assert "<you@example.org>" in message.sender and message.recipients == ["me@example.test"]
    got = read(message)
    assert "Test message of gw.test" in got["Subject"] and not got.is_multipart(), got
    assert 'by rule "all", profile "relay"' in said and "By rule:    all" in got.get_content(), got
    assert gateway.ctl_json("audit", "list", "--limit", 1)["entries"][0]["what"] == "test message"
    suite.wait_for("it is counted", lambda: gateway.ctl_json("stats")["totals"]["out"] == 1)
    suite.wait_for("it has left", lambda: not gateway.queue())


def test_a_test_message_goes_through_every_stage_of_its_rule(t):
    sink, core, vault = ScriptedServer(t), CoreServer(t), VaultServer(t)
    sink.replies["RCPT"] = "450 4.2.1 later"
    gateway = Gateway(t, build="asan")
    gateway.put_profile("relay", [sink])
    gateway.put_profile("scanner", [core.url], type="core")
    gateway.put_profile("archive", [vault.url], type="vault", api_key=vault.key)
    gateway.put_rule("all", "relay", core="scanner", vault="archive")
    message = gateway.ctl_json("test-message", "--to", "me@example.test")
    row = suite.wait_for("deferred by the next hop", lambda: next(
        (r for r in gateway.queue() if r["state"] == "deferred" and r["stage"] == "relay"), None))
    assert row["id"] == message["id"] and row["rule"] == "all", row
    assert {scan.name for scan in core.scans} >= {"postern-test.txt"}, core.scans
    assert [f.name for f in vault.uploads] == ["postern-test.txt"], vault.uploads
    del sink.replies["RCPT"]
    gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("it has come", lambda: sink.messages)
    got = read(sink.messages[0])
    attached, = got.iter_attachments()
    assert attached.get_filename() == "postern-test.txt" and got["X-Postern-Scan"], got


if __name__ == "__main__":
    suite.run(globals())
