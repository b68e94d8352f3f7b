"""A file system of known kind for both sides' queues.

A relay's speed hangs on what an fsync costs, and that on the file system. As root this is a
journaled ext4 in a file of its own, mounted through a loop device; otherwise, or where mounting is
not allowed, whatever holds the temporary folder."""
import os
import pathlib
import shutil
import subprocess
import tempfile

IMAGE_MIB = 4096


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


class Disk:
    def __init__(self, own=True):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench."))
        self.base.chmod(0o755)
        self.folder, self._mounted = self.base, False
        if own and os.geteuid() == 0:
            self._mount()
        self.kind = subprocess.run(["stat", "-f", "-c", "%T", self.folder], text=True,
                                   capture_output=True).stdout.strip()
        if self._mounted:
            self.kind = "ext4, journaled, loop-mounted"

    def _mount(self):
        image, folder = self.base / "image", self.base / "mnt"
        folder.mkdir()
        # Written, not sparse: its blocks are there before anything is measured.
        made = run("dd", "if=/dev/zero", f"of={image}", "bs=1M", f"count={IMAGE_MIB}",
                   "conv=fsync") and run("mkfs.ext4", "-q", "-F", str(image))
        if made and run("mount", "-o", "loop", str(image), str(folder)):
            self.folder, self._mounted = folder, True
            folder.chmod(0o755)
        else:
            image.unlink(missing_ok=True)

    def close(self):
        if self._mounted and not run("umount", str(self.folder)):
            print(f"bench: could not unmount {self.folder}")
            return
        shutil.rmtree(self.base, ignore_errors=True)
