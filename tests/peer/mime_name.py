"""Names of attachments in all the ways in which mail programs and attackers write them.

    name = any_name(random, ".pdf")
    name.in_disposition, name.in_type   # b"; filename=..." and b"; name=...", to follow a value
    name.expected                       # what a reader must make of it; None: a safe one of its own,
                                        # which ends with name.ends
    name.how                            # in a word"""
import base64
import urllib.parse

ENDS = (".pdf", ".txt", ".docx", ".zip", ".tar.gz")
WORDS = ("report", "invoice 2026", "a.b.c", "x", "Grüße", "Ärger & Ölung", "отчёт", "漢字", "naïve café")
OTHER = b'; name="this-one-does-not-count.bin"'


class Name:
    def __init__(self, how, expected, write, ends=""):
        self.how, self.expected, self.ends = how, expected, ends
        self.in_disposition, self.in_type = write(b"filename"), write(b"name")


def _plain(text):
    return lambda key: b"; " + key + b"=" + text


def _quoted(octets):
    return _plain(b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')


NONE = Name("missing", None, lambda _: b"")


def any_name(random, end):
    ways = (_token, _in_quotes, _in_quotes, _extended, _extended, _continued, _continued_extended,
            _encoded_word, _encoded_word, _raw_utf8, _raw_latin1, _hostile, _hostile, _long, _missing)
    return random.choice(ways)(random, end)


def _word(random, charset="utf-8"):
    return random.choice([w for w in WORDS if _fits(w, charset)]) + f" {random.randrange(10 ** 6)}"


def _fits(word, charset):
    try:
        word.encode(charset)
        return True
    except UnicodeEncodeError:
        return False


def _token(random, end):
    name = f"file-{random.randrange(10 ** 6)}{end}"
    return Name("token", name, _plain(name.encode()))


def _in_quotes(random, end):
    name = random.choice(("{}", 'a "b"; c={}', "(x) {}", "{}, x", "'{}'")).format(_word(random, "ascii")) + end
    return Name("in quotes", name, _quoted(name.encode()))


def _percent(octets):
    return urllib.parse.quote_from_bytes(octets, safe="").encode()


def _extended(random, end):
    """RFC 2231"""
    charset = random.choice(("utf-8", "UTF-8", "iso-8859-1", "windows-1252", "koi8-r"))
    name = _word(random, charset) + end
    language = random.choice((b"", b"en", b"de-AT"))
    coded = charset.encode() + b"'" + language + b"'" + _percent(name.encode(charset))
    return Name(f"extended {charset}", name, lambda key: b"; " + key + b"*=" + coded)


def _continued(random, end):
    name = _word(random, "ascii") + " and so on" * 9 + end
    parts = [name[i:i + 40] for i in range(0, len(name), 40)]
    return Name("continued", name, lambda key: b"".join(
        b";\r\n " + key + b'*%d="%s"' % (i, p.encode()) for i, p in enumerate(parts)))


def _continued_extended(random, end):
    """The pieces end anywhere, within a character too; the last is not percent-encoded."""
    name = _word(random) + " und so fort ß" * 5
    octets = name.encode()
    pieces = [_percent(octets[i:i + 13]) for i in range(0, len(octets), 13)]
    pieces[0] = b"utf-8''" + pieces[0]
    return Name("continued, extended", name + end, lambda key: b"".join(
        b";\r\n\t" + key + b"*%d*=%s" % (i, p) for i, p in enumerate(pieces))
        + b";\r\n\t" + key + b'*%d="%s"' % (len(pieces), end.encode()))


def _encoded_word(random, end):
    """RFC 2047, which is not for parameters, and everywhere in them."""
    charset = random.choice(("utf-8", "UTF-8", "iso-8859-1", "windows-1252"))
    name = _word(random, charset) + end
    octets = name.encode(charset)
    if random.randrange(2):
        words = [b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(octets))]
    else:
        q = b"".join(bytes((o,)) if chr(o).isalnum() and o < 128 or o in b".-" else
                     b"_" if o == 32 else b"=%02X" % o for o in octets)
        words = [b"=?%s?q?%s?=" % (charset.encode(), q)]
    return Name(f"encoded word {charset}", name, _plain(b'"' + b" ".join(words) + b'"'))


def _raw_utf8(random, end):
    name = _word(random) + end
    return Name("raw UTF-8", name, _quoted(name.encode()))


def _raw_latin1(random, end):
    name = random.choice(("Grüße", "café", "5 € pour Noël")) + f" {random.randrange(1000)}{end}"
    return Name("raw windows-1252", name, _quoted(name.encode("windows-1252")))


def _hostile(random, end):
    """What remains of those with one is what follows the last separator."""
    name = f"file {random.randrange(10 ** 6)}{end}"
    before, expected = random.choice((
        ("../../../etc/", name), ("/etc/", name), ("C:\\Windows\\", name), ("..\\..\\", name),
        ("a/../b\\", name), ("evil\x01\x1b[2J", None), ("\u202egnp.", None), ("\u2066", None)))
    octets = (before + name).encode()
    if expected is None:
        coded = b"utf-8''" + _percent(octets)
        return Name(f"hostile {before!r}", None, lambda key: b"; " + key + b"*=" + coded, end)
    return Name(f"hostile {before!r}", expected, _quoted(octets))


def _long(random, end):
    octets = ("lang ü" * random.randrange(60, 300) + end).encode()
    pieces = [_percent(octets[i:i + 250]) for i in range(0, len(octets), 250)]
    pieces[0] = b"utf-8''" + pieces[0]
    return Name("long", None, lambda key: b"".join(
        b";\r\n " + key + b"*%d*=%s" % (i, p) for i, p in enumerate(pieces)), end)


def _missing(_random, _end):
    return NONE
