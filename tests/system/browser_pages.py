#!/usr/bin/python3
"""OP03, OP04: every page of the console in a browser: for all people, on all screens, for viewers, and fast."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.chromium import PASSWORDS, Chromium, Site
from peer.furnished import Furnished
from peer.servers import smtp_source

LONG = bool(os.environ.get("POSTERN_LONG"))
PROFILE = {"name": "Forged", "type": "smtp", "servers": ["192.0.2.1"]}

chromium = Chromium()


def walked(site):
    """Name, path and heading of each page; `fields`: those of an editor."""
    profile_id, rule_id = site.id_of("profile", "Exchange"), site.id_of("rule", "Inbound")
    return [
        {"name": "dashboard", "path": "/", "heading": "Dashboard"},
        {"name": "profiles", "path": "/profiles", "heading": "Server profiles"},
        {"name": "profile-new", "path": "/profiles/new", "heading": "New server profile"},
        {"name": "profile", "path": f"/profiles/{profile_id}", "heading": "Exchange", "fields": True},
        {"name": "rules", "path": "/rules", "heading": "Security rules"},
        {"name": "rule-new", "path": "/rules/new", "heading": "New security rule"},
        {"name": "rule", "path": f"/rules/{rule_id}", "heading": "Inbound", "fields": True},
        {"name": "queue", "path": "/queue", "heading": "Queue"},
        {"name": "message", "path": f"/queue/{site.ids['deferred']}", "heading": "Message"},
        {"name": "quarantine", "path": "/quarantine", "heading": "Quarantine"},
        {"name": "blocked-message", "path": f"/quarantine/{site.ids['quarantined']}", "heading": "Message"},
        {"name": "failed", "path": "/failed", "heading": "Failed"},
        {"name": "failed-message", "path": f"/failed/{site.ids['failed']}", "heading": "Message"},
        {"name": "settings", "path": "/settings", "heading": "Settings", "fields": True},
        {"name": "accounts", "path": "/accounts", "heading": "Accounts"},
        {"name": "audit", "path": "/audit", "heading": "Audit log"},
        {"name": "help", "path": "/help", "heading": "Help"},
        {"name": "not-found", "path": "/nowhere", "heading": "Not found"},
    ]


EMPTY = [{"name": "profiles-empty", "path": "/profiles", "heading": "Server profiles"},
         {"name": "rules-empty", "path": "/rules", "heading": "Security rules"},
         {"name": "queue-empty", "path": "/queue", "heading": "Queue"},
         {"name": "quarantine-empty", "path": "/quarantine", "heading": "Quarantine"},
         {"name": "failed-empty", "path": "/failed", "heading": "Failed"},
         {"name": "dashboard-empty", "path": "/", "heading": "Dashboard"},
         {"name": "settings-empty", "path": "/settings", "heading": "Settings"}]
LOG_IN = [{"name": "log-in", "path": "/", "heading": "Log in"}]
FIRST = [{"name": "first-account", "path": "/", "heading": "Welcome to Postern"}]
CHANGED = ("/", "/profiles", "/rules", "/queue", "/quarantine", "/failed")
HIDDEN = ("/profiles/new", "/rules/new", "/accounts")


def test_OP03_viewers_find_nothing_to_press_and_are_refused(t):
    site = Furnished(t)
    pages = [p for p in walked(site) if p.get("fields") or p["path"] in CHANGED]
    before, queue = site.gateway.ctl("export"), site.gateway.queue()
    chromium.show("guards.viewer_sees_no_buttons", site, pages=pages, hidden=HIDDEN)
    held = site.ids["held"]
    chromium.show("guards.viewer_is_refused", site, changes=[
        ["POST", "/profiles?test=skip", PROFILE], ["PUT", "/profiles/1?test=skip", PROFILE],
        ["DELETE", "/profiles/1", None], ["POST", "/profiles/test", PROFILE], ["POST", "/rules", {}],
        ["POST", "/rules/1/move", {"position": 2}], ["DELETE", "/rules/1", None], ["PUT", "/settings", {}],
        ["POST", "/import", {}],
        ["POST", "/servers/drain", {"profile": "Partner", "server": "smtp://127.0.0.1:1"}],
        ["POST", f"/queue/{held}/release", None], ["DELETE", f"/queue/{held}", None],
        ["POST", "/accounts", {"name": "eve", "password": PASSWORDS["admin"], "role": "admin"}]])
    assert (site.gateway.ctl("export"), site.gateway.queue()) == (before, queue)
    assert len(site.gateway.rows("account", "list")) == 2


def walk(show, site, pages, **given):
    return chromium.show(show, site, pages=pages, seconds=300, **given)


def told(less):
    return f"less than serious: {', '.join(less) or 'nothing'}"


def test_OP04_every_page_can_be_used_by_all_and_fits_every_screen(t):
    """axe-core in light and dark, 360 to 2560 pixels, and nothing that a browser complains of."""
    site = Furnished(t)
    return told(walk("walk.every_page", site, walked(site), isAll=True, **{"as": "admin"}))


def test_OP04_so_can_those_before_there_is_anything(t):
    site = Site(t, accounts=())
    less = walk("walk.every_page", site, FIRST)
    site.add_account("admin", "admin")
    less += walk("walk.every_page", site, LOG_IN)
    return told(less + walk("walk.every_page", site, EMPTY, **{"as": "admin"}))


if os.environ.get("POSTERN_SCREENSHOTS"):
    @suite.deadline(600)
    def test_OP04_pictures_of_every_page(t):
        site = Furnished(t)
        return f"{walk('walk.pictures', site, walked(site), **{'as': 'admin'})} in build/screenshots"

    def test_OP04_pictures_of_those_before_there_is_anything(t):
        site = Site(t, accounts=())
        count = walk("walk.pictures", site, FIRST)
        site.add_account("admin", "admin")
        count += walk("walk.pictures", site, LOG_IN) + walk("walk.pictures", site, EMPTY, **{"as": "admin"})
        return f"{count} in build/screenshots"

def test_OP04_the_first_load(t):
    site = Site(t, accounts=["admin"])
    found = chromium.show("speed.first_load", site)
    return f"{found['bytes'] / 1024:.1f} KiB packed, painted after {found['paint_ms']:.0f} ms, " \
           f"readable after {found['ms']:.0f} ms"


@suite.deadline(3600 if LONG else suite.DEADLINE_S)
def test_OP04_a_long_queue(t):
    site, count = Site(t, accounts=["admin"], segment_size="64M"), 1_000_000 if LONG else 20_000
    site.gateway.put_profile("later", ["smtp://127.0.0.1:1"], retry={"first": 3600, "max": 14400})
    site.gateway.put_rule("later", "later")
    site.gateway.wait_rules()
    for first in range(0, count, 50_000):
        smtp_source(site.gateway.port, min(50_000, count - first), size=300, seconds=600)
    found = chromium.show("speed.long_list", site, table="Queue", link="Queue")
    return f"{count} messages: the list opens in {found['open_ms']:.0f} ms, its next page in {found['next_ms']:.0f} ms"


if __name__ == "__main__":
    try:
        suite.run(globals())
    finally:
        chromium.close()
