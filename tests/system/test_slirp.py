# SPDX-License-Identifier: GPL-2.0-or-later
"""slirpvde: from its command lines as others write them to virtual machines that boot and surf through it.

Where the world matters, slirpvde runs in a namespace of its own (World), with a DNS server, a web server and a file of resolvers.
"""
import contextlib
import hashlib
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import time

import guest as guests
import pytest
import vde

with contextlib.suppress(ImportError):
    import scapy.all as scapy

PROMPT = b"\nVDEslirp$ "


# ---- a guest made of frames ------------------------------------------------------------------------------------------

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_frame(source_mac, payload, sport=68, dport=67):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return vde.BROADCAST + source_mac + b"\x08\x00" + ip + udp


def dhcp_frame(source_mac, kind, requested=None, name=b"guest"):
    options = b"\x63\x82\x53\x63" + bytes([53, 1, kind])
    if requested:
        options += bytes([50, 4]) + socket.inet_aton(requested)
    options += bytes([12, len(name)]) + name + b"\xff"
    bootp = struct.pack("!BBBBIHH16s", 1, 1, 6, 0, 7, 0, 0, bytes(16)) + source_mac.ljust(16, b"\0") + bytes(192) + options
    return udp_frame(source_mac, bootp.ljust(300, b"\0"))


def dhcp(plug, number=1, kind=1, requested=None, deadline=vde.DEADLINE):
    """Sends a DHCP message; returns (type, address) of the answer."""
    source = vde.mac(number)
    plug.send(dhcp_frame(source, kind, requested))
    end = time.monotonic() + deadline
    while True:
        answer = plug.recv(max(0.001, end - time.monotonic()))
        if answer[12:14] == b"\x08\x00" and answer[23] == 17 and answer[36:38] == b"\0\x44" and answer[70:76] == source:
            return answer[42 + 242], socket.inet_ntoa(answer[58:62])


def arp_frame(target, sender="10.0.2.15", number=1):
    return (vde.BROADCAST + vde.mac(number) + bytes.fromhex("08060001080006040001") + vde.mac(number)
            + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target))


def arp(plug, target):
    """Asks who has target; returns the MAC that answers, or None when only something else does that is asked for later."""
    plug.send(arp_frame(target))
    plug.send(arp_frame("10.0.2.2"))
    while True:
        answer = plug.recv()
        if answer[12:14] != b"\x08\x06" or answer[21] != 2:
            continue
        if answer[28:32] == socket.inet_aton(target):
            return answer[22:28]
        if answer[28:32] == socket.inet_aton("10.0.2.2"):
            return None


def start(lab, *words, where=None, name="slirpvde", ready="vde switch", **options):
    """Starts slirpvde and waits for its start-up text."""
    program = (where or lab).start(name, *words, **options)
    if ready:
        program.expect(ready, "stderr")
    return program


# ---- the command line ------------------------------------------------------------------------------------------------

def test_start_up_text(lab, switch):
    os.mkdir(lab.path("tf"))
    slirp = start(lab, "-D", "-t", lab.path("tf"), "-L", "127.0.0.1:0022222:10.0.2.15:22", "-s", switch.socket, ready="redir")
    assert slirp.stderr == ("Starting slirpvde: virtual_host=10.0.2.2/24\n"
                            "                   DNS         =10.0.2.3\n"
                            "                   dhcp_start  =10.0.2.15\n"
                            f"                   tftp prefix ={lab.path('tf')}\n"
                            f"                   vde switch  ={switch.socket}\n"
                            "                   redir TCP   =127.0.0.1:9362:10.0.2.15:22\n")
    assert slirp.stdout == ""
    assert switch.ports()[1]["endpoints"][0][2].startswith("slirpvde:")
    assert slirp.end() == 0


def test_second_name(lab, switch):
    slirp = start(lab, "-H10.0.2.1/24", "-Hfd00::1/64", "-D", "-N", "-r", switch.socket, name="slirpvde6")
    assert slirp.stderr == ("Starting slirpvde6: virtual_host=10.0.2.1/24\n"
                            "                   virtual_host=fd00::1/64\n"
                            "                   DNS         =10.0.2.3\n"
                            "                   DNS         =fd00::3\n"
                            "                   dhcp_start  =10.0.2.15\n"
                            f"                   vde switch  ={switch.socket}\n")
    assert dhcp(lab.plug(switch)) == (2, "10.0.2.15")


@pytest.mark.parametrize("words, offered", [
    (["--dhcp", "-s", "SWITCH", "--port", "5"], "10.0.2.15"),                            # openQA
    (["--sock", "SWITCH", "--dhcp=10.0.2.2", "--host", "10.0.2.1/24"], "10.0.2.2"),      # ktest
    (["-s", "SWITCH", "--dhcp", "-L", "22022:10.0.2.15:22"], "10.0.2.15"),               # peachtree
    (["-mod", "777", "--unix", "SWITCH", "--network", "10.0.2.0", "--dhcp"], "10.0.2.15"),   # Marionnet
    (["-D", "SWITCH"], "10.0.2.15"),
    (["-dhcp", "-sock", "SWITCH", "-n", "192.168.55.1"], "192.168.55.15"),
    (["SWITCH", "-H", "10.1.2.0/24", "-D10.1.2.40/3"], "10.1.2.40"),
    (["-vdesock=SWITCH", "-q", "-dhcp=10.0.2.77", "-N", "10.0.2.9"], "10.0.2.77"),
])
def test_command_lines(lab, switch, words, offered):
    """As scripts write them: a client of DHCP gets the address that the script expects."""
    words = [word.replace("SWITCH", switch.socket) for word in words]
    slirp = start(lab, *words, ready=None)
    vde.wait_until(lambda: switch.ports(), "the plug")
    assert list(switch.ports()) == [5 if "--port" in words else 1]
    assert dhcp(lab.plug(switch)) == (2, offered)
    assert slirp.end() == 0


@pytest.mark.parametrize("line", [
    "slirpvde --dhcp -s SWITCH --port 2",                                       # openQA
    "slirpvde --sock SWITCH --dhcp=10.0.2.2 --host 10.0.2.1/24",                # ktest
    "slirpvde -s SWITCH --dhcp -L 2222:10.0.2.15:22",                           # peachtree
    "slirpvde -s SWITCH -L 22239:10.1.2.15:22 -n 10.1.2.0",                     # dosemu2
    "slirpvde --mod 777 --unix SWITCH --network 10.0.2.0 --dhcp",               # Marionnet
    "slirpvde --dhcp SWITCH",
])
def test_lines_of_others(lab, switch, line):
    """Word for word, ports too: in a namespace, where these are free. Each is served: the router answers, DHCP where it is asked for, -L listens."""
    space = lab.namespace()
    slirp = start(lab, *line.replace("SWITCH", switch.socket).split()[1:], where=space)
    plug = lab.plug(switch)
    if "dhcp" in line:
        assert dhcp(plug)[0] == 2
    router = re.search(r"virtual_host=([0-9.]+)", slirp.stderr)[1]
    plug.send(arp_frame(router, sender=router.rsplit(".", 1)[0] + ".15"))
    vde.wait_until(lambda: any(frame[12:14] == b"\x08\x06" for frame in plug.recv_now()), "the router")
    if "-L" in line:
        assert re.search(r"LISTEN.*:(2222|22239) ", space.run("ss", "-ltn").stdout)
    if "--port" in line:
        assert 2 in switch.ports()
    assert slirp.end() == 0


def test_dosemu_reads_the_start(lab, switch):
    """dosemu2 runs it with both outputs in one pipe, and reads until it finds this text."""
    slirp = lab.start("slirpvde", "-s", switch.socket, "-L", "22239:10.1.2.15:22", "-n", "10.1.2.0", stdout=subprocess.PIPE,
                      stderr=subprocess.STDOUT)
    text, end = b"", time.monotonic() + vde.DEADLINE
    while b"vde switch" not in text:
        assert select.select([slirp.process.stdout], [], [], max(0, end - time.monotonic()))[0], text
        text += os.read(slirp.process.stdout.fileno(), 4096)
    slirp.process.stdout.close()


@pytest.mark.parametrize("words, named, status", [
    (["-H", "bogus"], "bogus", 1), (["-H", "10.2.3.4/0"], "10.2.3.4/0", 1), (["-H", "10.2.3.4/abc"], "10.2.3.4/abc", 1),
    (["-H", "10.2.3.4/32"], "10.2.3.4/32", 1), (["-H", "10.0.2.2", "-H", "10.0.3.2"], "10.0.3.2", 1),
    (["-N", "dns"], "'dns'", 1), (["--dhcp=10.9.9.9"], "10.9.9.9", 1), (["--dhcp=10.0.2.15/99"], "10.0.2.15/99", 1),
    (["-r"], "IPv6", 1), (["-r2001:db8::/48"], "48", 1), (["-R", "/etc/radvd.conf"], "/etc/radvd.conf", 1), (["-t", "/nonexistent"], "/nonexistent", 1),
    (["-L", "x:10.0.2.15:22"], "x:10.0.2.15:22", 1), (["-L", "2222:10.0.3.15:22"], "10.0.3.15", 1),
    (["-U", "70000:10.0.2.15:22"], "70000", 1), (["-X", "bogus"], "bogus", 1), (["-x", "6000"], "'6000'", 1),
    (["-L", "192.0.2.77:2222:10.0.2.15:22"], "192.0.2.77", 1), (["--outbound", "x"], "'x'", 1),
    (["--outbound", "192.0.2.77"], "192.0.2.77", 1), (["--outbound", "127.0.0.1", "--outbound", "127.0.0.2"], "127.0.0.2", 1),
    (["--guestfwd", "7:cat 'x"], "cat 'x", 1), (["--guestfwd", "7:/nonexistent/cat -u"], "/nonexistent/cat", 1),
    (["--mtu", "5"], "5", 2), (["--port", "x"], "'x'", 2), (["-D", "10.0.2.15"], "10.0.2.15", 2), (["--nonsense"], "nonsense", 2),
])
def test_errors(lab, switch, words, named, status):
    """What cannot be done is not started: one line that names the value."""
    done = lab.run("slirpvde", "-s", switch.socket, *words)
    assert done.returncode == status, done.stderr
    assert named in done.stderr and done.stdout == ""
    assert status == 2 or done.stderr.count("\n") == 1


def test_directory_that_cannot_be_read(lab):
    """Root has no more rights in the sandbox, and a user never had: it is told at the start, not to each guest."""
    os.mkdir(lab.path("closed"), 0)
    bare = ["/usr/bin/setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else ["/usr/bin/env"]
    done = lab.run(*bare, vde.ours("slirpvde"), "-t", lab.path("closed"), "-s", "/nonexist")
    assert (done.returncode, done.stderr) == (1, f"slirpvde: tftp '{lab.path('closed')}': Permission denied\n")


def test_no_switch(lab):
    done = lab.run("slirpvde", "-s", "/nonexist", "-p", lab.path("pid"))
    assert (done.returncode, done.stderr) == (1, "slirpvde: Could not connect to the VDE switch at '/nonexist': No such file or directory\n")
    assert not os.path.exists(lab.path("pid"))


def test_port_in_use(lab, switch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = lab.run("slirpvde", "-s", switch.socket, "-L", f"127.0.0.1:{port}:10.0.2.15:22")
    assert done.returncode == 1 and str(port) in done.stderr and "in use" in done.stderr


# ---- life ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("sandbox", ["sandbox", "--no-sandbox"])
def test_end_leaves_nothing(lab, switch, number, sandbox):
    before = sorted(os.listdir(switch.socket))
    words = [] if sandbox == "sandbox" else [sandbox]
    slirp = start(lab, "-s", switch.socket, "-p", lab.path("pid"), "-M", lab.path("mg"), *words)
    vde.wait_until(lambda: vde.answers(lab.path("mg")), "the management socket")
    with open(lab.path("pid")) as text:
        assert int(text.read()) == slirp.pid
    assert slirp.end(number) == 0
    assert not os.path.exists(lab.path("pid")) and not os.path.exists(lab.path("mg"))
    vde.wait_until(lambda: sorted(os.listdir(switch.socket)) == before, "the plug's socket to go")


def test_sandbox_with_paths_that_go_up(lab, switch):
    """What `..` leads to is shown around the directory of its own files, not over it: they can still be removed."""
    os.mkdir(lab.path("run"))
    slirp = start(lab, "-s", switch.socket, "-p", "pid", "-M", "mg", "-x", "7000:../socket", "-x", "7001:../later/socket",
                  cwd=lab.path("run"))
    assert f"'{lab.path('run', '..', 'later')}': No such file or directory" in slirp.stderr
    assert slirp.stderr.count("No such file") == 1
    vde.wait_until(lambda: vde.answers(lab.path("run", "mg")), "the management socket")
    assert slirp.end() == 0
    assert os.listdir(lab.path("run")) == []


def test_background(lab, switch):
    """The parent comes back when all is open; a dead process's pid file is replaced, a live one's is not; the end of the switch is the end."""
    with open(lab.path("pid"), "w") as text:
        text.write("999999999\n")
    words = ["slirpvde", "-d", "-p", lab.path("pid"), "-M", lab.path("mg"), "--dhcp", switch.socket]
    done = lab.run(*words, check=True)
    with open(lab.path("pid")) as text:
        pid = lab.adopt(int(text.read()))
    assert "vde switch" in done.stderr
    assert dhcp(lab.plug(switch)) == (2, "10.0.2.15")
    again = lab.run("slirpvde", "-d", "-p", lab.path("pid"), switch.socket)
    assert again.returncode == 1 and lab.path("pid") in again.stderr
    assert dhcp(lab.plug(switch), 2) == (2, "10.0.2.16")
    switch.program.end()
    vde.wait_until(lambda: vde._reap(pid), "the end")
    lab._adopted.discard(pid)
    assert not os.path.exists(lab.path("pid")) and not os.path.exists(lab.path("mg"))


def test_background_without_stdio(lab, switch):
    """Started by a program that closed its three first descriptors: none of its sockets takes their place, to be replaced by /dev/null."""
    words = [vde.ours("slirpvde"), "-d", "-p", lab.path("pid"), "--dhcp", switch.socket]
    assert lab.run("/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words).returncode == 0
    with open(lab.path("pid")) as text:
        pid = lab.adopt(int(text.read()))
    assert dhcp(lab.plug(switch)) == (2, "10.0.2.15")
    lab.end_adopted(pid)


def test_pipe(lab):
    """`-` is a stream of frames on standard input and output, as dpipe joins it; its end is the end."""
    slirp = lab.start("slirpvde", "-", "-D", stdout=subprocess.PIPE)
    request = dhcp_frame(vde.mac(1), 1)
    slirp.write(struct.pack("!H", len(request)) + request)
    answer = slirp.process.stdout.read(2)
    (length,) = struct.unpack("!H", answer)
    answer = slirp.process.stdout.read(length)
    assert answer[58:62] == socket.inet_aton("10.0.2.15")
    slirp.stdin.close()
    assert slirp.wait() == 0 and slirp.stderr == ""
    slirp.process.stdout.close()


def test_sandbox(lab, switch):
    """After start-up it holds no right that it does not need, says so, and still does its work."""
    def status(pid):
        with open(f"/proc/{pid}/status") as lines:
            return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)

    slirp = start(lab, "-s", switch.socket, "-D", "-M", lab.path("mg"))
    session = vde.Management(lab.path("mg"), PROMPT)
    (line,) = [line for line in session.command("showinfo").data if line.startswith("sandbox ")]
    now = status(slirp.pid)
    assert int(now["CapEff"], 16) == int(now["CapBnd"], 16) == 0 and now["NoNewPrivs"] == "1"
    assert "capabilities none, new privileges none" in line
    assert ("filtered" in line) == (now["Seccomp"] == "2")
    if "files confined" in line and os.geteuid() == 0:
        assert set(os.listdir(f"/proc/{slirp.pid}/root")) <= {"etc", "tmp", "run", "proc", *lab.dir.split("/")[1:2]}
    assert dhcp(lab.plug(switch)) == (2, "10.0.2.15")
    # A redirection to a socket out of sight is refused; the management socket's directory is in sight.
    if "files confined" in line:
        assert session.command("redir/add unix 7000:/nonexistent/socket").code == 1001
        assert session.command(f"redir/add unix 7000:/{lab.dir.split('/')[1]}/socket").code == 1001
    assert session.command(f"redir/add unix 7000:{lab.path('socket')}").code == 1000
    session.close()
    free = start(lab, "-s", switch.socket, "--no-sandbox", "--quiet", "-p", lab.path("pid"), ready=None)
    vde.wait_until(lambda: len(switch.ports()) == 3, "the plug")
    assert status(free.pid)["NoNewPrivs"] == status("self")["NoNewPrivs"]


# ---- services, seen by frames ----------------------------------------------------------------------------------------

def test_silent_without_dhcp(lab, switch):
    start(lab, "-s", switch.socket)
    plug = lab.plug(switch)
    plug.send(dhcp_frame(vde.mac(1), 1))
    assert arp(plug, "10.0.2.3") == bytes.fromhex("52550a000203")
    assert arp(plug, "10.0.2.4") is None and arp(plug, "10.0.2.99") is None
    assert not [frame for frame in plug.recv_now() if frame[23] == 17]


def test_dhcp_count(lab, switch):
    """COUNT clients are served, and told from one another; leases can be listed."""
    start(lab, "-s", switch.socket, "--dhcp=10.0.2.20/2", "-M", lab.path("mg"))
    plug = lab.plug(switch)
    assert dhcp(plug, 1) == (2, "10.0.2.20")
    assert dhcp(plug, 1, 3, "10.0.2.20") == (5, "10.0.2.20")
    assert dhcp(plug, 2, 3, "10.0.2.20")[0] == 6
    assert dhcp(plug, 2, 3, "10.0.2.22")[0] == 6        # beyond the two
    assert dhcp(plug, 2) == (2, "10.0.2.21")
    plug.send(dhcp_frame(vde.mac(3), 1))
    assert dhcp(plug, 1, 3, "10.0.2.20") == (5, "10.0.2.20")
    leases = vde.Management(lab.path("mg"), PROMPT).command("dhcp/leases").data
    assert [line.split()[:3] for line in leases] == [["02:00:00:00:00:01", "10.0.2.20", "granted"],
                                                     ["02:00:00:00:00:02", "10.0.2.21", "offered"]]
    assert int(leases[0].split()[3]) > 86000 and leases[0].endswith(" guest")


def test_redirections_at_run_time(lab, switch):
    start(lab, "-s", switch.socket, "-M", lab.path("mg"), "-X", "10.0.2.15:1")
    session = vde.Management(lab.path("mg"), PROMPT)
    assert session.banner.startswith(b"VDE slirpvde") if isinstance(session.banner, bytes) else session.banner
    (line,) = session.command("redir/list").data
    port = int(re.fullmatch(r"1 x (60\d\d|6100):10\.0\.2\.15:6001", line)[1])
    socket.create_connection(("127.0.0.1", port), vde.DEADLINE).close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    assert session.command(f"redir/add tcp 127.0.0.1:{free}:10.0.2.15:22").data == ["redirection 2"]
    socket.create_connection(("127.0.0.1", free), vde.DEADLINE).close()
    assert session.command(f"redir/add tcp 127.0.0.1:{free}:10.0.2.15:23").code == 1000 + 98
    assert session.command("redir/add tcp nonsense").code == 1022
    assert any("HOST_FORWARD" in line and f" {free} " in line for line in session.command("connections").data)
    assert session.command("redir/del 2").code == 1000
    assert session.command("redir/del 2").code == 1002
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free), vde.DEADLINE)
    assert len(session.command("redir/list").data) == 1
    listed = {line.split()[0] for line in session.command("help").data if line.strip()}
    assert listed >= {"help", "load", "logout", "shutdown", "showinfo", "redir/add"}


# ---- a world behind it -----------------------------------------------------------------------------------------------

class World:
    """A namespace with a web server (IPv4 203.0.113.1, IPv6 2001:db8::1), a DNS server that knows web.test, and slirpvde in it."""

    def __init__(self, lab):
        self.lab, self.space = lab, lab.namespace()
        self.files = lab.path("www")
        os.mkdir(self.files)
        self.resolvers = lab.path("resolv.conf")
        with open(self.resolvers, "w") as text:
            text.write("nameserver 127.0.0.1\nnameserver ::1\n")
        self.space.ip("address", "add", "203.0.113.1/24", "dev", "lo")
        self.space.ip("-6", "address", "add", "2001:db8::1/64", "dev", "lo")

    def serve_names(self):
        server = self.space.start(vde.need_program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                                  "--listen-address=127.0.0.1,::1", "--bind-interfaces", "--address=/web.test/203.0.113.1",
                                  "--address=/web.test/2001:db8::1", f"--pid-file={self.lab.path('dnsmasq.pid')}", "--user=root",
                                  "--log-facility=-", env=vde.env_foreign())
        server.expect("started", "stderr")

    def serve_files(self):
        self.space.start("/usr/bin/python3", "-m", "http.server", "--bind", "::", "--directory", self.files, "80", env=vde.env_foreign())
        vde.wait_until(lambda: self.space.run("sh", "-c", "busybox nc 203.0.113.1 80 </dev/null", check=False).returncode == 0, "the web")

    def slirp(self, switch, *words, **options):
        """slirpvde with the world's resolvers instead of this machine's."""
        command = f"mount --bind {self.resolvers} /etc/resolv.conf && exec \"$@\""
        return start(self.lab, "-c", command, "sh", vde.ours("slirpvde"), "-s", switch.socket, *words, where=self.space, name="/bin/sh",
                     env=vde.env_ours(), **options)


UDHCPC = r"""printf '#!/bin/sh\n[ "$1" = bound ] || exit 0\nip address add $ip/$mask dev $interface\nip route add default via $router\n""" \
         r"""echo nameserver $dns >/etc/resolv.conf\necho got $ip $mask $router $dns $domain $boot_file\n' >/bin/dhcp && chmod 755 /bin/dhcp"""


@pytest.mark.xdist_group("qemu")
def test_linux_guest(lab, switch):
    """An unmodified QEMU guest: DHCP, DNS, the web by IPv4 and IPv6, TFTP, and all redirections."""
    world = World(lab)
    world.serve_names()
    world.serve_files()
    os.mkdir(lab.path("tftp"))
    content = random.Random(1).randbytes(300000)
    for path in (lab.path("tftp", "boot"), os.path.join(world.files, "page")):
        with open(path, "wb") as file:
            file.write(content)
    digest = hashlib.md5(content).hexdigest()
    world.space.start(vde.need_program("socat"), f"UNIX-LISTEN:{lab.path('unix')},fork", "EXEC:/usr/bin/rev", env=vde.env_foreign())
    world.slirp(switch, "-D", "-t", lab.path("tftp"), "-H", "10.0.2.2/24", "-H", "fd00:77::2/64", "-r", "-L", "2222:10.0.2.15:2200",
                "-L", "2201:10.0.2.15:2201", "-U", "2201:10.0.2.15:2201", "-x", f"6000:{lab.path('unix')}", "--domain", "some.test", "-M", lab.path("mg"))
    guest = guests.qemu(lab, f"vde,id=n,sock={switch.socket}", vde.mac_text(vde.mac(7))).wait_ready()
    guest.run(UDHCPC)
    assert "got 10.0.2.15 24 10.0.2.2 10.0.2.3 some.test" in guest.run("ip link set eth0 up; udhcpc -i eth0 -n -q -s /bin/dhcp -O domain")
    guest.ping("10.0.2.2")
    assert digest in guest.run("wget -q -O - http://web.test/page | md5sum")
    assert digest in guest.run("tftp -g -r boot -l /tmp/boot 10.0.2.2 && md5sum </tmp/boot")
    assert "dlrow" in guest.run("(echo world; sleep 1) | nc -w 5 10.0.2.2 6000")
    # IPv6 by router advertisement
    guest.run("for i in $(seq 100); do ip -6 address show dev eth0 | grep -q 'fd00:77.*global' && break; usleep 100000; done;"
              "for i in $(seq 100); do ip -6 address show dev eth0 | grep -q tentative || break; usleep 100000; done")
    assert "fd00:77:" in guest.run("ip -6 address show dev eth0 scope global")
    assert "via fe80" in guest.run("ip -6 route show default")
    guest.run("ping -6 -c 1 -W 5 fd00:77::2")
    assert digest in guest.run("wget -q -O - 'http://[2001:db8::1]/page' | md5sum")
    assert "2001:db8::1" in guest.run("nslookup web.test fd00:77::3")
    # into the guest
    guest.run("(while :; do echo inside | nc -l -p 2200; done) >/dev/null 2>&1 &")
    guest.iperf3_server(2201)
    vde.wait_until(lambda: "inside" in world.space.run("sh", "-c", "sleep 1 | busybox nc -w 5 127.0.0.1 2222", check=False).stdout, "-L")
    report = world.space.iperf3("127.0.0.1", "-p", "2201", "-u", "-b", "1M", "-n", "100K")
    assert report["end"]["sum"]["packets"] > 0 and report["end"]["sum"]["lost_percent"] < 50
    session = vde.Management(lab.path("mg"), PROMPT)
    assert any(line.startswith("02:00:00:00:00:07 10.0.2.15 granted") for line in session.command("dhcp/leases").data)
    assert any("10.0.2.15" in line for line in session.command("neighbours").data)


@pytest.mark.xdist_group("qemu")
def test_network_boot(lab, switch):
    """QEMU's own boot ROM (iPXE) gets its address and runs the script it is told to fetch by TFTP."""
    program = vde.need_program("qemu-system-x86_64")
    os.mkdir(lab.path("tftp"))
    with open(lab.path("tftp", "hello.ipxe"), "w") as script:
        script.write("#!ipxe\necho booted-${net0/ip}-from-${next-server}\nsleep 100\n")
    start(lab, "-s", switch.socket, "--dhcp=10.0.2.30", "-t", lab.path("tftp"), "--bootfile", "hello.ipxe")
    machine = lab.start(program, "-accel", "tcg", "-m", "64", "-nodefaults", "-no-user-config", "-machine", "pc,graphics=off", "-display",
                        "none", "-serial", "stdio", "-boot", "n", "-netdev", f"vde,id=n,sock={switch.socket}", "-device",
                        "e1000,netdev=n", env=vde.env_foreign("ours"))
    machine.expect(r"booted-10\.0\.2\.30-from-10\.0\.2\.2", deadline=guests.BOOT_DEADLINE)


class Station:
    """A namespace on the switch, configured by hand as 10.0.2.15, or by whatever address."""

    def __init__(self, lab, mtu=None):
        tap = lab.name("vt")
        self.space = lab.namespace()
        self.switch = lab.switch("-t", tap)
        self.space.add_tap(tap, "10.0.2.15/24", mtu)
        self.space.ip("route", "add", "default", "via", "10.0.2.2")


def python(space, code, *words, deadline=60 * vde.PATIENCE):
    return space.run("/usr/bin/python3", "-c", code, *words, deadline=deadline).stdout


FETCH = """
import hashlib, sys, urllib.request
digest = hashlib.md5()
with urllib.request.urlopen(sys.argv[1]) as page:
    while chunk := page.read(1 << 20):
        digest.update(chunk)
print(digest.hexdigest())
"""


SERVE = """
import hashlib, random, socket, sys
size, block, digest = int(sys.argv[1]), random.Random(2).randbytes(1 << 20), hashlib.blake2b()
with socket.create_server(("", 7777)) as server:
    print("serving", flush=True)
    connection = server.accept()[0]
    for number in range(size >> 20):
        part = b"%016d" % number + block[16:]
        digest.update(part)
        connection.sendall(part)
    connection.close()
print(digest.hexdigest(), flush=True)
"""
TAKE = """
import hashlib, socket, sys
digest, size, room = hashlib.blake2b(), 0, bytearray(1 << 20)
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    while got := connection.recv_into(room):
        digest.update(memoryview(room)[:got])
        size += got
print(size, digest.hexdigest())
"""


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_large_download(lab, mtu):
    """1 GB arrives intact (less of it under sanitizers); what goes up, over a redirection, as well."""
    world, station = World(lab), Station(lab, mtu)
    world.slirp(station.switch, "--mtu", mtu, "-L", "7778:10.0.2.15:7777")
    size = 1 << 30 if mtu == 1500 and not vde.is_sanitized() else 64 << 20
    for server, client, address, port in ((world.space, station.space, "203.0.113.1", 7777), (station.space, world.space, "127.0.0.1", 7778)):
        serving = server.start("/usr/bin/python3", "-c", SERVE, size)
        serving.expect("serving")
        got = python(client, TAKE, address, port, deadline=300 * vde.PATIENCE).split()
        assert serving.wait() == 0
        assert [int(got[0]), got[1]] == [size, serving.stdout.split()[-1]]
        size = 64 << 20


CONNECT = """
import socket, sys
waiting = [socket.create_connection((sys.argv[1], 7), 30) for _ in range(250)]
for number, connection in enumerate(waiting):
    connection.sendall(b"%d" % number)
for number, connection in enumerate(waiting):
    assert connection.recv(100) == b"%d" % number
    connection.close()
for number in range(250):
    with socket.create_connection((sys.argv[1], 7), 30) as connection:
        connection.sendall(b"x")
        assert connection.recv(10) == b"x"
print("all")
"""


def test_500_connections(lab):
    """250 at once and 250 in a row; they go again, and so do their descriptors."""
    world, station = World(lab), Station(lab)
    world.space.start(vde.need_program("socat"), "TCP-LISTEN:7,fork,backlog=512,max-children=300", "PIPE", env=vde.env_foreign())
    vde.wait_until(lambda: ":7 " in world.space.run("ss", "-ltn").stdout, "the listener")
    slirp = world.slirp(station.switch, "-M", lab.path("mg"))
    before = len(os.listdir(f"/proc/{slirp.pid}/fd"))
    assert python(station.space, CONNECT, "203.0.113.1").strip() == "all"
    vde.wait_until(lambda: len(os.listdir(f"/proc/{slirp.pid}/fd")) <= before + 5, "descriptors to be closed", 60 * vde.PATIENCE)
    assert slirp.status is None


def test_restricted_and_commands(lab):
    """Restricted guests reach nothing but redirections; one of these runs a command for each connection."""
    world, station = World(lab), Station(lab)
    world.serve_files()
    world.slirp(station.switch, "--restricted", "--guestfwd", "10.0.2.9:25:/usr/bin/tr a-z A-Z")
    shout = "(echo hello; sleep 1) | busybox nc -w 5 10.0.2.9 25"
    vde.wait_until(lambda: "HELLO" in station.space.run("sh", "-c", shout, check=False).stdout, "the command's answer")
    assert station.space.run("sh", "-c", "busybox nc -w 2 203.0.113.1 80 </dev/null", check=False).returncode != 0


def test_no_host_loopback(lab):
    world, station = World(lab), Station(lab)
    world.serve_files()
    slirp = world.slirp(station.switch)
    reach = ["sh", "-c", "busybox nc -w 3 10.0.2.2 80 </dev/null"]
    assert station.space.run(*reach, check=False).returncode == 0        # the router's address is the host's loopback
    slirp.end()
    world.slirp(station.switch, "--no-host-loopback")
    assert station.space.run(*reach, check=False).returncode != 0
    assert station.space.run("sh", "-c", "busybox nc -w 5 203.0.113.1 80 </dev/null").returncode == 0


# ---- a guest that means no good --------------------------------------------------------------------------------------

def garbage(number):
    """Frames whose headers are right so far that each layer looks at them, and wrong from there on."""
    base = scapy.Ether(src=vde.mac_text(vde.mac(number % 5 + 1)), dst="52:55:0a:00:02:02")
    ip = scapy.IP(src="10.0.2.15", dst=random.choice(["10.0.2.2", "10.0.2.3", "10.0.2.255", "203.0.113.1"]))
    ip6 = scapy.IPv6(src="fe80::5", dst=random.choice(["fe80::2", "fd00::3", "ff02::1", "ff02::2"]))
    return base / random.choice([
        lambda: scapy.fuzz(scapy.ARP()), lambda: scapy.fuzz(scapy.IP()) / scapy.Raw(random.randbytes(40)),
        lambda: ip / scapy.fuzz(scapy.TCP(dport=random.choice([80, 6000, 9]))) / scapy.Raw(random.randbytes(random.randrange(60))),
        lambda: ip / scapy.fuzz(scapy.UDP(dport=random.choice([53, 69, 9]), sport=random.randrange(1, 20))) / scapy.Raw(random.randbytes(50)),
        lambda: ip / scapy.UDP(sport=68, dport=67) / scapy.fuzz(scapy.BOOTP()) / scapy.fuzz(scapy.DHCP()),
        lambda: ip / scapy.UDP(sport=5, dport=69) / scapy.fuzz(scapy.TFTP()) / scapy.Raw(random.randbytes(20)),
        lambda: ip / scapy.fuzz(scapy.ICMP()) / scapy.Raw(random.randbytes(20)),
        lambda: scapy.IP(src="10.0.2.15", dst="10.0.2.2", flags="MF", frag=random.randrange(8000), id=random.randrange(9))
        / scapy.Raw(random.randbytes(random.randrange(1, 200))),
        lambda: scapy.fuzz(scapy.IPv6()) / scapy.Raw(random.randbytes(40)),
        lambda: ip6 / scapy.fuzz(scapy.ICMPv6ND_NS()), lambda: ip6 / scapy.fuzz(scapy.ICMPv6ND_RS()),
        lambda: ip6 / scapy.fuzz(scapy.ICMPv6ND_NA()), lambda: ip6 / scapy.fuzz(scapy.TCP()),
        lambda: ip6 / scapy.UDP(sport=546, dport=547) / scapy.Raw(random.randbytes(60)),
    ])()


def test_a_minute_of_garbage(lab, switch):
    """Alive after a minute of it, with its memory flat, and still serving. A thousand frames a second, so that it runs beside other tests."""
    if "scapy" not in globals():
        pytest.skip("needs scapy")
    world = World(lab)
    slirp = world.slirp(switch, "-D", "-t", lab.dir, "-H", "10.0.2.2", "-H", "fd00::2", "-r", "-x", "6000:/nonexistent")
    plug = lab.plug(switch)
    random.seed(3)
    frames, number, sent = [], 0, 0

    def more(count):
        nonlocal number
        wanted = len(frames) + count
        while len(frames) < wanted:
            number += 1
            with contextlib.suppress(Exception):        # scapy does not manage to build every nonsense
                frames.append(bytes(garbage(number))[:1514])

    more(300)
    sizes, start = [], time.monotonic()
    while time.monotonic() < start + 60:
        for _ in range(100):
            mutated = bytearray(random.choice(frames))
            for _ in range(random.randrange(3)):
                mutated[random.randrange(14, len(mutated))] = random.randrange(256)
            plug.send(bytes(mutated))
        sent += 100
        plug.recv_now()
        if sent % 1000 == 0:
            more(5)
            assert slirp.status is None, (slirp.status, slirp.stderr)
            sizes.append(slirp.resident_kib())
        time.sleep(max(0, start + sent / 1000 - time.monotonic()))
    assert slirp.status is None, slirp.stderr
    assert sent >= 6000
    third = len(sizes) // 3
    assert max(sizes[third:]) - sizes[third] < (200000 if vde.is_sanitized() else 8192), sizes

    def answers():
        """What was sent may have filled a queue: ask until there is an answer."""
        plug.send(arp_frame("10.0.2.3"))
        return any(frame[12:14] == b"\x08\x06" and frame[28:32] == socket.inet_aton("10.0.2.3") for frame in plug.recv_now())
    vde.wait_until(answers, "an answer to ARP")
