# SPDX-License-Identifier: GPL-2.0-or-later
"""Others' programs at the ends of our modules, and ours at the ends of theirs, where no other file has them."""
import os
import socket
import subprocess

import guest
import overlay
import plugs
import pytest
import vde

DEBIAN_MODULES = "/usr/lib/x86_64-linux-gnu/vdeplug"


def ours(lab, *argv, **options):
    return plugs.StreamPlug(lab, "vde_plug", *argv, **options)


def debians(lab, *argv, **options):
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), *argv, env=vde.env_foreign(**options))


# ---- udp -------------------------------------------------------------------------------------------------------------

def test_udp_with_socat(lab):
    """What comes is the frame and nothing else, and goes back as it came."""
    one, two = plugs.udp_ports()
    lab.start(vde.need_program("socat"), f"UDP4-RECVFROM:{two},bind=127.0.0.1,fork", "EXEC:cat", env=vde.env_foreign())
    end = ours(lab, f"udp://127.0.0.1:{one}->127.0.0.1:{two}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"echo")

    def echoed():
        end.send(frame)
        return frame in end.frames
    vde.wait_until(echoed, "the echo")


def test_udp_with_qemu(lab):
    """-netdev socket,udp=: two of them on QEMU's hub, with a plug of ours at each."""
    qemu = vde.need_program("qemu-system-x86_64")
    ports = plugs.udp_ports(count=4)
    words = [qemu, "-M", "none", "-display", "none", "-monitor", "none", "-serial", "none", "-nodefaults"]
    for number in range(2):
        plug_port, qemu_port = ports[2 * number:2 * number + 2]
        words += ["-netdev", f"socket,id=s{number},udp=127.0.0.1:{plug_port},localaddr=127.0.0.1:{qemu_port}",
                  "-netdev", f"hubport,id=h{number},hubid=0,netdev=s{number}"]
    lab.start(*words, env=vde.env_foreign())
    plugs.reach(*[ours(lab, f"udp://127.0.0.1:{ports[n]}->127.0.0.1:{ports[n + 1]}") for n in (0, 2)])


# ---- vdestream -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [9000, 9234])
def test_long_frames_with_debians_stream(lab, switch, size):
    """The longest frames that Debian's framing knows."""
    theirs = " ".join(vde.foreign_command("vde_plug"))
    plugs.reach(ours(lab, f"cmd://{theirs} vde://{switch.socket}"), ours(lab, switch.socket), size)


# ---- modules as Debian ships them, in our library --------------------------------------------------------------------

def debian_module(lab, name, locator):
    if not os.path.exists(f"{DEBIAN_MODULES}/libvdeplug_{name}.so"):
        pytest.skip(f"needs the package libvdeplug-{name}")
    return ours(lab, locator, env=vde.env_ours(VDEPLUGIN_PATH=DEBIAN_MODULES))


def test_debians_pcap_module(lab):
    """It sees an interface and speaks on it."""
    near = lab.name()
    space = lab.namespace()
    subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", space.name], check=True)
    lab.keep_tap(near)
    subprocess.run(["ip", "link", "set", near, "up"], check=True)
    space.up("eth0")
    end, behind = debian_module(lab, "pcap", f"pcap://{near}"), overlay.packet_socket(lab, space, "eth0")
    there, back = vde.frame(vde.BROADCAST, vde.mac(1), b"there"), vde.frame(vde.BROADCAST, vde.mac(2), b"back")
    end.send(there)
    vde.wait_until(lambda: behind.recv(2000) == there, "the frame on the interface")
    behind.send(back)
    vde.wait_until(lambda: back in end.frames, "the frame from the interface")


def test_debians_serial_module(lab):
    """Two plugs on a line: socat's pair of terminals."""
    ends = [lab.path("tty0"), lab.path("tty1")]
    lab.start(vde.need_program("socat"), *(f"PTY,link={path},raw,echo=0" for path in ends), env=vde.env_foreign())
    vde.wait_until(lambda: all(map(os.path.exists, ends)), "the line")
    plugs.reach(debian_module(lab, "vdesl", f"vdesl://{ends[0]}"), debians(lab, f"vdesl://{ends[1]}"), 100)


def test_debians_vlan_module(lab):
    """It opens the network inside through our library: tagged there, untagged here."""
    one, two = plugs.udp_ports()
    tagged = debian_module(lab, "vlan", f"vlan://3{{udp://127.0.0.1:{one}->127.0.0.1:{two}}}")
    trunk = ours(lab, f"udp://127.0.0.1:{two}->127.0.0.1:{one}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"of VLAN 3")
    with_tag = frame[:12] + b"\x81\0\0\3" + frame[12:]

    def heard():
        tagged.send(frame)
        trunk.send(with_tag)
        return trunk.frames and tagged.frames
    vde.wait_until(heard, "both ends")
    assert set(trunk.frames) == {with_tag} and set(tagged.frames) == {frame}


def test_debians_vdens_on_our_library(lab, switch):
    """Its namespace on our switch; the other end is our vdens."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/net/tun")
    program = lab.start("vdens", "--addr", "10.9.0.1/24", switch.socket, "sh", "-c", "echo ready; cat >/dev/null")
    program.expect("ready")
    script = "ip addr add 10.9.0.2/24 dev vde0; ip link set vde0 up; ping -n -q -c 2 -W 5 10.9.0.1"
    theirs = lab.start(vde.foreign("vdens"), f"vde://{switch.socket}", "sh", "-c", script, env=vde.env_foreign("ours"))
    theirs.expect(" 0% packet loss")                    # its own end may never come: it can miss that of the command


# ---- QEMU ------------------------------------------------------------------------------------------------------------

def test_qemu_without_a_switch(lab):
    """A guest on vxvde, its peer on another host. It hears frames, and not that there were events without one (a runt in its eyes)."""
    spaces = overlay.hosts(lab)
    machine = guest.qemu(lab, "vde,id=n,sock=vxvde://239.1.2.3", vde.mac_text(vde.mac(1)), space=spaces[0])
    overlay.tapped(spaces[1], "vxvde://239.1.2.3", 2)
    machine.wait_ready().address("10.1.1.1/24")
    machine.ping("10.1.1.2")
    spaces[1].ping("10.1.1.1", count=3)
    machine.run("arping -c 3 -I eth0 10.1.1.77; true")
    errors = machine.run("cd /sys/class/net/eth0/statistics; cat rx_errors rx_length_errors rx_frame_errors")
    assert errors.split() == ["0", "0", "0"], errors


# ---- macvtap ---------------------------------------------------------------------------------------------------------

def test_macvtap(lab):
    """An interface on an interface: the plug speaks with what is behind the cable."""
    vde.need_tun()
    near, name, space = lab.name(), lab.name("vm"), lab.namespace()
    subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", space.name], check=True)
    lab.keep_tap(near)
    if subprocess.run(["ip", "link", "add", "link", near, "name", name, "type", "macvtap", "mode", "bridge"], check=False).returncode:
        pytest.skip("needs macvtap in the kernel")
    for interface in (near, name):
        subprocess.run(["ip", "link", "set", interface, "up"], check=True)
    space.up("eth0")
    index = socket.if_nametoindex(name)
    if not os.path.exists(f"/dev/tap{index}"):
        pytest.skip("needs /dev to be the kernel's own")
    end, behind = ours(lab, f"macvtap://{name}"), overlay.packet_socket(lab, space, "eth0")
    there, back = vde.frame(vde.BROADCAST, vde.mac(1), b"there"), vde.frame(vde.BROADCAST, vde.mac(2), b"back")
    end.send(there)
    vde.wait_until(lambda: behind.recv(2000) == there, "the frame behind the cable")
    behind.send(back)
    vde.wait_until(lambda: back in end.frames, "the frame from behind the cable")


def test_bulk_through_a_nested_network(lab):
    """VLAN 3 of a vxvde: what the inner module holds is asked for through the outer one, so that nothing stays behind."""
    spaces = overlay.hosts(lab)
    for number, space in enumerate(spaces):
        overlay.tapped(space, "vlan://3{vxvde://239.1.2.3}", number + 1)
    spaces[0].ping("10.1.1.2")
    overlay.bulk(spaces[0], spaces[1], "10.1.1.2", "16M")
    overlay.bulk(spaces[1], spaces[0], "10.1.1.1", "16M")
