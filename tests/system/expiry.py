#!/usr/bin/python3
"""SP23, MQ05: mail has a life of its own, whatever its servers do. This takes as long as the shortest
life there is, and no work: tests/run lets it run beside others."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from health import DOWN, failed_attempts, send, start, wait_log
from peer import suite


@suite.deadline(120)
def test_SP23_MQ05_mail_that_waits_while_all_servers_are_down_expires_in_time(t):
    """Never tried, as nothing is tried on servers that are down: its life ends all the same."""
    gateway, servers, _ = start(t, health={"probe_first": "3600s", "probe_max": "3600s"},
                                retry={"first": 60, "max": 60, "lifetime": 60, "warn": 0})
    for server in servers:
        server.stop()
    for count in range(1, 4):
        send(gateway)
        wait_log(gateway, "msg=deferred", times=count)
    wait_log(gateway, DOWN, times=2)
    spent = failed_attempts(gateway)
    began = time.monotonic()
    send(gateway, 20)
    waits = {row["id"] for row in gateway.queue() if row["attempts"] == 0}
    assert len(waits) == 20, gateway.queue()
    ended = {}
    def all_failed():
        now = time.monotonic() - began
        for row in gateway.queue():
            if row["state"] == "failed":
                ended.setdefault(row["id"], now)
        return len(ended) == 23
    suite.wait_for("all have expired", all_failed, 90, 0.2)
    took = [ended[i] for i in waits]
    assert 60 <= min(took) and max(took) <= 66, took
    assert failed_attempts(gateway) == spent == 6
    shown = gateway.ctl_json("queue", "show", sorted(waits)[0])
    assert "expired" in str(shown), shown
    assert gateway.log_text().count("failed: kept and listed") == 23
    return f"after {min(took):.1f} to {max(took):.1f} s of 60, with no attempt"


if __name__ == "__main__":
    suite.run(globals())
