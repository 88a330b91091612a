# SPDX-License-Identifier: GPL-2.0-or-later
"""Open vSwitch beside us."""
import os

import vde


class OpenVSwitch:
    """Open vSwitch with its userspace datapath, private to the lab and to a namespace."""

    def __init__(self, lab, namespace):
        self.directory = lab.path("ovs")
        os.mkdir(self.directory)
        self.namespace = namespace
        self.env = vde.env_foreign(**{f"OVS_{name}DIR": self.directory for name in ("RUN", "LOG", "DB", "SYSCONF")})
        server, daemon, tool = (vde.need_program(name) for name in ("ovsdb-server", "ovs-vswitchd", "ovsdb-tool"))
        self.vsctl_path = vde.need_program("ovs-vsctl")
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        database, self.socket = f"{self.directory}/conf.db", f"unix:{self.directory}/db.sock"
        lab.run(tool, "create", database, schema, env=self.env, check=True)
        namespace.start(server, database, f"--remote=punix:{self.directory}/db.sock", f"--unixctl={self.directory}/server.ctl", "--no-chdir",
                        env=self.env)
        vde.wait_until(lambda: vde.answers(f"{self.directory}/db.sock"), "ovsdb-server")
        self.ctl = f"{self.directory}/daemon.ctl"
        namespace.start(daemon, self.socket, "--disable-system", f"--unixctl={self.ctl}", "--no-chdir", env=self.env)
        vde.wait_until(lambda: vde.answers(self.ctl), "ovs-vswitchd")

    def vsctl(self, *words):
        return self.namespace.run(self.vsctl_path, f"--db={self.socket}", "--timeout=20", *words, env=self.env).stdout

    def rstp(self):
        return self.namespace.run(vde.need_program("ovs-appctl"), "-t", self.ctl, "rstp/show", "br0", env=self.env).stdout
