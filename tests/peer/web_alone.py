"""A stand-in as a process of its own (web.run_alone), for what would be slowed down by it otherwise.

    vault = Alone(t, "vault")       # peer/vault_server.py; or "core"
    vault.url, vault.port, vault.pid
    vault.report()                  # its report() as of now
"""
import json
import pathlib
import subprocess
import sys

from .suite import end_process

BASES = {"vault": "/vault_rest", "core": ""}


class Alone:
    def __init__(self, scratch, name, *options):
        """`options`: of its command line, after the port."""
        script = pathlib.Path(__file__).with_name(f"{name}_server.py")
        self._process = subprocess.Popen([sys.executable, script, "0", *map(str, options)], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        scratch.on_close(lambda: end_process(self._process))
        self.port, self.base = int(self._process.stdout.readline()), BASES[name]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.base}"

    @property
    def pid(self):
        return self._process.pid

    def report(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        """Its exit status."""
        self._process.stdin.close()
        return self._process.wait(10)
