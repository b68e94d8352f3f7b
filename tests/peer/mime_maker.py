"""Messages whose parts are known, since they were made of them: for tests of what reads MIME.

    made = make(seed)
    made.message            # octets, lines end with CRLF
    made.parts              # Part(kind, name, bytes, ...), in the order in which they stand

Everything is put together by hand, octet by octet, from the seed alone. What a part counts as:

    text        a text of the message's own: text/*, without a name, not disposed as an attachment
    image       image/*, inline or within multipart/related with a Content-ID, and no attachment
    message     an attached message as a whole; its own parts follow
    attachment  every other leaf

A message that is neither disposed as an attachment nor has a name is only what its parts are."""
import base64
import random

from . import mime_name
from .mime_code import CRLF, base64_lines, quoted_printable, text_lines

SIZES = ((0, 0), (1, 3), (1, 200), (200, 5000), (5000, 60_000), (60_000, 200 << 10))
WEIGHTS = (4, 4, 20, 20, 6, 2)
HUGE = 3 << 20
TYPES = ("application/pdf", "application/octet-stream", "application/zip", "image/png", "audio/mpeg",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "text/csv",
         "application/ms-tnef", "Application/X-Odd+Type")
PREAMBLES = (b"", b"This is a multi-part message in MIME format." + CRLF,
             CRLF + b"--" + CRLF + b"-- not a boundary" + CRLF, b"." + CRLF)
EPILOGUES = (b"", CRLF, CRLF + b"-- " + CRLF + b"an epilogue" + CRLF)


class Part:
    """`name`: what must be made of its name; None: that is for its reader to find, and ends with
    `name_ends`. `how`: in words, for who reads a failure."""

    def __init__(self, kind, name, name_ends, content, how):
        self.kind, self.name, self.name_ends = kind, name, name_ends
        self.bytes, self.how = content, how

    def __repr__(self):
        return f"<{self.kind} {self.name!r} {len(self.bytes)} ({self.how})>"


class Made:
    def __init__(self, seed, message, parts):
        self.seed, self.message, self.parts = seed, message, parts

    def of(self, *kinds):
        return [p for p in self.parts if p.kind in kinds]

    @property
    def stuffed(self):
        """As SMTP wants it between DATA and the last dot."""
        text = self.message.replace(CRLF + b".", CRLF + b"..")
        return b"." + text if text.startswith(b".") else text


def make(seed, depth=6, huge=False, recipient="to@example.test"):
    """`huge`: the first of its attachments has 3 MiB."""
    return _Maker(seed, huge).message(depth, recipient)


def plain(number, attachments, header=b"", text=b"a text"):
    """One of a text and these {name: octets}, with no surprises. `header`: more lines of it."""
    parts = [Part("text", None, "", text, "text, name missing")]
    body = [b"--=b%d" % number + CRLF + b"Content-Type: text/plain" + CRLF * 2 + text + CRLF]
    for name, content in attachments.items():
        parts.append(Part("attachment", name, "", content, "plain, name in quotes"))
        body.append(b'--=b%d\r\nContent-Type: application/octet-stream\r\nContent-Disposition: '
                    b'attachment; filename="%s"\r\nContent-Transfer-Encoding: base64\r\n\r\n' %
                    (number, name.encode()) + base64.encodebytes(content).replace(b"\n", CRLF))
    top = b"Subject: plain %d\r\nMIME-Version: 1.0\r\n%s" % (number, header) + \
        b'Content-Type: multipart/mixed; boundary="=b%d"\r\n\r\n' % number
    return Made(number, top + b"".join(body) + b"--=b%d--\r\n" % number, parts)


class _Maker:
    def __init__(self, seed, huge):
        self.seed, self.huge = seed, huge
        self.random, self.parts = random.Random(f"mime {seed}"), []
        self.boundaries = 0

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    # ---- messages ----

    def message(self, depth, recipient):
        fields = [b"From: Sender <from@client.test>", b"To: <%s>" % recipient.encode(),
                  b"Subject: made %d" % self.seed, b"Message-ID: <made-%d@client.test>" % self.seed,
                  b"Date: Mon, 3 Aug 2026 10:00:00 +0000"]
        self.random.shuffle(fields)
        return Made(self.seed, self.whole(depth, fields, is_outermost=True), self.parts)

    def whole(self, depth, fields, is_outermost=False):
        """Its octets. The outermost ends with a line's end, others as they like."""
        header, body = self.multipart(depth) if depth > 0 and not self.chance(6) else \
            self.leaf("alone", ends_line=is_outermost)
        end = CRLF if is_outermost and body and not body.endswith(CRLF) else b""
        return CRLF.join([*fields, b"MIME-Version: 1.0", *header]) + CRLF * 2 + body + end

    def attached(self, depth):
        """A message within a message."""
        place = len(self.parts)
        name = mime_name.any_name(self.random, ".eml") if self.chance(2) else mime_name.NONE
        named, disposed = name is not mime_name.NONE, self.chance(2)
        inner = self.whole(depth - 1, [b"Subject: within", b"From: <inner@client.test>"])
        if named or disposed:
            self.parts.insert(place, Part("message", name.expected, name.ends, inner,
                                          f"message, name {name.how}, not coded"))
        header = [b"Content-Type: message/rfc822" + (name.in_type if not disposed else b"")]
        if disposed:
            header.append(b"Content-Disposition: attachment" + name.in_disposition)
        return header, inner

    # ---- parts of several ----

    def multipart(self, depth):
        kind = self.random.choice(("mixed",) * 5 + ("related", "related", "alternative", "signed",
                                                    "digest", "x-unknown"))
        children = getattr(self, f"children_of_{kind}", self.children_of_mixed)(depth)
        return self.joined(kind, children)

    def joined(self, kind, children):
        boundary = self.boundary(children)
        out = [self.random.choice(PREAMBLES)]
        for header, body in children:
            out += [b"--", boundary, self.random.choice((b"", b"", b"", b" ", b"\t ")), CRLF,
                    CRLF.join(header), CRLF * 2 if header else CRLF, body, CRLF]
        out += [b"--", boundary, b"--", self.random.choice(EPILOGUES)]
        written = self.random.choice((b"multipart/%s", b"Multipart/%s")) % kind.encode()
        fold = self.random.choice((b" ", CRLF + b"\t", CRLF + b" "))
        return [b"Content-Type: " + written + b";" + fold + b"boundary=" + _quoted(boundary)], \
            b"".join(out)

    def boundary(self, children):
        """Now and then what a child's begins with, or nearly."""
        self.boundaries += 1
        number = b"%d" % self.boundaries
        inner = next((c.partition(b"boundary=")[2].strip(b'"') for header, _ in children
                      for c in header if b"boundary=" in c), None)
        if inner is not None and len(inner) > 1 and self.chance(3):
            shorter = inner[:-1]
            if not shorter.endswith((b" ", b"-")) and not _is_used(shorter, children):
                return shorter
        text = self.random.choice((b"=_%s_=", b"----=_Part:%s(0)+'?/.,", b"b%s", b"a boundary with blanks %s.",
                                   b"%s" + b"x" * 60, b"--%s--x"))
        return text % number

    def children_of_mixed(self, depth):
        return [self.child(depth) for _ in range(self.random.randrange(1, 5))]

    def child(self, depth):
        if depth > 1 and self.chance(3):
            return self.multipart(depth - 1)
        if depth > 1 and self.chance(6):
            return self.attached(depth - 1)
        return self.leaf("mixed")

    def children_of_alternative(self, _depth):
        return [self.text(b"plain"), self.text(b"html")]

    def children_of_related(self, _depth):
        return [self.text(b"html")] + [self.leaf("related") for _ in range(self.random.randrange(1, 4))]

    def children_of_signed(self, _depth):
        return [self.text(b"plain"), self.attachment("application/pgp-signature")]

    def children_of_digest(self, depth):
        """Whose parts are messages without saying so."""
        return [([], self.whole(depth - 1, [b"Subject: of a digest"]))
                for _ in range(self.random.randrange(1, 3))]

    # ---- leaves ----

    def leaf(self, within, ends_line=False):
        what = self.random.randrange(10)
        if what < 3:
            return self.text(b"plain" if self.chance(2) else b"html", ends_line)
        if what < 5 or within == "related":
            return self.image(within, ends_line)
        return self.attachment(self.random.choice(TYPES), ends_line)

    def size(self, may_be_huge=False):
        if may_be_huge and self.huge:
            self.huge = False
            return HUGE
        return self.random.randint(*self.random.choices(SIZES, WEIGHTS)[0])

    def text(self, subtype, ends_line=False):
        content = text_lines(self.random, self.size())
        header, body = self.encoded(content, ends_line)
        if self.chance(4):
            header.append(b"Content-Disposition: inline")
        self.add("text", mime_name.NONE, body, "text")
        return [b"Content-Type: text/%s; charset=utf-8" % subtype, *header], body[1]

    def image(self, within, ends_line):
        """Inline by its disposition, or by being referred to; or neither, or both and attached."""
        name = mime_name.any_name(self.random, ".png")
        has_id, disposition = self.chance(2), self.random.choice((b"", b"inline", b"attachment"))
        is_inline = disposition == b"inline" or (disposition == b"" and has_id and within == "related")
        header, body = self.encoded(self.random.randbytes(self.size()), ends_line)
        if has_id:
            header.append(b"Content-ID: <image@client.test>")
        if disposition:
            header.append(b"Content-Disposition: " + disposition + name.in_disposition)
        self.add("image" if is_inline else "attachment", name, body, f"{within} {disposition}")
        return [b"Content-Type: image/png" + (b"" if disposition else name.in_type), *header], body[1]

    def attachment(self, type_, ends_line=False):
        name = mime_name.any_name(self.random, self.random.choice(mime_name.ENDS))
        is_text = type_.startswith("text/") or self.chance(5)
        size = self.size(may_be_huge=True)
        content = text_lines(self.random, size) if is_text else self.random.randbytes(size)
        header, body = self.encoded(content, ends_line)
        places = ["disposition", "type", "both"]
        if name is mime_name.NONE:
            places = ["disposition"] if type_.startswith("text/") else ["disposition", "type"]
        place = self.random.choice(places)
        if place != "type":
            header.append(b"Content-Disposition: attachment" + name.in_disposition)
        in_type = {"disposition": b"", "type": name.in_type, "both": mime_name.OTHER}[place]
        self.add("attachment", name, body, type_)
        return [b"Content-Type: " + type_.encode() + in_type, *header], body[1]

    def add(self, kind, name, body, how):
        content, coded = body
        self.parts.append(Part(kind, name.expected, name.ends, content,
                               f"{how}, name {name.how}, {len(coded)} coded"))

    def encoded(self, content, ends_line):
        """Header fields, and (the content, it in its encoding). `ends_line`: nothing behind it takes
        away its last line's end."""
        is_plain = all(len(line) <= 900 and not set(line) & {0, 10, 13}
                       for line in content.split(CRLF))
        ways = ["base64", "base64", "quoted-printable"]
        if is_plain and (not ends_line or not content or content.endswith(CRLF)):
            ways += ["8bit", "8bit", "binary", "7bit" if content.isascii() else "8bit"]
        way = self.random.choice(ways)
        coded = base64_lines(self.random, content) if way == "base64" else \
            quoted_printable(self.random, content, ends_line) if way == "quoted-printable" else content
        written = self.random.choice((way, way, way.upper(), way.capitalize()))
        says = [] if way == "7bit" and self.chance(2) else \
            [b"Content-Transfer-Encoding: " + written.encode()]
        return says, (content, coded)


def _quoted(boundary):
    is_token = not set(boundary) & set(b" ()<>@,;:\\\"/[]?=")
    return boundary if is_token and len(boundary) % 2 else b'"%s"' % boundary


def _is_used(boundary, children):
    """By a line that would end a part."""
    return any(line.rstrip() in (b"--" + boundary, b"--" + boundary + b"--")
               for _, body in children for line in body.split(CRLF))
