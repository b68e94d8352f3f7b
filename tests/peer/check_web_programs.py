#!/usr/bin/python3
"""What bears load, as processes of their own: the stand-ins for Vault and Core, and what the bench has,
which is fast and less strict: libcurl with nothing else to do, and a sink for uploads."""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.scripted import VaultSink, program
from peer.vault_server import KEY, VaultServer
from peer.web_alone import Alone
from peer.web_caller import Caller


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
