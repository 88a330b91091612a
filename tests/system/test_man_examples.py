# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the examples of the manual pages, and the tour of the README, as they stand there, and checks that they do what the text says.

An example is a block (.EX or .nf) in a section EXAMPLE or EXAMPLES, or a block elsewhere that has a row in EXAMPLES below. A row is found by
the page and the first words of the block; it says what the reader is supposed to have already, and for each command of the block
whether it ends, stays, or is one of several ways to the same thing, and what must be true then.

Each runs on a machine of its own (machine.py), so that the page's paths can be used as they are; where the page's prompts name hosts ("a$ ", "b# "),
there are two hosts with a cable between them.
"""
import glob
import os
import re
import shlex
import textwrap
from dataclasses import dataclass, field

import machine
import pytest
import vde
from test_man_pages import MAN, PAGES, options_of_help, options_of_page, plain, source


# ---- what commands do ------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Does:
    """mode: "ends" with the status; "stays" until the example is over; "alone": stays, and is ended before the next one begins.
    check: what must become true, in the language of machine.py. instead: (text of the page, what a test can have), any number of these."""
    mode: str
    check: str = "true"
    instead: tuple = ()


def ends(check="true", *instead):
    return Does("ends", check, instead)


def stays(check="true", *instead):
    return Does("stays", check, instead)


def alone(check="true", *instead):
    return Does("alone", check, instead)


@dataclass(frozen=True)
class Row:
    begins: str                         # the block's first words
    commands: tuple = ()                # a Does for each command of the block
    setup: str = ""                     # commands that make what the page takes for granted
    then: tuple = ()                    # (command, Does): what the reader would do next
    block: bool = False                 # the block is no command but the file /mnt/block, which `then` uses
    through: str = ""                   # a program of machine.py that gets each command as its argument
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class NotRun:
    """Cannot run unattended; that its options exist is checked all the same."""
    begins: str
    reason: str


def switches(*names):
    return "\n".join(f"vde_switch -d -s /tmp/{name} -M /tmp/{name}.mgmt" for name in names)


CABLE = "carries /tmp/sw1 /tmp/sw2"
FAR = switches("far") + "\nmkdir -p ~/.vdeplug && ln -s /tmp/far ~/.vdeplug/default"
NODE = "vdens --addr 10.0.0.9/24 {} ping -q -c 1 -W 1 10.0.0.1"
ROUTER = "vdens --addr 10.0.2.77/24 /tmp/sw ping -q -c 1 -W 1 10.0.2.2"
with open("/proc/mounts", encoding="utf-8") as mounts:
    KERNELS_DEV = any(line.split()[1:3] == ["/dev", "devtmpfs"] for line in mounts)
DISK = "truncate -s 1M {}"

EXAMPLES = {
    "README": [
        Row("vde_switch -d -s /tmp/lab", (ends("vdecmd -s /tmp/lab.mgmt showinfo"),)),
        Row("qemu-system-x86_64 ...", (stays("plugged 1 /tmp/lab", ("... ", "")), ends("true", ("linux.uml", ": linux.uml"))), switches("lab")),
        Row("slirpvde -d", (ends(), ends("grep -q 'inet 10[.]0[.]2[.]' /mnt/out")), switches("lab")),
        Row("vde_plug /tmp/lab /tmp/other", (alone("carries /tmp/lab /tmp/other"), alone("carries /tmp/lab /tmp/other"),
                                             alone("carries /tmp/lab /tmp/theirs")), switches("lab", "other", "theirs")),
        Row("vde_plug2tap -d", (ends("tap_reaches tap0 /tmp/lab"),), switches("lab")),
        Row("vdecmd -s /tmp/lab.mgmt port/print", (ends(), ends(), ends()), switches("lab"),
            then=(("vdecmd -s /tmp/lab.mgmt port/allprint", ends("grep -q 'Port 0003 untagged_vlan=0010' /mnt/out")),)),
    ],
    "dpipe.1": [
        Row("dpipe vde_plug /tmp/sw1 = vde_plug", (alone(CABLE), alone(CABLE), alone(CABLE)), switches("sw1", "sw2") + "\nln -s /tmp/sw2 ~/none"),
        Row("dpipe vde_plug /tmp/sw1 =} tee", (alone("carries_one_way /tmp/sw1 /tmp/sw2 && grep -q example frames"),), switches("sw1", "sw2")),
    ],
    "libvdeplug.3": [
        Row("char buffer", block=True, setup=switches("sw"), then=(
            (r"""{ printf '#include <%s>\n' libvdeplug.h poll.h stdio.h sys/socket.h; echo 'int main(void){';
                 cat /mnt/block; echo 'return 0; }'; } >example.c""", ends()),
            ("cc -o example example.c -lvdeplug", ends()),
            ("socat -u EXEC:./example,pty,raw STDOUT", stays("says /tmp/sw && grep -q '^a frame of' /mnt/out")))),
    ],
    "libvdeplug_agno.1": [
        Row("(umask 077; openssl", (ends(), ends("grep -q vde0 /mnt/out"))),
        Row("vde_plug vde:///tmp/sw 'agno:///etc/lab.key", (stays("true", ("vde_plug", "at a vde_plug"), ("/etc/", "/mnt/")),),
            "hosts\nopenssl rand -hex 16 >/mnt/lab.key\nat a vde_switch -d -s /tmp/sw\nat b vde_switch -d -s /tmp/sw",
            then=(("at b vde_plug vde:///tmp/sw 'agno:///mnt/lab.key[ethtype=ipv4]{udp://5000->a:5000}'", stays("hosts_reach")),)),
    ],
    "libvdeplug_bonding.1": [
        Row("vde_plug tap://tap0 'bonding:", (ends("test -S /tmp/trunk/ctl"), ends(), ends()), switches("sw"), then=(
            ("vde_plug 'bonding:///tmp/far[flow]' /tmp/sw &", ends("test -S /tmp/far/ctl")),
            ("vde_plug 'udp://8001->127.0.0.1:7001' /tmp/far &", ends()),
            ("vde_plug 'udp://8002->127.0.0.1:7002' /tmp/far &", ends("tap_reaches tap0 /tmp/sw")))),
    ],
    "libvdeplug_cmd.1": [Row("vde_plug tap://tap0", (stays("tap_reaches tap0 /tmp/sw"),), switches("sw"))],
    "libvdeplug_hub.1": [Row("vde_plug tap://tap0 hub:", (ends(), ends("tap_pair tap0 tap1")))],
    "libvdeplug_multi.1": [Row("vde_plug tap://server0", (ends("test -S /tmp/clients/ctl"), ends(), ends("tap_pair server0 client1")))],
    "libvdeplug_null.1": [Row("vde_plug null://", (stays("ip link show tap0"),))],
    "libvdeplug_pcap.1": [
        Row("kvm -netdev", (stays("pgrep -f pcap://eth1 && sleep 1"),), "wire eth1 far1"),
        Row('vde_plug "pcap://eth1/filter', (stays("tap_reaches far1 /tmp/sw"),), switches("sw") + "\nwire eth1 far1"),
    ],
    "libvdeplug_ptp.1": [Row("vde_plug ptp:", (ends(), stays("tap_reaches tap0 /tmp/sw")), switches("sw"))],
    "libvdeplug_seqpacket.1": [Row("cat >port.py", (ends(), ends("grep -q '^60$' /mnt/out")), switches("sw") + "\nstay talks /tmp/sw")],
    "libvdeplug_slirp.1": [
        Row("vde_plug slirp://", (stays(ROUTER),), switches("sw")),
        Row("vde_plug vde:///tmp/sw = ssh", (stays(ROUTER),), switches("sw")),
        Row("vdens --addr 10.0.2.15/24 slirp:// ping", (ends(), stays("busybox wget -qO - http://127.0.0.1:8080/page | grep hello")), "echo hello >page"),
        Row("""vde_plug "slirp:///v4/host""", (stays("vdens --addr 10.1.1.9/24 /tmp/sw sh -c 'echo hello | busybox nc -w 3 10.1.1.1 7 | grep hello'"),),
            switches("sw")),
    ],
    "libvdeplug_switch.1": [
        Row("vde_plug null:// switch:", (ends("test -S /tmp/lab/ctl"), ends(), ends("tap_pair tap0 tap1"))),
        Row("vde_plug tap://tap0 'switch:", (ends("test -S /tmp/office.mgmt"), ends("grep -q '^Port' /mnt/out"))),
    ],
    "libvdeplug_tap.1": [
        Row("vde_plug tap://tap0", (stays("ip link show tap0"), ends(), ends(NODE.format("/tmp/sw"))), switches("sw")),
        Row("ip link add link eth0 name m0 type macvtap", (ends("ls /dev/tap[0-9]*"), ends(), stays("tap_reaches far0 /tmp/sw")),
            switches("sw") + "\nwire eth0 far0") if KERNELS_DEV else
        NotRun("ip link add link eth0 name m0 type macvtap", "the device /dev/tapN of a macvtap is made by the kernel or udev"),
    ],
    "libvdeplug_udp.1": [
        Row("a$ vde_plug", (stays(), stays("hosts_reach")), "hosts\n" + "\n".join(f"at {host} vde_switch -d -s /tmp/sw" for host in "ab")),
    ],
    "libvdeplug_vde.1": [
        Row("vde_plug 'vde:///tmp/sw[3]'", (stays("carries /tmp/sw /tmp/sw2 && vdecmd -s /tmp/sw.mgmt port/print 3 | grep -q vde_plug"),),
            switches("sw", "sw2")),
        Row("vde_plug '/tmp/sw[port=4", (stays("carries /tmp/sw /tmp/sw2 && vdecmd -s /tmp/sw.mgmt port/print 4 | grep -q vde_plug"),),
            switches("sw", "sw2")),
    ],
    "libvdeplug_vdesl.1": [
        NotRun("a# vde_plug tap://tap0 vdesl:", "there are no serial adapters"),
        Row("socat PTY,link=/tmp/a", (ends("test -e /tmp/b"), stays("carries /tmp/sw vdesl:///tmp/b")), switches("sw")),
    ],
    "libvdeplug_vlan.1": [
        Row("kvm -netdev", (stays("plugged 1 /tmp/sw && sleep 1"),), switches("sw")),
        Row("vde_plug tap://tap0 'vlan:", (stays("ip link show tap0 && plugged 1 /tmp/sw"),), switches("sw")),
        Row("vdens 'vlan:", (ends("grep -q vde0 /mnt/out"),)),
    ],
    "libvdeplug_vxlan.1": [
        Row("a$ vde_plug vxlan:///peers=", (stays(), ends("host_reaches_device b vx0")), "hosts\nat a vde_switch -d -s /tmp/sw"),
    ],
    "libvdeplug_vxvde.1": [
        Row("vdens --addr 10.0.0.", (stays("vdens --addr 10.0.0.2/24 vxvde://239.1.2.3 ping -q -c 1 -W 1 10.0.0.1", (".N/", ".1/")),),
            environment={"SHELL": "/bin/cat"}),
    ],
    "slirpvde.1": [
        Row("vde_switch -d -s /tmp/sw", (ends(), ends("ss -ltn | grep -q 127.0.0.1:2222"), stays("plugged 2 /tmp/sw")), DISK.format("disk.img")),
        Row("slirpvde -s /tmp/sw -H", (stays("vdens --addr 10.0.2.99/24 /tmp/sw ping -q -c 1 -W 1 10.0.2.2"),),
            switches("sw") + "\nmkdir -p /srv/tftp && touch /srv/tftp/pxelinux.0"),
    ],
    "unixterm.1": [
        Row("echo port/print", (ends("grep -q '^1000 Success' /mnt/out"), alone("grep -q '^VDE switch' /mnt/out")), switches("sw")),
    ],
    "vde.7": [
        Row("dpipe vde_plug /tmp/a = ssh", (alone("carries /tmp/a /tmp/b"),), switches("a", "b")),
        Row("vde_switch -d -s /tmp/lab", (ends(), ends("true", (" ...", "")), ends("plugged 2 /tmp/lab", (" ...", "")))),
        Row("vde_plug2tap -d -s /tmp/lab tap0", (ends(), ends(), ends(NODE.format("/tmp/lab"))), switches("lab")),
        Row("wirefilter -v /tmp/a:/tmp/b", (alone("carries /tmp/a /tmp/b"),), switches("a", "b")),
        Row("vde_plug -d vxlan:", (ends("plugged 1 /tmp/lab"),), switches("lab")),
    ],
    "vde_autolink.1": [
        Row("addwire ssh", block=True, setup=switches("sw") + "\n" + FAR, then=(
            ("vde_autolink -s /tmp/sw -S /tmp/sw.mgmt -f /mnt/block", stays("carries /tmp/sw /tmp/far")),)),
    ],
    "vde_cryptcab.1": [
        Row("vde_switch -s /tmp/lab.ctl -d\nvde_cryptcab -s /tmp/lab.ctl -p", (ends(), ends()), switches("client"),
            then=(("vde_cryptcab -s /tmp/client -c user@server.example.org -d", ends("carries /tmp/lab.ctl /tmp/client")),)),
        Row("vde_switch -s /tmp/lab.ctl -d\nvde_cryptcab -s /tmp/lab.ctl -c", (ends(), ends("carries /tmp/lab.ctl /tmp/server")),
            switches("server") + "\nvde_cryptcab -s /tmp/server -d"),
        Row("(umask 077;", (ends(), stays(), stays("carries /tmp/lab.ctl /tmp/client", ("/tmp/lab.ctl", "/tmp/client"))), switches("lab.ctl", "client")),
    ],
    "vde_pcap.1": [
        Row("vde_pcap /tmp/sw | tcpdump", (alone("says /tmp/sw && test -s /mnt/out"), alone("says '/tmp/sw[3]' && test -s /mnt/out"),
                                           alone("says /tmp/sw && test $(stat -c %s arp.pcapng) -gt 300")),
            switches("sw") + "\nstay vde_plug '/tmp/sw[3]'\nuntil plugged 1 /tmp/sw; do sleep 0.05; done"),
    ],
    "vde_pcapplug.1": [
        Row("vde_pcapplug -s /tmp/s eth1", (alone("carries /tmp/s /tmp/far"), ends("carries /tmp/s /tmp/far2")),
            switches("s", "far", "far2") + "\nwire eth1 far1\nwire eth0 far0\nvde_pcapplug -d -s /tmp/far far1\nvde_pcapplug -d -s /tmp/far2 far0"),
    ],
    "vde_plug.1": [
        Row("vde_plug /tmp/mysw = ssh", (alone("carries /tmp/mysw /tmp/far"),), switches("mysw") + "\n" + FAR),
        Row("dpipe vde_plug /tmp/sw1 = vde_plug", (alone(CABLE), alone(CABLE), alone(CABLE)), switches("sw1", "sw2")),
        Row("vde_plug /tmp/sw1 /tmp/sw2[3]", (alone(CABLE),), switches("sw1", "sw2")),
        Row("vde_plug --descr UML", (stays("hears /tmp/sw1"),), switches("sw1"), through="with_descriptor_5"),
    ],
    "vde_plug2tap.1": [
        Row("vde_plug2tap -s /tmp/s --up", (alone(NODE.format("/tmp/s")), ends("tap_reaches tap0 /tmp/s && end_daemon vde_plug2tap"),
                                            alone("tap_reaches tap0 /tmp/s")), switches("s")),
    ],
    "vde_plugins.7": [
        Row("#include <vdeplugin.h>", block=True, setup=switches("sw"), then=(
            ("cp /mnt/block hello.c", ends()),
            ("cc -std=gnu17 -shared -fPIC -o hello.so hello.c", ends()),
            ("vdecmd -s /tmp/sw.mgmt plugin/add $PWD/hello.so", ends()),
            ("vdecmd -s /tmp/sw.mgmt hello/say you", ends("grep -q 'hello you' /mnt/out")))),
        Row("cc -std=gnu17 -shared", (ends("test -f hello.so"),), "echo '#include <vdeplugin.h>' >hello.c"),
    ],
    "vde_switch.1": [
        Row("ip tuntap add", (ends("ip link show tap0", ("alice", "nobody")),)),
        Row("vde_switch -d -s /tmp/lab", (ends(), stays("plugged 1 /tmp/lab", (" ...", "")), ends("grep -q 'QEMU' /mnt/out"))),
        Row("vlan/create 10", block=True, setup=switches("lab"), then=(
            ("vdecmd -s /tmp/lab.mgmt -f /mnt/block", ends()), ("vdecmd -s /tmp/lab.mgmt vlan/allprint", ends("grep -q 'tagged=1' /mnt/out")))),
    ],
    "vde_tunctl.8": [
        Row("vde_tunctl -u alice", (ends("ip link show tap0", ("alice", "nobody")), alone("tap_reaches tap0 /tmp/s"), ends("! ip link show tap0")), switches("s")),
    ],
    "vdecmd.1": [
        Row("vdecmd -s /tmp/sw.mgmt port/create 3", (ends(), ends(), ends()), switches("sw"),
            then=(("vdecmd -s /tmp/sw.mgmt port/allprint", ends("grep -q 'Port 0003 untagged_vlan=0007' /mnt/out")),)),
    ],
    "vdens.1": [
        Row("vde_switch --sock /tmp/sw", (ends(), ends(), ends())),
        Row("vdens --multi --addr vde0=10.0.0.2/24", (stays("ip link show gate"), ends(
            """vdens --addr 10.1.0.2/24 vxvde://239.1.1.1 sh -c 'ip route add default via 10.1.0.1; exec ping -q -c 1 -W 1 10.2.0.2'""")),
            "stay vdens --addr 10.2.0.2/24 vxvde://239.2.2.2 sh -c 'ip route add default via 10.2.0.1; exec sleep 1000'",
            environment={"SHELL": "/bin/cat"}),
        Row("vdens --multi --addr vde0=10.0.0.254/24", (stays("""vdens --addr 10.0.0.1/24 /tmp/sw sh -c 'ip route add default via 10.0.0.254; exec ping -q -c 1 -W 1 10.0.1.1'"""),),
            switches("sw", "sw2") + "\nstay vdens --addr 10.0.1.1/24 /tmp/sw2 sh -c 'ip route add default via 10.0.1.254; exec sleep 1000'"),
    ],
    "vdeq.1": [
        Row("vdeqemu -hda image", (alone("plugged 1 /tmp/vde.ctl"), alone("plugged 1 /tmp/a && plugged 1 /tmp/b")),
            switches("vde.ctl", "a", "b") + "\n" + DISK.format("image")),
    ],
    "vdeterm.1": [
        Row("vde_switch -d -s /tmp/sw", (ends("plugged 0 /tmp/sw"), alone(), ends("grep -q 'mgmt /tmp/sw.mgmt' /mnt/out"))),
    ],
    "wirefilter.1": [
        Row("vde_switch -d -s /tmp/s1 ;", (ends(), stays("carries /tmp/s1 /tmp/s2"))),
        Row("echo showinfo", (ends("grep -q '1000 Success' /mnt/out"), ends("grep -q '1000 Success' /mnt/out")),
            switches("s1", "s2") + "\nwirefilter --daemon -M /tmp/wf.mgmt /tmp/s1 /tmp/s2"),
        Row("dpipe vde_plug /tmp/s1", (alone("carries /tmp/s1 /tmp/s2"),), switches("s1", "s2")),
        Row("wirefilter --preset dsl", (ends("carries /tmp/s1 /tmp/s2 && test -s /tmp/dsl.pid"),), switches("s1", "s2")),
        Row("markov-numnodes 2", block=True, setup=switches("s1", "s2"), then=(
            ("wirefilter --daemon -f /mnt/block -M /tmp/wf.mgmt /tmp/s1 /tmp/s2", ends("carries /tmp/s1 /tmp/s2")),
            ("vdecmd -s /tmp/wf.mgmt showinfo", ends("grep -q good /mnt/out")))),
        Row("wirefilter --blackout", (alone("carries /tmp/s1 /tmp/s2"),), switches("s1", "s2")),
        Row("printf '0 40 0", (ends(), alone("carries /tmp/s1 /tmp/s2")), switches("s1", "s2")),
    ],
}


# ---- the pages -------------------------------------------------------------------------------------------------------

@dataclass
class Block:
    page: str
    section: str
    text: str

    @property
    def row(self):
        rows = [row for row in EXAMPLES.get(self.page, []) if self.text.startswith(row.begins)]
        assert len(rows) <= 1, f"{self.page}: several rows for one block: {[row.begins for row in rows]}"
        return rows[0] if rows else None

    @property
    def is_example(self):
        return self.section in ("EXAMPLE", "EXAMPLES") or self.row is not None

    @property
    def commands(self):
        """One a line, but for lines that end in a backslash and for the lines of a here document."""
        found, lines = [], self.text.splitlines()
        while lines:
            line = lines.pop(0)
            while line.endswith("\\") and lines:
                line = line[:-1] + lines.pop(0).strip()
            here = re.search(r"<<'?(\w+)'?", line)
            while here and lines and not line.endswith("\n" + here[1]):
                line += "\n" + lines.pop(0)
            if line.strip():
                found.append(line)
        return found


def unescape(text):
    return plain(text).replace("\\e", "\\").replace("\\\\", "\\")


def blocks(page):
    section, inside, found = "", None, []
    with open(f"{MAN}/{page}", encoding="utf-8") as lines:
        for line in lines:
            if match := re.match(r'\.SH "?([^"\n]*)', line):
                section = match[1]
            elif re.match(r"\.(EX|nf)\b", line):
                inside = []
            elif re.match(r"\.(EE|fi)\b", line) and inside is not None:
                found.append(Block(page, section, textwrap.dedent(unescape("".join(inside))).strip("\n")))
                inside = None
            elif inside is not None:
                inside.append(line)
    return [block for block in found if block.section != "SYNOPSIS"]


def tour():
    """The blocks of the README's tour: what is indented by four."""
    with open(f"{vde.SOURCE}/README", encoding="utf-8") as text:
        section = re.search(r"^A short tour\n-+\n(.*?)^\S[^\n]*\n-+\n", text.read(), re.M | re.S)[1]
    return [Block("README", "EXAMPLES", textwrap.dedent(block).strip("\n")) for block in re.findall(r"^(?:    .*\n)+", section, re.M)]


BLOCKS = [block for page in PAGES for block in blocks(page) if block.is_example] + tour()


def test_every_example_has_a_row():
    assert not [(block.page, block.text) for block in BLOCKS if block.row is None], "add a row to EXAMPLES in this file"
    used = {(block.page, block.row.begins) for block in BLOCKS if block.row}
    rows = {(page, row.begins) for page, rows in EXAMPLES.items() for row in rows if page in [*PAGES, "README"]}
    assert rows == used, "rows whose example is not there any more"


# ---- options ---------------------------------------------------------------------------------------------------------

def our_words(command):
    """(program, option) for each option in the command that stands behind a program of ours."""
    program = None
    for word in shlex.split(command.replace("(", " ").replace(")", " ").replace("'", " ").replace('"', " "), comments=True):
        word = word.rstrip(";")
        if word in {"=", "|", "&", "}=", "=}", "sh", "ssh", "ping", "sleep", "busybox", "--"}:
            program = None
        elif glob.glob(f"{MAN}/{word}.[18]"):
            program = word
        elif program and program not in ("vdeq", "vdeqemu") and re.match(r"--?[A-Za-z]", word):
            yield program, word.split("=")[0]


def options_of(lab, program):
    page = os.path.basename(glob.glob(f"{MAN}/{program}.[18]")[0])
    return options_of_help(lab.run(program, "--help").stdout) | options_of_page(source(page))


def is_among(option, known):
    """Long options may be written with one dash, and a short one with its value behind it."""
    return option in known or (not option.startswith("--") and ("-" + option in known or option[:2] in known))


def test_options_exist(lab):
    used = {(block.page, *pair) for block in BLOCKS if not getattr(block.row, "block", False)
            for command in block.commands for pair in our_words(command)}
    known = {program: options_of(lab, program) for _, program, _ in used}
    assert not [(page, program, option) for page, program, option in used if not is_among(option, known[program])]


def script(block):
    row, commands = block.row, block.commands
    lines = []
    for line in filter(None, row.setup.splitlines()):
        lines.append(line if line.startswith("stay ") else f"given {shlex.quote(line)}")
    if row.block:
        commands, does = [], []
    else:
        does = list(row.commands)
        assert len(does) == len(commands), f"{block.page}: the row has {len(does)} commands, the example {len(commands)}"
    for command, what in [*zip(commands, does), *row.then]:
        for old, new in what.instead:
            assert old in command, (old, command)
            command = command.replace(old, new)
        if host := re.match(r"([ab])[$#] (.*)", command, re.S):
            command = f"at {host[1]} {host[2]}"
        command = command.removeprefix("# ")                            # root's prompt
        if row.through:
            command = f"{row.through} {shlex.quote(command)}"
        lines.append(f"{what.mode} {shlex.quote(command)} {shlex.quote(what.check)}")
    return "\n".join(lines)


def identify(block):
    row = block.row
    return f"{block.page}-{re.sub(r'[^A-Za-z0-9]+', '_', row.begins if row else block.text[:30]).strip('_')}"


@pytest.mark.parametrize("block", BLOCKS, ids=identify)
def test_example(lab, block):
    if block.row is None or isinstance(block.row, NotRun):
        return                          # test_every_example_has_a_row and test_options_exist speak for these
    place = machine.make(lab)
    machine.write(f"{place}/block", block.text + "\n")
    machine.run(lab, script(block), block.text, machine=place, **block.row.environment)
