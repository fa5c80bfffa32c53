"""A real SLURM cluster on this machine, to test and try jobs with: munge, slurmctld and slurmd on loopback, as root, without systemd.

    apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge       (Debian; .ci/run does so where it can)
    export SLURM_CONF=$(python scripts/slurm_cluster.py start /tmp/cluster)
    elsa sweep submit …
    python scripts/slurm_cluster.py stop /tmp/cluster

The folder holds everything: configuration, key, state, logs. A requeued job starts again within seconds (`cred_expire`), not after the
usual two minutes. Nothing outside the machine is reached, and nobody outside can reach it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
PACKAGES = "slurmctld slurmd slurm-client munge"
PATIENCE_S = 20.0

CONF = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=3600
SlurmdTimeout=10
BatchStartTimeout=2
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
SlurmdLogFile={folder}/slurmd.%n.log
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def lacking() -> str:
    """Why there can be no cluster here; empty where there can be one."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install -y --no-install-recommends {PACKAGES}"
    return "" if os.geteuid() == 0 else "the daemons of a private cluster are started as root"


class Cluster:
    """Daemons and configuration in one folder.

    Args:
        folder: of everything that belongs to the cluster.
        nodes: how many nodes this machine plays.
        cpus: of each node, whether or not the machine has so many.
    """

    def __init__(self, folder: Path, nodes: int = 1, cpus: int = 2) -> None:
        self.folder, self.cpus = folder.resolve(), cpus
        host = platform.node().partition(".")[0]
        self.host = host
        self.nodes = [host] if nodes == 1 else [f"{host}-{i + 1}" for i in range(nodes)]
        self.conf = self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall talk to this cluster."""
        return os.environ | {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Write the configuration, start the daemons and wait until every node is idle."""
        for name in ("state", *(f"spool.{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(128))
        port, *ports = free_ports(1 + len(self.nodes))
        lines = [
            f"NodeName={node} NodeHostname={self.host} NodeAddr=127.0.0.1 Port={at} CPUs={self.cpus} Sockets=1 "
            f"CoresPerSocket={self.cpus} ThreadsPerCore=1 RealMemory=1000 State=UNKNOWN"
            for node, at in zip(self.nodes, ports, strict=True)
        ]
        self.conf.write_text(CONF.format(folder=self.folder, host=self.host, port=port, nodes="\n".join(lines)))
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\nIgnoreSystemd=yes\n")
        at = {name: self.folder / f"munge.{name}" for name in ("sock", "pid", "seed", "log")}
        options = [f"--socket={at['sock']}", f"--pid-file={at['pid']}", f"--seed-file={at['seed']}", f"--log-file={at['log']}"]
        self._call("munged", "--force", f"--key-file={key}", "--num-threads=2", *options)
        self._call("slurmctld", "-c")
        for node in self.nodes:
            self.start_node(node)
        self.wait_for(lambda: self.states() == {node: "idle" for node in self.nodes}, "nodes to be idle")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._call("slurmd", *(["-N", node] if len(self.nodes) > 1 else []))

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and all that it has started, as when the machine is switched off."""
        pids = [self._pid(f"slurmd.{node}.pid")]
        for path in Path("/proc").glob("[0-9]*"):
            words = environment_of(path)
            if f"SLURM_CONF={self.conf}" in words and f"SLURMD_NODENAME={node}" in words:
                pids += [pid for pid in (parent_of(path), int(path.name)) if pid > 1]  # the step's daemon, and its task
        for pid in dict.fromkeys(pids):
            kill(pid, signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """Node → idle, mixed, allocated, down, …"""
        said = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%N %t"], env=self.environment, capture_output=True, text=True, timeout=30
        )
        return {name: state.rstrip("*~#!%$@^-") for name, state in (line.split() for line in said.stdout.splitlines())}

    def run(self, *command: str) -> str:
        """What a command of SLURM's prints."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def wait_for(self, condition, what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it does not come to hold; the daemons' logs lie in the folder.
        """
        end = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {patience_s:.0f} s for {what}; logs in {self.folder}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Cancel all jobs and stop the daemons."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # no daemon that would answer
            subprocess.run(["scancel", "--user=root"], env=self.environment, timeout=30, check=False, capture_output=True)
        for node in self.nodes:
            self.kill_node(node)
        for name in ("slurmctld.pid", "munge.pid"):
            pid = self._pid(name)
            kill(pid, signal.SIGTERM)
            end = time.monotonic() + 10
            while alive(pid) and time.monotonic() < end:
                time.sleep(0.05)
            kill(pid, signal.SIGKILL)

    def _call(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}; logs in {self.folder}")

    def _pid(self, name: str) -> int:
        try:
            return int((self.folder / name).read_text())
        except (OSError, ValueError):
            return 0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, so that several clusters fit on one machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, if it is there."""
    if alive(pid):
        os.kill(pid, number)


def environment_of(process: Path) -> list[str]:
    """`NAME=value` words of a process, given its folder in /proc."""
    try:
        return (process / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def parent_of(process: Path) -> int:
    """Process id of the parent, given a process' folder in /proc."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    if reason := lacking():
        print(reason, file=sys.stderr)
        return 3
    cluster = Cluster(Path(sys.argv[2]), cpus=os.cpu_count() or 1)
    getattr(cluster, sys.argv[1])()
    if sys.argv[1] == "start":
        print(cluster.conf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
