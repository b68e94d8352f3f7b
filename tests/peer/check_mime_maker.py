#!/usr/bin/python3
"""The messages of mime_maker are what they are said to be: Python's email package finds the same in
them."""
import collections
import email
import email.header
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.mime_maker import HUGE, make, plain

COUNT = 400
RAW = re.compile('name="([^"\\\\]*[\udc80-\udcff][^"\\\\]*)"') # which the package does not give out


def name_of(part):
    """What the package makes of a name, and of what it leaves to its callers: encoded words, and octets
    that are no ASCII."""
    name = part.get_filename()
    if name is None:
        return None
    if "\ufffd" in name:
        name = raw_name(part)
    if "=?" in name:
        name = str(email.header.make_header(email.header.decode_header(name)))
    return name.replace("\\", "/").rpartition("/")[2]


def raw_name(part):
    field = next(v for n, v in part.raw_items() if RAW.search(v))
    octets = RAW.search(field)[1].encode("utf-8", "surrogateescape")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("windows-1252")


def is_text(part):
    return part.get_content_maintype() == "text" and part.get_filename() is None and \
        part.get_content_disposition() != "attachment"


def walk(message, within, found):
    """(kind, name, octets) of all parts, as the package sees them."""
    kind = message.get_content_type()
    if kind == "message/rfc822":
        inner, = message.get_payload()
        if message.get_content_disposition() == "attachment" or message.get_filename() is not None:
            found.append(("message", name_of(message), None))
        walk(inner, None, found)
    elif message.is_multipart():
        for part in message.get_payload():
            walk(part, kind, found)
    else:
        disposition = message.get_content_disposition()
        is_image = message.get_content_maintype() == "image" and disposition != "attachment" and (
            disposition == "inline" or within == "multipart/related" and "Content-ID" in message)
        sort = "text" if is_text(message) else "image" if is_image else "attachment"
        found.append((sort, name_of(message), message.get_payload(decode=True)))


def test_another_parser_finds_the_same_parts(t):
    """What is left to a reader of names is looked at for its end only; "long" is cut by none but ours."""
    hows, kinds, defects = collections.Counter(), collections.Counter(), collections.Counter()
    for seed in range(COUNT):
        made, found = make(seed, huge=seed % 100 == 99), []
        message = email.message_from_bytes(made.message)
        walk(message, None, found)
        defects.update(type(d).__name__ for p in message.walk() for d in p.defects)
        assert [f[0] for f in found] == [p.kind for p in made.parts], (seed, found, made.parts)
        for (kind, name, octets), part in zip(found, made.parts):
            where = (seed, part, name)
            assert part.name is None or name == part.name, where
            assert (name or "").endswith(part.name_ends), where
            if kind == "message":
                assert made.message.count(part.bytes) == 1, where
            else:
                assert octets == part.bytes, (where, octets[:300], part.bytes[:300])
            kinds[kind] += 1
            hows[part.how.partition("name ")[2].split(",")[0].split()[0]] += 1
    assert not defects, defects
    assert len(hows) >= 9 and min(hows.values()) > 20, hows
    return dict(kinds)


def depth_of(message):
    inner = message.get_payload() if message.is_multipart() else []
    return 1 + max(map(depth_of, inner), default=0)


def test_they_are_lines_that_smtp_can_carry_and_of_every_sort(t):
    sizes, depths, ways = collections.Counter(), [], collections.Counter()
    for seed in range(COUNT):
        made = make(seed, huge=seed % 100 == 99)
        lines = made.message.split(b"\r\n")
        assert lines[-1] == b"" and max(map(len, lines)) <= 998, seed
        assert not re.search(rb"[\r\n\0]", b"".join(lines)), seed
        stuffed = made.stuffed.split(b"\r\n")
        assert b"." not in stuffed and [l[l.startswith(b"."):] for l in stuffed] == lines, seed
        assert seed > 50 or make(seed).message == made.message
        message = email.message_from_bytes(made.message)
        depths.append(depth_of(message))
        ways.update(str(p["Content-Transfer-Encoding"]).lower() for p in message.walk()
                    if not p.is_multipart())
        for part in message.walk():
            if str(part["Content-Transfer-Encoding"]).lower() == "quoted-printable":
                assert not re.search(r"[ \t](\r\n|$)|[^\r\n]{77}", part.get_payload()), seed
        for part in made.parts:
            size = len(part.bytes)
            sizes["0" if not size else "< 64 KiB" if size < 1 << 16 else
                  "< 1 MiB" if size < HUGE else "huge"] += 1
    assert min(sizes[s] for s in ("0", "< 64 KiB", "< 1 MiB", "huge")) > 0, sizes
    assert max(depths) >= 8 and min(depths) == 1, depths # 6 of several, messages within counted too
    assert set(ways) == {"base64", "quoted-printable", "8bit", "7bit", "binary", "none"}, ways
    return f"{dict(sizes)}, as deep as {max(depths)}"


def test_a_plain_one_is_as_asked_for(t):
    wanted = {"a.txt": b"", "b.bin": bytes(range(256)) * 9}
    made, found = plain(3, wanted, header=b"X-Odd: 1\r\n", text=b"text\r\n"), []
    message = email.message_from_bytes(made.message)
    walk(message, None, found)
    assert found == [("text", None, b"text\r\n")] + [("attachment", n, c) for n, c in wanted.items()]
    assert [(p.kind, p.name, p.bytes) for p in made.parts] == found and message["X-Odd"] == "1"


if __name__ == "__main__":
    suite.run(globals())
