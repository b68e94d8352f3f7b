#!/usr/bin/python3
"""What the stand-ins refuse of a client, how they go wrong on purpose, and nginx in front of them."""
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.core_server import CoreServer
from peer.nginx import Nginx
from peer.vault_server import VaultServer
from peer.web_faults import (Cut, Early, Garbage, Hang, HangUp, Late, NoLength, Reset, Status,
                             Trickle, nginx_page)

GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
IS_OVER = ("FIN", "RST")
SILENCE_S, PATIENCE_S = 0.3, 20


class Raw:
    def __init__(self, server, octets=b""):
        self.socket = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
        self.rest = b""
        self.send(octets)

    def send(self, octets):
        self.socket.sendall(octets)

    def until_end(self, least=None):
        """What is read until the end, and it: FIN or RST; or, with `least`, "silence" once so many
        octets have come and nothing follows."""
        got = b""
        while True:
            is_enough = least is not None and len(got) >= least
            self.socket.settimeout(SILENCE_S if is_enough else PATIENCE_S)
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return got, "RST"
            except TimeoutError:
                assert is_enough, f"neither more nor an end, after {got!r}"
                return got, "silence"
            if not more:
                return got, "FIN"
            got += more

    def answer(self):
        """Status and body of an answer with a length; what is behind it stays for the next."""
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?mi)^Content-Length: (\d+)\r?$", head)[1])
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(head.split()[1]), body

    def more(self):
        octets = self.socket.recv(1 << 16)
        assert octets, f"the end, after {self.rest!r}"
        self.rest += octets


def post(body=b"content"):
    return POST % len(body) + body


# ---- strictness ---------------------------------------------------------------------------------

def test_what_is_no_request_is_refused_and_noted(t):
    core = CoreServer(t)
    field = b"GET /version HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
    wrong = [b"GET /version HTTP/1.0\r\nHost: x\r\n\r\n", b"GET  /version HTTP/1.1\r\nHost: x\r\n\r\n",
             b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"get /version HTTP/1.1\r\nHost: x\r\n\r\n",
             b"GET version HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /version HTTP/1.1\r\nA: x\r\n\r\n",
             field % b"Host: y", field % b"name : x", field % b"name", field % b" folded",
             field % b"filename: Gr\xc3\xbc\xc3\x9fe", field % b"a: \0", field % b"a: x\ry: z",
             field % b"a: x\ny: z", field % (b"a: " + b"x" * 8190), field % b"Content-Length: 3\r\n\r\nabc",
             b"POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
             b"POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
             b"POST /file HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
             b"POST /file HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 6000]
    for octets in wrong:
        raw = Raw(core, octets)
        assert raw.answer()[0] == 400, octets[:80]
        assert raw.until_end()[1] == "FIN", octets[:80] # it lingers
        raw.socket.close()
    assert len(core.violations) == len(wrong) and not core.calls
    Raw(core, field % (b"a:" + b"\t x~ \t")).answer()
    assert core.calls == {"version": 1} and core.log[-1].fields["a"] == "x~"


def test_a_connection_is_kept_and_requests_may_come_in_line_or_in_pieces(t):
    core = CoreServer(t)
    raw = Raw(core, GET + post() + GET)
    assert [raw.answer()[0] for _ in range(3)] == [200] * 3
    for octet in post(b"in pieces"):
        raw.send(bytes((octet,)))
    assert raw.answer()[0] == 200
    raw.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert raw.until_end()[1] == "FIN"
    assert core.connections == 1 and core.calls == {"version": 3, "submit": 2}
    assert [s.bytes for s in core.scans] == [b"content", b"in pieces"]


def test_connections_are_counted(t):
    core = CoreServer(t)
    some = [Raw(core, GET) for _ in range(5)]
    for raw in some:
        raw.answer()
    assert (core.connections, core.most_at_once, core.open) == (5, 5, 5)
    some[0].send(POST % 9)
    suite.wait_for("it is not idle, and the others are", lambda: core.calls["submit"] == 1 and core.idle == 4)
    assert core.hang_up_idle() == 4
    suite.wait_for("the idle ones are gone", lambda: core.open == 1)
    assert [raw.until_end()[1] for raw in some[1:]] == ["FIN"] * 4
    assert some[0].until_end(least=0) == (b"", "silence")
    core.idle_s = 0.1
    idle = Raw(core, GET)
    assert idle.answer()[0] == 200 and idle.until_end()[1] == "FIN"


def test_down_is_refused_and_up_is_where_it_was(t):
    core = CoreServer(t)
    raw, port = Raw(core, GET), core.port
    assert raw.answer()[0] == 200
    core.down()
    assert raw.until_end()[1] in IS_OVER
    try:
        Raw(core)
        raise AssertionError("it listens")
    except ConnectionRefusedError:
        pass
    core.up()
    assert core.port == port and Raw(core, GET).answer()[0] == 200


# ---- faults -------------------------------------------------------------------------------------

def went(t, fault, octets=None, least=None):
    """What a client reads of an answer that goes wrong, the end, and whether the call was done;
    `least` as in Raw.until_end()."""
    core = CoreServer(t)
    core.faults.add("submit", fault)
    raw = Raw(core, octets or post())
    got, end = raw.until_end(least)
    raw.socket.close()
    suite.wait_for("it happened, and is over", lambda: fault.happened and core.open == 0)
    assert fault.happened == 1 and not core.violations, core.violations
    return got, end, len(core.scans) == 1


def test_an_answer_of_the_tests_choice(t):
    for status, body in ((401, b'{"err":"no"}'), (413, nginx_page(413)), (500, b""), (599, "?")):
        got, end, is_done = went(t, Status(status, body), least=1)
        assert got.startswith(b"HTTP/1.1 %d " % status) and end == "silence" and not is_done
        assert got.endswith(body.encode() if isinstance(body, str) else body)
        assert (b"text/html" in got) == isinstance(body, str)


def test_an_answer_that_comes_too_early(t):
    part = POST % 1_000_000 + b"x" * 1000
    got, end, is_done = went(t, Early(503, b"busy"), part)
    assert got.startswith(b"HTTP/1.1 503 ") and got.endswith(b"busy") and end == "FIN" and not is_done
    assert went(t, Early(503, b"busy", lingers=False), part)[1:] in [(e, False) for e in IS_OVER]


def test_answers_that_take_their_time(t):
    for fault in (Late(0.3), Trickle(0.3)):
        core = CoreServer(t)
        core.faults.add("submit", fault)
        began = time.monotonic()
        assert Raw(core, post()).answer()[0] == 200
        assert time.monotonic() - began >= 0.25 and len(core.scans) == 1


def test_an_end_or_silence_at_every_place(t):
    """Half of an answer is not nothing, and not all."""
    whole = len(went(t, HangUp())[0])
    for kind, ends in ((Hang, ["silence"]), (Cut, IS_OVER), (Reset, ["RST"])):
        for at, octets in (("head", POST % 9), ("body", POST % 200_000 + b"x" * 150_000),
                           ("answer", None), ("done", None), ("middle", None)):
            got, end, is_done = went(t, kind(at), octets,
                                     least=None if kind is not Hang else 1 if at == "middle" else 0)
            assert end in ends, (kind, at, end)
            assert is_done == (at in ("done", "middle")), (kind, at)
            if at == "middle" and kind is not Reset: # which may take what was sent with it
                assert 0 < len(got) < whole and got.startswith(b"HTTP/1.1 200 "), got
            else:
                assert got == b"" or at == "middle", (kind, at, got)


def test_what_is_no_good_answer(t):
    got, end, is_done = went(t, NoLength())
    assert b"Content-Length" not in got and got.endswith(b"}") and end == "FIN" and is_done
    got, end, is_done = went(t, Garbage())
    assert not got.startswith(b"HTTP") and end == "FIN" and not is_done
    got, end, is_done = went(t, HangUp())
    assert b"Content-Length" in got and b"close" not in got and end == "FIN" and is_done


def test_faults_happen_when_they_are_to(t):
    core = CoreServer(t)
    second = core.faults.add("version", Status(502), nth=2)
    some = core.faults.add("version", Status(503), nth=4, times=2)
    chosen = core.faults.add("*", Status(504), times=None, where=lambda r: "odd" in r.fields)
    raw = Raw(core)

    def status(octets):
        raw.send(octets)
        return raw.answer()[0]
    assert [status(GET) for _ in range(7)] == [200, 502, 200, 503, 503, 200, 200]
    odd = GET.replace(b"Host", b"Odd: 1\r\nHost")
    assert [status(odd) for _ in range(3)] == [504] * 3 and status(post()) == 200
    assert (second.happened, some.happened, chosen.happened) == (1, 2, 3)
    core.faults.clear()
    assert status(odd) == 200


def test_a_client_that_leaves_ends_a_wait(t):
    core = CoreServer(t)
    fault = core.faults.add("version", Hang())
    raw = Raw(core, GET)
    suite.wait_for("it hangs", lambda: fault.happened)
    raw.socket.close()
    suite.wait_for("it is gone", lambda: core.open == 0)


# ---- TLS, and nginx in front --------------------------------------------------------------------

def curl(url, paper, *options, data=None, client=None):
    shown = ["--cert", client.certificate, "--key", client.key] if client else []
    done = subprocess.run(["curl", "-sS", "-m", "20", "--cacert", paper.certificate, *shown, *options,
                           "-w", "\n%{http_code}", url], input=data, capture_output=True)
    return done.returncode, *done.stdout.rpartition(b"\n")[::2]


def test_tls_of_its_own(t):
    ca = Authority(t)
    core = CoreServer(t, tls=ca.issue("good", ["IP:127.0.0.1"]).server_context())
    assert curl(f"{core.url}/version", ca)[2] == b"200"
    assert curl(f"{core.url}/version", Authority(t, "other"))[0] == 60 # not verified
    core.faults.add("version", Reset("done"))
    assert curl(f"{core.url}/version", ca)[2] == b"000"
    assert Raw(core, GET).until_end()[1] in IS_OVER
    assert curl(f"{core.url}/version", ca)[2] == b"200" and core.url.startswith("https:")


def test_nginx_speaks_tls_and_wants_a_certificate(t):
    ca = Authority(t)
    core, client = CoreServer(t), ca.issue("gateway", ["gateway.test"])
    stranger = Authority(t, "other").issue("gateway", ["gateway.test"])
    nginx = Nginx(t, core, ca.issue("good", ["IP:127.0.0.1"]), client_ca=ca)
    assert curl(f"{nginx.url}/version", ca, client=client)[1:] == \
        (b'{"product_id": "MSCL", "version": "5.11.0"}', b"200")
    for nobody in (None, stranger):
        _, body, status = curl(f"{nginx.url}/version", ca, client=nobody)
        assert status == b"400" and b"SSL certificate" in body, body
    assert core.calls == {"version": 1}
    suite.wait_for("three lines", lambda: len(nginx.accesses) >= 3) # each follows its answer
    assert [a[:3] for a in nginx.accesses] == ["200", "400", "400"]
    assert 'client="CN=gateway"' in nginx.accesses[0]


def test_nginx_has_a_limit_and_passes_parameters_on_if_told_to(t):
    vault = VaultServer(t)
    key = ["-H", f"Authorization: Bearer {vault.key}"]
    ca = Authority(t)
    nginx, plain = Nginx(t, vault, body_most="1k"), Nginx(t, vault, passes_underscores=False)
    url = f"{nginx.url}/transfer"
    group = json.loads(curl(url, ca, *key)[1])["group_id"]
    of_group = ["-H", f"group_id: {group}"]
    assert curl(f"{plain.url}/transfer", ca, "-X", "POST", *key, *of_group)[2] == b"400"
    assert curl(url, ca, "-X", "POST", *key, *of_group)[2] == b"200"
    _, body, status = curl(f"{nginx.url}/transfer_file", ca, "-X", "PATCH", "--data-binary", "@-",
                           *key, *of_group, data=bytes(2000))
    assert status == b"413" and b"413 Request Entity Too Large" in body and vault.calls["chunk"] == 0


def test_nginx_answers_for_one_that_is_down_and_ends_with_its_test(t):
    core = CoreServer(t)
    with suite.Scratch("postern-nginx") as scratch:
        nginx = Nginx(scratch, core)
        raw = Raw(nginx, GET)
        assert raw.answer()[0] == 200
        core.down()
        raw.send(GET)
        assert raw.answer()[0] == 502
        pid = nginx.process.pid
    assert raw.until_end()[1] in IS_OVER
    assert not pathlib.Path(f"/proc/{pid}").exists()


if __name__ == "__main__":
    suite.run(globals())
