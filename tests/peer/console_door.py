"""The API as the console's process asks it: over console.sock, for a browser with its cookie."""
import http.client
import json
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("gw.test:8443", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        text = response.read()
        self.text = text.decode(errors="replace")
        self.json = json.loads(text) if text else None

    @property
    def code(self):
        return (self.json or {}).get("code")

    def __repr__(self):
        return f"{self.status} {self.text[:300]}"


class Browser:
    """Keeps the cookie and the CSRF token as the page does. `headers`: instead of, or beside, the
    usual ones; None leaves one out."""

    def __init__(self, gateway, client="10.0.0.1"):
        self.path = gateway.folder / "run/console.sock"
        self.secrets = gateway.secrets
        self.client, self.cookie, self.csrf = client, None, None

    def ask(self, method, target, body=None, headers=None, raw=None):
        sent = {"Origin": "https://gw.test:8443", "Sec-Fetch-Site": "same-origin",
                "X-Postern-Client": self.client, "Cookie": self.cookie,
                "X-Postern-CSRF": self.csrf}
        data = raw
        if body is not None:
            self.secrets.note(body)
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = UnixConnection(self.path)
        try:
            connection.request(method, "/api/v1" + target, body=data,
                               headers={k: v for k, v in sent.items() if v is not None})
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        cookie = answer.headers.get("Set-Cookie")
        if cookie is not None:
            pair = cookie.split(";")[0]
            self.cookie = pair if not pair.endswith("=") else None
        return answer

    def log_in(self, name, password, expect=201):
        answer = self.ask("POST", "/sessions", {"name": name, "password": password})
        assert answer.status == expect, answer
        if answer.status == 201:
            self.csrf = answer.json["csrf"]
        return answer
