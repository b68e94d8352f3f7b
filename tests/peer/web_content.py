"""Octets that came, as many as there are: in memory while they are few, else in a file without a
name."""
import hashlib
import tempfile

KEPT = 4 << 20
PIECE = 1 << 20


class Content:
    def __init__(self):
        self.size = 0 # the end of the last octet
        self._memory, self._file = bytearray(), None

    def write(self, offset, octets):
        if self._file is None and offset + len(octets) > KEPT:
            self._file = tempfile.TemporaryFile(buffering=0)
            self._file.write(self._memory)
            self._memory = None
        if self._file is not None:
            self._file.seek(offset)
            self._file.write(octets)
        else:
            missing = offset + len(octets) - len(self._memory)
            if missing > 0:
                self._memory += bytes(missing)
            self._memory[offset:offset + len(octets)] = octets
        self.size = max(self.size, offset + len(octets))

    def append(self, octets):
        self.write(self.size, octets)

    def pieces(self):
        if self._file is None:
            yield bytes(self._memory)
            return
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield piece

    def copy_to(self, other, offset):
        for piece in self.pieces():
            other.write(offset, piece)
            offset += len(piece)

    def digest(self, name):
        state = hashlib.new(name)
        for piece in self.pieces():
            state.update(piece)
        return state.hexdigest()

    @property
    def bytes(self):
        """None: there were too many to keep."""
        return None if self._file is not None else bytes(self._memory)

    def holds(self, marker):
        tail = b""
        for piece in self.pieces():
            if marker in tail + piece:
                return True
            tail = (tail + piece)[1 - len(marker):] if len(marker) > 1 else b""
        return False

    def forget(self):
        """All but the size."""
        if self._file is not None:
            self._file.close()
        self._memory, self._file = bytearray(), None
