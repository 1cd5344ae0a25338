# SPDX-License-Identifier: BSD-3-Clause
"""A real sshd on the loopback address, as root or an ordinary user, who can log in by key only.

Hosts in its client configuration: `a`, `b` (both this machine), `unknown` (a host key that is
not known), `refused` (a key that is not accepted), `silent` (no sshd).
"""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from engines.daemons import Daemons, EngineError, program
from ports import free_ports

SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PrintMotd no
MaxStartups 100
SetEnv HOME={folder}/home PATH={path} LC_ALL=C.UTF-8
"""
CLIENT = """
Host unknown
  UserKnownHostsFile /dev/null
Host refused
  IdentityFile {folder}/other
Host silent
  Port {closed}
Host a b unknown silent
  IdentityFile {folder}/id
Host *
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking yes
  LogLevel ERROR
"""


class Ssh:
    def __init__(self, user=None):
        """user: the name of an ordinary user who logs in, for root only; one without a shell gets
        one in a mount namespace of sshd's own."""
        self.account = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
        self.is_other = user is not None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="achar-ssh-"))
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self):
        sshd, keygen = program("sshd"), program("ssh-keygen")
        program("ssh")
        port, closed = free_ports(2)
        for name in ("host", "id", "other"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name],
                           check=True)
        self.home = self.folder / "home"
        self.programs = self.folder / "programs"  # found first by what runs there
        self.home.mkdir()
        self.programs.mkdir()
        (self.folder / "authorized").write_text((self.folder / "id.pub").read_text())
        key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        (self.folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
        values = {"folder": self.folder, "port": port, "closed": closed,
                  "user": self.account.pw_name,
                  "path": f"{self.programs}:/usr/local/bin:/usr/bin:/bin"}
        (self.folder / "sshd_config").write_text(SERVER.format(**values))
        self.config = self.folder / "config"
        self.config.write_text(CLIENT.format(**values))
        before = self._give() if self.is_other else []
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.daemons = Daemons(self.folder)
        try:
            self.daemons.start("sshd", [*before, sshd, "-D", "-e", "-f", self.folder / "sshd_config"])
            self.daemons.wait(lambda: self.run("true").returncode == 0, "sshd lets nobody in")
        except BaseException:
            self.daemons.close()
            raise

    def _give(self):
        """What the user needs is the user's; what is to come before sshd."""
        self.folder.chmod(0o755)
        for path in (self.home, self.folder / "id", self.folder / "other", self.config):
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        accounts = self.folder / "passwd"
        accounts.write_text("".join(
            line.rpartition(":")[0] + ":/bin/sh\n" if line.startswith(self.account.pw_name + ":")
            else line for line in pathlib.Path("/etc/passwd").read_text().splitlines(True)))
        inside = f"mount --bind {accounts} /etc/passwd && exec \"$@\""
        if subprocess.run([program("unshare"), "-m", "sh", "-c", inside, "sh", "true"],
                          capture_output=True).returncode:
            raise EngineError("no right to a mount namespace, for a user without a shell")
        return [program("unshare"), "-m", "sh", "-c", inside, "sh"]

    def run(self, command):
        as_user = ["setpriv", f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}",
                   "--clear-groups"] if self.is_other else []
        return subprocess.run([*as_user, "ssh", "-F", self.config, "-o", "BatchMode=yes", "a", command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              cwd=self.folder)

    def pids(self):
        """Processes that run from a kit in its home."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.home).encode() in (
                        entry / "cmdline").read_bytes().split(b"\0")[0]:
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def close(self):
        self.daemons.close()
        shutil.rmtree(self.folder, ignore_errors=True)


__all__ = ["Ssh", "EngineError"]
