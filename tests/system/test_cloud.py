# SPDX-License-Identifier: GPL-2.0-or-later
"""Clouds of namespaces: nodes of several hosts on networks that have no switch, and a gateway for them."""
import re

import overlay
import pytest
import vde

FLOOR, ROOF = "vxvde://239.1.1.1", "vxvde://239.2.2.2"


@pytest.fixture(autouse=True)
def namespaces():
    vde.need_program("unshare")
    vde.need_tun()


def node(lab, space, *argv):
    """A vdens on a host that runs until its stdin ends; returns once its network is served."""
    program = lab.start(*space.command(vde.ours("vdens"), *argv, "sh", "-c", "echo ready; cat >/dev/null"))
    program.expect("ready")
    return program


def in_node(lab, space, *argv):
    """Runs a command in a vdens of its own to the end."""
    return lab.run(*space.command(vde.ours("vdens"), *argv))


def test_one_network_of_many_hosts(lab):
    """Three hosts, two nodes each: all in one network as soon as they name it. Nobody has set anything up."""
    spaces = overlay.hosts(lab, 3)
    for number in range(1, 7):
        node(lab, spaces[number % 3], "--addr", f"10.1.0.{number}/24", FLOOR)
    pings = " && ".join(f"ping -n -q -c 1 -W 5 10.1.0.{number}" for number in range(1, 7))
    done = in_node(lab, spaces[0], "--addr", "10.1.0.9/24", FLOOR, "sh", "-c", pings)
    assert done.returncode == 0, (done.stdout, done.stderr)
    outside = in_node(lab, spaces[0], "--addr", "10.1.0.9/24", ROOF, "ping", "-n", "-c", "1", "-W", "1", "10.1.0.1")
    assert outside.returncode == 1


GATEWAY = """
echo 1 >/proc/sys/net/ipv4/ip_forward
ip route add default via 10.0.0.1
nft -f - <<end
table ip nat {
	chain out {
		type nat hook postrouting priority 100;
		oifname "net0" masquerade
	}
}
end
echo ready
cat >/dev/null
"""


def test_gateway(lab):
    """
    A host that alone knows the world outside has a gateway in a namespace: vdens --multi tap://... vxvde://... vxvde://..., which routes between two
    networks, and to the world by NAT. The nodes are on other hosts.
    """
    vde.need_program("nft")
    spaces = overlay.hosts(lab, 3)
    host, world = spaces[0], lab.namespace()
    # the world: 198.51.100.1 knows the host and nothing behind it
    host.ip("link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", world.name)
    host.up("uplink", "198.51.100.2/24")
    world.up("uplink", "198.51.100.1/24")
    world.ip("route", "add", "10.0.0.0/24", "via", "198.51.100.2")
    host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    gateway = lab.start(*host.command(vde.ours("vdens"), "--multi", "--iface", "net", "-a", "net0=10.0.0.2/24", "-a", "net1=10.1.0.1/24",
                                      "-a", "net2=10.2.0.1/24", "tap://gate", FLOOR, ROOF, "--", "sh", "-c", GATEWAY))
    vde.wait_until(lambda: host.has("gate"), "the gateway's interface")
    host.up("gate", "10.0.0.1/24")
    gateway.expect("ready")

    def in_network(number, space, locator, command):
        return in_node(lab, space, "--addr", f"10.{number}.0.7/24", locator, "sh", "-c", f"ip route add default via 10.{number}.0.1; {command}")
    for number, space, locator in ((1, spaces[1], FLOOR), (2, spaces[2], ROOF)):
        server = world.start("/usr/bin/python3", "-c", "import socket; s = socket.create_server(('198.51.100.1', 8000)); print('up', flush=True);"
                             "c, where = s.accept(); print('from', where[0], flush=True); c.sendall(b'hello' * 40000)", env=vde.env_foreign())
        server.expect("up")
        fetch = "python3 -c \"import socket; s = socket.create_connection(('198.51.100.1', 8000)); print(len(s.makefile('rb').read()))\""
        done = in_network(number, space, locator, f"ping -n -q -c 2 -W 5 198.51.100.1 && {fetch}")
        assert done.returncode == 0 and done.stdout.endswith("\n200000\n"), (done.stdout, done.stderr)
        assert server.expect(r"from (\S+)")[1] == "10.0.0.2"
        server.wait()
    # between the two networks without NAT
    node(lab, spaces[2], "--addr", "10.2.0.8/24", ROOF, "sh", "-c", "ip route add default via 10.2.0.1; exec \"$@\"", "sh")
    done = in_network(1, spaces[1], FLOOR, "ping -n -q -c 2 -W 5 10.2.0.8")
    assert re.search(" 0% packet loss", done.stdout), (done.stdout, done.stderr)
