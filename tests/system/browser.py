#!/usr/bin/python3
"""OP03, OP04, SP50, SP51, SP54: the console's page in a browser, on real gateways: what one does there, and what it
did to the gateway. The half that is done in the browser stands in tests/browser/shows/."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.chromium import PASSWORDS, Chromium, Site
from peer.servers import ScriptedServer

TRIES = 3
CODE = re.compile(r"([0-9A-Z]{5}(?:-[0-9A-Z]{5}){3})")

chromium = Chromium()


def uris(*servers):
    return [f"smtp://127.0.0.1:{s.port}" for s in servers]


def stored(site):
    return site.gateway.rows("profile", "list")


def profile(site, name):
    return site.gateway.ctl_json("profile", "show", name)


# ---- who one is ----

def test_OP04_the_first_account_is_made_with_the_code_from_the_log(t):
    site = Site(t, accounts=())
    code = suite.wait_for("a code in the log", lambda: CODE.search(site.gateway.log_text()))[1]
    chromium.show("sign_in.first_account", site, code=code, name="alice", password=PASSWORDS["admin"])
    account, = site.gateway.rows("account", "list")
    assert (account["name"], account["role"]) == ("alice", "admin"), account


def test_OP04_log_in_stays_over_a_reload_and_ends_with_log_out(t):
    chromium.show("sign_in.log_in", Site(t, accounts=["admin"]))


def test_OP04_wrong_passwords_are_counted_and_make_one_wait(t):
    site = Site(t, accounts=["admin"], console={"login_tries": TRIES})
    chromium.show("sign_in.wrong_password", site, tries=TRIES)


def test_OP04_a_session_that_ends_leads_to_log_in_and_back_to_the_same_place(t):
    site = Site(t, accounts=["admin"])

    def end_sessions(): # as a new password does
        site.gateway.ctl("account", "passwd", "admin", stdin=f"{PASSWORDS['admin']}\n")
    chromium.show("sign_in.session_end", site, calls={"end_sessions": end_sessions})
    chromium.show("sign_in.session_end_in_a_dialog", site, calls={"end_sessions": end_sessions})
    chromium.show("sign_in.session_end_while_watching", site, calls={"end_sessions": end_sessions})


def test_OP04_a_session_that_nobody_uses_ends_although_the_page_refreshes_itself(t):
    site = Site(t, accounts=["admin"], console={"session_idle": "5s"}) # longer than between two refreshes
    chromium.show("sign_in.session_end_while_watching", site, calls={"end_sessions": lambda: None})


def test_OP04_a_new_password_of_one_s_own_ends_the_other_sessions(t):
    chromium.show("sign_in.own_password", Site(t, accounts=["admin"]), password=PASSWORDS["viewer"])


# ---- server profiles ----

def test_OP04_a_profile_is_made_by_mouse(t):
    site, servers = Site(t, accounts=["admin"]), [ScriptedServer(t), ScriptedServer(t)]
    chromium.show("profiles.made_by_mouse", site, servers=uris(*servers))
    made = profile(site, "By mouse")
    assert (made["type"], made["servers"]) == ("smtp", uris(*servers)), made
    assert "account=admin" in site.gateway.ctl("audit", "list")


def test_OP04_a_profile_is_made_by_keyboard_only(t):
    site, servers = Site(t, accounts=["admin"]), [ScriptedServer(t), ScriptedServer(t)]
    chromium.show("profiles.made_by_keyboard", site, link="Make the first profile", servers=uris(*servers))
    made = profile(site, "By keyboard")
    assert (made["servers"], made["preference"]) == (uris(*servers), "round_robin"), made


def test_SP50_a_failed_test_blocks_saving_and_names_the_step(t):
    site, good = Site(t, accounts=["admin"]), ScriptedServer(t)
    bad = ScriptedServer(t, replies={"EHLO": "550 5.7.1 not for you", "HELO": "550 5.7.1 not for you"})
    chromium.show("profiles.failed_test", site, name="Relay", servers=uris(good, bad), step="EHLO",
                  reason="not for you", calls={"stored": lambda: stored(site), "mend": bad.replies.clear})
    assert profile(site, "Relay")["servers"] == uris(good, bad)


def test_SP51_saving_untested_is_confirmed_and_noted(t):
    site = Site(t, accounts=["admin"])
    chromium.show("profiles.saved_untested", site, name="Later", server="smtp://127.0.0.1:1",
                  calls={"stored": lambda: stored(site)})
    assert profile(site, "Later")
    assert "not tested" in site.gateway.ctl("audit", "list")


def test_SP50_mistakes_stand_beside_their_fields_all_at_once(t):
    site = Site(t, accounts=["admin"])
    chromium.show("profiles.mistakes", site)
    assert not stored(site)


def test_SP54_an_edit_conflict_shows_both_versions(t):
    site, (one, mine, theirs) = Site(t, accounts=["admin"]), [ScriptedServer(t) for _ in range(3)]
    site.gateway.put_profile("Relay", [one])
    before = profile(site, "Relay")
    both = uris(one, theirs)

    def change():
        site.gateway.put_profile("Relay", both, max_recipients=7)
    chromium.show("profiles.conflict", site, id=before["id"], name="Relay", mine=uris(mine)[0],
                  theirs=uris(theirs)[0], stored=both,
                  calls={"change": change, "servers": lambda: profile(site, "Relay")["servers"]})
    after = profile(site, "Relay mine")
    assert (after["servers"], after["max_recipients"]) == (both, 7), after


# ---- order ----

def test_OP04_servers_are_reordered_by_dragging_and_by_keys_and_stay_so(t):
    site, servers = Site(t, accounts=["admin"]), [ScriptedServer(t) for _ in range(3)]
    for way, order in (("mouse", (1, 2, 0)), ("keys", (0, 2, 1))):
        site.gateway.put_profile(way, servers)
        chromium.show(f"order.servers_by_{way}", site, id=profile(site, way)["id"], servers=uris(*servers))
        assert profile(site, way)["servers"] == [uris(*servers)[i] for i in order], way


# ---- security rules ----

def rule_names(site):
    return [r["name"] for r in site.gateway.rows("rule", "list")]


def with_rules(t):
    site, names = Site(t, accounts=["admin"]), ["First", "Second", "Third"]
    site.gateway.put_profile("relay", [ScriptedServer(t)])
    for name in names:
        site.gateway.put_rule(name, "relay", [f"*@{name}.test"])
    return site, names


def test_SR01_the_first_rule_is_made(t):
    site = Site(t, accounts=["admin"])
    site.gateway.put_profile("relay", [ScriptedServer(t)])
    chromium.show("rules.first_rule", site)
    made = site.gateway.ctl_json("rule", "show", "Inbound")
    assert (made["match"]["recipients"], made["relay"]) == (["*@example.test"], "relay"), made


def test_OP04_rules_are_reordered_by_dragging_and_by_keys_at_once_with_undo(t):
    site, names = with_rules(t)
    calls = {"order": lambda: rule_names(site)}
    chromium.show("rules.undone", site, rules=names, calls=calls)
    chromium.show("rules.reordered", site, rules=names, calls=calls)
    assert rule_names(site) == ["Second", "First", "Third"]


def test_OP04_places_of_many_rules_are_one_figure_each(t):
    site, _ = with_rules(t)
    site.add_account("viewer", "viewer")
    for i in range(4, 13):
        site.gateway.put_rule(f"Rule {i}", "relay", [f"*@number{i}.test"])
    chromium.show("rules.many", site, count=12)


def test_SR06_the_page_says_which_rule_would_take_a_message(t):
    site, _ = with_rules(t)
    chromium.show("rules.which", site, to="somebody@second.test", rule="Second")


# ---- who may not ----

PROFILE = {"name": "Forged", "type": "smtp", "servers": ["192.0.2.1"]}


def test_OP03_a_change_without_the_session_s_token_is_refused(t):
    site = Site(t, accounts=["admin"])
    chromium.show("guards.token_is_needed", site, profile=PROFILE, calls={"stored": lambda: stored(site)})
    assert [p["name"] for p in stored(site)] == ["Forged"], "that with its own token"


def test_OP03_pages_of_other_origins_change_and_learn_nothing(t):
    site, paper = Site(t, accounts=["admin"]), Authority(t).issue("other", ["IP:127.0.0.1"])
    chromium.show("guards.other_origins_are_refused", site, profile=PROFILE, key=str(paper.key),
                  certificate=str(paper.certificate))
    assert not stored(site)
    refused = re.findall(r"method=POST path=/api/v1/profiles status=403", site.gateway.log_text())
    assert len(refused) >= 2, "the form's and the script's"



if __name__ == "__main__":
    try:
        suite.run(globals())
    finally:
        chromium.close()
