"""The secrets that a test gave to a gateway, and where they must not be found again (SP60).

They are picked out of whatever is handed to posternctl. At the test's end all that the gateway left
behind is searched for them, as they are and in base64: its log and errors, what posternctl printed,
the command lines of its processes, and its folder with the store, but for the key."""
import base64
import json
import pathlib

NAMES = {"password", "api_key", "client_secret", "refresh_token"}
SHORTEST = 8 # a shorter one may be anywhere by chance


def _in_base64(secret):
    """The parts that do not depend on what stands before and behind, for each way to begin."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret).decode()
        yield text[(0, 2, 3)[shift]:-4]


class Secrets:
    def __init__(self, gateway):
        self._gateway, self._values, self._printed = gateway, set(), []

    def note(self, value):
        """Of a profile, or of anything that holds some."""
        if isinstance(value, dict):
            for name, member in value.items():
                if name in NAMES and isinstance(member, str) and len(member) >= SHORTEST:
                    self._values.add(member)
                self.note(member)
        elif isinstance(value, list):
            for member in value:
                self.note(member)

    def note_input(self, arguments, stdin):
        texts = [stdin or ""]
        for argument in arguments:
            try:
                texts.append(pathlib.Path(str(argument)).read_text())
            except (OSError, ValueError):
                continue
        for text in texts:
            try:
                self.note(json.loads(text))
            except ValueError:
                continue # what is no JSON has no secrets by name

    def note_output(self, done):
        if self._values:
            self._printed.append(f"{done.args[3:]}\n{done.stdout}{done.stderr}")

    def note_processes(self, pids):
        for pid in pids if self._values else []:
            try:
                self._printed.append(pathlib.Path(f"/proc/{pid}/cmdline").read_text())
            except OSError:
                continue

    def _forms(self):
        for secret in self._values:
            yield secret, secret.encode()
            for text in _in_base64(secret.encode()):
                if len(text) >= SHORTEST:
                    yield secret, text.encode()

    def _places(self):
        yield "what was printed, or on a command line", "\n".join(self._printed).encode()
        folder = self._gateway.folder
        for path in [*sorted(folder.rglob("*")), self._gateway.scratch.path("posternd.stderr.log")]:
            if path.is_file() and path != folder / "store.key":
                yield str(path.relative_to(self._gateway.scratch.folder)), path.read_bytes()

    def found(self):
        """Where, in words; "" if nowhere."""
        if not self._values:
            return ""
        forms = list(self._forms())
        return "\n".join(f"the secret {secret!r} is in {name}" for name, content in self._places()
                         for secret, form in forms if form in content)
