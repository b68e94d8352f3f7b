#!/usr/bin/python3
"""OP04, OP05, OP07, SP54, SP61: the console's start page and those of the system in a browser, on real gateways.
The half that is done in the browser stands in tests/browser/shows/start.mjs and system.mjs."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.chromium import Chromium, Site
from peer.net import Client
from peer.servers import ScriptedServer

chromium = Chromium()


def stored(site):
    return site.gateway.rows("profile", "list")


# ---- the start page ----

def test_OP04_the_start_page_leads_from_nothing_to_the_first_mail(t):
    site, server = Site(t, accounts=["admin"]), ScriptedServer(t)

    def make_rule():
        site.gateway.put_rule("Inbound", "Relay")
        site.gateway.wait_rules()
    chromium.show("start.first_steps", site, to="somebody@example.test", calls={
        "make_profile": lambda: site.gateway.put_profile("Relay", [server]), "make_rule": make_rule})
    message, = server.messages
    assert message.recipients == ["somebody@example.test"], message.recipients


def test_OP04_figures_move_by_themselves_and_nothing_else_does(t):
    site, server = Site(t, accounts=["admin"]), ScriptedServer(t)
    site.gateway.put_profile("Relay", [server])
    site.gateway.put_rule("Inbound", "Relay")
    site.gateway.wait_rules()

    def send(count):
        for _ in range(count):
            with Client(site.gateway.port) as client:
                assert client.deliver(b"Subject: x\r\n\r\nx\r\n", recipients=["to@example.test"]).code == 250
    chromium.show("start.figures", site, calls={"send": send})


def test_OP04_a_gateway_that_does_not_answer_is_told_and_what_was_known_stays(t):
    site = Site(t, accounts=["admin"])
    chromium.show("start.no_answer", site)
    return chromium.show("start.no_end", site)


# ---- the system ----

def with_relay(t, accounts=("admin",)):
    site, server = Site(t, accounts=accounts), ScriptedServer(t)
    site.gateway.put_profile("Relay", [server])
    return site, server


def test_OP04_settings_are_made_and_a_test_alert_arrives(t):
    site, server = with_relay(t)
    chromium.show("system.settings", site, profile="Relay", mailbox="it@example.test")
    stored_now = site.gateway.ctl_json("settings", "show")
    assert stored_now["postmaster"] == {"mailbox": "it@example.test", "profile": "Relay"}, stored_now
    assert (stored_now["alerts"]["to"], stored_now["alerts"]["queue_length"]) == (["it@example.test"], 77), stored_now
    message, = suite.wait_for("the alert", lambda: server.messages)
    assert message.recipients == ["it@example.test"], message.recipients


def test_SP54_settings_that_somebody_else_saved_are_not_overwritten_unasked(t):
    site, _ = with_relay(t)

    def put(mailbox):
        file = t.path("settings.json")
        file.write_text(json.dumps({"postmaster": {"mailbox": mailbox, "profile": "Relay"}}))
        site.gateway.ctl("settings", "put", file)

    def mailbox():
        return site.gateway.ctl_json("settings", "show")["postmaster"]["mailbox"]
    put("first@example.test")
    chromium.show("system.settings_conflict", site, calls={"change": lambda: put("theirs@example.test"), "mailbox": mailbox})


def test_OP04_accounts_are_made_changed_and_ended(t):
    site, passwords = Site(t, accounts=["admin"]), ("the third lamp on the left", "an umbrella in the desert")
    for password in passwords:
        site.gateway.secrets.note({"password": password})
    chromium.show("system.accounts", site, name="Eve", password=passwords[0], next=passwords[1])
    assert [a["name"] for a in site.gateway.rows("account", "list")] == ["admin"]


def test_OP04_the_last_administrator_stays(t):
    site = Site(t, accounts=["admin"])
    chromium.show("system.last_admin", site)
    assert [a["name"] for a in site.gateway.rows("account", "list")] == ["admin"]


def test_OP05_the_audit_log_is_filtered(t):
    site, _ = with_relay(t, accounts=("admin", "viewer"))
    site.gateway.put_rule("Inbound", "Relay")
    chromium.show("system.audit", site, found="Inbound", hidden="Relay")


def test_OP07_what_was_exported_is_imported_again(t):
    site, server = with_relay(t)
    site.gateway.put_rule("Inbound", "Relay")

    def empty():
        site.gateway.ctl("rule", "delete", "Inbound")
        site.gateway.ctl("profile", "delete", "Relay")
    chromium.show("system.transfer", site, profile="Relay", calls={
        "empty": empty, "stop_server": server.stop, "profiles": lambda: [p["name"] for p in stored(site)]})
    assert "not tested" in site.gateway.ctl("audit", "list")


def test_SP61_a_new_key_is_made_when_one_says_so(t):
    site, _ = with_relay(t)
    chromium.show("system.new_key", site)
    assert "key rotated" in site.gateway.ctl("audit", "list")


if __name__ == "__main__":
    try:
        suite.run(globals())
    finally:
        chromium.close()
