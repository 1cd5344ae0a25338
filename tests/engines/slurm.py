# SPDX-License-Identifier: BSD-3-Clause
"""A real Slurm in a folder: one controller and several nodes, all of them on loopback.

    with Slurm() as slurm:
        slurm.run("sinfo")

Needs neither systemd nor root. Where munge is installed, the daemons authenticate with a key of
their own; where not, Slurm's own `auth/none` does (Slurm.authentication says which).
"""
import os
import pathlib
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile

from engines.daemons import Daemons, EngineError, program
from ports import free_ports

CONFIGURATION = """\
ClusterName=achar
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
TmpFS={folder}/tmp.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
SlurmdTimeout=30
SlurmctldTimeout=30
InactiveLimit=0
KillWait=2
MessageTimeout=10
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
GresTypes=gpu
"""
MUNGE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
"""
NO_MUNGE = """\
AuthType=auth/none
CredType=cred/none
"""
NODE = ("NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 "
        "RealMemory=4000 Gres=gpu:2 Feature=rack{rack} State=UNKNOWN\n")
PARTITION = ("PartitionName=debug Nodes={nodes} Default=YES MaxTime=INFINITE State=UP "
             "OverSubscribe=NO\n"
             "PartitionName=closed Nodes={nodes} MaxTime=10 MaxNodes=1 AllowAccounts=others "
             "AllowQos=others State=UP\n"
             "PartitionName=small Nodes={nodes} MaxTime=10 MaxNodes=1 State=UP\n")
# There are no such devices: a job only sees which numbers it was given.
GRES = "Name=gpu File={folder}/gpu[0-1]\n"
# slurmd always wants a cgroup plugin, also where nothing of it is used.
CGROUP = "CgroupPlugin=autodetect\nIgnoreSystemd=yes\n"


class Slurm:
    def __init__(self, nodes=2, user=None, munge=True):
        """user: the name of an ordinary user to run as, for root only."""
        # munged wants all of the path to its socket open for everybody: no folder of pytest's.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="achar-slurm-"))
        self.daemons = None
        try:
            self._set_up(nodes, user, munge)
        except BaseException:
            self.close()
            raise

    def _set_up(self, nodes, user, munge):
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.account = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        self.paths = {name: program(name) for name in ("slurmctld", "slurmd", "sinfo", "srun")}
        self.authentication = "auth/none"
        if munge:
            try:
                self.paths["munged"] = program("munged")
                self.authentication = "auth/munge"
            except EngineError:
                pass
        self._write()
        if user:
            self._give()
        self.daemons = Daemons(self.folder, self.account.pw_uid if user else None)
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _write(self):
        ports = free_ports(1 + len(self.nodes))
        host = socket.gethostname().split(".")[0]
        values = {"folder": self.folder, "host": host, "ports": ports,
                  "user": self.account.pw_name}
        text = CONFIGURATION + (MUNGE if "munged" in self.paths else NO_MUNGE)
        text = text.format(**values)
        for rack, (node, port) in enumerate(zip(self.nodes, ports[1:]), 1):
            text += NODE.format(node=node, host=host, port=port, rack=rack)
        text += PARTITION.format(nodes=",".join(self.nodes))
        for name in ["state", "munge"] + [f"{kind}.{node}" for kind in ("spool", "tmp")
                                          for node in self.nodes]:
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text(CGROUP)
        (self.folder / "gres.conf").write_text(GRES.format(folder=self.folder))
        for device in ("gpu0", "gpu1"):
            (self.folder / device).touch()
        for folder in (self.folder, self.folder / "munge"):
            folder.chmod(0o711)
        key = self.folder / "munge/key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))

    def _give(self):
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _start(self):
        munge = self.folder / "munge"
        if "munged" in self.paths:
            self.daemons.start("munged", [
                self.paths["munged"], "--foreground", f"--key-file={munge}/key",
                f"--socket={munge}/socket", f"--pid-file={munge}/pid",
                f"--seed-file={munge}/seed", f"--log-file={munge}/log"])
            self.daemons.wait((munge / "socket").exists, "munged has no socket")
        self.daemons.start("slurmctld", [self.paths["slurmctld"], "-D", "-c"], self.environment)
        for node in self.nodes:
            self.start_node(node)
        self.daemons.wait(self._is_ready, "the nodes are not idle")

    def _is_ready(self):
        states = self.run("sinfo", "-h", "-N", "-p", "debug", "-o", "%T", check=False).split()
        return states == ["idle"] * len(self.nodes)

    def start_node(self, node):
        """Starts the daemon of a node, also after kill_node."""
        self.daemons.start(f"slurmd.{node}", [self.paths["slurmd"], "-D", "-c", "-N", node],
                           self.environment)

    def end_node(self, node):
        """The node goes away with all that runs on it, as far as this host can show that."""
        self.daemons.end(f"slurmd.{node}")

    def fail_node(self, node):
        """The controller takes it for lost; clear() lets it back."""
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def _resume(self):
        for node in self.nodes:
            if "down" in self.run("sinfo", "-h", "-n", node, "-o", "%T"):
                self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)

    def run(self, *argv, check=True, timeout=60):
        """Standard output of one of Slurm's commands."""
        done = subprocess.run(argv, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise EngineError(f"'{' '.join(argv)}' failed: {done.stderr.strip()}")
        return done.stdout

    def jobs(self):
        """The ids of all jobs that have not ended."""
        return self.run("squeue", "-h", "-o", "%A").split()

    def clear(self):
        """Cancels what is left, and waits until the nodes are idle."""
        left = self.jobs()
        if left:
            self.run("scancel", "--full", "--signal=KILL", *left, check=False)
            self.run("scancel", *left, check=False)
        self._resume()
        self.daemons.wait(lambda: not self.jobs() and self._is_ready(),
                          "the nodes do not get idle")

    def close(self):
        if self.daemons:
            self.daemons.close()
        shutil.rmtree(self.folder, ignore_errors=True)
