#!/usr/bin/python3
"""OP03, OP04: accounts of the console: made by posternctl or with the code in the log, and what the
master believes of a console that may have been taken over."""
import pathlib
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.console_door import Browser
from peer.gateway import Gateway
from peer.net import free_port
from secret_memory import PIECES, wait_until_none_is_left

PASSWORD = "correct-horse-battery"
OTHER = "another-horse-battery"
EXCHANGE = {"name": "Exchange", "type": "smtp", "servers": ["smtp://127.0.0.1:2599"]}
CODE = re.compile(r'code=([0-9A-Z-]{23}) msg="the console has no account yet')


def start(t, **options):
    """A gateway that has a console, whose process the tests stand in for."""
    console = {"listen": f'"127.0.0.1:{free_port()}"', **options.pop("console", {})}
    return Gateway(t, workers=1, build="asan", console=console, **options)


def add(gateway, name, role="viewer", password=PASSWORD):
    gateway.secrets.note({"password": password})
    return gateway.ctl("account", "add", name, "--role", role, stdin=password + "\n")


def audit(gateway):
    return [(e["what"], e["who"], e["object"]) for e in gateway.rows("audit", "list")]


def entries(gateway, what):
    return [e for e in gateway.rows("audit", "list") if e["what"] == what]


def logged_in(gateway, name, password=PASSWORD, client="10.0.0.1"):
    browser = Browser(gateway, client)
    browser.log_in(name, password)
    return browser


# ---- posternctl -----------------------------------------------------------------------------------

def test_OP04_accounts_from_the_command_line_survive_a_restart(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    add(gateway, "Vera")
    assert gateway.run_ctl("account", "add", "VERA", stdin=PASSWORD).returncode == 1
    assert gateway.run_ctl("account", "add", "bob", stdin="short\n").returncode == 1
    assert gateway.run_ctl("account", "add", "bob", stdin="bob-password-1\n").returncode == 1
    gateway.ctl("account", "role", "vera", "admin")
    logged_in(gateway, "alice")
    suite.wait_for("the log-in is noted",
                   lambda: gateway.rows("account", "list")[0]["last_login"] is not None)
    before = gateway.rows("account", "list")
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.rows("account", "list") == before
    assert [(a["name"], a["role"]) for a in before] == [("alice", "admin"), ("Vera", "admin")]
    gateway.ctl("account", "passwd", "vera", stdin=OTHER)
    browser = Browser(gateway)
    browser.log_in("vera", PASSWORD, expect=401)
    browser.log_in("vera", OTHER)
    gateway.ctl("account", "delete", "vera")
    assert browser.ask("GET", "/status").status == 401
    browser.log_in("vera", OTHER, expect=401)


def test_OP07_no_hash_leaves_by_any_answer(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    browser = logged_in(gateway, "alice")
    texts = [gateway.ctl("export"), gateway.ctl("--json", "account", "list"),
             gateway.ctl("--json", "audit", "list"), gateway.log_text()]
    texts += [browser.ask("GET", target).text for target in
              ("/accounts", "/accounts/1", "/sessions", "/sessions/current", "/export", "/audit",
               "/status", "/settings")]
    store = b"".join(f.read_bytes() for f in (gateway.folder / "state/store").iterdir())
    assert b"$y$jBT$" in store, "it is kept there"
    for text in texts:
        assert "$y$" not in text, text


# ---- the first start ------------------------------------------------------------------------------

def code_of(gateway):
    return CODE.findall(gateway.log_text())


def test_OP04_the_first_account_by_the_code_in_the_log(t):
    gateway = start(t)
    old = code_of(gateway)
    assert len(old) == 1, old
    gateway.stop()
    gateway.start()
    codes = code_of(gateway)
    assert len(codes) == 2 and codes[0] != codes[1], "new at each start, logged once"
    assert any("no account yet" in w for w in gateway.ctl_json("status")["warnings"])
    browser = Browser(gateway)
    assert browser.ask("GET", "/first").json == {"needed": True}
    wanted = {"name": "alice", "password": PASSWORD}
    answer = browser.ask("POST", "/first", {"code": codes[0], **wanted})
    assert (answer.status, answer.code) == (401, "code"), answer
    answer = browser.ask("POST", "/first", {"code": codes[1].lower().replace("-", " "), **wanted})
    assert answer.status == 201 and answer.json["role"] == "admin", answer
    assert browser.ask("GET", "/accounts").status == 200
    assert browser.ask("GET", "/first").json == {"needed": False}
    answer = Browser(gateway).ask("POST", "/first", {"code": codes[1], "name": "m",
                                                     "password": PASSWORD})
    assert (answer.status, answer.code) == (409, "not_needed"), answer
    assert not any("account" in w for w in gateway.ctl_json("status")["warnings"])
    gateway.stop()
    gateway.start()
    assert len(code_of(gateway)) == 2, "there is an account: no code any more"
    logged_in(gateway, "alice")


def test_OP04_no_console_no_code(t):
    gateway = Gateway(t, workers=1, build="asan")
    assert not code_of(gateway)
    assert not any("account" in w for w in gateway.ctl_json("status")["warnings"])


# ---- what is believed of a console ----------------------------------------------------------------

def test_OP03_without_a_session_nothing_is_told_or_done(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"])
    good = logged_in(gateway, "alice")
    name, token = good.cookie.split("=")
    forged = [None, "", name, f"{name}=", f"{name}={'A' * 43}", f"{name}={token[:-1]}",
              f"{name}={token}A", f"postern={token}", f"{name}={token[::-1]}",
              f"{name}=x; {name}={token}", f"{name.lower()}={token}",
              f"{name}={'A' * 5000}", "; ".join(f"c{i}=1" for i in range(500))]
    before = gateway.ctl("export")
    for cookie in forged:
        for method, target in (("GET", "/profiles"), ("GET", "/audit"), ("GET", "/sessions/current"),
                               ("DELETE", "/profiles/1"), ("POST", "/key/rotate"),
                               ("GET", "/accounts")):
            answer = good.ask(method, target, headers={"Cookie": cookie})
            assert (answer.status, answer.code) == (401, "session"), (cookie, target, answer)
    assert gateway.ctl("export") == before
    # The control socket's caller has no name here, and the kernel's word no weight.
    assert good.ask("GET", "/profiles").status == 200
    return f"{len(forged)} cookies"


def test_OP03_csrf_origin_and_type(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    alice = logged_in(gateway, "alice")
    vera = logged_in(gateway, "alice")
    wrong = {
        "no token": ({"X-Postern-CSRF": None}, 403, "csrf"),
        "empty token": ({"X-Postern-CSRF": ""}, 403, "csrf"),
        "another session's token": ({"X-Postern-CSRF": vera.csrf}, 403, "csrf"),
        "another site": ({"Origin": "https://evil.test"}, 403, "origin"),
        "in clear": ({"Origin": "http://gw.test:8443"}, 403, "origin"),
        "a sandboxed frame": ({"Origin": "null"}, 403, "origin"),
        "cross-site": ({"Origin": None, "Sec-Fetch-Site": "cross-site"}, 403, "origin"),
        "a host beside ours": ({"Sec-Fetch-Site": "same-site"}, 403, "origin"),
        "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "media_type"),
        "a text": ({"Content-Type": "text/plain"}, 415, "media_type"),
        "no type": ({"Content-Type": None}, 415, "media_type"),
    }
    for name, (headers, status, code) in wrong.items():
        answer = alice.ask("POST", "/profiles?test=skip", EXCHANGE, headers)
        assert (answer.status, answer.code) == (status, code), (name, answer)
    assert gateway.rows("profile", "list") == []
    # A page of another site gets no answer to what it may ask without a session either.
    answer = Browser(gateway).ask("POST", "/sessions", {"name": "alice", "password": PASSWORD},
                                  {"Origin": "https://evil.test"})
    assert (answer.status, answer.code) == (403, "origin"), answer
    answer = alice.ask("GET", "/profiles", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert alice.ask("POST", "/profiles?test=skip", EXCHANGE).status == 201
    assert ("profile created", "account=alice", "Exchange") in audit(gateway)
    return f"{len(wrong)} ways"


def test_OP04_a_viewer_changes_nothing(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    add(gateway, "vera")
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"])
    gateway.put_rule("all", "relay")
    vera = logged_in(gateway, "vera")
    before, entries = gateway.ctl("export"), len(audit(gateway))
    for method, target, body in (
            ("POST", "/profiles?test=skip", EXCHANGE), ("PUT", "/profiles/1", EXCHANGE),
            ("DELETE", "/profiles/1", None), ("POST", "/profiles/test", EXCHANGE),
            ("POST", "/rules", {"name": "r"}), ("DELETE", "/rules/1", None),
            ("POST", "/rules/1/move", {"position": 1}), ("PUT", "/settings", {}),
            ("POST", "/import", {}), ("POST", "/key/rotate", None), ("POST", "/alerts/test", None),
            ("POST", "/test-message", {}),
            ("POST", "/queue/0000000000000/retry", None), ("DELETE", "/queue/0000000000000", None),
            ("POST", "/servers/drain", {"profile": "relay", "server": "smtp://127.0.0.1:2599"}),
            ("POST", "/accounts", {"name": "x", "role": "admin", "password": PASSWORD}),
            ("POST", "/accounts/1/password", {"password": OTHER}), ("DELETE", "/accounts/1", None),
            ("PUT", "/accounts/2", {"name": "vera", "role": "admin", "version": 2}),
            ("DELETE", "/sessions/0000000000000000", None), ("GET", "/accounts", None),
            ("GET", "/sessions", None)):
        answer = vera.ask(method, target, body)
        assert (answer.status, answer.code) == (403, "role"), (method, target, answer)
    assert gateway.ctl("export") == before and len(audit(gateway)) == entries
    for target in ("/profiles", "/rules", "/queue", "/quarantine", "/servers", "/pool", "/settings",
                   "/export", "/status", "/stats", "/workers", "/alerts", "/audit"):
        assert vera.ask("GET", target).status == 200, target


# ---- sessions end ---------------------------------------------------------------------------------

def test_OP04_sessions_end_unused_and_when_they_are_old(t):
    gateway = start(t, console={"session_idle": "2s", "session_max": "4s"})
    add(gateway, "alice", "admin")
    began = time.monotonic()
    idle, busy = logged_in(gateway, "alice"), logged_in(gateway, "alice", client="10.0.0.2")
    poll = {"X-Postern-Poll": "1"}

    def both():
        assert busy.ask("GET", "/status").status == 200
        return idle.ask("GET", "/status", headers=poll).status == 401
    suite.wait_for("polling keeps no session alive", both, 10)
    assert time.monotonic() - began > 2, time.monotonic() - began
    suite.wait_for("used or not, it ends", lambda: busy.ask("GET", "/status").status == 401, 10)
    assert time.monotonic() - began > 4
    ended = suite.wait_for("both ends are in the audit log", lambda: entries(
        gateway, "session ended") if len(entries(gateway, "session ended")) == 2 else None)
    assert "10.0.0.2: its longest time was over" in ended[0]["detail"], ended
    assert "10.0.0.1: not used for too long" in ended[1]["detail"], ended


def test_OP04_a_restart_ends_all_sessions(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    alice = logged_in(gateway, "alice")
    gateway.stop()
    gateway.start()
    assert alice.ask("GET", "/status").status == 401


def test_OP04_a_new_password_ends_the_other_sessions(t):
    gateway = start(t)
    add(gateway, "vera")
    here, there = logged_in(gateway, "vera"), logged_in(gateway, "vera")
    answer = here.ask("POST", "/sessions/current/password", {"old": OTHER, "new": OTHER})
    assert answer.status == 422 and answer.json["errors"][0]["property"] == "old", answer
    answer = here.ask("POST", "/sessions/current/password", {"old": PASSWORD, "new": OTHER})
    assert answer.status == 204, answer
    assert here.ask("GET", "/status").status == 200
    assert there.ask("GET", "/status").status == 401
    Browser(gateway).log_in("vera", PASSWORD, expect=401)
    Browser(gateway).log_in("vera", OTHER)


def test_OP04_the_last_administrator_stays(t):
    gateway = start(t)
    add(gateway, "alice", "admin")
    alice = logged_in(gateway, "alice")
    account = alice.ask("GET", "/accounts").json["accounts"][0]
    for answer in (alice.ask("DELETE", f"/accounts/{account['id']}"),
                   alice.ask("PUT", f"/accounts/{account['id']}", {**account, "role": "viewer"})):
        assert (answer.status, answer.code) == (409, "last_admin"), answer
    new = {"name": "anna", "role": "admin", "password": OTHER}
    assert alice.ask("POST", "/accounts", new).status == 201
    assert alice.ask("DELETE", f"/accounts/{account['id']}").status == 204
    assert alice.ask("GET", "/status").status == 401, "her own account is gone"
    # Whoever has the command line can make another, so he may take the last one away.
    gateway.ctl("account", "delete", "anna")
    assert len(code_of(gateway)) == 2, "and there is a first one to be made again"


# ---- log-ins --------------------------------------------------------------------------------------

def test_OP04_wrong_passwords_are_limited_by_address(t):
    gateway = start(t, console={"login_tries": 3, "login_window": "3s"})
    add(gateway, "alice", "admin")
    mallory, alice = Browser(gateway, "10.6.6.6"), Browser(gateway, "10.0.0.1")
    for _ in range(3):
        mallory.log_in("alice", "wrong-horse-battery", expect=401)
    answer = mallory.log_in("alice", PASSWORD, expect=429)
    assert answer.code == "rate" and 1 <= int(answer.headers["Retry-After"]) <= 3, answer.headers
    alice.log_in("alice", PASSWORD)
    suite.wait_for("the window is over", lambda: mallory.ask(
        "POST", "/sessions", {"name": "alice", "password": PASSWORD}).status == 201, 10)
    failed = entries(gateway, "log-in failed")
    assert len(failed) == 1 and failed[0]["object"] == "alice", failed
    assert gateway.log_text().count("log-in failed") == 1, "a flood does not fill the log"


def test_OP04_many_log_ins_at_once_are_bounded_and_delay_nobody(t):
    gateway = start(t, console={"login_tries": 1000})
    add(gateway, "alice", "admin")
    alice = logged_in(gateway, "alice")
    statuses, slowest = [], 0.0
    lock = threading.Lock()

    def attack(number):
        answer = Browser(gateway, f"10.6.6.{number}").ask(
            "POST", "/sessions", {"name": "alice", "password": "wrong-horse-battery"})
        with lock:
            statuses.append((answer.status, answer.code))
    threads = [threading.Thread(target=attack, args=(n,)) for n in range(60)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        assert alice.ask("GET", "/status").status == 200
        slowest = max(slowest, time.monotonic() - began)
    for thread in threads:
        thread.join()
    assert set(statuses) == {(401, "login"), (503, "busy")}, set(statuses)
    assert statuses.count((401, "login")) >= 16
    Browser(gateway).log_in("alice", PASSWORD)
    return (f"{statuses.count((503, 'busy'))} of 60 turned away, others' slowest answer "
            f"{slowest * 1000:.0f} ms")


def test_OP04_names_that_there_are_not_take_the_same_time(t):
    gateway = start(t, console={"login_tries": 1000})
    add(gateway, "alice", "admin")

    def times(name):
        taken = []
        for _ in range(7):
            began = time.monotonic()
            Browser(gateway).log_in(name, "wrong-horse-battery", expect=401)
            taken.append(time.monotonic() - began)
        return sorted(taken)[3]
    there, not_there = times("alice"), times("nobody")
    assert 0.4 < not_there / there < 2.5, (there, not_there)
    return f"{there * 1000:.0f} ms and {not_there * 1000:.0f} ms"


def test_SP60_passwords_leave_no_copy_in_the_master(t):
    secret = "/".join(PIECES)[:480]
    gateway = Gateway(t, workers=1, console={"listen": f'"127.0.0.1:{free_port()}"'})
    add(gateway, "alice", "admin", secret)
    alice = logged_in(gateway, "alice", secret)
    gateway.ctl("account", "passwd", "alice", stdin=secret[:-1] + "\n")
    alice.log_in("alice", secret, expect=401)
    alice.log_in("alice", secret[:-1])
    answer = alice.ask("POST", "/sessions/current/password", {"old": secret[:-1], "new": secret})
    assert answer.status == 204, answer
    wait_until_none_is_left(gateway.process.pid)
    store = b"".join(f.read_bytes() for f in (gateway.folder / "state/store").iterdir())
    assert secret[:100].encode() not in store


if __name__ == "__main__":
    suite.run(globals())
