"""A small HTTP/1.1 server, strict with its clients, that fails where a test wants it to.

    class Greeter(WebServer):
        CALLS = [("greet", "GET", "/hello/([a-z]+)")]

        def on_greet(self, request, name):
            return Reply(200, {"hello": name})

    server = Greeter()                              # listens; close() ends it
    server.faults.add("greet", Status(503), nth=2)  # peer.web_faults

One thread per connection, which is kept alive. What a client does that HTTP/1.1 does not allow, or
that these products do not take (chunked bodies, octets beyond ASCII in a field), is answered 400 and
noted in `violations`. Requests as they came are in `log`, without their bodies."""
import collections
import json
import re
import select
import socket
import ssl
import struct
import sys
import threading
import traceback
import urllib.parse

from .web_content import Content
from .web_faults import Faults
from .web_message import HEAD_MOST, Over, Reply, Violation, parse_head

PIECE = 256 << 10


class WebServer:
    """`CALLS`: (name, method, the path as an expression) for each on_<name>(request, groups...),
    which returns a Reply; they run one at a time, under `lock`. `tls`: an SSLContext."""

    CALLS = ()

    def __init__(self, port=0, tls=None, base=""):
        self.tls, self.base, self.idle_s = tls, base, None
        self.faults = Faults()
        self.lock = threading.RLock()
        self.calls = collections.Counter() # as they came, whatever became of them
        self.connections, self.most_at_once = 0, 0
        self.violations, self.log = [], collections.deque(maxlen=100_000)
        self._routes = [(name, method, re.compile(re.escape(base) + path))
                        for name, method, path in self.CALLS]
        self._sessions, self._listener, self.port = set(), None, port
        self.up()

    # ---- being there ----

    def up(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._accepts = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepts.start()

    def down(self):
        """Connections are refused, and the open ones cut."""
        if self._listener is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepts.join(10)
        self._listener = None
        with self.lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.cut()
        for session in sessions:
            session.thread.join(10)

    close = down

    def hang_up_idle(self):
        """Closes the connections on which nothing is under way; how many there were."""
        idle = self._idle()
        for session in idle:
            session.cut()
        return len(idle)

    def _idle(self):
        with self.lock:
            return [s for s in self._sessions if s.is_idle]

    @property
    def idle(self):
        """So many wait for a request. One becomes it after its client has the answer."""
        return len(self._idle())

    @property
    def open(self):
        return len(self._sessions)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{self.base}"

    def _accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.connections += 1
                session = _Session(self, connection, self.connections)
                self._sessions.add(session)
                self.most_at_once = max(self.most_at_once, len(self._sessions))
            session.thread.start()

    def gone(self, session):
        with self.lock:
            self._sessions.discard(session)

    # ---- requests ----

    def route(self, request):
        for name, method, path in self._routes:
            found = path.fullmatch(request.path) if method == request.method else None
            if found is not None:
                request.call = name
                request.arguments = [urllib.parse.unquote(group) for group in found.groups()]
                break
        with self.lock:
            self.calls[request.call] += 1
            self.log.append(request)

    def answer(self, request):
        if request.call == "none":
            return Reply(404, "<html>404 Not Found</html>", "text/html")
        with self.lock:
            return getattr(self, f"on_{request.call}")(request, *request.arguments)

    def report(self):
        with self.lock:
            return {"calls": dict(self.calls), "connections": self.connections,
                    "most_at_once": self.most_at_once, "violations": list(self.violations)}


class _Session:
    def __init__(self, server, connection, number):
        self.server, self.socket, self.number = server, connection, number
        self.rest, self.is_idle, self.request = b"", False, None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server.tls is not None:
                self.socket = self.server.tls.wrap_socket(self.socket, server_side=True,
                                                          do_handshake_on_connect=False)
                self.socket.do_handshake()
            while True:
                self._serve()
        except (Over, OSError, ssl.SSLError):
            pass
        except Exception:
            traceback.print_exc(file=sys.stdout)
            self.server.violations.append(f"the stand-in failed: {traceback.format_exc(limit=-1)}")
        finally:
            self.server.gone(self)
            self.socket.close()

    def cut(self):
        """From another thread."""
        try:
            self._shut(socket.SHUT_RDWR)
        except OSError:
            pass

    def _shut(self, how):
        socket.socket.shutdown(self.socket, how) # of TCP, whatever runs over it

    def _serve(self):
        request = self._read_head()
        if self.request is not None:
            self.request.is_read = True
        self.request = request
        self.server.route(request)
        fault = self.server.faults.pick(request)
        fault.on_head(self, request)
        if request.fields.get("expect") == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = self._read_body(request, fault)
        reply = fault.answer(self, request, self.server.answer)
        request.status, request.body = reply.status, None
        fault.send(self, reply)
        if request.fields.get("connection", "").lower() == "close":
            raise Over

    # ---- octets ----

    def send(self, octets):
        self.socket.sendall(octets)

    def _more(self, most=PIECE):
        octets = self.socket.recv(most)
        if not octets:
            raise Over
        return octets

    def _read_head(self):
        self.is_idle = not self.rest
        self.socket.settimeout(self.server.idle_s)
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            if len(self.rest) > HEAD_MOST:
                self._refuse(f"a head of more than {HEAD_MOST} octets")
            self.rest += self._more()
            self.is_idle = False
        head, self.rest = self.rest[:end], self.rest[end + 4:]
        if self.server.idle_s is not None:
            self.socket.settimeout(None)
        try:
            return parse_head(head, self.number)
        except Violation as violation:
            self._refuse(str(violation))

    def _refuse(self, why):
        with self.server.lock:
            self.server.violations.append(why)
        self.send(Reply(400, {"err": why}).octets("Connection: close\r\n"))
        self.linger()
        raise Over

    def _read_body(self, request, fault):
        content, missing = Content(), request.length or 0
        while missing:
            piece, self.rest = (self.rest[:missing], self.rest[missing:]) if self.rest else \
                (self._more(min(missing, PIECE)), b"")
            content.append(piece)
            missing -= len(piece)
            fault.on_body(self, request, content.size)
        return content

    # ---- for faults ----

    def wait(self, seconds=None):
        """Reads nothing; Over when the client is gone."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        if poll.poll(None if seconds is None else seconds * 1000):
            raise Over

    def linger(self, seconds=5):
        """Nothing more is said, and what comes is thrown away, so that the client can read what was
        said before: nginx's lingering close."""
        self._shut(socket.SHUT_WR)
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(PIECE):
                pass
        except (OSError, ssl.SSLError):
            pass

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Over


def run_alone(server):
    """A server as a process of its own, which says its port and answers each line on its standard
    input with its report, a line of JSON, until that ends. It keeps no content."""
    server.keeps = 0
    print(server.port, flush=True)
    for _ in sys.stdin:
        print(json.dumps(server.report()), flush=True)
    server.close()
