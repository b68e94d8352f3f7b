"""Programs of Debian packages that are not installed, because they cannot be beside others (two mail
systems): downloaded, unpacked below build/, and kept there."""
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

from .suite import ROOT

KEPT = ROOT / "build/unpacked"
FETCH_S = 100 # with a new index, where the old one is missing or names what is no longer there


@contextlib.contextmanager
def _alone():
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command, folder=None):
    return subprocess.run(command, cwd=folder, text=True, stdin=subprocess.DEVNULL, timeout=FETCH_S,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, LC_ALL="C"))


def _fetch(folder, packages):
    download = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages)
    done = _run(*download, folder=folder)
    if done.returncode != 0:
        index = _run("apt-get", "-q", "update")
        done = _run(*download, folder=folder)
        assert done.returncode == 0, f"{' '.join(download)}:\n{index.stdout}{done.stdout}"


class Unpacked:
    """`packages`: the one with the program, and those of its libraries that are not everywhere."""

    def __init__(self, packages):
        name = f"{packages[0]}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
        self.folder = KEPT / name
        with _alone():
            if not self.folder.exists():
                self._make(packages)
        self.libraries = os.pathsep.join(
            {str(file.parent) for file in self.folder.glob("**/lib/*-linux-gnu*/*.so*")})

    def _make(self, packages):
        """Under its name only when it is whole."""
        new = tempfile.mkdtemp(prefix="new.", dir=KEPT)
        os.chmod(new, 0o755)
        try:
            _fetch(new, packages)
            for package in (f for f in os.listdir(new) if f.endswith(".deb")):
                done = _run("dpkg", "-x", package, "root", folder=new)
                assert done.returncode == 0, done.stdout
            os.rename(f"{new}/root", self.folder)
        finally:
            shutil.rmtree(new)

    def library(self, name):
        return next(self.folder.glob(f"usr/lib/*-linux-gnu*/{name}"))

    def program(self, path):
        """Its path, when all that it needs is there; as an ordinary program, whatever its bits say:
        what lies in build/ makes nobody root."""
        program = self.folder / path
        program.chmod(0o755)
        done = subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE,
                              env=dict(os.environ, LD_LIBRARY_PATH=self.libraries))
        missing = [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
        assert done.returncode == 0 and not missing, f"{path} needs {missing}: name their packages"
        return program
