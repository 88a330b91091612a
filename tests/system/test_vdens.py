# SPDX-License-Identifier: GPL-2.0-or-later
"""vdens: commands in namespaces that are plugged into networks."""
import os
import re
import signal
import subprocess

import plugs
import pytest
import vde


@pytest.fixture(autouse=True)
def namespaces():
    vde.need_program("ip")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/net/tun")
    if subprocess.run([vde.need_program("unshare"), "-Urn", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs user namespaces")


def node(lab, *argv):
    """A vdens that runs until its stdin ends; returns once it runs."""
    program = lab.start("vdens", *argv, "sh", "-c", "echo ready; cat >/dev/null")
    program.expect("ready")
    return program


PING = ["ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "5"]


def test_two_on_a_switch(lab, switch):
    """They reach each other; the first is seen on the switch as what it is."""
    node(lab, "--addr", "10.9.0.1/24", switch.socket)
    assert "vdens" in switch.ports()[1]["endpoints"][0][2]
    done = lab.run("vdens", "--addr", "10.9.0.2/24", switch.socket, *PING, "10.9.0.1")
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_last_words(lab, switch):
    """What a command sends right before its end arrives, though all comes to an end with it."""
    listener, me, count = lab.plug(switch), vde.mac(9), 100
    talker = ("import os, socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              f"for i in range({count}): s.sendto(b'word %03d' % i, ('10.9.0.2', 9))\nos._exit(0)")
    for turn in range(5):
        done = lab.run("vdens", "-a", "10.9.0.1/24", switch.socket, "sh", "-c",
                       f"ip neigh add 10.9.0.2 lladdr {vde.mac_text(me)} dev vde0 && exec /usr/bin/python3 -c \"{talker}\"")
        assert done.returncode == 0, done.stderr
        switch.settle()
        words = re.findall(rb"word \d\d\d", b"".join(listener.recv_now()))
        assert words == [b"word %03d" % i for i in range(count)], turn


def test_multi(lab):
    """A router with an interface in each of two networks."""
    nets = [lab.switch(), lab.switch()]
    node(lab, "-m", "--iface", "lan", "-a", "lan0=10.9.0.1/24", "-a", "lan1=10.9.1.1/24", "-a", "lan1=fd09::1/64",
         nets[0].socket, nets[1].socket, "--")
    for number, net in enumerate(nets):
        done = lab.run("vdens", "-a", f"10.9.{number}.2/24", net.socket, *PING, f"10.9.{number}.1")
        assert done.returncode == 0, (done.stdout, done.stderr)


@pytest.mark.parametrize("argv,status", [(["sh", "-c", "exit 7"], 7), (["true"], 0), (["sh", "-c", "kill -9 $$"], 137), (["/nonexistent"], 127),
                                         (["/etc/passwd"], 126)])
@pytest.mark.parametrize("network", [True, False])
def test_status(lab, switch, argv, status, network):
    assert lab.run("vdens", switch.socket if network else "-", *argv).returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP])
def test_signals(lab, switch, number):
    """They reach the command, which may answer as it likes."""
    name = signal.Signals(number).name[3:]
    program = lab.start("vdens", switch.socket, "sh", "-c", f"trap 'exit 42' {name}; echo ready; while :; do read x; done",
                        new_session=True)
    program.expect("ready")
    assert program.end(number) == 42


def test_signal_before_there_is_a_command(lab):
    control = plugs.Control(lab, plugs.Control.ignore)
    program = lab.start("vdens", control.dir, "true")
    vde.wait_until(lambda: len(os.listdir(control.dir)) > 1, "its socket")
    assert program.end(signal.SIGTERM) == 128 + signal.SIGTERM
    control.close()


def test_what_the_command_has(lab, switch):
    """Its user; the capabilities of the network; the descriptors of its caller and no others; signals unblocked."""
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    os.close(writer)
    script = ("ls /proc/$$/fd; grep -E 'CapAmb|SigBlk' /proc/self/status; id -u; ip -br link; "
              f"cat /proc/$$/fd/{reader}")
    with open(reader, "rb"):
        done = subprocess.run([vde.ours("vdens"), switch.socket, "sh", "-c", script], env=vde.env_ours(), capture_output=True, text=True,
                              pass_fds=[reader], stdin=subprocess.DEVNULL, timeout=vde.DEADLINE, check=True)
    assert set(done.stdout.split("SigBlk")[0].split("CapAmb")[0].split()) == {"0", "1", "2", str(reader)}, done.stdout
    assert "CapAmb:\t0000000000003c00" in done.stdout and "SigBlk:\t0000000000000000" in done.stdout
    assert f"\n{os.geteuid()}\n" in done.stdout and "vde0" in done.stdout and done.stdout.endswith("kept")


def test_sysadm(lab):
    done = lab.run("vdens", "-s", "-", "sh", "-c", "grep CapAmb /proc/self/status; mount -t tmpfs none /mnt")
    assert done.returncode == 0 and "0000000000203c00" in done.stdout, done


def test_up(lab, switch):
    done = lab.run("vdens", "--up", switch.socket, "ip", "-br", "link", check=True)
    assert all("UP" in line for line in done.stdout.splitlines() if line.split()[0] in ("lo", "vde0")), done.stdout
    done = lab.run("vdens", switch.socket, "ip", "-br", "link", check=True)
    assert "LOWER_UP" not in done.stdout


def test_resolver_and_host_name(lab):
    with open(lab.path("resolv"), "w") as out:
        out.write("nameserver 192.0.2.7\n")
    seen = ["sh", "-c", "cat /etc/resolv.conf; uname -n"]
    outside = open("/etc/resolv.conf").read()
    done = lab.run("vdens", "-H", "inside", "-R", "192.0.2.1,192.0.2.2", "-r", lab.path("resolv"), "-", *seen, check=True)
    assert done.stdout == "nameserver 192.0.2.1\nnameserver 192.0.2.2\ninside\n"
    done = lab.run("vdens", "-r", lab.path("resolv"), "no", *seen, check=True)
    assert done.stdout == f"nameserver 192.0.2.7\n{os.uname().nodename}\n"
    done = lab.run("vdens", "", *seen, check=True, env=vde.env_ours(VDE_RESOLVADDR="192.0.2.9"))
    assert done.stdout.startswith("nameserver 192.0.2.9\n")
    assert open("/etc/resolv.conf").read() == outside


@pytest.mark.parametrize("client", ["busybox", "dhclient"])
@pytest.mark.parametrize("resolver", [None, "192.0.2.1"])
def test_dhcp(lab, switch, client, resolver):
    """Address, router and name server are the command's; the host's resolver stays, and no client goes on running."""
    lab.start("slirpvde", "--dhcp", "-s", switch.socket).expect("vde switch", "stderr")
    prefix = lab.name("d")
    os.mkdir(lab.path("bin"))
    for program in (client, "sh", "ip", "cat"):
        os.symlink(vde.need_program(program), lab.path("bin", program))
    with open("/etc/resolv.conf") as file:
        outside = file.read()
    done = lab.run(vde.ours("vdens"), "--iface", prefix, *(["-R", resolver] if resolver else []), "--dhcp", switch.socket,
                   "sh", "-c", "ip -4 -o addr; ip route; cat /etc/resolv.conf", env=vde.env_ours(PATH=lab.path("bin")))
    assert done.returncode == 0, done.stderr
    assert f"{prefix}0    inet 10.0.2.15/24" in done.stdout and f"default via 10.0.2.2 dev {prefix}0" in done.stdout
    assert f"nameserver {resolver or '10.0.2.3'}" in done.stdout.splitlines()
    with open("/etc/resolv.conf") as file:
        assert file.read() == outside
    vde.wait_until(lambda: not subprocess.run(["pgrep", "-f", f"dhc.*{prefix}0"], stdout=subprocess.PIPE, check=False).stdout, "the client's end")


def test_dhcp_without_resolver_file(lab, switch):
    """Where there is no /etc/resolv.conf, there is nothing to put name servers over, and one that comes later is the host's."""
    lab.start("slirpvde", "--dhcp", "-s", switch.socket).expect("vde switch", "stderr")
    os.mkdir(lab.path("etc"))
    script = (f"mount --bind {lab.path('etc')} /etc && {vde.ours('vdens')} --dhcp {switch.socket} sh -c 'ip -4 -o addr' && "
              f"echo host >/etc/resolv.conf && VDENS_DHCP_EVENT=9:resolver ip=10.0.2.15 dns=10.0.2.3 interface=lo {vde.ours('vdens')} bound; "
              "cat /etc/resolv.conf")
    done = lab.run(vde.need_program("unshare"), "-mn", "sh", "-c", script, env=vde.env_ours())
    assert "10.0.2.15/24" in done.stdout and done.stdout.endswith("host\n") and "name servers from DHCP are not used" in done.stderr


def test_empty_environment(lab, switch):
    """An empty setting is none."""
    done = lab.run("vdens", switch.socket, "true", env=vde.env_ours(VDE_RESOLVCONF="", VDE_RESOLVADDR=""))
    assert (done.returncode, done.stderr) == (0, "")
    assert "SHELL" in lab.run("vdens", switch.socket, env=vde.env_ours(SHELL="")).stderr


def test_no_such_resolver_file(lab, switch):
    done = lab.run("vdens", "-r", "/nonexistent/file", switch.socket, "true")
    assert done.returncode == 1 and "/nonexistent/file" in done.stderr


def test_dhcp_in_vain(lab, switch):
    """Without a client, and without a server."""
    os.mkdir(lab.path("bin"))
    os.symlink(vde.need_program("sh"), lab.path("bin", "sh"))
    done = lab.run(vde.ours("vdens"), "--dhcp", switch.socket, "sh", "-c", "echo ran", env=vde.env_ours(PATH=lab.path("bin")))
    assert (done.returncode, done.stdout) == (1, "") and "busybox" in done.stderr
    os.symlink(vde.need_program("busybox"), lab.path("bin", "busybox"))
    done = lab.run(vde.ours("vdens"), "--dhcp", switch.socket, "sh", "-c", "echo ran", env=vde.env_ours(PATH=lab.path("bin")))
    assert (done.returncode, done.stdout) == (1, "") and "no address for vde0" in done.stderr


def test_network_that_ends(lab, switch):
    """The interface goes, the command stays."""
    program = node(lab, switch.socket)
    switch.stop()
    program.expect("is gone", "stderr")
    assert program.status is None
    program.stdin.close()
    assert program.wait() == 0


def test_unprivileged(lab):
    """An ordinary user needs no help."""
    if os.geteuid() == 0 and os.stat("/dev/net/tun").st_mode & 6 != 6:
        pytest.skip("/dev/net/tun is root's")
    net = lab.switch("--mode", "0777", "--dirmode", "0777")
    prefix = vde.as_user(vde.NOBODY) if os.geteuid() == 0 else []
    node(lab, "-a", "10.9.0.1/24", net.socket)
    done = lab.run(*prefix, vde.ours("vdens"), "-a", "10.9.0.2/24", net.socket, "sh", "-c", "id -u; " + " ".join(PING) + " 10.9.0.1")
    assert done.returncode == 0 and done.stdout.startswith(f"{vde.NOBODY if prefix else os.geteuid()}\n"), (done.stdout, done.stderr)


@pytest.mark.parametrize("argv", [["--addr", "300.1.1.1/24", "-"], ["--iface", "a-name-much-too-long", "-"], ["-R", "x;y", "-"], ["--nosuch"]])
def test_wrong_usage(lab, argv):
    done = lab.run("vdens", *argv, "true")
    assert done.returncode == 2 and done.stderr


def test_no_such_network(lab):
    done = lab.run("vdens", "/nonexistent", "true")
    assert done.returncode == 1 and "/nonexistent" in done.stderr
    done = lab.run("vdens", "-", env={k: v for k, v in vde.env_ours().items() if k != "SHELL"})
    assert done.returncode == 2


def test_network_of_a_command(lab, switch):
    """A locator that begins with '='."""
    node(lab, "--addr", "10.9.0.1/24", switch.socket)
    done = lab.run("vdens", "--addr", "10.9.0.2/24", f"={vde.ours('vde_plug')} {switch.socket}", *PING, "10.9.0.1")
    assert done.returncode == 0, (done.stdout, done.stderr)
