"""One message with one large attachment, through a worker to a vault and to a relay: how long each part
of its way takes, what memory the worker takes for it, and the longest turns of the loops."""
import base64
import datetime
import hashlib
import json
import os
import re
import threading
import time

import meter
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import CountingSink
from peer.suite import wait_for
from peer.vault_server import KEY
from peer.web_alone import Alone
from relays import Folder

LINE = 57 # octets in a line of base64
PIECE = LINE * 20000
HEAD = b"""Subject: large\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
See there.\r
--b\r
Content-Type: application/octet-stream; name="large.bin"\r
Content-Transfer-Encoding: base64\r
Content-Disposition: attachment\r
\r
"""
TAIL = b"--b--\r\n.\r\n"
FOUND = {"scan": "scan_ms", "upload": "upload_ms", "relay": "data_ms"}


def write_message(path, octets):
    """The sha256 of its attachment. In a file, so that making it is no part of what is measured."""
    digest, left = hashlib.sha256(), octets
    with open(path, "wb") as out:
        out.write(HEAD)
        while left:
            piece = os.urandom(min(left, PIECE))
            digest.update(piece)
            out.write(base64.encodebytes(piece).replace(b"\n", b"\r\n"))
            left -= len(piece)
        out.write(TAIL)
    return digest.hexdigest()


def send(port, path):
    """Seconds from the first octet to the 250."""
    with Client(port, 600) as client, open(path, "rb") as message:
        replies = client.start()
        assert [r.code for r in replies] == [250], replies
        assert client.command("DATA").code == 354
        began = time.monotonic()
        client.socket.sendfile(message)
        reply = client.reply()
        assert reply.code == 250, reply
        return time.monotonic() - began


class TurnWatch:
    """The longest turn of the worker's loop (each heartbeat starts its figure anew) and of the
    master's (each question does)."""

    def __init__(self, gateway):
        self.gateway, self.worker_us, self.master_us = gateway, 0, 0
        wait_for("a heartbeat after the start", lambda: self._age_ms() is not None, 10, 0.2)
        self._look()
        self.worker_us = self.master_us = 0 # what the start took
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _age_ms(self):
        return self.gateway.worker_rows()[0]["heartbeat_age_ms"]

    def _look(self):
        rows = self.gateway.worker_rows()
        self.worker_us = max([self.worker_us] + [r["longest_turn_us"] for r in rows])
        self.master_us = max(self.master_us, self.gateway.ctl_json("status")["longest_turn_us"])

    def _run(self):
        while not self._ending.wait(0.5):
            self._look()

    def end(self):
        """When the last turns have been told."""
        before = time.monotonic()
        wait_for("another heartbeat", lambda: (self._age_ms() or 0) / 1000 <
                 time.monotonic() - before - 0.2, 20, 0.2)
        self._look()
        self._ending.set()
        self._thread.join()
        return {"worker_ms": self.worker_us / 1000, "master_ms": self.master_us / 1000}


def when(log, event):
    """Of the first line that tells of it."""
    text = re.search(rf"^(\S+)Z .*\bmsg={event}$", log, re.M)[1]
    return datetime.datetime.fromisoformat(text)


def times_of(log):
    """Seconds of each stage, and of all from the 250 on, by the log's own words."""
    found = {}
    for stage, key in FOUND.items():
        value = re.search(rf"\b{key}=(\d+)", log)
        if value:
            found[stage] = int(value[1]) / 1000
    return found | {"all": (when(log, "delivered") - when(log, "accepted")).total_seconds()}


def run(disk, scratch, args):
    octets = args.mib << 20
    path = disk.folder / "message"
    sha256 = write_message(path, octets)
    sink, vault = CountingSink(scratch), Alone(scratch, "vault", KEY)
    folder = Folder(disk.folder / "relay")
    try:
        gateway = Gateway(folder, workers=1, build="release", segment_size="64M",
                          smtp={"max_message_size": "2G"})
        gateway.put_profile("relay", [sink])
        gateway.put_profile("vault", [vault.url], type="vault", api_key=KEY)
        rule = {"vault": "vault"}
        if args.core:
            gateway.put_profile("core", [Alone(scratch, "core").url], type="core")
            rule["core"] = "core"
        gateway.put_rule("all", "relay", **rule)
        gateway.wait_rules()
        worker = gateway.worker_pids()[0]
        turns, memory = TurnWatch(gateway), meter.MemoryWatch(worker)
        cpu = meter.exact_seconds(worker)
        intake = send(gateway.port, path)
        wait_for("it was relayed", lambda: "msg=delivered" in gateway.log_text() and
                 gateway.queue() == [], 1200, 0.1)
        cpu = meter.exact_seconds(worker) - cpu
        most, turns, log = memory.end(), turns.end(), gateway.log_text()
        report = vault.report()
    finally:
        folder.close()
        path.unlink()
    assert report["last"] == ["large.bin", octets, sha256], (report["last"], octets, sha256)
    assert report["files"] == {"complete": 1} and not report["violations"], report
    return {"kind": "large", "mib": args.mib, "seconds": {"intake": intake, **times_of(log)},
            "worker_cpu": cpu, "before_kib": memory.before, "most_kib": most, "turns": turns,
            "requests": report["calls"]}


def show(row):
    seconds, before, most = row["seconds"], row["before_kib"], row["most_kib"]
    size = row["mib"] * 1.048576
    print(f"one attachment of {row['mib']} MiB: " + ", ".join(
        f"{name} {seconds[name]:.2f} s ({size / max(seconds[name], 0.001):.0f} MB/s)"
        for name in ("intake", "scan", "upload", "relay") if name in seconds))
    rest = seconds["all"] - sum(seconds.get(name, 0) for name in FOUND)
    print(f"from the 250 to the relay's: {seconds['all']:.2f} s, of which {rest:.2f} s for taking the "
          f"message apart, and waiting; {row['worker_cpu']:.2f} s of the worker's CPU in all")
    print(f"the worker's own memory: {before['RssAnon'] / 1024:.1f} MiB before, at most "
          f"{most['RssAnon'] / 1024:.1f} MiB (+{(most['RssAnon'] - before['RssAnon']) / 1024:.1f}); "
          f"with mapped files {most['VmHWM'] / 1024:.0f} MiB, of these "
          f"{most['RssFile'] / 1024:.0f} MiB the spool's and programs'")
    print(f"longest turn: {row['turns']['worker_ms']:.1f} ms of the worker's loop, "
          f"{row['turns']['master_ms']:.1f} ms of the master's")
    print(f"it arrived with the right sha256, in {json.dumps(row['requests'])}")
