#!/usr/bin/python3
"""OP04, SP62: postern-console from outside: what it shows to whom, what it withstands, how it lives."""
import os
import pathlib
import re
import resource
import signal
import socket
import ssl
import sys
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.console import Browser, console_of, listen_at, open_tls, trusting
from peer.gateway import Gateway
from peer.net import Client, free_port
from peer.suite import wait_for

CONNECTIONS = 5000
STRICT = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
          "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin"}


def start(t, build="asan", **console):
    port = free_port()
    gateway = Gateway(t, workers=1, build=build, console=listen_at(port, **console))
    return gateway, Browser(port), console_of(gateway)


def test_OP04_every_answer_tells_browsers_to_be_strict(t):
    _, browser, _ = start(t)
    paths = ["/", "/profiles/3", *browser.assets(), "/none.js", "/api/v1/status", "/api/v1/none"]
    for path in paths:
        reply = browser.get(path)
        for name, value in STRICT.items():
            assert reply.headers[name] == value, (path, name, reply.headers)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, (path, policy)
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy, policy
        assert "server" not in reply.headers and "set-cookie" not in reply.headers, reply.headers
        kept = "immutable" in reply.headers["cache-control"]
        assert kept == (path in browser.assets()), (path, reply.headers["cache-control"])
    assert browser.get("/").headers["content-type"] == "text/html; charset=utf-8"
    return f"{len(paths)} paths"


def test_OP04_the_page_comes_packed_and_loads_nothing_from_elsewhere(t):
    _, browser, _ = start(t)
    page = browser.get("/").text
    assert browser.assets(), page
    assert "<style" not in page and "style=" not in page and " on" not in page.split("<body")[0], page
    total = 0
    for path in ["/", *browser.assets()]:
        packed = browser.get(path, {"Accept-Encoding": "gzip"})
        assert packed.headers.get("content-encoding") == "gzip", (path, packed.headers)
        assert packed.text == browser.get(path).text, path
        total += len(packed.body)
    return f"{total / 1024:.1f} KiB packed"


def test_OP04_tricks_with_paths_and_requests_reach_nothing(t):
    gateway, browser, console = start(t)
    for path in ("/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd",
                 "//etc/passwd", "/.git/config", "/assets/", "/assets/.", "/index.html.gz", "/%00",
                 "/api/v1/../../status", "/api/v1/%2e%2e/status", "/api/v1//status", "/api/v2/status",
                 "/api/v1/status/", "/api", "/api/v1/status%00", "http://other.test/api/v1/status"):
        reply = browser.get(path)
        assert reply.status in (400, 401, 404), (path, reply.status)
        assert b"root:" not in reply.body and b"<!doctype" not in reply.body.lower(), path
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"):
        assert browser.ask(method, "/").status in (400, 405, 501, None), method
    for head in (b"CONNECT other.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nCookie: a\r\n b\r\n\r\n", b"GET /api/v1/status\r\n\r\n", b"\x16\x03\x01",
                 b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nCookie: a\x0bb\r\n\r\n",
                 b"GET /api/v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST /api/v1/profiles HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\nGET /api/v1/export HTTP/1.1\r\n\r\n"):
        browser.raw(head)
    assert browser.get("/").status == 200
    assert console_of(gateway)["pid"] == console["pid"], "it was replaced"


def test_OP04_the_api_is_closed_without_a_session(t):
    _, browser, _ = start(t)
    for method, path in (("GET", "/status"), ("GET", "/export"), ("GET", "/audit"), ("POST", "/import"),
                         ("PUT", "/settings"), ("DELETE", "/profiles/1"), ("POST", "/key/rotate")):
        reply = browser.send_json(method, f"/api/v1{path}", {}) if method in ("POST", "PUT") else \
            browser.ask(method, f"/api/v1{path}")
        assert reply.status in (401, 403), (method, path, reply.status, reply.text)
        assert reply.json["code"] in ("session", "csrf", "origin"), reply.text


def test_OP04_large_bodies_and_heads_end_where_they_are_read(t):
    gateway, browser, console = start(t)
    assert browser.ask("POST", "/api/v1/profiles", b"x" * (1 << 21)).status in (413, None)
    endless = b"POST /api/v1/profiles HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 2" not in browser.raw(endless + (b"10000\r\n" + b"y" * 65536 + b"\r\n") * 64)[:15]
    assert browser.get("/", {"X-Long": "z" * 40000}).status in (400, 413, None)
    assert browser.get("/").status == 200
    assert console_of(gateway)["pid"] == console["pid"]


def test_OP04_5000_connections_that_ask_for_nothing_do_not_keep_others_out(t):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 1000), hard))
    gateway, browser, console = start(t, build="debug")
    idle, longest = [], 0
    try:
        for i in range(CONNECTIONS):
            one = socket.create_connection(("127.0.0.1", browser.port), 5)
            if i % 3 == 0:
                one.sendall(b"\x16\x03\x01\x02\x00\x01") # the beginning of a TLS greeting
            idle.append(one)
            if i % 250 == 249:
                began = time.monotonic()
                assert browser.fresh().get("/").status == 200, i
                longest = max(longest, time.monotonic() - began)
        with Client(gateway.port, 5) as client:
            assert client.command("NOOP").code == 250
        assert len(os.listdir(f"/proc/{console['pid']}/fd")) < 400
    finally:
        for one in idle:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert console_of(gateway)["pid"] == console["pid"]
    return f"another one waited at most {longest * 1000:.0f} ms"


def test_OP04_it_has_nothing_open_but_sockets_and_is_closed_in(t):
    _, browser, console = start(t, build="debug")
    assert browser.get("/").status == 200
    folder = pathlib.Path(f"/proc/{console['pid']}")
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), status
    kinds = {os.readlink(fd).split(":")[0].split("[")[0] for fd in (folder / "fd").iterdir()}
    files = {kind for kind in kinds if kind.startswith("/")}
    assert {pathlib.Path(file).name for file in files} <= {"null", "posternd.log", "posternd.stderr.log"}, files
    assert kinds - files <= {"socket", "anon_inode", "pipe"}, kinds


def test_OP04_a_dead_one_is_replaced_and_mail_does_not_notice(t):
    gateway, browser, console = start(t)
    with Client(gateway.port, 10) as client:
        client.start()
        suite.send_signal(console["pid"], signal.SIGKILL)
        successor = wait_for("a successor", lambda: (console_of(gateway) or {}).get("pid") not in
                             (None, 0, console["pid"]) and console_of(gateway), 20)
        assert client.command("NOOP").code == 250
    assert successor["restarts"] == 1, successor
    assert browser.fresh().get("/").status == 200
    assert re.search(r" master alert console .*killed by signal 9", gateway.log_text())


def test_OP04_it_ends_with_its_master(t):
    gateway, _, console = start(t)
    gateway.process.kill()
    gateway.process.wait(10)
    wait_for("its end", lambda: not pathlib.Path(f"/proc/{console['pid']}").exists(), 10)


def test_OP04_a_port_that_is_taken_keeps_nobody_from_sending_mail(t):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = Gateway(t, workers=1, build="asan", console=listen_at(port))
        shown = gateway.ctl_json("status")["console"]
        assert shown["state"] == "down" and f"127.0.0.1:{port}" in shown["why"], shown
        assert any("no console" in a["text"] for a in gateway.ctl_json("status")["alerts"])
    wait_for("it is up", lambda: gateway.ctl_json("status")["console"]["state"] == "running", 20)
    assert Browser(port).get("/").status == 200


def test_SP62_a_self_signed_certificate_is_made_once_and_kept(t):
    gateway, browser, console = start(t)
    seen = browser.fingerprint()
    assert seen == console["fingerprint"], (seen, console)
    assert "strict-transport-security" not in browser.get("/").headers
    pem = t.path("gateway") / "state/console.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    with open_tls(browser.port, trusting(pem), "gw.test") as connection:
        assert connection.version() == "TLSv1.3"
    with open_tls(browser.port, trusting(pem), "localhost"):
        pass
    gateway.stop()
    gateway.start()
    console_of(gateway)
    assert browser.fresh().fingerprint() == seen


def test_SP62_the_operators_certificate_and_key_after_a_reload(t):
    gateway, browser, console = start(t)
    authority = Authority(t)
    paper = authority.issue("console.test", ["console.test"])
    gateway.reload(console=listen_at(browser.port, certificate=paper.certificate, key=paper.key))
    wait_for("the other certificate", lambda: (console_of(gateway) or {}).get("fingerprint") not in
             (None, console["fingerprint"]), 20)
    with open_tls(browser.port, trusting(authority.certificate), "console.test"):
        pass
    assert "max-age" in browser.fresh().get("/").headers["strict-transport-security"]


def test_SP62_a_reload_with_files_that_are_no_good_takes_no_console_away(t):
    gateway, browser, console = start(t)
    authority = Authority(t)
    paper, other = authority.issue("console.test", ["console.test"]), authority.issue("other.test", ["other.test"])
    nothing = t.path("nothing.pem")
    for certificate, key, reason in ((nothing, paper.key, "No such file"), (paper.certificate, other.key, "not the key of"),
                                     (paper.key, paper.key, "there is no certificate")):
        gateway.reload(console=listen_at(browser.port, certificate=certificate, key=key))
        wait_for(reason, lambda: any("goes on with the certificate" in a["text"] and reason in a["text"]
                                     for a in gateway.ctl_json("status")["alerts"]), 10)
        assert console_of(gateway)["pid"] == console["pid"]
        assert browser.fresh().fingerprint() == console["fingerprint"]
    gateway.reload(console=listen_at(browser.port, certificate=paper.certificate, key=paper.key))
    wait_for("the other certificate", lambda: (console_of(gateway) or {}).get("fingerprint") not in
             (None, console["fingerprint"]), 20)


def test_SP62_old_protocols_are_refused(t):
    _, browser, _ = start(t)
    context = trusting(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore") # that it is old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with open_tls(browser.port, context):
            raise AssertionError("TLS 1.1 was taken")
    except (ssl.SSLError, ConnectionError):
        pass
    assert b"HTTP" not in browser.raw_clear(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_SP62_plain_only_when_it_is_asked_for(t):
    gateway, browser, console = start(t, plain_http=True)
    assert console["tls"] is False and console["fingerprint"] is None, console
    assert b" 200 " in browser.raw_clear(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_OP04_a_reload_moves_it_and_can_switch_it_off(t):
    gateway, browser, _ = start(t)
    other = free_port()
    gateway.reload(console=listen_at(other))
    wait_for("it has moved", lambda: (console_of(gateway) or {}).get("address") == f"127.0.0.1:{other}", 20)
    assert Browser(other).get("/").status == 200
    try:
        socket.create_connection(("127.0.0.1", browser.port), 2)
        raise AssertionError("the old address still answers")
    except ConnectionRefusedError:
        pass
    gateway.reload(console={"listen": '""'})
    wait_for("it is off", lambda: gateway.ctl_json("status")["console"] is None, 20)


def test_OP04_wrong_keys_are_named_and_change_nothing(t):
    gateway, browser, console = start(t)
    for wrong, hint in (({"listen": '"nonsense"'}, "nonsense"),
                        (listen_at(browser.port, certificate=pathlib.Path("/x.pem")), "console.key")):
        gateway.reload(console=wrong)
        wait_for(hint, lambda: f"{hint}" in gateway.log_text(), 10)
        assert console_of(gateway)["pid"] == console["pid"]


if __name__ == "__main__":
    suite.run(globals())
