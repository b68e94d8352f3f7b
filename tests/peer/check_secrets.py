#!/usr/bin/python3
"""A secret that a test's gateway has let out is found, however it is written."""
import base64
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway


def test_a_secret_that_turns_up_is_found(t):
    secret = "tell-nobody-of-it"
    for before in ("", "\0", "\0a\0", "user\0"): # each way to begin in base64
        with suite.Scratch("postern-secret") as scratch:
            gateway = Gateway(scratch, start=False)
            gateway.secrets.note({"servers": [], "oauth": {"client_secret": secret}})
            assert gateway.secrets.found() == ""
            gateway.log.write_bytes(b"AUTH PLAIN " + base64.b64encode(f"{before}{secret}".encode()))
            assert "posternd.log" in gateway.secrets.found(), before
            gateway.log.write_text(f"password={secret}")
            assert "posternd.log" in scratch.reports()
            gateway.log.write_text("nothing")
            scratch.path("profile.json").write_text(secret) # the test's own
            assert scratch.reports() == ""


if __name__ == "__main__":
    suite.run(globals())
