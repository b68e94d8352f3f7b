"""An OAuth 2.0 token server: gives out tokens as a test wants, and remembers who asked."""
import http.server
import json
import threading
import urllib.parse


class TokenServer:
    """`answer` is a function of (server, form) that returns (status, body as object or text), or
    None for a fresh token with a life of `lives` seconds. All that were given are in `tokens`."""

    def __init__(self, t, tls, lives=3600, answer=None):
        self.lives, self.answer = lives, answer
        self.forms, self.tokens, self.count = [], set(), 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, body = owner._reply(dict(urllib.parse.parse_qsl(text)))
                body = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass # clients that turn away are what tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True,
                                              do_handshake_on_connect=False)
        self.port = self._server.server_port
        self.url = f"https://127.0.0.1:{self.port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        t.on_close(self.stop)

    def _reply(self, form):
        self.forms.append(form)
        said = self.answer(self, form) if self.answer else None
        return said if said is not None else self.fresh()

    def fresh(self):
        self.count += 1
        token = f"token-{self.count}-that-nobody-may-see"
        self.tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.lives}

    def stop(self):
        if self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._thread = None
