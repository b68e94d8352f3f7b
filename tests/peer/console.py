"""A browser for tests: HTTP over TLS to a gateway's console, that notes what comes and trusts anybody."""
import gzip
import hashlib
import http.client
import json
import re
import socket
import ssl

from .suite import wait_for

SECONDS = 15


def listen_at(port, **more):
    """For Gateway(console=...)."""
    return {"listen": f'"127.0.0.1:{port}"', **more}


def console_of(gateway, seconds=20):
    """What `status` says of the console, once it runs."""
    def running():
        shown = gateway.ctl_json("status")["console"]
        return shown if shown and shown["state"] == "running" else None
    return wait_for("the console runs", running, seconds)


def trusting(authority):
    """A context that trusts a certificate file; None: whatever comes."""
    context = ssl.create_default_context()
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=str(authority))
    return context


def open_tls(port, context, name="localhost"):
    plain = socket.create_connection(("127.0.0.1", port), SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def read_all(connection, seconds=3):
    """Until the other end closes, or says nothing more for so long."""
    connection.settimeout(seconds)
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except OSError: # cut, or silent
        pass
    return found


class Reply:
    def __init__(self, status, headers=(), body=b""):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}
        self.cookies = [value for name, value in headers if name.lower() == "set-cookie"]

    @property
    def text(self):
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()

    @property
    def json(self):
        return json.loads(self.text)


class Browser:
    """One connection, opened again when it was closed. `headers` go with every request."""

    def __init__(self, port, is_plain=False):
        self.port, self.is_plain, self.headers = port, is_plain, {}
        self._connection = None

    def fresh(self):
        """Another connection from now on."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        return self

    def ask(self, method, path, body=None, headers=None):
        """A Reply; one with status None: the connection was cut instead."""
        for is_last in (False, True):
            was_open = self._connection is not None
            try:
                return self._ask(method, path, body, headers)
            except (http.client.HTTPException, OSError):
                self.fresh()
                if is_last or not was_open:
                    return Reply(None)
        raise AssertionError("not reached")

    def get(self, path, headers=None):
        return self.ask("GET", path, None, headers)

    def send_json(self, method, path, value, headers=None):
        return self.ask(method, path, json.dumps(value).encode(),
                        {"Content-Type": "application/json", **(headers or {})})

    def _ask(self, method, path, body, headers):
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS) \
                if self.is_plain else \
                http.client.HTTPSConnection("127.0.0.1", self.port, context=trusting(None), timeout=SECONDS)
        self._connection.request(method, path, body, {**self.headers, **(headers or {})})
        reply = self._connection.getresponse()
        return Reply(reply.status, reply.getheaders(), reply.read())

    def raw(self, octets, seconds=1):
        """Sent over a TLS connection of its own; all that comes back."""
        with open_tls(self.port, trusting(None)) as connection:
            try:
                connection.sendall(octets)
            except OSError: # cut while it was sent
                pass
            return read_all(connection, seconds)

    def raw_clear(self, octets):
        """The same without TLS."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
            connection.sendall(octets)
            return read_all(connection)

    def assets(self):
        """Paths of what the page loads."""
        return re.findall(r'(?:src|href)="?(/assets/[^"> ]+)', self.get("/").text)

    def fingerprint(self):
        with open_tls(self.port, trusting(None)) as connection:
            digest = hashlib.sha256(connection.getpeercert(True)).hexdigest().upper()
        return ":".join(re.findall("..", digest))
