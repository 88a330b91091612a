# SPDX-License-Identifier: GPL-2.0-or-later
"""A real sshd with a private configuration and keys made for one test, and the words that reach it."""
import os
import pwd
import socket
import subprocess

import vde


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    """Listens on 127.0.0.1 for this user, with one key. `path` is the PATH of what runs there; more SetEnv words may follow."""

    def __init__(self, lab, *, path=None, environment=()):
        vde.need_root()         # sshd logs nobody in otherwise
        daemon, keygen = vde.need_program("sshd"), vde.need_program("ssh-keygen")
        self.lab, self.port, self.directory = lab, free_port(), lab.path(lab.name("sshd"))
        os.mkdir(self.directory, 0o700)
        for key in ("host", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", f"{self.directory}/{key}"], check=True)
        os.makedirs("/run/sshd", 0o755, exist_ok=True)
        values = [f"PATH={path or vde.BIN}:/usr/bin:/bin", f"LD_LIBRARY_PATH={vde.LIB}", *environment]
        with open(f"{self.directory}/config", "w", encoding="ascii") as config:
            config.write(f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.directory}/host\nPidFile none\nUsePAM no\n"
                         f"AuthorizedKeysFile {self.directory}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
                         f"PasswordAuthentication no\nSetEnv {' '.join(values)}\n")
        self.program = lab.start(daemon, "-D", "-e", "-f", f"{self.directory}/config", env=vde.env_foreign())
        self.program.expect("Server listening", stream="stderr")
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    @property
    def options(self):
        return ["-F", "none", "-i", f"{self.directory}/user", "-p", str(self.port), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.directory}/known", "-o", "LogLevel=ERROR"]

    @property
    def command(self):
        """A command line for --ssh."""
        return " ".join([vde.need_program("ssh"), *self.options])
