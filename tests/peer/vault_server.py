#!/usr/bin/python3
"""A MetaDefender Vault (Managed File Transfer) as far as its documented REST API tells.

    vault = VaultServer(t)                  # vault.url is what a profile's server is, vault.key its key
    vault.uploads                           # Upload(name, size, sha256, bytes, group): what is complete
    vault.groups, vault.calls, vault.faults, vault.repeats()

Its five calls of an upload take everything from header fields:

    open_group   GET /transfer          open_file   GET /transfer_file      chunk  PATCH /transfer_file
    close_file   POST /transfer_file    close_group POST /transfer

and besides: delete_file and delete_group (DELETE on the same), version, file_status, download.

What the documentation leaves open is decided so: DELETE is how a transfer is undone; a name is
percent-encoded UTF-8, and what is beyond ASCII in a field is refused; `share_with` is a list with
commas; a group or file that is not there, or not open any more, is a 400; a file that is not complete
has the processing state "Uploading" and the size of what came; a chunk of no octets is taken. What is
documented and looks odd is kept: 401 is a parameter that is wrong, 403 a key that is wrong or not the
owner's. 100 MB is the smaller of what that may mean.

`python3 vault_server.py [PORT [KEY...]]` is one as a process of its own (web.run_alone)."""
import collections
import pathlib
import re
import sys
import time
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer.web import WebServer, run_alone
from peer.web_content import Content
from peer.web_message import Reply

KEY = "a-key-of-thirty-characters-012"
CHUNK_MOST = 100_000_000
EXPIRY = re.compile(r"(\d{1,8}):(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?")

Upload = collections.namedtuple("Upload", "name size sha256 bytes group")


class Wrong(Exception):
    """An answer other than 200: (status, message, key)."""


class Group:
    """`state`: open, complete or deleted; `fields` as opening and completing gave them; `when` it was
    completed; `is_stuck`: it could not be, for a file in it that was not complete."""

    def __init__(self, owner, fields):
        self.id, self.owner, self.state = uuid.uuid4().hex, owner, "open"
        self.files, self.fields, self.when, self.is_stuck = {}, dict(fields), None, False

    @property
    def share_with(self):
        return [name.strip() for name in self.fields.get("share_with", "").split(",") if name]

    @property
    def expires_after(self):
        return self.fields.get("expires_after")


class File:
    """`raw_name` as it came, `name` percent-decoded; `state`: open, complete or deleted; `closed`: the
    request that completed it."""

    def __init__(self, group, fields, name):
        self.id, self.group, self.state = uuid.uuid4().hex, group, "open"
        self.raw_name, self.name = fields["file_name"], name
        self.path = fields.get("path", "")
        self.promised, self.method = int(fields["file_size"]), fields["transfer_method"]
        self.content, self.sha256, self.bytes = Content(), None, None
        self.closed = None
        self.chunks = [] # (offset, size) in the order in which they came

    def is_whole(self):
        """Every octet came, by the chunks' own words."""
        end = 0
        for offset, size in sorted(self.chunks):
            if offset > end:
                return False
            end = max(end, offset + size)
        return end == self.promised == self.content.size


class VaultServer(WebServer):
    """`keys`: who may come in, the first being `key`; `lists_errors`: error bodies are arrays;
    files of more than `keeps` octets are known by their sha256 only."""

    CALLS = [
        ("open_group", "GET", "/transfer"), ("close_group", "POST", "/transfer"),
        ("delete_group", "DELETE", "/transfer"),
        ("open_file", "GET", "/transfer_file"), ("chunk", "PATCH", "/transfer_file"),
        ("close_file", "POST", "/transfer_file"), ("delete_file", "DELETE", "/transfer_file"),
        ("version", "GET", "/version"), ("file_status", "GET", "/file/status/([^/]+)"),
        ("download", "GET", "/file/([^/]+)"),
    ]

    def __init__(self, scratch=None, keys=(KEY,), base="/vault_rest", **options):
        self.keys, self.chunk_most, self.lists_errors = list(keys), CHUNK_MOST, False
        self.groups, self.files, self.again = {}, {}, collections.Counter()
        self.version, self.keeps = "3.11.4", 1 << 20
        super().__init__(base=base, **options)
        if scratch is not None:
            scratch.on_close(self.close)

    @property
    def key(self):
        return self.keys[0]

    # ---- what it knows ----

    @property
    def uploads(self):
        """What is complete and not deleted, in the order of completion."""
        with self.lock:
            return [Upload(f.name, f.promised, f.sha256, f.bytes, f.group) for f in
                    self.files.values() if f.state == "complete"]

    def repeats(self):
        """(name, sha256) of what was completed more than once, whatever became of it, and how often;
        and by "close_file" and "close_group" how often what was complete was completed again. Files
        without an octet are all alike, and left out."""
        with self.lock:
            seen = collections.Counter((f.name, f.sha256) for f in self.files.values()
                                       if f.sha256 and f.promised)
            return {what: count for what, count in seen.items() if count > 1} | dict(self.again)

    def needless(self):
        """(name, sha256) of what was uploaded once more although the client had read that it was
        complete: it had asked for something else since, on the same connection. Not of what is in a
        group that is stuck, with a file whose id may never have come to anybody: that has to be left."""
        with self.lock:
            known, found = set(), []
            for file in (f for f in self.files.values() if f.sha256 and f.promised):
                if (file.name, file.sha256) in known:
                    found.append((file.name, file.sha256))
                if file.closed.is_read and not file.group.is_stuck:
                    known.add((file.name, file.sha256))
            return found

    def report(self):
        with self.lock:
            states, uploads = collections.Counter(f.state for f in self.files.values()), self.uploads
            return super().report() | {
                "files": dict(states), "octets": sum(u.size for u in uploads),
                "last": uploads[-1][:3] if uploads else None, # name, size, sha256
                "groups": dict(collections.Counter(g.state for g in self.groups.values())),
                "repeats": sum(self.repeats().values())}

    # ---- calls ----

    def answer(self, request):
        try:
            return super().answer(request)
        except Wrong as wrong:
            status, message, key = wrong.args
            body = {"message": message, "ui_message_key": key}
            return Reply(status, [body] if self.lists_errors else body)

    def _key(self, request, status=403):
        scheme, _, key = request.fields.get("authorization", "").partition(" ")
        if scheme != "Bearer" or key not in self.keys:
            raise Wrong(status, "Authentication credentials incorrect", "AUTHENTICATION_FAILED")
        return key

    def _wanted(self, request, *names):
        for name in names:
            if not request.fields.get(name):
                raise Wrong(400, f"The header {name} is required", "HEADER_REQUIRED")

    def _group(self, request):
        owner = self._key(request)
        self._wanted(request, "group_id")
        try:
            group = self.groups.get(uuid.UUID(request.fields["group_id"]).hex)
        except ValueError:
            raise Wrong(401, "Invalid header parameter group_id", "INVALID_PARAMETER") from None
        if group is None:
            raise Wrong(400, "The transfer does not exist", "TRANSFER_NOT_FOUND")
        if group.owner != owner:
            raise Wrong(403, "The user is not the owner of the transfer", "NOT_TRANSFER_OWNER")
        if group.state != "open":
            if request.call == "close_group" and group.state == "complete":
                self.again["close_group"] += 1
            raise Wrong(400, f"The transfer is {group.state}", "TRANSFER_NOT_OPEN")
        return group

    def _file(self, request):
        group = self._group(request)
        self._wanted(request, "file_id")
        file = group.files.get(request.fields["file_id"])
        if file is None:
            raise Wrong(400, "The file does not exist in the transfer", "FILE_NOT_FOUND")
        if file.state == "deleted" or file.state == "complete" and request.call != "delete_file":
            if request.call == "close_file" and file.state == "complete":
                self.again["close_file"] += 1
            raise Wrong(400, f"The file is {file.state}", "FILE_NOT_OPEN")
        return file

    def on_open_group(self, request):
        owner = self._key(request)
        group = Group(owner, {n: v for n, v in request.fields.items() if n == "share_with"})
        if "group_id" in request.fields:
            try:
                group.id = uuid.UUID(request.fields["group_id"], version=4).hex
            except ValueError:
                raise Wrong(401, "Invalid header parameter group_id", "INVALID_PARAMETER") from None
            if group.id in self.groups:
                return self._opened(self._group(request))
        self.groups[group.id] = group
        return self._opened(group)

    @staticmethod
    def _opened(group):
        return Reply(200, {
            "group_id": group.id,
            "owner": {"email": "gw@example.test", "first_name": "Gate", "is_impersonated": False,
                      "last_name": "Way", "username": "gateway"},
            "shared_with": [{"email": None, "id": i, "username": name}
                            for i, name in enumerate(group.share_with)]})

    def on_open_file(self, request):
        group, fields = self._group(request), request.fields
        self._wanted(request, "transfer_method", "file_size", "file_name")
        try:
            name = urllib.parse.unquote(fields["file_name"], errors="strict")
        except UnicodeDecodeError:
            name = ""
        if fields["transfer_method"] not in ("Stream", "Chunk") or not name \
                or not re.fullmatch(r"\d{1,18}", fields["file_size"]):
            raise Wrong(401, "Invalid header parameter", "INVALID_PARAMETER")
        file = File(group, fields, name)
        self.files[file.id] = group.files[file.id] = file
        return Reply(200, {"message": None, "ui_message_key": None, "file_id": file.id})

    def on_chunk(self, request):
        file, body = self._file(request), request.body
        offset = file.content.size
        if file.method == "Chunk":
            self._wanted(request, "chunk_offset")
            if not re.fullmatch(r"\d{1,18}", request.fields["chunk_offset"]):
                raise Wrong(401, "Invalid header parameter chunk_offset", "INVALID_PARAMETER")
            offset = int(request.fields["chunk_offset"])
        if body.size > self.chunk_most:
            raise Wrong(400, "The chunk is too large", "CHUNK_TOO_LARGE")
        if offset + body.size > file.promised:
            raise Wrong(400, "More than file_size", "FILE_SIZE_EXCEEDED")
        checksum = request.fields.get("chunk_checksum")
        if checksum is not None and checksum.lower() != body.digest("md5"):
            raise Wrong(400, "The checksum of the chunk does not match", "CHECKSUM_MISMATCH")
        body.copy_to(file.content, offset)
        file.chunks.append((offset, body.size))
        return Reply(200, {"message": None, "ui_message_key": None})

    def on_close_file(self, request):
        file = self._file(request)
        if not file.is_whole():
            raise Wrong(400, f"{file.content.size} of {file.promised} bytes", "FILE_INCOMPLETE")
        file.sha256 = file.content.digest("sha256")
        file.bytes = file.content.bytes if file.promised <= self.keeps else None
        file.content.forget()
        file.state, file.closed = "complete", request
        self.files[file.id] = self.files.pop(file.id) # the order is that of completion
        return Reply(200, {"result": "success"})

    def on_close_group(self, request):
        group = self._group(request)
        fields = {n: request.fields[n] for n in ("expires_after", "expires") if n in request.fields}
        if len(fields) == 2:
            raise Wrong(400, "expires and expires_after exclude each other", "INVALID_EXPIRATION")
        if "expires_after" in fields and not _is_expiry(fields["expires_after"]):
            raise Wrong(401, "Invalid header parameter expires_after", "INVALID_PARAMETER")
        if any(f.state == "open" for f in group.files.values()):
            group.is_stuck = True
            raise Wrong(400, "A file of the transfer is not complete", "TRANSFER_INCOMPLETE")
        group.fields |= fields
        group.state, group.when = "complete", time.monotonic()
        return Reply(200, {"files": [
            {"file_id": f.id, "file_url": f"{self.url}/file/{f.id}",
             "folder_url": f"http://127.0.0.1:{self.port}/files/personal/folder/{group.id}"}
            for f in group.files.values() if f.state == "complete"]})

    def on_delete_file(self, request):
        self._file(request).state = "deleted"
        return Reply(200, {"result": "success"})

    def on_delete_group(self, request):
        group = self._group(request)
        group.state = "deleted"
        for file in group.files.values():
            file.state = "deleted"
        return Reply(200, {"result": "success"})

    def on_version(self, request):
        self._key(request, 401)
        return Reply(200, {"version": self.version, "message": None, "ui_message_key": None})

    def _existing(self, request, file_id):
        owner, file = self._key(request, 401), self.files.get(file_id)
        if file is None or file.state == "deleted" or file.group.owner != owner:
            raise Wrong(404, "File not found", "FILE_NOT_FOUND")
        return file

    def on_file_status(self, request, file_id):
        file = self._existing(request, file_id)
        is_complete = file.state == "complete"
        return Reply(200, {
            "group_id": file.group.id, "availability_state": "Available" if is_complete else "None",
            "processing_state": "Available" if is_complete else "Uploading",
            "is_locked": False, "unlock_eta": None, "can_be_downloaded": is_complete,
            "scan_result": {"workflow_result": "Allowed", "blocked_reason": "", "actions_failed": ""},
            "path": file.path, "size": file.promised if is_complete else file.content.size,
            "is_sanitized": False, "expires": None, "supervisor_approval_state": "None",
            "administrator_approval_state": "None"})

    def on_download(self, request, file_id):
        file = self._existing(request, file_id)
        if file.bytes is None:
            raise Wrong(404, "File not found", "FILE_NOT_FOUND")
        return Reply(200, file.bytes, "application/octet-stream")


def _is_expiry(text):
    found = EXPIRY.fullmatch(text)
    if found is None:
        return False
    days, *rest = (int(n or 0) for n in found.groups())
    return days <= 10675199 and all(n < most for n, most in zip(rest, (24, 60, 60)))


if __name__ == "__main__":
    run_alone(VaultServer(port=int(sys.argv[1]) if sys.argv[1:] else 0,
                          keys=sys.argv[2:] or (KEY,)))
