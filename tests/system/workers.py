#!/usr/bin/python3
"""OP01, OP02, MQ02: work is spread over the workers, and the death of one costs nothing."""
import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.load import Load, doubles, missing
from peer.servers import CountingSink, ScriptedServer, smtp_source


def start(t, sinks, workers=4, **options):
    gateway = Gateway(t, workers=workers, **options)
    gateway.put_profile("relay", sinks, retry={"first": 1, "factor": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway


@suite.deadline(180)
def test_OP01_4000_connections_are_spread_evenly(t):
    sink = CountingSink(t)
    gateway = start(t, [sink])
    smtp_source(gateway.port, 4000, reuse=False)
    suite.wait_for("4,000 messages", lambda: sink.messages >= 4000, 90)

    def shares():
        accepted = [w["accepted"] for w in gateway.worker_rows()]
        return accepted if sum(accepted) == 4000 else None
    accepted = suite.wait_for("the heartbeats tell of all 4,000", shares, 20)
    ratio = max(accepted) / min(accepted)
    assert len(accepted) == 4 and ratio <= 1.3, accepted
    return f"{'/'.join(map(str, accepted))}, max/min {ratio:.2f}"


def backlog(port):
    """Connections that wait to be accepted, over all listeners of the port."""
    waiting = 0
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1].partition(":")[2], 16) == port and fields[3] == "0A":
                waiting += int(fields[4].partition(":")[2], 16)
    return waiting


def test_OP02_40_connections_in_the_backlog_of_a_dead_worker_are_greeted(t):
    gateway = start(t, [CountingSink(t)])
    victim = gateway.worker_rows()[1]["pid"]
    os.kill(victim, signal.SIGSTOP)
    clients = []
    t.on_close(lambda: [c.close() for c in clients])

    def open_more():
        if len(clients) < 400:
            clients.append(socket.create_connection(("127.0.0.1", gateway.port), 5))
        return backlog(gateway.port) >= 40
    suite.wait_for("40 connections wait for the stopped worker", open_more, 30, 0)
    os.kill(victim, signal.SIGKILL)
    for client in clients:
        client.settimeout(20)
        greeting = client.recv(512)
        assert greeting.startswith(b"220 "), greeting
    return f"{len(clients)} connections in all"


@suite.deadline(180)
def test_MQ02_workers_killed_under_load_lose_nothing(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink])
    load = Load(t, gateway.port, threads=16, per_connection=5)
    for round_ in range(1, 6):
        suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 250 * round_, 60)
        rows = [w for w in gateway.worker_rows() if w["state"] == "running"]
        os.kill(rows[round_ % len(rows)]["pid"], signal.SIGKILL)
    suite.wait_for("mail flows again", lambda: len(load.acknowledged) >= 1500, 60)
    load.stop()
    suite.wait_for("all that was promised",
                   lambda: not missing(load.acknowledged, [sink]), 60)
    restarts = sum(w["restarts"] for w in gateway.worker_rows())
    assert restarts >= 5, restarts
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    return f"{len(load.acknowledged)} promised, {restarts} restarts, {doubles([sink])} doubled"


@suite.deadline(180)
def test_OP01_reload_changes_the_worker_count_without_losing_a_connection(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink], workers=2)
    load = Load(t, gateway.port, threads=8)
    for count in (4, 1, 3):
        before = len(load.acknowledged)
        gateway.reload(workers=count)
        suite.wait_for(f"{count} workers run", lambda: [
            w["state"] for w in gateway.worker_rows()].count("running") == count
            and len(gateway.worker_pids()) == count, 30)
        suite.wait_for("mail flows", lambda: len(load.acknowledged) >= before + 200, 30)
    load.stop()
    assert not load.broken, load.broken
    suite.wait_for("all arrived", lambda: not missing(load.acknowledged, [sink]), 30)
    assert doubles([sink]) == 0
    return f"{len(load.acknowledged)} messages, 2 -> 4 -> 1 -> 3 workers"


def test_OP01_workers_that_a_reload_adds_have_the_log_as_standard_error(t):
    """It was the number of the log file that a reload had closed: another worker's listener, say, which
    took connections that nobody greeted."""
    gateway = start(t, [CountingSink(t)], workers=1)
    for count in (2, 4, 6):
        before = gateway.worker_pids()
        gateway.log.rename(gateway.folder / f"rotated.{count}.log")
        gateway.reload(workers=count)
        suite.wait_for("all run", lambda: [w["state"] for w in gateway.worker_rows()] ==
                       ["running"] * count)
        errors = {os.readlink(f"/proc/{pid}/fd/2") for pid in gateway.worker_pids()
                  if pid not in before}
        assert errors == {str(gateway.log)}, errors


@suite.deadline(180)
def test_OP01_reloads_in_a_row_end_as_the_last_one_says(t):
    """A slot that is wanted again while its worker leaves needs no second reload."""
    sink = ScriptedServer(t)
    gateway = start(t, [sink], workers=3)
    load = Load(t, gateway.port, threads=8)
    for number, count in enumerate((1, 4, 2, 4, 1, 3), start=1):
        before = len(load.acknowledged)
        gateway.reload(workers=count)
        suite.wait_for("the reload is through",
                       lambda: gateway.log_text().count("msg=reloaded") == number)
        suite.wait_for("mail flows", lambda: len(load.acknowledged) >= before + 50, 30)
    suite.wait_for("3 workers run, nobody else", lambda: [
        w["state"] for w in gateway.worker_rows()] == ["running"] * 3
        and len(gateway.worker_pids()) == 3, 60)
    gateway.wait_rules("to@example.test")
    load.stop()
    assert not load.broken, load.broken
    suite.wait_for("all arrived", lambda: not missing(load.acknowledged, [sink]), 30)
    assert doubles([sink]) == 0
    return f"{len(load.acknowledged)} messages"


def test_OP02_a_bad_file_at_reload_changes_nothing(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink], workers=2)
    pids = gateway.pids()
    gateway.reload(workers=0)
    suite.wait_for("the refusal in the log", lambda: "postern.conf" in gateway.log_text())
    assert gateway.pids() == pids
    gateway.write_conf(workers=2)


@suite.deadline(180)
def test_OP02_a_stop_sent_to_every_process_drains_and_loses_nothing(t):
    """As a service manager or a terminal may do it: the workers leave the decision to the master."""
    sink = ScriptedServer(t)
    gateway = start(t, [sink], workers=2)
    load = Load(t, gateway.port, threads=8, per_connection=5)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 300, 60)
    for pid in sorted(gateway.pids(), reverse=True): # workers first
        os.kill(pid, signal.SIGINT)
    assert gateway.process.wait(20) == 0
    load.stop()
    log = gateway.log_text()
    assert log.count("worker has ended") == 2 and "worker has died" not in log, log[-2000:]
    gateway.start()
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), 60)
    assert doubles([sink]) == 0
    return f"{len(load.acknowledged)} promised"


if __name__ == "__main__":
    suite.run(globals())
