# SPDX-License-Identifier: BSD-3-Clause
"""A kernel of an ordinary user: by root one that runs as `nobody`, by anybody else one's own.

    with User() as user:
        session = user.session()
"""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from session import Session

# Jupyter writes the connection file for itself alone.
START = """\
for word; do case $word in *.json) chown {user} "$word";; esac; done
exec setpriv --reuid={uid} --regid={gid} --clear-groups "$@"
"""


class User:
    def __init__(self, achar, name="nobody", environment=()):
        """environment: what the kernel gets beside what leads to the folder."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="achar-user-"))
        self.account = pwd.getpwnam(name) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.achar, self.sessions, self.patch = achar, [], pytest.MonkeyPatch()
        self.home = self.folder / "home"
        self.environment = {
            "HOME": str(self.home), "TMPDIR": str(self.folder / "tmp"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_CACHE_HOME": str(self.home / ".cache"), **dict(environment)}
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _set_up(self):
        for path in (self.folder, self.home, self.folder / "tmp"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        subprocess.run([self.achar, "install", "--prefix", self.folder / "prefix"], check=True,
                       capture_output=True, timeout=30)
        jupyter = self.folder / "prefix/share/jupyter"
        self._change(jupyter / "kernels/achar/kernel.json")
        self.patch.setenv("JUPYTER_PATH", str(jupyter))
        self.patch.delenv("ACHAR_KEYS", raising=False)
        done = self.run(self.achar, "--version")
        if done.returncode:
            pytest.skip(f"'{self.achar}' is not for '{self.account.pw_name}' to run: {done.stderr}")

    def _change(self, spec):
        kernel = json.loads(spec.read_text())
        kernel["env"] = {**kernel.get("env", {}), **self.environment}
        if os.getuid() == 0:
            start = self.folder / "start"
            start.write_text("#!/bin/sh\n" + START.format(
                user=self.account.pw_name, uid=self.account.pw_uid, gid=self.account.pw_gid))
            start.chmod(0o755)
            kernel["argv"].insert(0, str(start))
        spec.write_text(json.dumps(kernel))

    def run(self, *argv):
        """A program as this user."""
        before = ["setpriv", f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}",
                  "--clear-groups"] if os.getuid() == 0 else []
        return subprocess.run([*before, *map(str, argv)], cwd=self.folder, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def session(self):
        self.sessions.append(Session(self.home))
        return self.sessions[-1]

    def pids(self):
        """Processes that are this user's and know the folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if (entry.name.isdigit() and entry.stat().st_uid == self.account.pw_uid
                        and str(self.folder).encode() in (entry / "environ").read_bytes()):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def close(self):
        for session in self.sessions:
            session.close()
        self.patch.undo()
        shutil.rmtree(self.folder, ignore_errors=True)
