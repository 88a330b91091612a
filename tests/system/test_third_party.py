# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that are not ours: the one that doc/module-howto.md shows, and every one that Debian ships, as Debian built it."""
import glob
import os
import re
import shutil
import socket
import subprocess

import plugs
import pytest
import vde
from overlay import hosts, tapped
from plugs import reach, udp_ports
from test_modules import GROUP

DEBIAN_MODULES = os.path.dirname(next(iter(glob.glob("/usr/lib/*/vdeplug/libvdeplug_null.so")), "/nonexistent/x"))


# ---- the module of the how-to ----------------------------------------------------------------------------------------

@pytest.fixture
def howto(lab):
    """Directory of the module, built by the page's own command line against the installed headers and libraries, in a place of its own."""
    if not os.path.exists(f"{vde.LIB}/libvdeplug_mod.so"):
        pytest.skip("needs the shared libraries")
    compiler, _ = vde.need_program("cc"), vde.need_program("pkg-config")
    with open(f"{vde.SOURCE}/doc/module-howto.md", encoding="utf-8") as page:
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", page.read(), re.M | re.S))
    directory = lab.path("module")
    os.mkdir(directory)
    with open(f"{directory}/tee.c", "w", encoding="ascii") as source:
        source.write(blocks["c"])
    build = blocks["sh"].splitlines()[0]
    assert build.startswith("cc ")
    stage = vde.LIB[:vde.LIB.index("/stage/") + len("/stage")] if "/stage/" in vde.LIB else ""
    environment = vde.env_foreign(PKG_CONFIG_PATH=f"{vde.LIB}/pkgconfig", PKG_CONFIG_SYSROOT_DIR=stage)
    done = lab.run("/bin/sh", "-ec", build.replace("cc ", compiler + " -Werror ", 1), cwd=directory, env=environment)
    assert done.returncode == 0, done.stderr
    return directory


def under(program, lab, *argv, directory, **options):
    """vde_plug, ours or Debian's, that looks for modules in this directory only."""
    if program == "ours":
        return plugs.StreamPlug(lab, "vde_plug", *argv, env=vde.env_ours(VDEPLUGIN_PATH=directory), **options)
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), *argv, env=vde.env_foreign(VDEPLUGIN_PATH=directory), **options)


@pytest.mark.parametrize("program", ["ours", "debian"])
def test_module_of_the_howto(lab, switch, howto, program):
    """It carries frames under either library, and what it wrote is a capture file of them."""
    if program == "debian" and not DEBIAN_MODULES.startswith("/usr"):
        pytest.skip("needs the package libvdeplug2")
    if program == "debian":                 # VDEPLUGIN_PATH is all that the library looks at: the nested network's module, too
        os.symlink(f"{DEBIAN_MODULES}/libvdeplug_vde.so", f"{howto}/libvdeplug_vde.so")
    capture = lab.path("capture.pcap")
    ours = under(program, lab, f"tee://{capture}[snap=40]{{vde://{switch.socket}}}", directory=howto)
    other = plugs.StreamPlug(lab, "vde_plug", switch.socket)
    plugs.connected(switch, 2)
    sent, received = plugs.numbered(5, source=1), plugs.numbered(5, source=2)
    ours.send(*sent)
    other.wait_frames(sent)
    other.send(*received)
    ours.wait_frames(received)
    assert ours.end_of_input() == 0
    scapy = pytest.importorskip("scapy.utils")
    packets = list(scapy.RawPcapReader(capture))
    assert [bytes(data) for data, _ in packets] == [frame[:40] for frame in sent + received]
    assert {metadata.wirelen for _, metadata in packets} == {100}


def test_wrong_arguments_of_the_howto(lab, howto):
    for locator in ("tee:///nonexistent/capture{null://}", f"tee://{lab.path('c')}[nosuch=1]{{null://}}",
                    f"tee://{lab.path('c')}{{vde:///nonexistent}}"):
        done = lab.run("vde_plug", locator, env=vde.env_ours(VDEPLUGIN_PATH=howto))
        assert done.returncode == 1 and "vde_open" in done.stderr


def test_qemu_with_the_howto(lab, switch, howto):
    """A program that knows nothing of the module is given one by its locator."""
    qemu = vde.need_program("qemu-system-x86_64")
    locator = f"tee://{lab.path('capture.pcap')}{{vde://{switch.socket}[6]}}"
    lab.start(qemu, "-S", "-display", "none", "-monitor", "none", "-machine", "none", "-netdev", f"vde,id=n,sock={locator}",
              env=vde.env_foreign("ours", VDEPLUGIN_PATH=howto))
    plugs.connected(switch, 1)
    assert "QEMU" in switch.ports()[6]["endpoints"][0][2]


# ---- Debian's modules under our library ------------------------------------------------------------------------------

class Debian:
    """Our vde_plug with modules as Debian built them. Each is linked to under another name, or one that is built in would be taken."""

    def __init__(self, lab):
        self.lab, self.directory = lab, lab.path("debian")
        os.mkdir(self.directory)
        for path in glob.glob(f"{DEBIAN_MODULES}/libvdeplug_*.so"):
            os.symlink(path, f"{self.directory}/{os.path.basename(path).replace('libvdeplug_', 'libvdeplug_debian')}")

    def need(self, module):
        if not os.path.exists(f"{DEBIAN_MODULES}/libvdeplug_{module}.so"):
            pytest.skip(f"needs the package libvdeplug2 or libvdeplug-{module}")
        return f"debian{module}"

    @property
    def environment(self):
        return vde.env_ours(VDEPLUGIN_PATH=self.directory)

    def plug(self, module, arguments, *, space=None, **options):
        words = [vde.ours("vde_plug"), f"{self.need(module)}://{arguments}"]
        return plugs.StreamPlug(self.lab, *(space.command(*words) if space else words), env=self.environment, **options)


@pytest.fixture
def debian(lab):
    return Debian(lab)


def plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, "vde_plug", *argv, **options)


def test_debians_null(lab, debian):
    done = lab.run("vde_plug", f"{debian.need('null')}://", env=debian.environment)
    assert done.returncode == 0


def test_debians_vde(lab, switch, debian):
    reach(debian.plug("vde", f"{switch.socket}[port=3]"), plug(lab, switch.socket))
    assert switch.ports()[3]["endpoints"]


def test_debians_udp(lab, debian):
    one, two = udp_ports()
    reach(debian.plug("udp", f"127.0.0.1:{one}->127.0.0.1:{two}"), plug(lab, f"udp://127.0.0.1:{two}->127.0.0.1:{one}"))


def test_debians_ptp(lab, debian):
    path = lab.path("ptp")
    one = debian.plug("ptp", path)
    vde.wait_until(lambda: os.path.exists(path), "the first end")
    reach(one, plug(lab, f"ptp://{path}"))


def test_debians_cmd(lab, switch, debian):
    reach(debian.plug("cmd", f"{vde.ours('vde_plug')} vde://{switch.socket}"), plug(lab, switch.socket))


def test_debians_seqpacket(lab, debian):
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"packet")
    with mine, its:
        os.mkfifo(lab.path("fifo"))
        program = lab.start("/bin/sh", "-c", 'exec 5<&0; exec "$0" "$1" <fifo', vde.ours("vde_plug"),
                            f"{debian.need('seqpacket')}://5", stdin=its, env=debian.environment)
        with open(lab.path("fifo"), "wb") as stream:
            stream.write(plugs.record(frame))
            stream.flush()
            mine.settimeout(vde.DEADLINE)
            assert mine.recv(2000) == frame
            mine.send(frame)
            vde.wait_until(lambda: os.path.getsize(program.stdout_path) == len(frame) + 2, "the frame")
        assert program.wait() == 0


@pytest.mark.parametrize("kind", ["hub", "switch", "multi", "bonding"])
def test_debians_nodes_under_ours(lab, debian, kind):
    directory = lab.path("node")
    host = debian.plug(kind, directory)
    vde.wait_until(lambda: vde.answers(directory + "/ctl"), "the node's control socket")
    node = plug(lab, directory)
    reach(host, node)


def test_debians_tap(lab, switch, debian):
    spaces = [lab.namespace(), lab.namespace()]
    spaces[0].start("vde_plug", f"{debian.need('tap')}://tapx", switch.socket, env=debian.environment)
    spaces[1].start("vde_plug", "tap://tapx", switch.socket)
    for number, space in enumerate(spaces):
        vde.wait_until(lambda: space.has("tapx"), "the interface")
        space.up("tapx", f"10.1.1.{number + 1}/24")
    spaces[0].ping("10.1.1.2")


def test_debians_vxvde(lab, debian):
    spaces = hosts(lab)
    tapped(spaces[0], f"{debian.need('vxvde')}://{GROUP}", 1, env=debian.environment)
    tapped(spaces[1], f"vxvde://{GROUP}", 2)
    spaces[0].ping("10.1.1.2")


def test_debians_vxlan(lab, debian):
    """What is flooded passes; its answers to addresses that it has learned get lost, under its own library too."""
    spaces = hosts(lab)
    reach(debian.plug("vxlan", GROUP, space=spaces[0]),
          plugs.StreamPlug(lab, *spaces[1].command(vde.ours("vde_plug"), f"vxlan://{GROUP}")))


def test_debians_pcap(lab, debian):
    debian.need("pcap")
    spaces = hosts(lab)
    reach(*(debian.plug("pcap", "wire", space=space) for space in spaces))


def test_debians_agno(lab, switch, debian):
    """One end has the module under our library, the other under its own: what one encrypts the other decrypts."""
    key = lab.path("key")
    with open(key, "w", encoding="ascii") as out:
        out.write("00112233445566778899aabbccddeeff\n")
    ours = debian.plug("agno", f"{key}{{vde://{switch.socket}}}")
    theirs = plugs.StreamPlug(lab, vde.foreign("vde_plug"), f"agno://{key}{{vde://{switch.socket}}}", env=vde.env_foreign())
    plugs.connected(switch, 2)
    frames = plugs.numbered(5)
    ours.send(*frames)
    assert [frame[:100] for frame in theirs.wait_frames(5)] == frames
    theirs.send(*frames)
    assert [frame[:100] for frame in ours.wait_frames(5)] == frames


def test_debians_slirp(lab, debian):
    """A whole user-mode network: udhcpc gets the address that it gives."""
    client = shutil.which("busybox")
    if not client:
        pytest.skip("needs busybox (udhcpc)")
    space = lab.namespace()
    space.start("vde_plug", "tap://tapx", f"{debian.need('slirp')}://", env=debian.environment)
    vde.wait_until(lambda: space.has("tapx"), "the interface")
    space.up("tapx")
    done = space.run(client, "udhcpc", "-i", "tapx", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", "/bin/true", check=False,
                     deadline=60 * vde.PATIENCE)
    assert "10.0.2.15" in done.stdout + done.stderr


def test_debians_vdesl(lab, debian):
    """A serial line, here a pseudo terminal, with the framing of a vdestream."""
    debian.need("vdesl")
    master, slave = os.openpty()
    try:
        # raw from the beginning, or what is written before the module is there comes back as an echo
        subprocess.run(["stty", "raw", "-echo"], stdin=slave, check=True)
        ours = debian.plug("vdesl", os.ttyname(slave))
        frame = vde.frame(vde.BROADCAST, vde.mac(1), b"on the line")
        ours.send(frame)
        got = b""
        while len(got) < len(frame) + 2:
            got += os.read(master, 4096)
        assert got == plugs.record(frame)
        os.write(master, plugs.record(frame))
        ours.wait_frames([frame])
    finally:
        os.close(master)
        os.close(slave)
