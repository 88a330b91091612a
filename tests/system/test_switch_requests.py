# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket: the requests of every kind of client, which port they get, and how wrong ones are refused."""
import os
import re
import select
import socket
import struct

import pytest
import vde


def descriptors(switch):
    """How many the switch holds, the lab's session among them."""
    switch.settle()
    return len(os.listdir(f"/proc/{switch.pid}/fd"))


def port_of(plug):
    return int(os.path.basename(plug.switch_path).split(".")[0])


def talk(a, b):
    """Both ways."""
    for source, destination in ((a, b), (b, a)):
        sent = vde.frame(vde.BROADCAST, vde.mac(99), os.urandom(8))
        source.send(sent)
        destination.expect(sent)


def ask(switch, message, *, shut=False):
    """Sends bytes to the control socket; returns the answer up to the end of the connection (which must come)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(vde.DEADLINE)
        client.connect(switch.ctl)
        answer = b""
        try:
            client.sendall(message)
            if shut:
                client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(4096):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answer


# ---- clients ---------------------------------------------------------------------------------------------------------

CLIENTS = {
    "libvdeplug": {"description": b"vdeplug: user=root pid=1"},
    "version 1": {"version": 1},
    "user-mode Linux": {"address": "abstract", "description": None, "padded": True},
    "dynamips": {"description": None},
    "empty description": {"description": b"\0"},
    "unterminated description": {"description": b"x" * 127},
    "longest description": {"description": b"x" * 134},
}


@pytest.mark.parametrize("client", CLIENTS)
def test_client(lab, switch, client):
    plug, other = lab.plug(switch, **CLIENTS[client]), lab.plug(switch)
    talk(plug, other)
    assert re.fullmatch(re.escape(os.path.realpath(switch.socket)) + r"/001\.\d+", plug.switch_path)
    assert plug.reply[2:].rstrip(b"\0").decode() == plug.switch_path
    plug.close()
    vde.wait_until(lambda: 1 not in switch.ports())
    assert not os.path.exists(plug.switch_path)


def test_lwipv6_stray_bytes_and_port_zero(lab, switch):
    """Its description is unterminated with two stray bytes; it binds next to the directory; `[0]` asks for port 0."""
    plug = lab.plug(switch, kind=1, address=f"{switch.socket}.{os.getpid()}-0", description=b"lwipv6 if\0\xff")
    assert port_of(plug) == 0
    assert switch.ports()[0]["active"]
    talk(plug, lab.plug(switch))


def test_description_is_printed_escaped(lab, switch):
    """It says who the client is, and cannot forge an answer."""
    lab.plug(switch, description=b"a\n.\n1000 Success\n\x1b[2Jz")
    endpoints = switch.ports()[1]["endpoints"]
    assert len(endpoints) == 1 and endpoints[0][1] == "unix prog"
    assert "\x1b" not in endpoints[0][2] and endpoints[0][2].startswith("a")
    assert switch.command("showinfo").code == 1000


def test_no_description(lab, switch):
    lab.plug(switch, description=None)
    assert switch.ports()[1]["endpoints"][0][2] == "no endpoint description"


def test_request_in_pieces(lab, switch):
    """However the bytes arrive, they are one request."""
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(lab.open_dir, "pieces")
    data.bind(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(vde.DEADLINE)
        client.connect(switch.ctl)
        message = vde.request(path.encode())
        client.sendall(message[:9])
        switch.settle()
        client.sendall(message[9:])
        assert len(client.recv(4096)) == 110
    data.close()


# ---- which port ------------------------------------------------------------------------------------------------------

def test_lowest_free_port(lab, switch):
    plugs = [lab.plug(switch) for _ in range(4)]
    assert [port_of(plug) for plug in plugs] == [1, 2, 3, 4]
    plugs[1].close()
    vde.wait_until(lambda: 2 not in switch.ports())
    assert port_of(lab.plug(switch, port=7)) == 7
    assert [port_of(lab.plug(switch)) for _ in range(4)] == [2, 5, 6, 8]


def test_ports_made_by_command_are_not_given_away(lab, switch):
    """port/create makes a port that only a client that names it gets; port/allocatable changes that."""
    assert switch.command("port/create 1").code == 1000
    assert port_of(lab.plug(switch)) == 2
    assert port_of(lab.plug(switch, port=1)) == 1
    assert switch.command("port/create 3").code == 1000
    assert switch.command("port/allocatable 3 1").code == 1000
    assert port_of(lab.plug(switch)) == 3


@pytest.mark.parametrize("ports", [1, 2, 5])
def test_every_port_of_n_is_usable(lab, ports):
    """-n N: ports 1 to N, then no more; port 0 besides."""
    switch = lab.switch("-n", str(ports))
    plugs = [lab.plug(switch) for _ in range(ports)]
    assert [port_of(plug) for plug in plugs] == list(range(1, ports + 1))
    with pytest.raises(vde.Refused):
        lab.plug(switch)
    assert port_of(lab.plug(switch, kind=1)) == 0
    plugs[0].close()
    vde.wait_until(lambda: 1 not in switch.ports())
    assert port_of(lab.plug(switch)) == 1
    switch.stop()


def test_several_endpoints_on_one_port(lab, switch):
    """A frame for the port goes to each of them; they do not hear each other; the last one to leave closes the port."""
    a, b, other = lab.plug(switch, port=5), lab.plug(switch, port=5), lab.plug(switch)
    assert len(switch.ports()[5]["endpoints"]) == 2
    sent = vde.frame(vde.BROADCAST, vde.mac(1))
    other.send(sent)
    assert a.recv() == b.recv() == sent
    answer = vde.frame(vde.BROADCAST, vde.mac(2))
    a.send(answer)
    assert other.recv() == answer
    switch.settle()
    assert b.recv_now() == []
    a.close()
    vde.wait_until(lambda: len(switch.ports()[5]["endpoints"]) == 1)
    other.send(sent)
    assert b.recv() == sent
    b.close()
    vde.wait_until(lambda: 5 not in switch.ports())


def test_same_identity_of_endpoint_is_never_given_twice(lab, switch):
    plugs = [lab.plug(switch) for _ in range(10)]
    identities = [endpoint[0] for port in switch.ports().values() for endpoint in port["endpoints"]]
    assert len(set(identities)) == len(plugs)


def test_epclose(lab, switch):
    plug = lab.plug(switch)
    identity = switch.ports()[1]["endpoints"][0][0]
    assert switch.command(f"port/epclose 1 {identity}").code == 1000
    assert plug.is_closed()
    assert 1 not in switch.ports()
    assert switch.command(f"port/epclose 1 {identity}").code == 1006


def test_control_connection_stays_silent(lab, switch):
    plug, other = lab.plug(switch), lab.plug(switch)
    talk(plug, other)
    assert not select.select([plug.control], [], [], 0)[0]


def test_switch_end_is_seen_at_once(lab, switch):
    plug = lab.plug(switch)
    switch.stop()
    assert plug.is_closed()
    with pytest.raises(ConnectionRefusedError):
        plug.data.send(vde.frame(vde.BROADCAST, vde.mac(1)))


def test_churn(lab, switch):
    """Plugs that come and go under traffic: no port is lost, nobody else is cut off, no descriptor leaks."""
    steady = [lab.plug(switch) for _ in range(2)]
    before = descriptors(switch)
    for turn in range(60):
        plugs = [lab.plug(switch) for _ in range(3)]
        assert [port_of(plug) for plug in plugs] == [3, 4, 5]
        plugs[turn % 3].send(vde.frame(vde.BROADCAST, vde.mac(turn + 10)))
        for plug in plugs[turn % 2:] + plugs[:turn % 2]:
            plug.close()
        vde.wait_until(lambda: sorted(switch.ports()) == [1, 2])
    talk(*steady)
    assert descriptors(switch) == before
    assert not steady[0].is_closed(0) and not steady[1].is_closed(0)


# ---- refusals --------------------------------------------------------------------------------------------------------

ADDRESS = b"/nonexistent/socket"
BAD = {
    "wrong magic": vde.request(ADDRESS, magic=0xdeadbeef),
    "version 2": vde.request(ADDRESS, version=2),
    "version 4": vde.request(ADDRESS, version=4),
    "version 0": vde.request(ADDRESS, version=0),
    "type 2": vde.request(ADDRESS, kind=2),
    "type 255": vde.request(ADDRESS, kind=255),
    "no such socket": vde.request(ADDRESS),
    "empty address": vde.request(b""),
    "other family": vde.request(ADDRESS).replace(struct.pack("=H", 1) + b"/non", struct.pack("=H", 2) + b"/non"),
    "unterminated address": vde.request(b"/" * 108),
    "junk": bytes(range(256)),
    "zeros": bytes(300),
    "text": b"GET / HTTP/1.1\r\n\r\n".ljust(124),
    "endless": b"\xff" * 100000,
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_request_is_closed(lab, switch, kind):
    plugs = lab.plug(switch), lab.plug(switch)
    before = descriptors(switch)
    for _ in range(3):
        assert ask(switch, BAD[kind]) == b""
    talk(*plugs)
    vde.wait_until(lambda: descriptors(switch) == before, "the descriptors to be given back")
    assert "vde_switch: " in switch.program.stderr              # and it is told
    assert sorted(switch.ports()) == [1, 2]
    assert sorted(os.listdir(switch.socket)) == sorted(["ctl", *(os.path.basename(plug.switch_path) for plug in plugs)])


@pytest.mark.parametrize("version", [1, 3])
def test_every_truncation_is_closed(lab, switch, version):
    """A request that ends early has no effect and gets no answer."""
    path = os.path.join(lab.open_dir, "t")
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    data.bind(path)
    message = vde.request(path.encode(), version=version, description=b"")
    before = descriptors(switch)
    needed = message.index(path.encode()) + 108
    for length in range(needed):
        assert ask(switch, message[:length], shut=True) == b"", length
    vde.wait_until(lambda: descriptors(switch) == before)
    assert switch.ports() == {}
    data.close()
    talk(lab.plug(switch), lab.plug(switch))


def test_silent_connections_hold_up_nobody(lab, switch):
    """Connected and saying nothing, or half a request: others are served."""
    held = []
    for number in range(40):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(switch.ctl)
        client.sendall(vde.request(ADDRESS)[:number])
        held.append(client)
    talk(lab.plug(switch), lab.plug(switch))
    for client in held:
        client.close()


@pytest.mark.parametrize("port", [33, 4096, 65535, 0x7fffff])
def test_port_out_of_range(lab, switch, port):
    with pytest.raises(vde.Refused):
        lab.plug(switch, port=port)
    assert switch.ports() == {}


def test_regular_file_as_address(lab, switch):
    path = os.path.join(lab.open_dir, "file")
    with open(path, "w") as text:
        text.write("precious")
    assert ask(switch, vde.request(path.encode())) == b""
    assert open(path).read() == "precious"


def test_refusals_do_not_use_up_the_log(lab, switch):
    """A client that is refused for ever does not fill the disk."""
    for _ in range(500):
        assert ask(switch, BAD["wrong magic"]) == b""
    assert len(switch.program.stderr) < 20000


def test_bytes_after_the_request(lab, switch):
    """They are no second request: either the connection is closed with its endpoint, or nothing happens."""
    plug, other = lab.plug(switch), lab.plug(switch)
    plug.control.sendall(b"junk" * 100)
    switch.settle()
    if plug.is_closed(0):
        assert sorted(switch.ports()) == [2]
    else:
        talk(plug, other)
    assert len(switch.ports()[2]["endpoints"]) == 1


def test_dead_client_is_forgotten(lab, switch):
    """A client that dies closes everything at once; nothing of it stays, whoever was sending to it."""
    plug, other = lab.plug(switch), lab.plug(switch)
    vde.announce(switch, (plug, 1), (other, 2))
    plug.data.close()
    for _ in range(50):
        other.send(vde.frame(vde.mac(1), vde.mac(2)))
    plug.control.close()
    vde.wait_until(lambda: sorted(switch.ports()) == [2])
    assert vde.mac_text(vde.mac(1)) not in str(switch.hash())
    assert len(switch.program.stderr) < 5000


def test_a_thousand_clients(lab):
    """More than any select() could watch."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip(f"needs 4096 descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        switch = lab.switch("-n", "1200")
        plugs = [lab.plug(switch) for _ in range(1100)]
        sent = vde.frame(vde.BROADCAST, vde.mac(1))
        plugs[0].send(sent)
        for plug in plugs[1:]:
            assert plug.recv() == sent
        for plug in plugs:
            plug.close()
        vde.wait_until(lambda: switch.ports() == {})
        switch.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
