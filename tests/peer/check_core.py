#!/usr/bin/python3
"""The stand-in for Core does what the documentation says, and takes nothing that is wrong. The clients
are others' work."""
import hashlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.core_server import CoreServer, TOO_LARGE
from peer.web_caller import Caller, curl


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
    began = time.monotonic()
    data_id = submit(call)
    while True:
        before = core.report()["unfinished"]
        if call.ok("GET", f"/file/{data_id}")["process_info"]["result"] != "Processing":
            break
        assert before == 1 # what is still at work was at work when the report was made
        time.sleep(0.01)
    assert 0.28 < time.monotonic() - began < 5 and core.report()["unfinished"] == 0


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


if __name__ == "__main__":
    suite.run(globals())
