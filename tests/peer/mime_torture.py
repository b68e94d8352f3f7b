"""Messages as they should not be, what we make of them, and where others differ and why.

CASES: name -> Case. `ours` is [(kind, name, content)] in the message's order. What the others find
is a list of contents in that order: `python` and `mime_tools` decoded, `gmime` as it lies in the
message; None means the same as ours (messages as a whole are left out: no other lists them). `why`
says what a difference comes from."""
import collections

Case = collections.namedtuple("Case", "message ours python gmime mime_tools why")
CASES = {}

MIXED = "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"


def lines(text):
    """Of "\\n" and of characters up to U+00FF: bytes with "\\r\\n"."""
    return text.replace("\n", "\r\n").encode("latin-1") if isinstance(text, str) else text


def contents(listed):
    return None if listed is None else [lines(content) for content in listed]


def case(name, message, ours, why="", python=None, gmime=None, mime_tools=None):
    assert name not in CASES
    assert bool(why) == any(found is not None for found in (python, gmime, mime_tools))
    CASES[name] = Case(lines(message), [(kind, called, lines(content)) for kind, called, content in ours],
                       contents(python), contents(gmime), contents(mime_tools), why)


case("no header", "\nHello\n", [("text", "text-1.txt", "Hello\n")])

case("nothing but text", "Hello there\nyou\n", [("text", "text-1.txt", "Hello there\nyou\n")],
     why="they take the first line for a header that is broken",
     gmime=[],
     mime_tools=[""])

case("no closing boundary",
     MIXED + "--b\n\none\n--b\nContent-Type: a/b; name=c\n\ntwo\n",
     [("text", "text-1.txt", "one"), ("attachment", "c", "two\n")],
     why="Python takes the last line end for that of a boundary",
     python=["one", "two"])

case("a boundary that never comes",
     MIXED + "--x\n\none\n--x--\n",
     [("attachment", "attachment-1.bin", "--x\n\none\n--x--\n")],
     why="for them all of it is preamble, which nobody is shown",
     gmime=[],
     mime_tools=[""])

case("no boundary parameter",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--b\n\none\n--b--\n",
     [("attachment", "attachment-1.bin", "--b\n\none\n--b--\n")],
     why="for GMime all of it is preamble",
     gmime=[])

case("no blank line between header and content",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: base64\nQUJD\n\n--b--\n",
     [("attachment", "c", "ABC")],
     why="for them the header goes on to the blank line",
     gmime=[""],
     mime_tools=[""])

case("an unknown encoding",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: x-rot13\n\nQUJD=\n--b--\n",
     [("attachment", "c", "QUJD=")])

case("base64 with an odd tail",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: base64\n\nQUJDRA\n--b--\n",
     [("attachment", "c", "ABCD")])

case("base64 with garbage in it",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: base64\n\nQU!J\x80D\n*RA==\n--b--\n",
     [("attachment", "c", "ABCD")])

case("base64 that goes on behind its padding",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: base64\n\nQQ==\nQkNE\n--b--\n",
     [("attachment", "c", "ABCD")],
     why="Python ends there; MIME-tools loses count of the groups",
     python=["A"],
     mime_tools=["A\x04$4"])

case("base64 declared on a multipart",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
     "Content-Transfer-Encoding: base64\n\nLS1iDQoNCm9uZQ0KLS1iLS0NCg==\n",
     [("attachment", "attachment-1.bin", "--b\n\none\n--b--\n")],
     why="for them all of it is preamble",
     gmime=[],
     mime_tools=[""])

case("base64 declared on a multipart that is none",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
     "Content-Transfer-Encoding: base64\n\n--b\n\none\n--b--\n",
     [("text", "text-1.txt", "one")])

case("base64 around a message",
     MIXED + "--b\nContent-Type: message/rfc822; name=m.eml\nContent-Transfer-Encoding: base64\n\n"
     "U3ViamVjdDogeQ0KDQpvbmU=\n--b--\n",
     [("attachment", "m.eml", "Subject: y\n\none")],
     why="Python decodes no message, and MIME-tools finds none",
     python=["U3ViamVjdDogeQ0KDQpvbmU="],
     mime_tools=[""])

case("quoted-printable with mistakes",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: quoted-printable\n\n"
     "a=ZZ=3Db= \nc=\n--b--\n",
     [("attachment", "c", "a=ZZ=bc")],
     why="a blank behind a soft line break is none for Python; MIME-tools ends with one more",
     python=["a=ZZ=b= \nc"],
     mime_tools=["a=ZZ=bc="])

case("uuencode within text",
     "Subject: x\n\nhere:\nbegin 644 a.bin\n#04)#\n`\nend\n",
     [("text", "text-1.txt", "here:\nbegin 644 a.bin\n#04)#\n`\nend\n")])

case("uuencode declared",
     MIXED + "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: x-uuencode\n\n"
     "begin 644 a.bin\n#04)#\n`\nend\n--b--\n",
     [("attachment", "c", "ABC")])

case("line feeds alone",
     b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n\n--b\n\ntwo\n--b--\n",
     [("text", "text-1.txt", b"one\n"), ("text", "text-2.txt", "two")])

case("a long content type",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed;" + "\n a=b;" * 17000 +
     " boundary=b\n\n--b\n\none\n--b--\n",
     [("text", "text-1.txt", "one")])

case("boundaries that begin alike",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
     "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n",
     [("text", "text-1.txt", "one"), ("text", "text-2.txt", "two")])

case("empty parts",
     MIXED + "--b\nContent-Type: a/b; name=c\n\n--b\nContent-Type: a/b; name=d\n\n\n--b--\n",
     [("attachment", "c", ""), ("attachment", "d", "")])

case("an inner multipart that is not closed",
     MIXED + "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n",
     [("text", "text-1.txt", "one"), ("text", "text-2.txt", "two")])

case("a part behind the closing boundary",
     MIXED + "--b\n\none\n--b--\n--b\n\ntwo\n",
     [("text", "text-1.txt", "one")])

case("no line end behind the last boundary",
     MIXED + "--b\n\none\n--b--",
     [("text", "text-1.txt", "one")],
     why="GMime drops half of the line end before such a boundary",
     gmime=["one\r"])

case("a boundary in the middle of a long line",
     MIXED + "--b\n\n" + "x" * 4013 + "--b--\nmore\n--b--\n",
     [("text", "text-1.txt", "x" * 4013 + "--b--\nmore")],
     why="where its buffer of 4 KiB ends GMime sees the begin of a line",
     gmime=["x" * 4011])

case("a boundary like an encoded word",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=?us-ascii?Q?b?=\"\n\n"
     "--=?us-ascii?Q?b?=\n\none\n--=?us-ascii?Q?b?=--\n",
     [("text", "text-1.txt", "one")],
     why="GMime decodes it",
     gmime=[])

case("a parameter without a value",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; junk; boundary=b\n\n"
     "--b\n\none\n--b--\n",
     [("text", "text-1.txt", "one")],
     why="they read no parameter behind it",
     gmime=[],
     mime_tools=["--b\n\none\n--b--\n"])

case("two content types",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain\n"
     "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
     [("text", "text-1.txt", "--b\n\none\n--b--\n")],
     why="of two GMime takes the last",
     gmime=["one"])

case("a digest",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n"
     "--b\n\nSubject: y\n\none\n--b--\n",
     [("text", "text-1.txt", "one")])

case("a delivery report",
     "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n"
     "--b\n\nfailed\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
     "Status: 5.0.0\n--b\nContent-Type: message/rfc822\n\nSubject: y\n\nback\n--b--\n",
     [("text", "text-1.txt", "failed"),
      ("attachment", "attachment-1.txt", "Reporting-MTA: dns; x\n\nStatus: 5.0.0"),
      ("text", "text-2.txt", "back")],
     why="Python reads a status as messages without content",
     python=["failed", "", "", "back"])

case("an attached message",
     MIXED + "--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n"
     "Subject: y\n\none\n\n--b--\n",
     [("message", "y.eml", "Subject: y\n\none\n"), ("text", "text-1.txt", "one\n")])
