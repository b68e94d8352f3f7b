"""Debian's Chromium, driven by tests/browser/run.mjs, at the console of a gateway.

    site = Site(t)                                  # a gateway with a console, an admin and a viewer
    chromium = Chromium()                           # one for all tests; it starts when it is needed
    chromium.show("profiles.made_by_mouse", site, server="smtp://127.0.0.1:2525")

show() runs a function of tests/browser/shows/ and returns what that returns; AssertionError with what
was on the screen when it failed. `calls` are what the function may ask the test to do in between.
"""
import json
import os
import pathlib
import select
import shutil
import subprocess
import time

from .console import console_of, listen_at
from .gateway import Gateway
from .net import free_port
from .suite import ROOT, Skip, end_process

FOLDER = ROOT / "tests/browser"
SHOW_S = 60
PASSWORDS = {"admin": "four swallows over the harbour", "viewer": "a kettle that never sings"}


class Site:
    """`accounts`: those there are, named by their roles. More goes to the Gateway."""

    def __init__(self, t, accounts=("admin", "viewer"), console=None, workers=1, **options):
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.gateway = Gateway(t, workers=workers, console=listen_at(self.port, **(console or {})), **options)
        console_of(self.gateway)
        self.accounts = {}
        for role in accounts:
            self.add_account(role, role)

    def add_account(self, name, role):
        password = PASSWORDS[role]
        self.gateway.secrets.note({"password": password})
        self.gateway.ctl("account", "add", name, "--role", role, stdin=f"{password}\n")
        self.accounts[name] = {"name": name, "password": password}
        return self.accounts[name]


class Chromium:
    def __init__(self):
        self._process, self._rest = None, b""

    def _start(self):
        if shutil.which("node") is None or not (FOLDER / "node_modules/playwright-core").exists():
            raise Skip("tests/browser is not installed: ./dev test does it")
        self._process = subprocess.Popen(["node", FOLDER / "run.mjs"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        self._hear(SHOW_S)

    def close(self):
        if self._process is None:
            return
        process, self._process = self._process, None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            end_process(process)
        process.stdout.close()

    def _say(self, what):
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()

    def _hear(self, seconds):
        out, deadline = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise AssertionError(f"no answer of the browser within {seconds} s")
            octets = os.read(out, 65536)
            if not octets:
                raise AssertionError(f"the browser has ended with {self._process.wait(10)}")
            self._rest += octets
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def show(self, what, site, calls=None, seconds=SHOW_S, **given):
        if self._process is None:
            self._start()
        try:
            return self._show(what, {"url": site.url, "accounts": site.accounts, **given}, calls or {}, seconds)
        except BaseException as error:
            if not isinstance(error, Failed): # it may still be at work on this one
                self._abandon()
            raise

    def _show(self, what, given, calls, seconds):
        self._say({"show": what, "given": given})
        deadline = time.monotonic() + seconds
        while True:
            heard = self._hear(max(1, deadline - time.monotonic()))
            if "failed" in heard:
                raise Failed(heard["failed"])
            if "call" not in heard:
                return heard["done"]
            try:
                answer = {"answer": calls[heard["call"]](*heard["with"])}
            except Exception as error:
                answer = {"error": repr(error)}
            self._say(answer)

    def _abandon(self):
        process, self._process, self._rest = self._process, None, b""
        process.stdin.close()
        end_process(process)
        process.stdout.close()


class Failed(AssertionError):
    """With what was on the screen."""
