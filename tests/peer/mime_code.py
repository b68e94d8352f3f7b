"""Content in the encodings of MIME, as many different mail programs write them."""
import base64

CRLF = b"\r\n"
WORDS = "the quick brown fox = . .. From >From -- --x Grüße здравствуй 漢字 \t =20 a=b".split(" ")
LINES = (76, 76, 76, 72, 60, 4, 984)


def text_lines(random, size):
    """About so many octets of UTF-8, some with an end of the last line, none with a bare CR or LF."""
    lines, left = [], size
    while left > 0:
        line = " ".join(random.choices(WORDS, k=random.randrange(12))) + random.choice(("", "", " "))
        lines.append(line.encode())
        left -= len(lines[-1]) + 2
    return CRLF.join(lines) + (CRLF if lines and random.randrange(2) else b"")


def base64_lines(random, content):
    """Ends with a line's end, or not."""
    width = random.choice(LINES) if len(content) < 1 << 20 else 76
    coded = base64.b64encode(content)
    lines = [coded[i:i + width] for i in range(0, len(coded), width)]
    return CRLF.join(lines) + random.choice((b"", CRLF, CRLF * 2))


def quoted_printable(random, content, ends_line):
    """A line's end of the content is one of the text where it may be, or is written =0D=0A."""
    keeps_lines, form = random.randrange(4) > 0, random.choice(("=%02X", "=%02X", "=%02x"))
    table = [bytes((n,)) if 33 <= n <= 126 and n != 61 else (form % n).encode() for n in range(256)]
    out = [_quoted_line(line, table) for line in
           (content.split(CRLF) if keeps_lines else [content])]
    coded = CRLF.join(out)
    if ends_line and content and not coded.endswith(CRLF):
        coded += b"=" + CRLF # the end that must be there is none of the content
    return coded


def _quoted_line(line, table):
    """Blanks are themselves, but for one at a line's end."""
    out, width = [], 0
    for place, octet in enumerate(line):
        is_last = place == len(line) - 1
        coded = bytes((octet,)) if octet in b" \t" and not is_last else table[octet]
        if width + len(coded) > 73:
            if out and out[-1] in (b" ", b"\t"):
                out[-1] = table[out[-1][0]] # a blank before a soft end would do, but some strip it
            out.append(b"=" + CRLF)
            width = 0
        out.append(coded)
        width += len(coded)
    return b"".join(out)
