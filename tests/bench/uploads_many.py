"""Many messages with three attachments each, held back and then let go at once: uploads a second, beside
libcurl doing the same calls and nothing else."""
import base64
import json
import os
import subprocess
import threading
import time

import meter
from peer.gateway import Gateway
from peer.net import Client
from peer.scripted import VaultSink, program
from peer.servers import CountingSink
from peer.suite import wait_for
from relays import Folder

FILES, SENDERS = 3, 5
PART = b"""--b\r
Content-Type: application/octet-stream; name="%s.bin"\r
Content-Transfer-Encoding: base64\r
Content-Disposition: attachment\r
\r
%s"""
NAMES = (b"report of the quarter", b"drawing", b"figures")


def message(size):
    parts = [PART % (name, base64.encodebytes(os.urandom(size)).replace(b"\n", b"\r\n"))
             for name in NAMES]
    return (b"Subject: three\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\n\r\nSee there.\r\n" + b"".join(parts) + b"--b--\r\n")


def fill(port, body, count, recipient):
    failures = []

    def send(share):
        try:
            with Client(port, 60) as client:
                for _ in range(share):
                    reply = client.deliver(body, recipients=[recipient])
                    assert reply.code == 250, reply
        except Exception as failure:
            failures.append(failure)
    threads = [threading.Thread(target=send, args=((count + i) // SENDERS,)) for i in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


class Bench:
    """A gateway with mail to vault@example.test that goes to the vault first, and to relay@example.test
    that does not."""

    def __init__(self, folder, scratch, args):
        self.args, self.sink, self.vault = args, CountingSink(scratch), VaultSink(scratch, build="release")
        self.gateway = g = Gateway(folder, workers=args.workers, build="release",
                                   segment_size="64M")
        g.put_profile("relay", [self.sink], max_connections=0, max_in_flight=1000,
                      pool={"enabled": True, "size": 200, "expiry": 60})
        g.put_profile("vault", [self.vault.url], type="vault", api_key="a-key-of-30-characters-0123456")
        g.put_rule("vault", "relay", ["vault@example.test"], vault="vault")
        g.put_rule("relay", "relay", ["relay@example.test"])
        for name in ("vault", "relay"):
            g.wait_rules(f"{name}@example.test")
        self.servers = {"vault": self.vault.url, "relay": f"smtp://127.0.0.1:{self.sink.port}"}
        self.body = message(args.size)
        self.hold("vault")
        self.hold("relay")

    def hold(self, name):
        self.gateway.ctl("server", "drain", name, self.servers[name])

    def let_go(self, name):
        self.gateway.ctl("server", "enable", name, self.servers[name])

    def syncs(self):
        """Of all workers, by a heartbeat that came after this was asked."""
        asked, latest = time.monotonic(), {}

        def is_new():
            latest["rows"] = self.gateway.worker_rows()
            return all((row["heartbeat_age_ms"] or 0) / 1000 < time.monotonic() - asked - 0.2
                       for row in latest["rows"])
        wait_for("a heartbeat of each worker", is_new, 20, 0.1)
        return sum(row["syncs"] for row in latest["rows"])

    def cpu(self):
        master, *workers = map(meter.exact_seconds, self.gateway.pids())
        return {"master": master, "workers": sum(workers)}

    def push(self, name, count):
        """`count` messages that wait for `name`, let go: seconds until the last was relayed, CPU
        seconds, syncs."""
        if name == "vault":
            self.let_go("relay")
        fill(self.gateway.port, self.body, count, f"{name}@example.test")
        before, syncs = self.sink.messages, self.syncs()
        cpu, began = self.cpu(), time.monotonic()
        self.let_go(name)
        wait_for("all is relayed", lambda: self.sink.messages - before >= count, 600, 0.003)
        took = time.monotonic() - began
        wait_for("nothing is left", lambda: not self.gateway.queue(), 60, 0.1)
        cpu = {part: seconds - cpu[part] for part, seconds in self.cpu().items()}
        syncs = self.syncs() - syncs
        self.hold("vault")
        self.hold("relay")
        return {"seconds": took, "rate": count / took, "syncs": syncs / count,
                "cpu_per_1000": {part: s / count * 1000 for part, s in cpu.items()}}


def uploads(bench, count):
    bench.vault.restart() # its figures begin anew
    row, report = bench.push("vault", count), bench.vault.report()
    assert report["files"] == count * FILES and report["transfers"] == count, report
    assert report["refused"] == 0 and report["octets"] == count * FILES * bench.args.size, report
    connections = report["connections"]
    return {"kind": "uploads", "count": count, "size": bench.args.size, **row,
            "uploads": report["files"] / report["seconds"], "most_open": connections["most_open"],
            "requests_per_connection": sum(report["requests"].values()) / connections["accepted"],
            "vault_cpu_per_1000": report["cpu_seconds"] / count * 1000}


def curl(bench, count, connections, is_alone):
    bench.vault.restart()
    done = subprocess.run([program("vault_curl", "release"), "-u", bench.vault.url, "-n", str(count),
                           "-f", str(FILES), "-s", str(bench.args.size), "-c", str(connections),
                           *["-a"] * is_alone], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    told, report = json.loads(done.stdout), bench.vault.report()
    assert report["files"] == told["files"] == count * FILES and report["refused"] == 0, report
    return {"kind": "curl, a connection a message" if is_alone else "curl, connections kept",
            "count": count, "size": bench.args.size, "uploads": report["files"] / report["seconds"],
            "requests": told["requests"] / report["seconds"],
            "requests_per_connection": told["requests"] / told["connections"],
            "most_open": report["connections"]["most_open"],
            "cpu_per_1000": {"curl": told["cpu_seconds"] / count * 1000},
            "vault_cpu_per_1000": report["cpu_seconds"] / count * 1000}


def count_calls(bench, count):
    """Per message, in a run of its own: being traced makes a process slow."""
    fill(bench.gateway.port, bench.body, count, "vault@example.test")
    before, counters = bench.sink.messages, {}
    master, *workers = bench.gateway.pids()
    for part, pids in (("master", [master]), ("workers", workers)):
        counters[part] = meter.CallCounter(pids, bench.gateway.folder / f"calls.{part}")
    bench.let_go("relay")
    bench.let_go("vault")
    wait_for("all is relayed", lambda: bench.sink.messages - before >= count, 600, 0.01)
    wait_for("nothing is left", lambda: not bench.gateway.queue(), 60, 0.1)
    calls = {part: counter.end() for part, counter in counters.items()}
    return {"kind": "calls", "count": count, "calls": {
        part: {k: v / count for k, v in sorted(c.items(), key=lambda e: -e[1])}
        for part, c in calls.items()}}


def run(disk, scratch, args, keep):
    folder = Folder(disk.folder / "relay")
    try:
        bench = Bench(folder, scratch, args)
        for number in range(args.rounds + 1): # the first warms up, with few
            count = args.count if number else min(100, args.count)
            rows = [uploads(bench, count),
                    {"kind": "relay only", "count": count, "size": args.size,
                     **bench.push("relay", count)}]
            rows += [curl(bench, count, rows[0]["most_open"], is_alone) for is_alone in (False, True)]
            for row in rows if number else ():
                keep(row)
        if args.calls:
            keep(count_calls(bench, args.calls))
    finally:
        folder.close()


# ---- the table ----------------------------------------------------------------------------------

KINDS = ("uploads", "relay only", "curl, connections kept", "curl, a connection a message")


def number(value, places=0):
    return "-" if value is None else f"{value:.{places}f}"


def show(rows, median):
    print(f"{'':28} {'uploads/s':>9} {'msgs/s':>7} {'master':>7} {'workers':>7} {'curl':>7} "
          f"{'vault':>7} {'syncs':>6} {'requests/conn.':>14} {'at once':>7}")
    found = {}
    for kind in KINDS:
        m = found[kind] = median([r for r in rows if r["kind"] == kind])
        cpu = m["cpu_per_1000"]
        print(f"{kind:28} {number(m.get('uploads')):>9} {number(m.get('rate')):>7} "
              f"{number(cpu.get('master'), 3):>7} {number(cpu.get('workers'), 3):>7} "
              f"{number(cpu.get('curl'), 3):>7} {number(m.get('vault_cpu_per_1000'), 3):>7} "
              f"{number(m.get('syncs'), 2):>6} {number(m.get('requests_per_connection'), 1):>14} "
              f"{number(m.get('most_open')):>7}")
    print(f"CPU seconds are of 1,000 messages, syncs of one, {FILES} files each; those of uploads hold the "
          f"relay's too")
    own = found["uploads"]
    spent = {part: (own["cpu_per_1000"][part] - found["relay only"]["cpu_per_1000"][part]) / FILES
             for part in ("master", "workers")}
    for kind in KINDS[2:]:
        curl_cpu = found[kind]["cpu_per_1000"]["curl"] / FILES
        print(f"uploads over {kind}: rate x {own['uploads'] / found[kind]['uploads']:.2f}; CPU seconds "
              f"for 1,000 files: workers {spent['workers']:.3f}, master {spent['master']:.3f} (without "
              f"the relay's), curl {curl_cpu:.3f}: x {sum(spent.values()) / curl_cpu:.1f}")
    for row in rows:
        for part, calls in row.get("calls", {}).items():
            most = ", ".join(f"{name} {n:.2f}" for name, n in list(calls.items())[:14])
            print(f"{part}: {sum(calls.values()):.1f} system calls a message: {most}")
