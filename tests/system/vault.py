#!/usr/bin/python3
"""VA01 to VA05, SR05: attachments are uploaded to a vault before their message goes on, each once,
whatever breaks."""
import email
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.gateway import Refused
from peer.mime_maker import make, plain
from peer.nginx import Nginx
from peer.stages import LATER, Stages, field
from peer.vault_server import VaultServer
from peer.web_faults import Cut, Early, Garbage, Hang, HangUp, Late, NoLength, Status, nginx_page

TWO = {"one.bin": b"first " * 50, "two.bin": b"second" * 50}
WAITS = ("waiting", "deferred")
KILLS = 30


def start(t, keys=None, **options):
    vault = VaultServer(t, **({"keys": keys} if keys else {}))
    return Stages(t, vault=vault, **options), vault


def check_all(scene, count):
    scene.wait_relayed(count)
    done = scene.check_uploads(scene.sent.values())
    assert all(len(scene.relayed(m)) == 1 for m in scene.sent.values())
    assert not scene.vault.again, scene.vault.again
    scene.check_no_violations()
    return done


@suite.deadline(300)
def test_VA01_VA05_every_attachment_of_300_messages_is_in_the_vault_and_in_its_message(t):
    first = int(os.environ.get("POSTERN_SEED") or random.SystemRandom().randrange(1 << 24))
    print(f"  seeds from {first}", flush=True)
    scene, vault = start(t, upload={"expires": "07:12:30:00", "share_with": ["ann@a.test", "bob"]})
    for seed in range(first, first + 300):
        scene.send(make(seed, huge=seed % 100 == 99))
    scene.wait_relayed(300, 150)
    count = check_all(scene, 300)
    assert {g.expires_after for g in vault.groups.values()} == {"07:12:30:00"}
    assert all(g.share_with == ["ann@a.test", "bob"] for g in vault.groups.values())
    assert scene.gateway.queue() == []
    return f"{count} attachments, {vault.connections} connections"


def test_VA01_a_message_without_attachments_asks_nobody(t):
    scene, vault = start(t)
    vault.down()
    scene.send(plain(1, {}))
    scene.wait_relayed(1)
    assert vault.calls["open_group"] == 0


def test_VA02_memory_does_not_grow_with_an_attachment(t):
    if os.environ.get("POSTERN_BUILD") == "asan":
        raise suite.Skip("a sanitizer keeps what was freed")
    scene, _ = start(t, workers=1, smtp={"max_message_size": "100M"}, segment_size="64M")
    peak, pid, ends = [], scene.gateway.worker_pids()[0], threading.Event()

    def anonymous_kib():
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(text.partition("RssAnon:")[2].split()[0])
    scene.send(plain(1, {"small.bin": b"x" * 1000}))
    scene.wait_relayed(1)
    before = anonymous_kib()
    watch = threading.Thread(target=lambda: [peak.append(anonymous_kib()) for _ in
                                             iter(lambda: ends.wait(0.005), True)], daemon=True)
    watch.start()
    scene.send(plain(2, {"large.bin": random.Random(2).randbytes(60 << 20)}))
    try:
        scene.wait_relayed(2)
    finally:
        ends.set()
        watch.join()
    check_all(scene, 2)
    grown = max(peak) - before
    assert grown < 16 << 10, f"{grown} KiB for 60 MiB"
    return f"{grown} KiB more for 60 MiB"


def test_VA03_SP23_mail_waits_while_the_vault_is_down_and_goes_on_by_itself(t):
    scene, vault = start(t)
    vault.down()
    ids = [scene.send(plain(n, TWO | {f"{n}.bin": b"%d" % n})) for n in range(20)]
    for id_ in ids[:3]:
        scene.wait_state(id_, *WAITS)
    scene.wait_server("vault", vault, "down")
    scene.wait_shown(ids[0], "refused")
    assert not scene.relay.messages
    vault.up()
    scene.wait_relayed(20)
    assert len({u.group.id for u in vault.uploads}) == 20


# What goes wrong once, at one of two files -> how often a file is opened until both are there.
ONCE = {
    "open_group_503": ("open_group", Status(503, nginx_page(503)), 2),
    "open_file_500": ("open_file", Status(500, b'{"message":"unavailable"}'), 3),
    "second_chunk_500": ("chunk", Status(500), 3),
    "second_chunk_cut_in_its_body": ("chunk", Cut("body"), 3),
    "chunk_is_there_and_its_answer_lost": ("chunk", Cut("done"), 3),
    "chunk_answered_early_503": ("chunk", Early(503, nginx_page(503)), 3),
    "close_file_503": ("close_file", Status(503), 3),
    "close_file_is_done_and_its_answer_lost": ("close_file", Cut("done"), 2),
    "close_file_is_done_and_half_answered": ("close_file", Cut("middle"), 2),
    "close_group_500": ("close_group", Status(500), 2),
    "garbage": ("close_file", Garbage(), 3),
    "a_connection_that_is_gone_when_it_is_used_again": ("open_group", HangUp(), 2),
    "answers_without_length": ("open_file", NoLength(), 2),
}


def once(call, fault, opened):
    nth = 1 if call.endswith("group") or fault.__class__ is NoLength else 2

    def test(t):
        scene, vault = start(t)
        happened = vault.faults.add(call, fault, nth=nth)
        scene.send(plain(1, TWO))
        scene.wait_relayed(1)
        assert happened.happened == 1
        assert vault.calls["open_file"] <= opened, vault.calls
        complete = [f for f in vault.files.values() if f.state == "complete"]
        assert len(complete) == 2 and not vault.needless(), vault.needless()
        scene.check_no_violations()
    return test


globals().update({f"test_VA03_once_{name}": once(*row) for name, row in ONCE.items()})


def test_VA03_a_lost_answer_to_the_last_call_is_no_second_upload(t):
    scene, vault = start(t)
    vault.faults.add("close_group", Cut("done"))
    scene.send(plain(1, TWO))
    scene.wait_relayed(1)
    assert len(vault.uploads) == 2 and vault.calls["open_file"] == 2, vault.calls


def test_VA03_only_what_is_missing_is_uploaded_again(t):
    """The third of five is refused for a while, and a restart is between."""
    scene, vault = start(t)
    files = {f"{n}.bin": b"%d" % n * 100 for n in range(5)}
    fault = vault.faults.add("close_file", Status(500), nth=3, times=None)
    id_ = scene.send(plain(1, files))
    scene.wait_state(id_, "deferred")
    suite.wait_for("it was tried", lambda: fault.happened)
    scene.gateway.kill_all()
    vault.faults.clear()
    scene.gateway.start()
    scene.wait_relayed(1)
    assert not vault.needless() and len(vault.uploads) == 5, vault.repeats()
    assert vault.calls["open_group"] == 1, vault.calls


def test_VA03_a_wrong_key_opens_the_breaker_with_that_reason(t):
    for status in (401, 403):
        with suite.Scratch("postern-key") as scratch:
            scene, vault = start(scratch)
            fault = vault.faults.add("*", Status(status, b'{"message":"who are you"}'), times=None)
            first = scene.send(plain(0, TWO))
            row = scene.wait_server("vault", vault, "login refused")
            assert str(status) in row["reason"] and row["next_probe"] is None, row
            scene.wait_shown(first, str(status))
            asked = fault.happened
            for n in range(1, 6):
                scene.send(plain(n, TWO))
            scene.wait_state(first, *WAITS)
            assert fault.happened == asked and not scene.relay.messages
            vault.faults.clear()
            vault.keys = ["another-key-of-30-characters-2"]
            scene.save_vault()
            scene.wait_relayed(6)


def test_SR05_what_happens_while_the_vault_is_away(t):
    for action, goes in (("defer", False), ("skip", True)):
        with suite.Scratch(f"postern-{action}") as scratch:
            scene, vault = start(scratch, upload={"on_unavailable": action, "links": "header"},
                                 retry=LATER)
            vault.down()
            id_ = scene.send(plain(1, TWO))
            if goes:
                scene.wait_relayed(1)
                assert not field(scene.relay.messages[0].body, "X-Postern-Link")
            else:
                scene.wait_state(id_, *WAITS)
                assert not scene.relay.messages


def test_VA05_links_are_added_as_asked_and_none_come_from_outside(t):
    forged = b"X-Postern-Link: http://evil.test/\r\nx-postern-link:\r\n http://evil.test/\r\n"
    for links in ("none", "header", "text_part"):
        with suite.Scratch(f"postern-{links}") as scratch:
            scene, vault = start(scratch, upload={"links": links})
            made = plain(1, TWO)
            made.message = forged + made.message
            scene.send(made)
            scene.wait_relayed(1)
            body = scene.relay.messages[0].body
            assert b"evil.test" not in body
            urls = [f"{vault.url}/file/{f.id}" for f in vault.files.values()]
            assert len(urls) == 2
            found = field(body, "X-Postern-Link")
            assert sorted(found) == (sorted(urls) if links == "header" else []), found
            texts = [p.get_payload(decode=True).decode() for p in email.message_from_bytes(body).walk()
                     if p.get_content_type() == "text/plain"]
            is_told = [url in "".join(texts) for url in urls]
            assert is_told == [links == "text_part"] * 2
            for part in made.of("attachment"): # and the message keeps its attachments
                assert body.count(part.name.encode()) >= 1


def test_SP25_a_vault_that_hangs_keeps_nobody_else_waiting(t):
    scene, vault = start(t, of_vault={"timeouts": {"transfer": 3}})
    vault.faults.add("chunk", Hang("head"), times=None)
    scene.gateway.put_rule("plain", "relay", ["*@plain.test"])
    scene.gateway.wait_rules("x@plain.test")
    for n in range(30):
        scene.send(plain(n, TWO))
    began = time.monotonic()
    for n in range(30, 40):
        scene.send(plain(n, TWO), "x@plain.test")
    scene.wait_relayed(10, 10)
    took = time.monotonic() - began
    assert took < 3, took
    vault.faults.clear()
    scene.wait_relayed(40)
    return f"{took:.1f} s"


def test_SP32_behind_nginx_with_tls(t):
    ca, vault = Authority(t), VaultServer(t)
    nginx = Nginx(t, vault, ca.issue("good", ["IP:127.0.0.1"]), keepalive_s=2)
    nginx.key = vault.key
    scene = Stages(t, vault=nginx, of_vault={"ca": ca.pem})
    for seed in range(20):
        scene.send(make(seed))
    scene.wait_relayed(20)
    scene.vault = vault
    count = scene.check_uploads(scene.sent.values())
    assert not vault.violations and {a[:3] for a in nginx.accesses} == {"200"}
    return f"{count} attachments"


def test_SP32_a_certificate_of_nobody_gets_no_key(t):
    ca, vault = Authority(t), VaultServer(t)
    nginx = Nginx(t, vault, ca.issue("good", ["IP:127.0.0.1"]))
    nginx.key = vault.key
    scene = Stages(t, vault=nginx, retry=LATER)
    id_ = scene.send(plain(1, TWO))
    scene.wait_shown(id_, "certificate")
    assert not vault.calls and not scene.relay.messages


def test_VA03_a_front_that_takes_less_is_said(t):
    vault = VaultServer(t)
    nginx = Nginx(t, vault, body_most="1k")
    nginx.key = vault.key
    scene = Stages(t, vault=nginx, retry=LATER)
    id_ = scene.send(plain(1, {"a.bin": b"x" * 5000}))
    scene.wait_shown(id_, "413")
    scene.wait_state(id_, *WAITS)


def test_SP51_saving_tests_the_key(t):
    scene, vault = start(t)
    before = vault.calls["version"]
    scene.gateway.put_profile("vault", [vault.url], type="vault", api_key=vault.key, test=True)
    assert vault.calls["version"] == before + 1
    try:
        scene.gateway.put_profile("vault", [vault.url], type="vault", test=True,
                                  api_key="wrong-key-of-thirty-character")
        raise AssertionError("saved")
    except Refused as refused:
        assert refused.code == 1


@suite.deadline(240)
def test_VA03_MQ03_kills_lose_nothing_and_upload_nothing_twice_that_is_known_to_be_there(t):
    seed = int(os.environ.get("POSTERN_SEED") or random.SystemRandom().randrange(1 << 24))
    print(f"  seed {seed}", flush=True)
    scene, vault = start(t, workers=6)
    for call in ("chunk", "close_file"):
        vault.faults.add(call, Late(0.02), times=None)
    end = scene.load(lambda n: plain(n, {f"{n}.{i}.bin": b"%d %d" % (n, i) * 50 for i in range(3)}))
    scene.kill(seed, KILLS, lambda: len(vault.uploads))
    end()
    suite.wait_for("nothing waits", lambda: not scene.gateway.queue(), 60)
    lost = [m.seed for m in scene.sent.values() if not scene.relayed(m)]
    assert not lost, lost
    names = {u.name for u in vault.uploads if u.group.state == "complete"}
    missing = [p for m in scene.sent.values() for p in m.of("attachment") if p.name not in names]
    assert not missing, missing[:5]
    assert not vault.needless(), vault.needless()[:5]
    scene.check_no_violations()
    return f"{len(scene.sent)} messages, {len(vault.uploads)} files, {len(vault.repeats())} in doubt " \
           f"came twice"


if __name__ == "__main__":
    suite.run(globals())
