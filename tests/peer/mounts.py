"""Small file systems, to be filled up. Only root can have them."""
import os
import subprocess

from .suite import Skip


def _run(*command):
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != 0:
        raise Skip(f"{command[0]}: {done.stdout.strip()}")


class SmallDisk:
    """An ext4 of so many MiB (and inodes, if given) at `path`, until the test is over."""

    def __init__(self, scratch, path, mebibytes, inodes=None):
        if os.geteuid() != 0:
            raise Skip("only root can mount a small file system")
        image = scratch.path("small-disk.img")
        with open(image, "wb") as file:
            file.truncate(mebibytes << 20)
        _run("mkfs.ext4", "-q", "-m", "0", *(("-N", str(inodes)) if inodes else ()), image)
        path.mkdir(exist_ok=True)
        _run("mount", "-o", "loop", image, path)
        scratch.on_close(lambda: _run("umount", "--lazy", path))
        self.path = path
        self._fillers = []

    def _filler(self):
        self._fillers.append(self.path / f"filler.{len(self._fillers)}")
        return self._fillers[-1]

    def fill(self, leave=0):
        """To the last byte but `leave`, as another program's log might."""
        with open(self._filler(), "wb", buffering=0) as file:
            room = os.statvfs(self.path)
            left = room.f_bavail * room.f_frsize - leave
            try:
                os.posix_fallocate(file.fileno(), 0, max(left, 1))
                while leave == 0:
                    file.seek(0, os.SEEK_END)
                    file.write(b"x" * 4096)
            except OSError:
                pass # full

    def fill_inodes(self):
        try:
            while True:
                self._filler().touch()
        except OSError:
            self._fillers.pop()

    def free(self):
        for filler in self._fillers:
            filler.unlink(missing_ok=True)
        self._fillers.clear()
