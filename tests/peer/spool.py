"""Reads a spool as docs/spool.md describes it: where each message's record lies."""
import struct

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECORD = struct.Struct("<8s Q Q Q Q Q Q Q I I I I I I I I") # up to the first group's cell
RECORD_BYTES, BLOCK, OWN = 128, 4096, 2


class Record:
    """Its bytes are [begin, end) of the segment at `path`. In a segment of its own it begins with
    the commit block, without which it does not count."""

    def __init__(self, path, begin, end):
        self.path, self.begin, self.end = path, begin, end


def id_text(number):
    return "".join(ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))


def _records_of(path):
    data = path.read_bytes()
    if data[:8] != b"PSTNSEG1":
        return
    is_own = struct.unpack_from("<I", data, 20)[0] == OWN
    at = data.find(b"PSTNREC1", BLOCK)
    while at >= 0:
        fields = RECORD.unpack_from(data.ljust(at + RECORD_BYTES, b"\0"), at)
        offset, number, body, envelope = fields[2], fields[3], fields[5], fields[8]
        if offset == at: # else it is some message's text
            end = at + RECORD_BYTES + (envelope + 7) // 8 * 8 + body
            yield id_text(number), Record(str(path), BLOCK if is_own else at, end)
        at = data.find(b"PSTNREC1", at + 8)


def records(state_dir):
    """{id: Record} of all segments. Of a spool in which nothing was recycled."""
    return {name: record for path in sorted((state_dir / "spool").glob("*/*.seg"))
            for name, record in _records_of(path)}
