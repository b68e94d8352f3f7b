#!/usr/bin/python3
"""The stand-in for Vault does what the documentation says, and takes nothing that is wrong. The clients
are others' work."""
import hashlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.vault_server import KEY, VaultServer
from peer.web_caller import Caller, curl

OTHER = "another-key-of-30-characters-1"
FIVE = ["open_group", "open_file", "chunk", "close_file", "close_group"]


def md5(content):
    return hashlib.md5(content).hexdigest()


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


if __name__ == "__main__":
    suite.run(globals())
