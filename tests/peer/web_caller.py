"""Clients of the stand-ins for Vault and Core that are others' work: Python's http.client, and curl."""
import http.client
import json
import subprocess


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


def curl(*arguments, data=None):
    """(status, body)"""
    done = subprocess.run(["curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *map(str, arguments)],
                          input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body
