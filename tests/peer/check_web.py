#!/usr/bin/python3
"""The stand-ins for Vault and Core do what the documentation says, take nothing that is wrong, and fail
when they are told to. The clients are others' work: curl, and Python's http.client."""
import hashlib
import http.client
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.core_server import CoreServer, TOO_LARGE
from peer.scripted import VaultSink, program
from peer.vault_server import KEY, VaultServer
from peer.web_alone import Alone

OTHER = "another-key-of-30-characters-1"
FIVE = ["open_group", "open_file", "chunk", "close_file", "close_group"]


class Caller:
    """One connection, kept. `vault`: whose key goes with every call."""

    def __init__(self, server, key=None):
        self.server, self.key = server, key
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def __call__(self, method, path, body=None, **fields):
        """(status, what the answer's JSON says); names of fields have no hyphens here."""
        if self.key is not None:
            fields = {"Authorization": f"Bearer {self.key}", **fields}
        self.connection.request(method, self.server.base + path, body, fields)
        answer = self.connection.getresponse()
        text = answer.read()
        is_json = answer.getheader("Content-Type") == "application/json" and text
        return answer.status, json.loads(text) if is_json else text

    def ok(self, *call, **fields):
        status, said = self(*call, **fields)
        assert status == 200, (call, status, said)
        return said

    # ---- of a vault ----

    def group(self, **fields):
        return self.ok("GET", "/transfer", **fields)["group_id"]

    def file(self, group, content=b"", name="a.txt", method="Stream", size=None):
        return self.ok("GET", "/transfer_file", group_id=group, transfer_method=method,
                       file_name=name, file_size=str(len(content) if size is None else size))["file_id"]

    def upload(self, content, name="a.txt", **closing):
        group = self.group()
        file = self.file(group, content, name)
        self.ok("PATCH", "/transfer_file", content, group_id=group, file_id=file)
        self.ok("POST", "/transfer_file", group_id=group, file_id=file)
        return self.ok("POST", "/transfer", group_id=group, **closing)


def md5(content):
    return hashlib.md5(content).hexdigest()


def curl(*arguments, data=None):
    """(status, body)"""
    done = subprocess.run(["curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *map(str, arguments)],
                          input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


# ---- the vault ----------------------------------------------------------------------------------

def test_five_calls_of_curl_make_an_upload(t):
    vault = VaultServer(t)
    content = bytes(range(256)) * 40

    def call(method, path, *more, data=None, **fields):
        headers = [w for n, v in fields.items() for w in ("-H", f"{n}: {v}")]
        status, body = curl("-X", method, "-H", f"Authorization: Bearer {vault.key}", *headers, *more,
                            f"{vault.url}{path}", data=data)
        assert status == 200, body
        return json.loads(body)

    group = call("GET", "/transfer", share_with="ann@a.test, bob")
    assert [w["username"] for w in group["shared_with"]] == ["ann@a.test", "bob"]
    of_group = {"group_id": group["group_id"]}
    file = call("GET", "/transfer_file", transfer_method="Stream", file_size=len(content),
                file_name="Gr%C3%BC%C3%9Fe%2520.txt", **of_group)
    of_file = {"file_id": file["file_id"], **of_group}
    for piece in (content[:9000], content[9000:]):
        call("PATCH", "/transfer_file", "--data-binary", "@-", data=piece, chunk_checksum=md5(piece),
             **of_file)
    assert call("POST", "/transfer_file", **of_file) == {"result": "success"}
    links = call("POST", "/transfer", expires_after="30:00:00:00", **of_group)["files"]
    upload, = vault.uploads
    assert (upload.name, upload.bytes, upload.size) == ("Grüße%20.txt", content, len(content))
    assert upload.sha256 == hashlib.sha256(content).hexdigest()
    assert (upload.group.expires_after, upload.group.state) == ("30:00:00:00", "complete")
    assert curl("-H", f"Authorization: Bearer {vault.key}", links[0]["file_url"]) == (200, content)
    assert vault.calls == dict.fromkeys(FIVE, 1) | {"chunk": 2, "download": 1}
    assert not vault.violations and not vault.repeats()


def test_a_chunk_with_a_wrong_checksum_is_not_taken(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    group = call.group()
    of_file = {"group_id": group, "file_id": call.file(group, b"right")}
    status, said = call("PATCH", "/transfer_file", b"wrong", chunk_checksum=md5(b"right"), **of_file)
    assert (status, said["ui_message_key"]) == (400, "CHECKSUM_MISMATCH")
    call.ok("PATCH", "/transfer_file", b"right", chunk_checksum=md5(b"right").upper(), **of_file)
    call.ok("POST", "/transfer_file", **of_file)
    assert vault.uploads[0].bytes == b"right"


def test_chunks_have_an_order_or_an_offset(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    group = call.group()

    def close(method, *chunks):
        """(offset or None, octets)"""
        of_file = {"group_id": group, "file_id": call.file(group, b"012345", method=method)}
        for offset, octets in chunks:
            place = {} if offset is None else {"chunk_offset": str(offset)}
            call.ok("PATCH", "/transfer_file", octets, **of_file, **place)
        return call("POST", "/transfer_file", **of_file)[0]
    assert close("Stream", (None, b"345"), (None, b"012")) == 200
    assert close("Chunk", (4, b"45"), (0, b"01"), (2, b"23")) == 200
    assert close("Chunk", (0, b"0123"), (2, b"2345")) == 200
    assert close("Chunk", (4, b"45"), (0, b"01")) == 400 # a hole
    assert [u.bytes for u in vault.uploads] == [b"345012", b"012345", b"012345"]
    of_file = {"group_id": group, "file_id": call.file(group, b"01", method="Chunk")}
    assert call("PATCH", "/transfer_file", b"01", **of_file)[0] == 400 # no offset


def test_sizes_must_be_as_promised(t):
    vault = VaultServer(t)
    vault.chunk_most = 1000
    call = Caller(vault, vault.key)
    for size, octets, chunk, close in ((5, b"0123", 200, 400), (3, b"0123", 400, 400),
                                       (0, b"", 200, 200), (2000, bytes(1001), 400, 400)):
        group = call.group()
        of_file = {"group_id": group, "file_id": call.file(group, size=size)}
        assert call("PATCH", "/transfer_file", octets, **of_file)[0] == chunk, size
        assert call("POST", "/transfer_file", **of_file)[0] == close, size
        assert call("POST", "/transfer", group_id=group)[0] == close, "with a file that is not whole"
    group = call.group() # and with no chunk at all
    call.ok("POST", "/transfer_file", group_id=group, file_id=call.file(group))
    assert [u.size for u in vault.uploads] == [0, 0]


def test_much_goes_through_a_file_and_is_the_same(t):
    vault = VaultServer(t)
    content = b"0123456789abcdef" * (700 << 10) # 11 MiB
    Caller(vault, vault.key).upload(content)
    upload, = vault.uploads
    assert upload.bytes is None and upload.sha256 == hashlib.sha256(content).hexdigest()


def test_only_a_key_that_is_known_and_whose_group_it_is(t):
    vault = VaultServer(t, keys=[KEY, OTHER])
    mine, others, none, wrong = (Caller(vault, k) for k in (vault.key, OTHER, None, "wrong"))
    group = mine.group()
    file = mine.file(group, b"x")
    for call, transfer, rest in ((mine, 200, 200), (others, 403, 404), (none, 403, 401),
                                 (wrong, 403, 401)):
        assert call("PATCH", "/transfer_file", b"", group_id=group, file_id=file)[0] == transfer
        assert call("GET", f"/file/status/{file}")[0] == rest
        assert call("GET", "/version")[0] == (200 if call in (mine, others) else 401)
    assert none("GET", "/transfer", Authorization=f"Basic {vault.key}")[0] == 403
    assert none("GET", "/transfer", apikey=vault.key)[0] == 403


def test_parameters_that_are_missing_or_wrong(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    group = call.group()
    good = {"group_id": group, "transfer_method": "Stream", "file_size": "1", "file_name": "a"}
    for name in good:
        left = {n: v for n, v in good.items() if n != name}
        assert call("GET", "/transfer_file", **left)[0] == 400, name
    for name, value in (("group_id", "7"), ("transfer_method", "Carrier"), ("file_size", "-1"),
                        ("file_name", "%FF")):
        assert call("GET", "/transfer_file", **{**good, name: value})[0] == 401, name
    unknown = "2b6dea8f2fed49f5a5bb61c766394f45"
    assert call("GET", "/transfer_file", **{**good, "group_id": unknown})[0] == 400
    assert call("POST", "/transfer_file", group_id=group, file_id=unknown)[0] == 400
    assert call("GET", f"/file/status/{unknown}")[0] == 404
    assert call("GET", "/nothing")[0] == 404
    vault.lists_errors = True
    assert call("GET", "/transfer_file", group_id=group)[1][0]["ui_message_key"] == "HEADER_REQUIRED"


def test_an_expiry_is_what_it_may_be(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    for expiry in ("30:00:00:00", "0:23:59", "10675199:0:0:59"):
        call.upload(b"x", expires_after=expiry)
    for expiry in ("1", "1:24:0:0", "1:0:60:0", "10675200:0:0:0", "-1:0:0:0", "1:0:0:0:0"):
        assert call("POST", "/transfer", group_id=call.group(), expires_after=expiry)[0] == 401, expiry
    assert call("POST", "/transfer", group_id=call.group(), expires_after="1:0:0", expires="x")[0] == 400


def test_what_comes_twice_is_counted_and_what_is_deleted_is_none(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    call.upload(b"once", "a")
    call.upload(b"twice", "a")
    call.upload(b"once", "b")
    assert vault.repeats() == {}
    call.upload(b"twice", "a")
    assert list(vault.repeats().values()) == [2]
    assert [name for name, _ in vault.needless()] == ["a"]
    of_group = {"group_id": call.group()}
    file = {"file_id": call.file(of_group["group_id"]), **of_group}
    call.ok("POST", "/transfer_file", **file)
    assert call("POST", "/transfer_file", **file)[0] == 400 and vault.repeats()["close_file"] == 1
    call.ok("DELETE", "/transfer_file", **file)
    assert len(vault.uploads) == 4
    call.ok("DELETE", "/transfer", **of_group)
    assert call("POST", "/transfer", **of_group)[0] == 400
    assert vault.report()["groups"] == {"complete": 4, "deleted": 1}


def test_what_is_uploaded_again_is_needless_if_the_answer_was_read(t):
    vault = VaultServer(t)
    for is_read in (False, True):
        call = Caller(vault, vault.key)
        group, name = call.group(), f"read: {is_read}"
        of_file = {"group_id": group, "file_id": call.file(group, b"x", name)}
        call.ok("PATCH", "/transfer_file", b"x", **of_file)
        call.ok("POST", "/transfer_file", **of_file)
        if is_read:
            call.ok("GET", "/version")
        Caller(vault, vault.key).upload(b"x", name)
        assert [n for n, _ in vault.needless()] == [name] * is_read
    assert len(vault.repeats()) == 2
    Caller(vault, vault.key).upload(b"", "empty")
    Caller(vault, vault.key).upload(b"", "empty")
    assert len(vault.repeats()) == 2


def test_a_files_status_tells_how_far_it_is(t):
    vault = VaultServer(t)
    call = Caller(vault, vault.key)
    group = call.group()
    file = call.file(group, b"0123")
    for step, wanted in ((("PATCH", "/transfer_file", b"01"), ("Uploading", 2)),
                         (("PATCH", "/transfer_file", b"23"), ("Uploading", 4)),
                         (("POST", "/transfer_file"), ("Available", 4))):
        call.ok(*step, group_id=group, file_id=file)
        status = call.ok("GET", f"/file/status/{file}")
        assert (status["processing_state"], status["size"]) == wanted
    assert status["group_id"] == group and status["scan_result"]["workflow_result"] == "Allowed"


# ---- the scanner --------------------------------------------------------------------------------

def submit(call, content=b"content", **fields):
    return call.ok("POST", "/file", content, **fields)["data_id"]


def test_curl_has_a_file_scanned(t):
    core = CoreServer(t, polls=2, silent=1)
    core.block(b"EVIL", "Infected by hand")
    for content, result, reason, index in ((b"good", "Allowed", "", 0),
                                           (b"so EVIL.", "Blocked", "Infected by hand", 1)):
        status, body = curl("--data-binary", "@-", "-H", "Content-Type: application/octet-stream", "-H",
                            "filename: a%20b.txt", "-H", 'metadata: {"id":"7"}', "-H",
                            "user_agent: postern", f"{core.url}/file", data=content)
        data_id = json.loads(body)["data_id"]
        answers = [json.loads(curl(f"{core.url}/file/{data_id}")[1]) for _ in range(3)]
        assert "process_info" not in answers[0]
        assert answers[1]["process_info"]["result"] == "Processing"
        assert answers[1]["process_info"]["progress_percentage"] < 100
        last = answers[2]["process_info"]
        assert (last["progress_percentage"], last["result"], last["blocked_reason"]) == \
            (100, result, reason)
        assert answers[2]["scan_results"]["scan_all_result_i"] == index
    scan = core.by_name("a b.txt")[1]
    assert (scan.bytes, scan.metadata, scan.user_agent) == (b"so EVIL.", {"id": "7"}, "postern")
    assert len(scan.polls) == 3 and all(s > 0 for s in scan.spacing)


def test_a_scan_takes_its_time(t):
    core = CoreServer(t, seconds=0.3)
    call = Caller(core)
    data_id = submit(call)
    began = time.monotonic()
    while True:
        before = core.report()["unfinished"]
        if call.ok("GET", f"/file/{data_id}")["process_info"]["result"] != "Processing":
            break
        assert before == 1 # what is still at work was at work when the report was made
        time.sleep(0.01)
    assert 0.2 < time.monotonic() - began < 5 and core.report()["unfinished"] == 0


def test_what_a_scanner_refuses_and_how(t):
    core = CoreServer(t, keys=["secret"], rules=["A rule"], queue=2, seconds=60, largest=1000)
    call, stranger = Caller(core), Caller(core)
    assert stranger("POST", "/file", b"x") == (403, {"err": "Access denied"})
    key = {"apikey": "secret"}
    call.connection.putrequest("POST", "/file")
    call.connection.putheader("apikey", "secret")
    call.connection.endheaders()
    answer = call.connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (411, {"err": "Missing Content-Length header."})
    assert call("POST", "/file", b"", **key) == (422, {"err": "File is empty."})
    assert call("POST", "/file", bytes(1001), **key) == (500, {"err": TOO_LARGE})
    assert call("POST", "/file", b"x", rule="None", **key)[0] == 400
    assert call("POST", "/file", b"x", metadata="{", **key)[0] == 400
    one = submit(call, rule="A%20rule", **key)
    submit(call, **key)
    assert call("POST", "/file", b"x", **key) == (503, {"err": "Server is too busy. Try again later."})
    assert call("POST", f"/file/{one}/cancel", **key) == (200, {one: "cancelled"})
    submit(call, **key)
    assert call("GET", "/version", **key)[1]["product_id"] == "MSCL"
    assert stranger("GET", "/version")[0] == stranger("GET", f"/file/{one}")[0] == 403


def test_each_scanner_knows_only_what_it_took(t):
    one, two = CoreServer(t), CoreServer(t)
    data_id = submit(Caller(one))
    assert Caller(one)("GET", f"/file/{data_id}")[0] == 200
    assert Caller(two)("GET", f"/file/{data_id}") == (404, {data_id: "Not Found"})
    assert Caller(two)("POST", f"/file/{data_id}/cancel") == (404, {data_id: "Not Found"})
    assert two.strangers == {data_id: 1} and not one.strangers
    digest = hashlib.sha256(b"content").hexdigest()
    assert Caller(one)("GET", f"/hash/{digest}")[1]["data_id"] == data_id
    assert Caller(two)("GET", f"/hash/{digest}") == (404, {digest: "Not Found"})


def test_a_scanner_is_ready_or_not_and_says_why(t):
    core = CoreServer(t, keys=["secret"])
    call = Caller(core)
    assert call("GET", "/readyz") == (200, b"")
    core.is_ready = False
    assert call("GET", "/readyz")[0] == 503
    assert call("GET", "/readyz?verbose=true")[1] == {"scan_queue": {"ready": False}}


# ---- both, as programs --------------------------------------------------------------------------

def test_as_processes_they_bear_load_and_report(t):
    rates = []
    for name, ask in (("vault", lambda call: call("GET", "/version")),
                      ("core", lambda call: call("POST", "/file", b"x" * 1000))):
        server = Alone(t, name)
        call = Caller(server, KEY)
        began = time.monotonic()
        for _ in range(2000):
            assert ask(call)[0] == 200
        rates.append(f"{name}: {2000 / (time.monotonic() - began):.0f} requests/s of http.client")
        report = server.report()
        assert sum(report["calls"].values()) == 2000 and report["connections"] == 1
        assert server.stop() == 0
    return ", ".join(rates)


# ---- what the bench has: fast, and less strict --------------------------------------------------

def curl_alone(vault, messages, *options):
    done = subprocess.run([program("vault_curl", "debug"), "-u", vault.url, "-n", str(messages),
                           *options], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_libcurl_alone_says_what_a_strict_vault_takes(t):
    vault = VaultServer(t)
    told = curl_alone(vault, 7, "-f", "3", "-s", "5000", "-c", "4", "-a")
    assert (told["messages"], told["files"], told["requests"], told["connections"]) == (7, 21, 77, 7)
    assert [u.size for u in vault.uploads] == [5000] * 21 and not vault.violations, vault.violations
    assert vault.connections == 7
    kept = curl_alone(vault, 8, "-f", "0", "-c", "2")
    assert (kept["requests"], kept["connections"], vault.connections) == (16, 2, 9)
    assert all(g.state == "complete" for g in vault.groups.values()) and len(vault.groups) == 15


def test_the_sink_for_uploads_counts_what_is_complete_and_refuses_what_is_not(t):
    vault = VaultSink(t)
    told = curl_alone(vault, 50, "-f", "3", "-s", "300000", "-c", "5")
    report = vault.report()
    assert told["connections"] == report["connections"]["accepted"] == report["connections"]["most_open"] == 5
    assert (report["files"], report["transfers"], report["octets"]) == (150, 50, 150 * 300000), report
    assert report["requests"] == {"open_group": 50, "open_file": 150, "chunk": 150,
                                  "close_file": 150, "close_group": 50}
    assert report["refused"] == 0 and 0 < report["seconds"] < told["seconds"]
    call = Caller(vault)
    group = call.ok("GET", "/transfer")["group_id"]
    file = call.ok("GET", "/transfer_file", group_id=group, file_size="5", file_name="x")["file_id"]
    both = {"group_id": group, "file_id": file}
    call.ok("PATCH", "/transfer_file", b"1234", **both)
    assert call("POST", "/transfer_file", **both)[0] == 400 # an octet is missing
    assert call("POST", "/transfer", group_id=group)[0] == 400 # a file is
    call.ok("PATCH", "/transfer_file", b"5", **both)
    call.ok("POST", "/transfer_file", **both)
    assert call("POST", "/transfer_file", **both)[0] == 400 # it was
    assert call.ok("POST", "/transfer", group_id=group)["files"][0]["file_id"] == file
    assert call("GET", "/transfer_file", group_id=group, file_size="5", file_name="x")[0] == 400
    assert call("GET", "/elsewhere")[0] == call("DELETE", "/transfer", group_id=group)[0] == 400
    vault.stop()
    assert (vault.last["files"], vault.last["transfers"], vault.last["refused"]) == (151, 51, 6)


if __name__ == "__main__":
    suite.run(globals())
