"""A root folder with a database of dpkg's own, in which dpkg installs packages and their scripts run, apart from this machine.

It has a shell and the few programs that scripts of packages call, copied from this machine with their libraries. Those
that would reach systemd only write down how they were called.
"""

import os
import re
import shutil
import stat
import subprocess

SERVICE_USER = 64123
PROGRAMS = ("sh", "cat", "chmod", "mkdir", "mv", "od", "rm", "rmdir", "tr", "setpriv")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# deb-systemd-helper knows no unit from before.
STUB = """#!/bin/sh
echo "${0##*/} $*" >>/calls
case "$*" in debian-installed*|*was-enabled*) exit 1 ;; esac
"""


def missing():
    """Why there can be no such root on this machine, if there can be none."""
    if os.getuid() != 0:
        return "not root"
    absent = [name for name in ("dpkg", "dpkg-deb", "dpkg-query", "chroot", "ldd", *PROGRAMS) if not shutil.which(name)]
    absent += [AUTHORITIES] * (not os.path.exists(AUTHORITIES))
    return f"no {' and no '.join(absent)} on this machine" if absent else None


class Root:
    def __init__(self, path):
        self.path = path
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "run/systemd/system", "dev", "tmp", "etc",
                       "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (path / folder).mkdir(parents=True)
        path.chmod(0o755)
        for name in ("bin", "sbin", "lib", "lib64"):
            (path / name).symlink_to(f"usr/{name}")
        for name, minor in (("null", 3), ("urandom", 9)):
            os.mknod(path / "dev" / name, stat.S_IFCHR, os.makedev(1, minor))
            (path / "dev" / name).chmod(0o666)
        for name in PROGRAMS:
            shutil.copy(shutil.which(name), path / "usr/bin" / name)
            self.copy_libraries(shutil.which(name))
        for name in ("systemctl", "deb-systemd-helper", "deb-systemd-invoke"):
            (path / "usr/bin" / name).write_text(STUB)
            (path / "usr/bin" / name).chmod(0o755)
        # What packages may depend on is there, at this machine's versions.
        (path / "etc/ssl/certs").mkdir(parents=True)
        shutil.copy(AUTHORITIES, path / "etc/ssl/certs")
        known = subprocess.run(["dpkg-query", "--status", "libc6", "libgcc-s1", "ca-certificates"], check=True, capture_output=True, text=True).stdout
        architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
        (path / "var/lib/dpkg/status").write_text(known.strip() + "\n\n")
        for name in re.findall(r"^Package: (\S+)$", known, re.MULTILINE):
            for list_of in (name, f"{name}:{architecture}"):
                (path / f"var/lib/dpkg/info/{list_of}.list").write_text("/.\n")

    def copy_libraries(self, program):
        """Brings the libraries that a program is linked with."""
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", linked):
            target = self.path / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(library, target)

    def dpkg(self, *arguments):
        (self.path / "calls").unlink(missing_ok=True)
        done = subprocess.run(["dpkg", f"--root={self.path}", "--force-confold", *map(str, arguments)], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C"}, stdin=subprocess.DEVNULL, check=False)
        # A folder that others have files in is said to stay.
        warnings = [line for line in done.stderr.splitlines() if "warning" in line and not line.endswith("not empty so not removed")]
        if done.returncode or warnings:
            raise AssertionError(f"dpkg {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        program = self.path / "usr/bin/costlake"
        if program.exists():
            self.copy_libraries(program)

    def calls(self):
        """How the programs that reach systemd were called by the last command of dpkg."""
        file = self.path / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def state(self, package):
        query = ["dpkg-query", f"--admindir={self.path}/var/lib/dpkg", "--show", "--showformat=${Status}", package]
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout
