#!/usr/bin/python3
"""SP50 to SP60, OP07: posternctl: what is refused and how, what is kept, what is shown."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway, Refused
from peer.net import free_port
from peer.servers import HANG, ScriptedServer

SECRET = "correct-horse-battery"
GOOD = {"name": "Exchange", "type": "smtp", "servers": ["smtp://127.0.0.1:2599"]}

# name -> (the input, property that the error names, text that stands in its value, in what is
# allowed or in the problem)
WRONG_PROFILES = {
    "SP12_bad_uri": ({"servers": ["smtp://[::1"]}, "servers[0]", "smtp://[::1"),
    "SP12_path": ({"servers": ["smtp://a.test/x"]}, "servers[0]", "path"),
    "SP12_user_info": ({"servers": ["smtp://me@a.test"]}, "servers[0]", "user"),
    "SP13_wrong_scheme": ({"servers": ["ftp://a.test"]}, "servers[0]", "smtps"),
    "SP15_port_0": ({"servers": ["a.test:0"]}, "servers[0]", "65535"),
    "SP03_no_server": ({"servers": []}, "servers", "1"),
    "SP03_same_server_twice": ({"servers": ["a.test", "SMTP://A.test:25"]}, "servers[1]", "a.test"),
    "SP05_old_tls": ({"encryption": "tls"}, "encryption", "smtps://"),
    "SP06_user_without_password": ({"username": "me"}, "password", "user name"),
    "SP07_no_digital_id": ({"client_certificate": True}, "client_certificate", "tls"),
    "SP09_pool_size_0": ({"pool": {"enabled": True, "size": 0}}, "pool.size", "999"),
    "SP09_pool_size_1000": ({"pool": {"enabled": True, "size": 1000}}, "pool.size", "999"),
    "SP09_pool_expiry_60001": ({"pool": {"enabled": True, "expiry": 60001}}, "pool.expiry",
                               "60000"),
    "SP10_unknown_property": ({"colour": "red"}, "colour", "colour"),
    "SP10_property_of_another_type": ({"api_key": SECRET}, "api_key", "vault"),
    "SP01_no_such_type": ({"type": "imap"}, "type", "vault"),
    "SP02_empty_name": ({"name": "  "}, "name", "128"),
}


def snapshot(gateway):
    return gateway.ctl("export")


def put(gateway, value, *options, kind="profile"):
    file = gateway.scratch.path("input.json")
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return gateway.run_ctl(kind, "put", file, *options)


def refusal(gateway, value, *options, kind="profile"):
    """The error text of a put that must be refused and must change nothing."""
    before = snapshot(gateway)
    done = put(gateway, value, *options, kind=kind)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert snapshot(gateway) == before, "the store has changed"
    assert SECRET not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_SP50_every_wrong_input_names_property_and_what_is_allowed(t):
    gateway = Gateway(t, workers=1, build="asan")
    for name, (change, property_, hint) in WRONG_PROFILES.items():
        text = refusal(gateway, {**GOOD, **change}, "--no-test")
        assert property_ in text and hint in text, f"{name}: {text}"
    return f"{len(WRONG_PROFILES)} inputs"


def test_SP50_every_mistake_is_reported_at_once(t):
    gateway = Gateway(t, workers=1, build="asan")
    text = refusal(gateway, {"name": "", "type": "smtp", "servers": ["ftp://x", "a.test:99999"],
                             "pool": {"size": 0, "expiry": 0}, "colour": 1}, "--no-test")
    for property_ in ("name", "servers[0]", "servers[1]", "pool.size", "pool.expiry", "colour"):
        assert property_ in text, (property_, text)


def test_SP02_names_are_unique_over_types_and_case(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert put(gateway, GOOD, "--no-test").returncode == 0
    text = refusal(gateway, {"name": "eXCHANGE", "type": "core", "servers": ["127.0.0.1"]},
                   "--no-test")
    assert "type" in text or "name" in text
    assert put(gateway, {**GOOD, "name": "Other"}, "--no-test").returncode == 0
    shown = gateway.ctl_json("profile", "show", "Other")
    text = refusal(gateway, {**GOOD, "id": shown["id"], "name": "EXCHANGE"}, "--no-test")
    assert "name" in text, text


def test_SP53_a_profile_in_use_cannot_be_deleted_and_the_rules_are_named(t):
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"])
    gateway.put_rule("Inbound mail", "relay")
    before = snapshot(gateway)
    done = gateway.run_ctl("profile", "delete", "relay")
    assert done.returncode == 1 and "Inbound mail" in done.stderr + done.stdout, done
    assert snapshot(gateway) == before
    gateway.ctl("rule", "delete", "Inbound mail")
    gateway.ctl("profile", "delete", "relay")
    assert not gateway.rows("profile", "list")


def test_SP53_a_profile_that_queued_mail_needs_cannot_be_deleted(t):
    sink = ScriptedServer(t, replies={"RCPT": "450 4.2.1 later"})
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", [sink], retry={"first": 600})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    from peer.net import Client
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    suite.wait_for("deferred", lambda: [r for r in gateway.queue() if r["state"] == "deferred"])
    gateway.ctl("rule", "delete", "all")
    done = gateway.run_ctl("profile", "delete", "relay")
    assert done.returncode == 1 and "1" in done.stderr + done.stdout, done


def test_SP60_secrets_are_write_only_and_bound_to_the_host(t):
    gateway = Gateway(t, workers=1, build="asan")
    profile = {**GOOD, "username": "gw", "password": SECRET}
    assert put(gateway, profile, "--no-test").returncode == 0
    for output in (gateway.ctl("--json", "profile", "show", "Exchange"), gateway.ctl("export"),
                   gateway.ctl("profile", "show", "Exchange"), gateway.ctl("audit", "list"),
                   gateway.log_text()):
        assert SECRET not in output
    shown = gateway.ctl_json("profile", "show", "Exchange")
    assert shown["password_set"] is True and "password" not in shown
    # Kept when left out and nothing it is bound to changes ...
    kept = {k: v for k, v in profile.items() if k != "password"}
    assert put(gateway, {**kept, "max_recipients": 50}, "--no-test").returncode == 0
    assert gateway.ctl_json("profile", "show", "Exchange")["password_set"] is True
    # ... but not when the host, the port or the scheme does.
    for server in ("smtp://127.0.0.2:2599", "smtp://127.0.0.1:2600", "smtps://127.0.0.1:2599"):
        text = refusal(gateway, {**kept, "servers": [server]}, "--no-test")
        assert "password" in text, text
    assert put(gateway, {**profile, "servers": ["smtp://127.0.0.2:2599"]},
               "--no-test").returncode == 0
    found = [f for f in (gateway.folder / "state").rglob("*") if f.is_file()
             and SECRET.encode() in f.read_bytes()]
    assert not found, found


def test_SP61_key_rotation_keeps_every_secret_readable(t):
    gateway = Gateway(t, workers=1, build="asan")
    key = gateway.folder / "store.key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert put(gateway, {**GOOD, "username": "gw", "password": SECRET}, "--no-test").returncode == 0
    gateway.ctl("key", "rotate")
    assert key.read_bytes() != before
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.ctl_json("profile", "show", "Exchange")["password_set"] is True
    # A wrong key refuses the start, names the file and changes nothing.
    assert gateway.stop() == 0
    good = key.read_bytes()
    key.write_bytes(before)
    gateway.start(wait=False)
    assert gateway.process.wait(20) != 0
    assert "store.key" in gateway.log_text() + t.path("posternd.stderr.log").read_text()
    key.write_bytes(good)
    gateway.start()
    assert gateway.ctl_json("profile", "show", "Exchange")["password_set"] is True


def test_SP54_the_second_of_two_edits_of_one_version_is_refused(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert put(gateway, GOOD, "--no-test").returncode == 0
    shown = gateway.ctl_json("profile", "show", "Exchange")
    assert put(gateway, {**shown, "max_recipients": 50}, "--no-test").returncode == 0
    text = refusal(gateway, {**shown, "max_recipients": 60}, "--no-test")
    assert "version" in text or "changed" in text, text


def test_SP50_what_show_prints_can_be_put_again(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert put(gateway, {**GOOD, "username": "gw", "password": SECRET, "retry": {"first": 5}},
               "--no-test").returncode == 0
    shown = gateway.ctl_json("profile", "show", "Exchange")
    assert put(gateway, shown, "--no-test").returncode == 0
    again = gateway.ctl_json("profile", "show", "Exchange")
    shown.pop("version"), again.pop("version")
    assert again == shown


def test_SP52_put_tests_the_connection_first(t):
    gateway = Gateway(t, workers=1, build="asan")
    sink = ScriptedServer(t)
    dead = free_port()
    text = refusal(gateway, {**GOOD, "servers": [f"smtp://127.0.0.1:{sink.port}",
                                                 f"smtp://127.0.0.1:{dead}"]})
    assert "connect" in text and str(dead) in text, text
    assert put(gateway, {**GOOD, "servers": [f"smtp://127.0.0.1:{sink.port}"]}).returncode == 0
    assert [c.split()[0] for c in sink.commands[-2:]] == ["EHLO", "QUIT"], sink.commands
    assert not sink.messages
    sink.replies["CONNECT"] = "554 5.3.2 closed"
    done = gateway.run_ctl("profile", "test", "Exchange")
    assert done.returncode == 1 and "554" in done.stdout + done.stderr, done
    audit = gateway.ctl("audit", "list")
    assert "Exchange" in audit
    assert put(gateway, {**GOOD, "name": "Untested"}, "--no-test").returncode == 0
    assert "not tested" in gateway.ctl("audit", "list")


def test_SP51_a_server_that_hangs_fails_the_test_within_its_limit(t):
    gateway = Gateway(t, workers=1, build="asan")
    sink = ScriptedServer(t, replies={"CONNECT": HANG})
    text = refusal(gateway, {**GOOD, "servers": [f"smtp://127.0.0.1:{sink.port}"]})
    assert "greeting" in text, text


def test_SR02_SR03_rules_are_checked(t):
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"])
    text = refusal(gateway, {"name": "r", "match": {"recipients": ["*@a.test"]}, "relay": "nobody"},
                   kind="rule")
    assert "relay" in text and "nobody" in text, text
    text = refusal(gateway, {"name": "r", "match": {"recipients": ["*"]}, "relay": "relay"},
                   kind="rule")
    assert "allow_open_relay" in text, text
    text = refusal(gateway, {"name": "r", "match": {"recipients": ["*@a.test"],
                                                    "clients": ["10.0.0.0/33"]}, "relay": "relay"},
                   kind="rule")
    assert "clients" in text and "10.0.0.0/33" in text, text


def test_SR01_SR06_the_first_rule_that_matches_wins_and_which_says_so(t):
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("a", ["smtp://127.0.0.1:2598"])
    gateway.put_profile("b", ["smtp://127.0.0.1:2599"])
    gateway.put_rule("special", "a", ["boss@example.test"])
    gateway.put_rule("all", "b", ["*@example.test"])

    def which(recipient):
        return gateway.ctl("rule", "which", "--client", "127.0.0.1", "--from", "x@client.test",
                           "--to", recipient)
    assert "special" in which("boss@example.test") and "2598" in which("boss@example.test")
    assert "all" in which("you@EXAMPLE.test")
    gateway.ctl("rule", "move", "all", 1)
    assert "special" not in which("boss@example.test")
    done = gateway.run_ctl("rule", "which", "--client", "127.0.0.1", "--from", "x@client.test",
                           "--to", "a@other.test")
    assert "550" in done.stdout + done.stderr or "no rule" in done.stdout + done.stderr, done


def test_OP07_export_can_be_imported_elsewhere(t):
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"], preference="round_robin")
    gateway.put_rule("all", "relay")
    exported = gateway.scratch.path("export.json")
    exported.write_text(gateway.ctl("export"))
    other = Gateway(Inner(t), workers=1, build="asan")
    assert other.run_ctl("import", exported).returncode == 1 # nothing listens there: all or nothing
    assert not other.rows("profile", "list")
    other.ctl("import", exported, "--no-test")
    assert [p["name"] for p in other.rows("profile", "list")] == ["relay"]
    assert [r["name"] for r in other.rows("rule", "list")] == ["all"]


class Inner:
    """Room for a second gateway in the same scratch folder."""

    def __init__(self, scratch):
        self._scratch = scratch
        self.folder = scratch.path("inner")
        self.folder.mkdir()
        self.on_close, self.inspections = scratch.on_close, scratch.inspections

    def path(self, name):
        return self._scratch.path(name) if name == "sanitizer" else self.folder / name


def test_OP03_exit_codes(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert gateway.run_ctl("status").returncode == 0
    assert gateway.run_ctl("profile", "show", "nobody").returncode == 1
    assert gateway.run_ctl("profile", "frobnicate").returncode == 2
    assert gateway.run_ctl().returncode == 2
    assert put(gateway, "{ not json").returncode in (1, 2)
    gateway.stop()
    assert gateway.run_ctl("status").returncode == 3


def test_OP08_status_tells_what_stands_in_the_way(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert "rule" in gateway.ctl("status")
    json.loads(gateway.ctl("--json", "status"))


def test_SR05_mail_that_cannot_be_scanned_is_deferred(t):
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", [sink])
    gateway.put_profile("scanner", [f"http://127.0.0.1:{free_port()}"], type="core")
    gateway.put_rule("all", "relay", core="scanner")
    gateway.wait_rules()
    from peer.net import Client
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    row = suite.wait_for("deferred", lambda: next(
        (r for r in gateway.queue() if r["state"] == "deferred"), None))
    shown = gateway.ctl("queue", "show", row["id"])
    assert "scan, attempt 1" in shown and "Connection refused" in shown, shown
    assert not sink.messages and not any(c.startswith("MAIL") for c in sink.commands)


if __name__ == "__main__":
    suite.run(globals())
