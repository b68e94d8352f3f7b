"""What HTTP/1.1 says, as far as the stand-ins need it: a request's head, read strictly, and a reply."""
import json
import re
import time

LINE_MOST, HEAD_MOST = 8 << 10, 32 << 10 # nginx, as it comes
REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~]*?)[ \t]*")
WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
         411: "Length Required", 413: "Request Entity Too Large", 422: "Unprocessable Entity",
         500: "Internal Server Error", 503: "Service Unavailable"}


class Over(Exception):
    """This connection is."""


class Violation(Exception):
    """A request that is none, in words."""


class Reply:
    """`body`: octets, text, or what becomes JSON."""

    def __init__(self, status, body=b"", content_type="application/json"):
        self.status, self.content_type = status, content_type
        if isinstance(body, (bytes, str)):
            self.body = body.encode() if isinstance(body, str) else body
        else:
            self.body = json.dumps(body).encode()

    def octets(self, more=""):
        head = f"HTTP/1.1 {self.status} {WORDS.get(self.status, 'Unknown')}\r\n" \
               f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n{more}\r\n"
        return head.encode() + self.body


class Request:
    """`fields` by their names in lower case; `length` None: no Content-Length; `is_read`: what was
    answered, for the client has gone on since on this connection."""

    def __init__(self, method, target, fields, connection):
        self.method, self.fields, self.connection = method, fields, connection
        self.path, _, self.query = target.partition("?")
        self.call, self.arguments, self.body, self.status = "none", (), None, None
        self.is_read = False
        self.when = time.monotonic()
        length = fields.get("content-length")
        self.length = None if length is None else int(length)

    def __repr__(self):
        return f"<{self.method} {self.path} {self.status}>"


def parse_head(octets, connection):
    first, *lines = octets.split(b"\r\n")
    found = REQUEST_LINE.fullmatch(first)
    if found is None:
        raise Violation(f"not a request line: {first[:200]!r}")
    fields = {}
    for line in lines:
        field = FIELD.fullmatch(line) if len(line) <= LINE_MOST else None
        if field is None:
            raise Violation(f"not a header field: {line[:200]!r}")
        name = field[1].decode().lower()
        if name in fields:
            raise Violation(f"{name} twice")
        fields[name] = field[2].decode()
    if "host" not in fields:
        raise Violation("no Host")
    if "transfer-encoding" in fields:
        raise Violation("a body without a length")
    if not re.fullmatch(r"\d{1,18}", fields.get("content-length", "0")):
        raise Violation(f"Content-Length: {fields['content-length']}")
    request = Request(found[1].decode(), found[2].decode(), fields, connection)
    if request.method in ("GET", "DELETE") and request.length:
        raise Violation(f"a body with {request.method}")
    return request
