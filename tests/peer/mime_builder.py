"""Messages made by chance, each with the truth about it: what parts it has, called how, to the byte.

    message, parts = Builder(seed).message()

What peer.mime_maker, which another hand wrote, leaves out is in these: uuencode, charsets of East
Asia, several encoded words in a row, pieces of a name in any order, text that looks like structure.
Written without any MIME library as well: headers, boundaries and encodings are put together here, in the
many ways that mail programs have. Every part is a Part, in the order of the message."""
import base64
import binascii
import collections
import random

Part = collections.namedtuple("Part", "kind type name encoding content")

CRLF = b"\r\n"
TYPES = {"application/pdf": "pdf", "application/zip": "zip", "application/octet-stream": "bin",
         "image/png": "png", "image/jpeg": "jpg", "text/csv": "csv", "text/plain": "txt",
         "application/x-unheard-of": "bin", "audio/mpeg": "mp3"}
TEXT_TYPES = {"text/plain": "txt", "text/html": "html"}
LETTERS = {"utf-8": "aZ9 _-äß€日本語Ж😀", "iso-8859-1": "abc äöüß", "iso-8859-15": "abc €ŠŽ",
           "windows-1251": "abc Жизнь", "koi8-r": "abc привет", "shift_jis": "abc日本語カナ",
           "iso-2022-jp": "abc日本語", "gb18030": "abc中文字", "big5": "abc中文字",
           "euc-kr": "abc한국어", "windows-1252": "abc €„“é"}
ATTRIBUTE_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
BOUNDARY_CHARS = ATTRIBUTE_CHARS + "'()+,/:=?"


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


class Builder:
    MAX_DEPTH = 5

    def __init__(self, seed, max_size=200 << 10, is_plain=False):
        """`is_plain`: without what some library is known to read wrongly."""
        self.is_plain = is_plain
        self.random = random.Random(seed)
        self.max_size = max_size
        self.numbers = collections.Counter()
        self.boundaries = 0

    # ---- chance ----

    def often(self):
        return self.random.random() < 0.7

    def seldom(self):
        return self.random.random() < 0.15

    def pick(self, things):
        return self.random.choice(list(things))

    def size(self):
        """Mostly small, now and then large; often next to what a buffer or a group holds."""
        large = self.random.random() ** 6 * self.max_size
        return self.pick([0, 1, 2, 3, 4, 57, 58, 4095, 4096, 4097, int(large), int(large)])

    def case(self, word):
        return self.pick([word, word.lower(), word.upper()])

    # ---- names ----

    def letters(self, charset):
        length = self.pick([1, 5, 12, 30])
        name = "".join(self.pick(LETTERS[charset]) for _ in range(length)).strip()
        return (name or "x") + self.pick([".pdf", ".tar.gz", "", ".docx"])

    def parameter(self, key):
        """(what is written, the name that is meant)."""
        form = self.pick([self.plain, self.quoted, self.extended, self.continued, self.word,
                          self.raw])
        return form(key)

    def plain(self, key):
        name = "".join(self.pick(ATTRIBUTE_CHARS) for _ in range(8)).strip(".") or "x"
        return f"{self.case(key)}={name}".encode(), name

    def quoted(self, key):
        name = "a " + "".join(self.pick("ab\";=()<>@,:?[] ") for _ in range(9)) + "z.txt"
        return f'{key}="{escaped(name)}"'.encode(), name

    def percent(self, data):
        return "".join(chr(b) if chr(b) in ATTRIBUTE_CHARS else
                       self.pick(["%%%02X", "%%%02x"]) % b for b in data)

    def extended(self, key):
        charset = self.pick(LETTERS)
        name = self.letters(charset)
        language = self.pick(["", "en", "de-AT"])
        value = self.percent(name.encode(charset))
        return f"{key}*={self.case(charset)}'{language}'{value}".encode(), name

    def continued(self, key):
        """Cut anywhere, also within a character, and in any order."""
        charset = self.pick(LETTERS)
        name = self.letters(charset)
        data, pieces = name.encode(charset), []
        while data:
            length = self.random.randint(1, 7)
            pieces.append(self.percent(data[:length]))
            data = data[length:]
        written = [f"{key}*{i}*=" + (f"{charset}''" if i == 0 else "") + piece
                   for i, piece in enumerate(pieces)]
        if self.seldom():
            self.random.shuffle(written)
        return self.pick(["; ", ";\r\n\t", ";\r\n "]).join(written).encode(), name

    def word(self, key):
        """RFC 2047 in quotes, as it should not be and is."""
        charset = self.pick(LETTERS)
        name = self.letters(charset)
        cut = self.random.randint(0, len(name))
        words = [self.encoded_word(part, charset) for part in (name[:cut], name[cut:]) if part]
        return f'{key}="'.encode() + self.pick([b" ", b"\r\n "]).join(words) + b'"', name

    def encoded_word(self, text, charset):
        data = text.encode(charset)
        if self.often():
            return f"=?{self.case(charset)}?B?{base64.b64encode(data).decode()}?=".encode()
        quoted = "".join(chr(b) if chr(b).isalnum() and b < 128 else "_" if b == 32 else
                         f"={b:02X}" for b in data)
        return f"=?{charset}?{self.pick('Qq')}?{quoted}?=".encode()

    def raw(self, key):
        """Bytes as they are: UTF-8, or what is none and is read as windows-1252."""
        charset = self.pick(["utf-8", "windows-1252"])
        name = self.letters(charset)
        try:
            name.encode(charset).decode()
            charset = "utf-8"
        except UnicodeDecodeError:
            pass
        return f'{key}="'.encode() + name.encode(charset) + b'"', name

    # ---- headers ----

    def field(self, name, value, *parameters):
        fold = self.pick([b" ", b"\r\n ", b"\r\n\t"])
        value = value.encode() if isinstance(value, str) else value
        written = [value, *parameters]
        return self.case(name).encode() + self.pick([b": ", b":", b":  "]) + \
            self.pick([b";" + fold, b"; "]).join(written) + CRLF

    def header(self, fields):
        self.random.shuffle(fields)
        more = [self.field("X-Filler", "x" * self.random.randint(0, 200)),
                self.field("Content-Description", "something; name=no.txt")]
        return b"".join(fields + [f for f in more if self.seldom()]) + CRLF

    # ---- content and encodings ----

    def data(self):
        size, kind = self.size(), self.random.random()
        if kind < 0.5:
            return self.random.randbytes(size)
        return self.lines(size)

    def lines(self, size):
        """Text with all that may be taken for something else, in lines of any length."""
        out, left = [], size
        while left > 0:
            line = self.pick([b"", b"--", b"--no boundary", b"=", b"From me", b".", b"Subject: x",
                              b"begin 644 x", b"end", b"---", b"x" * self.random.randint(0, 5000),
                              b"word " * self.random.randint(0, 15)]) + CRLF
            out.append(line)
            left -= len(line)
        return b"".join(out)[:size]

    def identity(self):
        content = self.lines(self.size())
        return "identity", content, content

    def base64(self):
        content = self.data()
        coded = base64.b64encode(content)
        width = self.pick([76, 76, 4, 60, 61, 998, 1 << 20])
        end = self.pick([b"", CRLF, CRLF + CRLF])
        coded = CRLF.join(coded[i:i + width] for i in range(0, len(coded), width)) + end
        if self.seldom(): # without its padding
            coded = coded.replace(b"=", b"")
        if self.seldom(): # what is not of the alphabet
            coded = coded.replace(b"Q", b"Q !")
        return "base64", coded, content

    def quoted_printable(self):
        content = self.data()
        out, column = bytearray(), 0
        width = self.pick([76, 20, 900])
        for i, byte in enumerate(content):
            if content[i:i + 2] == CRLF and self.often():
                code = CRLF
            elif byte == 10 and out[-2:] == CRLF and content[i - 1] == 13:
                continue # the second half of the line end just written
            elif 33 <= byte <= 126 and byte not in b"=-":
                code = bytes([byte])
            elif byte == 32 and i + 1 < len(content) and content[i + 1] not in b"\r\n ":
                code = b" "
            else:
                code = f"={byte:02X}".encode() if self.often() else f"={byte:02x}".encode()
            if column + len(code) >= width and code != CRLF:
                out += b"=" + (b"" if self.is_plain else self.pick([b"", b"", b" ", b"\t"])) + CRLF
                column = 0
            out += code
            column = 0 if code == CRLF else column + len(code)
        return "quoted-printable", bytes(out), content

    def uuencode(self):
        content = self.data()
        lines = [binascii.b2a_uu(content[i:i + 45], backtick=self.often()).rstrip(b"\n")
                 for i in range(0, len(content), 45)]
        if self.seldom():
            lines = [line.rstrip(b" ") for line in lines]
        return "uuencode", CRLF.join([b"begin 644 some file", *lines, b"`", b"end", b""]), content

    def encoding_field(self, encoding):
        if encoding == "identity":
            word = self.pick(["7bit", "8bit", "binary", "x-unheard-of", None])
            return [self.field("Content-Transfer-Encoding", word)] if word else []
        word = self.pick(["x-uuencode", "uuencode"]) if encoding == "uuencode" else encoding
        return [self.field("Content-Transfer-Encoding", self.case(word))]

    # ---- parts ----

    def made_name(self, stem, kind, ending):
        return f"{stem}-{self.numbers[kind]}.{ending}"

    def leaf(self, is_related):
        kind = self.pick(["text", "text", "attachment", "attachment", "attachment", "image"])
        self.numbers[kind] += 1
        coder = self.pick([self.identity, self.base64, self.base64, self.quoted_printable,
                           self.uuencode if kind == "attachment" else self.base64])
        encoding, coded, content = coder()
        make = {"text": self.text, "image": self.image, "attachment": self.attachment}[kind]
        type_, name, fields, begin = make(is_related)
        part = Part(kind, type_, name, encoding, content)
        fields += self.encoding_field(encoding)
        # Where nothing but the blank line is left, it may be missing no more than that.
        return begin + self.header(fields) + coded, [part]

    def text(self, _):
        type_ = self.pick(TEXT_TYPES)
        fields = [self.field("Content-Type", self.case(type_), b"charset=utf-8")]
        if type_ == "text/plain" and self.seldom():
            fields = []
        if self.seldom():
            fields.append(self.field("Content-Disposition", "inline"))
        return type_, self.made_name("text", "text", TEXT_TYPES[type_]), fields, b""

    def image(self, is_related):
        type_ = self.pick(["image/png", "image/jpeg"])
        parameters, name = [], None
        if self.often():
            written, name = self.parameter("name")
            parameters.append(written)
        fields = [self.field("Content-Type", type_, *parameters)]
        by_id = is_related and self.often()
        if by_id:
            fields.append(self.field("Content-ID", "<1@x>"))
        if not by_id or self.seldom():
            fields.append(self.field("Content-Disposition", self.case("inline")))
        return type_, name or self.made_name("image", "image", TYPES[type_]), fields, b""

    def attachment(self, _):
        type_ = self.pick(TYPES)
        in_type, in_disposition = self.often(), self.often()
        type_parameters, disposition_parameters, name = [], [], None
        if in_type:
            written, name = self.parameter("name")
            type_parameters.append(written)
        if in_disposition:
            written, name = self.parameter("filename")
            disposition_parameters.append(written)
        fields = [self.field("Content-Type", self.case(type_), *type_parameters)]
        if in_disposition or not in_type or type_.startswith(("image/", "text/")):
            fields.append(self.field("Content-Disposition", self.case("attachment"),
                                     *disposition_parameters))
        name = name or self.made_name("attachment", "attachment", TYPES[type_])
        return type_, name, fields, b""

    # ---- multiparts and messages ----

    def boundary(self, outer):
        """Often one that begins as the one around it does, or the other way round."""
        self.boundaries += 1
        mark = f"{self.boundaries}."
        own = "".join(self.pick(BOUNDARY_CHARS) for _ in range(self.random.randint(1, 60)))
        return self.pick([mark + own, (outer or "") + mark, outer[:-1] + "'" + mark if outer else mark])

    def multipart(self, depth, outer, is_related):
        boundary = self.boundary(outer)
        subtype = self.pick(["mixed", "alternative", "related", "signed", "report", "x-new"])
        related = is_related or subtype == "related"
        children = [self.entity(depth + 1, boundary, related)
                    for _ in range(self.random.randint(1, 4))]
        blanks = self.pick([b"", b"", b" ", b"\t "])
        line = b"--" + boundary.encode()
        body = self.pick([b"", b"not seen: preamble\r\n--" + boundary.encode() + b"x\r\n"])
        body += b"".join(line + blanks + CRLF + data + CRLF for data, _ in children)
        body += line + b"--" + blanks + self.pick([CRLF if self.is_plain else b"", CRLF,
                                                            b"\r\nnot seen: epilogue\r\n"])
        quoted = f'boundary="{boundary}"'.encode()
        fields = [self.field("Content-Type", f"multipart/{subtype}",
                             *self.pick([(quoted,), (b"x=y", quoted), (quoted, b'charset="x"')]))]
        return self.header(fields) + body, [p for _, parts in children for p in parts]

    def attached_message(self, depth, outer):
        subject = self.pick([None, "Some subject"])
        form = self.pick(["bare", "bare", "attachment", "named"])
        fields = [self.field("Content-Type", "message/rfc822")]
        name = None
        if form != "bare":
            self.numbers["message"] += 1
        if form == "named":
            written, name = self.parameter("filename")
            fields.append(self.field("Content-Disposition", "inline", written))
        if form == "attachment":
            fields.append(self.field("Content-Disposition", "attachment"))
            name = f"{subject}.eml" if subject else self.made_name("message", "message", "eml")
        header = self.header(fields)
        inner, parts = self.entity(depth + 1, outer, False)
        inner = self.field("From", "someone@example.net") + inner
        if subject:
            inner = self.field("Subject", subject) + inner
        if form != "bare":
            parts = [Part("message", "message/rfc822", name, "identity", inner)] + parts
        return header + inner, parts

    def entity(self, depth, outer, is_related):
        if depth < self.MAX_DEPTH:
            form = self.random.random()
            if form < (0.9 if depth == 0 else 0.25):
                return self.multipart(depth, outer, is_related)
            if form > 0.9:
                return self.attached_message(depth, outer)
        return self.leaf(is_related)

    def message(self):
        data, parts = self.entity(0, "", False)
        return self.field("Received", "from a by b") + self.field("Subject", "outer") + data, parts
