"""A real SLURM on one host, from Debian's packages, in a folder of its own: nothing is installed on the system.

The packages are unpacked, not installed; small wrappers give the commands their libraries and their configuration.
Every daemon is a child of this process and is stopped with it. It takes root, since SLURM's daemons start jobs as their
users and hold them in control groups. Several such clusters can run beside each other: each has nodes of its own name,
after which SLURM calls its control groups, and ports that stay reserved.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CONF = Path(__file__).parent / "conf"
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server-core", "mariadb-client-core")
COMMANDS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "sshare")
KINDS = ("cpu1", "cpu2", "gpu1", "gpu2")
GPUS = range(8)
CGROUPS = Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """Why SLURM cannot be started here."""


def check_host() -> None:
    """Raise Unavailable unless this host can run SLURM's daemons."""
    if os.name != "posix" or not hasattr(os, "getuid") or os.getuid() != 0:
        raise Unavailable("SLURM's daemons need root: sudo make test-slurm")
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"SLURM comes from Debian's packages, and there is no {tool}")
    missing = [name for name in ("memory", "freezer", "devices") if not os.access(CGROUPS / name, os.W_OK)]
    if missing:
        raise Unavailable(f"SLURM 22.05 needs version 1 control groups; not there or read-only: {', '.join(missing)}")


def unpack_packages(folder: Path) -> Path:
    """Fetch the packages, and what they need that the system lacks; return the folder that is their root folder."""
    archives, prefix = folder / "packages", folder / "prefix"
    if prefix.exists():
        return prefix
    unpacked = folder / "unpacked"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    fetch = ["apt-get", "install", "--download-only", "--reinstall", "--yes", "--no-install-recommends"]
    fetch += ["-o", f"Dir::Cache::archives={archives}", "-o", "DPkg::Lock::Timeout=300", *PACKAGES]
    if _quiet(fetch).returncode:
        _quiet(["apt-get", "update"])
        if (done := _quiet(fetch)).returncode:
            raise Unavailable(f"Debian's SLURM packages cannot be fetched: {done.stdout.strip().splitlines()[-1:]}")
    for archive in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", archive, unpacked], check=True)
        archive.unlink()
    # As Debian's alternatives would: the daemons behave by the name they are called by.
    for name in ("slurmctld", "slurmd", "slurmstepd"):
        (unpacked / "usr/sbin" / name).symlink_to(f"{name}-wlm")
    return unpacked.rename(prefix)


def _quiet(command: list[str]) -> subprocess.CompletedProcess:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 1800) -> object:
    """Return the first true value of `condition`, asked ten times a second. Raises TimeoutError.

    A machine may be slow: only what will never come should take `seconds`.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.1)
    return value


@dataclass
class Cluster:
    """A SLURM whose state lies in `state`; with `accounting` it has slurmdbd and a database, else none.

    Its nodes are called gpu1 and so on, after `name`.
    """

    prefix: Path
    state: Path
    accounting: bool
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")
    ports: dict[str, socket.socket] = field(default_factory=dict)
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        """Where the commands are."""
        return self.state / "bin"

    def node(self, kind: str) -> str:
        """Return the name of one of KINDS of nodes."""
        return f"{self.name}-{kind}"

    @property
    def nodes(self) -> list[str]:
        return [self.node(kind) for kind in KINDS]

    @property
    def environment(self) -> dict[str, str]:
        """What a daemon or command of this SLURM needs."""
        libraries = self.prefix / "usr/lib/x86_64-linux-gnu"
        return {
            **os.environ,
            "SLURM_CONF": str(self.state / "etc" / "slurm.conf"),
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/slurm-wlm",
            "MYSQL_UNIX_PORT": str(self.state / "run" / "mysql.socket"),
            "TMPDIR": str(self.state / "run"),  # databases that start at once take each other's files
        }

    def start(self) -> None:
        self._write_files()
        self._start_munge()
        if self.accounting:
            self._start_database()
        self._start("slurmctld", "usr/sbin/slurmctld", "-D")
        wait_until(lambda: "UP" in self.ask("scontrol", "ping", check=False), "slurmctld")
        for node in self.nodes:
            self.start_node(node)
        idle = ("sinfo", "-hN", "-t", "idle", "-o", "%N")
        wait_until(lambda: set(self.ask(*idle).split()) == set(self.nodes), "the nodes")

    def start_node(self, node: str) -> None:
        stepd = self.prefix / "usr/sbin/slurmstepd"
        self._start(f"slurmd-{node}", "usr/sbin/slurmd", "-D", "-N", node, "-d", str(stepd))

    def kill_node(self, node: str) -> None:
        """Let a node vanish, with all that runs on it, as in a power cut, and the controller learn of it at once."""
        self.daemons.pop(f"slurmd-{node}").kill()
        _kill_group(f"slurm_{node}")
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power cut")

    def stop(self) -> None:
        """Cancel all jobs, wait until they are gone, and stop every daemon, last started first."""
        if (controller := self.daemons.get("slurmctld")) and controller.poll() is None:
            self.ask("scancel", "--user=root", check=False)
            with suppress(TimeoutError):
                wait_until(lambda: not self.ask("squeue", "-h", check=False), "the last job's end", 60)
        for name in reversed(list(self.daemons)):
            daemon = self.daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for node in self.nodes:
            _kill_group(f"slurm_{node}")
        for group in sorted(CGROUPS.glob(f"*/slurm_{self.name}-*/**/"), key=lambda path: -len(path.parts)):
            with suppress(OSError):
                group.rmdir()
        for reserved in self.ports.values():
            reserved.close()

    def ask(self, *command: str, check: bool = True) -> str:
        """Call one of SLURM's commands and return what it printed."""
        done = subprocess.run([self.bin / command[0], *command[1:]], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def _write_files(self) -> None:
        for name in ("bin", "etc", "log", "run", "spool", "controller", "dev", "database"):
            (self.state / name).mkdir(parents=True)
        self.ports = {name: _reserved_port() for name in (*KINDS, "controller", "database")}
        values = {
            "NAME": self.name,
            "STATE": str(self.state),
            "HOST": socket.gethostname().partition(".")[0],
            "PLUGINS": str(self.prefix / "usr/lib/x86_64-linux-gnu/slurm-wlm"),
            **{f"PORT_{name.upper()}": str(port.getsockname()[1]) for name, port in self.ports.items()},
        }
        for source in CONF.iterdir():
            text = source.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", value)
            target = self.state / "etc" / source.name
            target.write_text(text)
            target.chmod(0o600 if source.name == "slurmdbd.conf" else 0o644)
        with (self.state / "etc" / "slurm.conf").open("a") as file:
            file.write(self._accounting_settings(values))
        for number in GPUS:
            os.mknod(self.state / "dev" / f"gpu{number}", 0o666 | 0o020000, os.makedev(195, 200 + number))
        for name in COMMANDS:
            # Through the loader, since jobs inherit the environment of the command that submits them.
            loader = f"/lib64/ld-linux-x86-64.so.2 --library-path {self.environment['LD_LIBRARY_PATH']}"
            conf, program = self.environment["SLURM_CONF"], self.prefix / "usr/bin" / name
            path = self.bin / name
            path.write_text(f'#!/bin/sh\nexec env SLURM_CONF={conf} {loader} {program} "$@"\n')
            path.chmod(0o755)

    def _accounting_settings(self, values: dict[str, str]) -> str:
        if not self.accounting:
            return "AccountingStorageType=accounting_storage/none\n"
        return (
            "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\n"
            f"AccountingStoragePort={values['PORT_DATABASE']}\nAccountingStorageTRES=gres/gpu\n"
            f"AccountingStoragePass={self.state}/run/munge.socket\nAccountingStoreFlags=job_comment\n"
        )

    def _start(self, name: str, program: str, *arguments: str) -> None:
        with (self.state / "log" / f"{name}.out").open("a") as log:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", self.prefix / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def _start_munge(self) -> None:
        run = self.state / "run"
        key = self.state / "etc" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"key-file": key, "socket": run / "munge.socket", "pid-file": run / "munged.pid"}
        files |= {"log-file": self.state / "log" / "munged.log", "seed-file": run / "munge.seed"}
        self._start("munged", "usr/sbin/munged", "--foreground", "--force", *(f"--{k}={v}" for k, v in files.items()))
        wait_until((run / "munge.socket").exists, "munged")

    def _start_database(self) -> None:
        data, run = self.state / "database", self.state / "run"
        places = [
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            f"--lc-messages-dir={self.prefix}/usr/share/mysql",
        ]
        install = self.prefix / "usr/bin/mariadb-install-db"
        done = subprocess.run(
            [install, *places[:3], f"--basedir={self.prefix}/usr", "--auth-root-authentication-method=socket"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        create = self.state / "etc" / "create.sql"
        create.write_text("CREATE DATABASE IF NOT EXISTS slurm_acct_db;\n")
        self._start(
            "mariadbd",
            "usr/sbin/mariadbd",
            *places,
            f"--socket={run}/mysql.socket",
            "--skip-networking",
            f"--pid-file={run}/mariadbd.pid",
            f"--init-file={create}",
            f"--plugin-dir={self.prefix}/usr/lib/mysql/plugin",
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
            "--innodb-flush-log-at-trx-commit=0",
        )
        wait_until((run / "mysql.socket").exists, "the database")
        self._start("slurmdbd", "usr/sbin/slurmdbd", "-D")
        wait_until(lambda: "root" in self.ask("sacctmgr", "-n", "show", "user", check=False), "slurmdbd")
        for what in (
            ("cluster", "testbed"),
            ("account", "lab", "Description=lab", "Organization=lab"),
            ("user", "root", "Account=lab"),
        ):
            self.ask("sacctmgr", "-i", "add", *what, check=False)


def _kill_group(name: str) -> None:
    """Kill every process in a control group of SLURM's."""
    for procs in CGROUPS.glob(f"freezer/{name}/**/cgroup.procs"):
        for pid in procs.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _reserved_port() -> socket.socket:
    """Return a socket bound to a free port, which a daemon may take, but nobody is given while the socket is open."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return reserved
