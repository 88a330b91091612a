# SPDX-License-Identifier: GPL-2.0-or-later
"""The encrypted cable with real processes: what it carries, who gets in, what a hostile network can do, and how it comes back."""
import contextlib
import glob
import grp
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import vde
import vde_ssh
from vde import BROADCAST, frame, mac, wait_until

PROMPT = b"\nVDEcryptcab$ "


@pytest.fixture
def cab(lab):
    return Cab(lab)


class Cab:
    """Two switches with a plug in each, and what joins them."""

    def __init__(self, lab, **switch_options):
        self.lab = lab
        self.near, self.far = (lab.switch(**switch_options) for _ in range(2))
        self.port = vde_ssh.free_port(socket.SOCK_DGRAM)
        self.key = self.key_file("key", os.urandom(32))
        self.env = vde.env_ours(XDG_RUNTIME_DIR=lab.dir, HOME=lab.dir)
        self.plugs = None
        self.count = 0

    def key_file(self, name, content, mode=0o600):
        path = self.lab.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def server(self, *options, switch=None, start=None, ready=True):
        mgmt = self.lab.path(f"sm{self.count}")
        self.count += 1
        program = (start or self.lab.start)("vde_cryptcab", "-s", (switch or self.near).socket, "-p", self.port, "-M", mgmt, "-v", *options,
                                            env=self.env)
        program.mgmt = mgmt
        if ready:
            wait_until(lambda: program.status is not None or vde.answers(mgmt), "the server")
            assert program.status is None, program.stderr
        return program

    def client(self, *options, to="127.0.0.1", switch=None, start=None):
        mgmt = self.lab.path(f"cm{self.count}")
        self.count += 1
        program = (start or self.lab.start)("vde_cryptcab", "-s", (switch or self.far).socket, "-c", f"{to}:{self.port}", "-M", mgmt, "-v",
                                            *options, env=self.env)
        program.mgmt = mgmt
        return program

    def passes(self, deadline=3 * vde.DEADLINE):
        """Frames go both ways; returns when they do."""
        if not self.plugs:
            self.plugs = self.lab.plug(self.near), self.lab.plug(self.far)
        for number, (sender, receiver) in enumerate((self.plugs, self.plugs[::-1])):
            self.count += 1
            wanted = frame(BROADCAST, mac(number + 1), struct.pack("!Q", self.count), size=100)

            def arrives(sender=sender, receiver=receiver, wanted=wanted):
                sender.send(wanted)
                end = time.monotonic() + 0.1
                while time.monotonic() < end:
                    if wanted in receiver.recv_now():
                        return True
                    time.sleep(0.002)
                return False
            try:
                wait_until(arrives, f"a frame from end {number}", deadline)
            except pytest.fail.Exception as failure:
                pytest.fail(f"{failure}\n{self.story()}")

    def story(self):
        """What the ends that still run say of themselves, for a failure's text."""
        texts = []
        for program in self.lab.programs:
            if not hasattr(program, "mgmt"):
                continue
            texts.append(f"{program.argv}: status {program.status}\n{program.stderr[-1500:]}")
            if program.status is None:
                texts += ["\n".join(ask(program, command).data or []) for command in ("showinfo", "peers")]
        return "\n".join(texts + ["\n".join(switch.ask("port/allprint")) for switch in (self.near, self.far)])

    def nothing_passes(self, seconds=1.5):
        if not self.plugs:
            self.plugs = self.lab.plug(self.near), self.lab.plug(self.far)

        def crossed():
            for number, (sender, receiver) in enumerate((self.plugs, self.plugs[::-1])):
                sender.send(frame(BROADCAST, mac(number + 1), b"never", size=100))
                if any(b"never" in got for got in receiver.recv_now()):
                    return True
            return False
        assert vde.never(crossed, seconds)


def ask(program, line):
    session = vde.Management(program.mgmt, PROMPT)
    try:
        return session.command(line)
    finally:
        session.close()


def peers(program):
    return [line for line in ask(program, "peers").data if line.startswith("peer")]


# ---- what it carries -------------------------------------------------------------------------------------------------

def test_shared_secret(cab):
    server, client = cab.server("-P", cab.key), cab.client("-P", cab.key)
    cab.passes()
    near, far = cab.plugs
    for size in (14, 60, 1514, 1518, 9014, 30000, 65535):
        for sender, receiver in ((near, far), (far, near)):
            sent = frame(BROADCAST, mac(9), os.urandom(max(0, size - 14)), size=size)[:size]
            sender.send(sent)
            receiver.expect(sent.ljust(60, b"\0"))      # a short frame is padded by a switch
    assert len(peers(server)) == 1 and "connected" in peers(server)[0]
    assert re.search(r"client, switch .*Noise_NNpsk0", "\n".join(ask(client, "showinfo").data))


def test_many_clients_one_secret(cab):
    server = cab.server("-P", cab.key)
    others = [cab.lab.switch() for _ in range(3)]
    for switch in (cab.far, *others):
        cab.client("-P", cab.key, switch=switch)
    cab.passes()
    plugs = [cab.lab.plug(switch) for switch in others]
    wait_until(lambda: len(peers(server)) == 4, "four peers")
    wanted = frame(BROADCAST, mac(77), b"to all", size=80)

    def all_hear():
        cab.plugs[0].send(wanted)
        time.sleep(0.02)
        return all(wanted in plug.recv_now() for plug in plugs)
    wait_until(all_hear, "a broadcast at every client")


def test_one_client_too_many(cab):
    """The server says whom it refuses, and takes him when there is room."""
    server, first = cab.server("-P", cab.key, "--max-peers", "1"), cab.client("-P", cab.key)
    cab.passes()
    cab.client("-P", cab.key, switch=cab.lab.switch())
    server.expect(r"127\.0\.0\.1:\d+: refused, there are as many peers as there may be \(1\)", "stderr")
    assert len(peers(server)) == 1
    first.end()
    wait_until(lambda: peers(server) and first.status == 0, "the second client", 3 * vde.DEADLINE)


def test_ipv6(cab):
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    server = cab.server("-P", cab.key)
    cab.client("-P", cab.key, to="[::1]")
    cab.passes()
    assert "[::1]:" in peers(server)[0]


def test_switch_and_library_of_others(lab):
    """Debian's switch at both ends."""
    cab = Cab(lab, program=vde.foreign("vde_switch"))
    cab.server("-P", cab.key)
    cab.client("-P", cab.key)
    cab.passes()


def test_unencrypted(cab):
    server, client = cab.server("-x"), cab.client("-x")
    cab.passes()
    for program in (server, client):
        assert "WARNING" in program.stderr
    assert re.search("UNENCRYPTED", "\n".join(ask(server, "showinfo").data))


@pytest.mark.parametrize("sides", [("server",), ("client",)])
def test_unencrypted_at_one_end_only(cab, sides):
    """Both must say -x, or nothing passes."""
    cab.server(*(["-x"] if "server" in sides else ["-P", cab.key]))
    cab.client(*(["-x"] if "client" in sides else ["-P", cab.key]))
    cab.nothing_passes()


def test_another_secret(cab):
    cab.server("-P", cab.key)
    client = cab.client("-P", cab.key_file("other", os.urandom(32)))
    cab.nothing_passes()
    client.expect("no answer from .*: there is no server, it has another secret, or -x", "stderr")


def test_one_line_text_as_secret(cab):
    """As old scripts make it: echo word | sha1sum >file."""
    key = cab.key_file("line", b"85136c79cbf9fe36bb9d05d0639c70c265c18d37  -\n")
    cab.server("-P", key)
    cab.client("-P", key)
    cab.passes()


# ---- routers, paths, moves -------------------------------------------------------------------------------------------

class Routed:
    """near -- router -- far: a namespace each; the far link's MTU is given. Guests' taps are in namespaces of their own."""

    def __init__(self, lab, mtu):
        self.lab = lab
        self.near, self.router, self.far = (lab.namespace() for _ in range(3))
        for side, name, number in ((self.near, "near", 1), (self.far, "far", 2)):
            side.ip("link", "add", "up0", "type", "veth", "peer", "name", name, "netns", self.router.name)
            side.up("up0", f"10.9.{number}.2/24", mtu if name == "far" else None)
            self.router.up(name, f"10.9.{number}.1/24", mtu if name == "far" else None)
            side.ip("route", "add", "default", "via", f"10.9.{number}.1")
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def guests(self, cab, mtu=1500):
        found = []
        for number, switch in enumerate((cab.near, cab.far), 1):
            tap, guest = switch.tap, self.lab.namespace()
            guest.add_tap(tap, f"10.8.0.{number}/24", mtu)
            found.append(guest)
        return found

    def fragments(self):
        text = self.router.run("cat", "/proc/net/snmp").stdout
        names, values = [line.split() for line in text.splitlines() if line.startswith("Ip:")]
        counts = dict(zip(names, values))
        return int(counts["ReasmReqds"]) + int(counts["FragCreates"]) + int(counts["FragOKs"])


def routed_cab(lab, mtu):
    """A cable across a router; both switches have a tap for a guest."""
    vde.need_root()
    network = Routed(lab, mtu)
    cab = Cab.__new__(Cab)
    cab.lab, cab.plugs, cab.count = lab, None, 0
    taps = [lab.name("ct"), lab.name("ct")]
    cab.near, cab.far = (lab.switch("-t", tap) for tap in taps)
    cab.near.tap, cab.far.tap = taps
    cab.port = 7667
    cab.key = cab.key_file("key", os.urandom(32))
    cab.env = vde.env_ours(XDG_RUNTIME_DIR=lab.dir, HOME=lab.dir)
    guests = network.guests(cab)
    server = cab.server("-P", cab.key, start=network.near.start)
    client = cab.client("-P", cab.key, to="10.9.1.2", start=network.far.start)
    return network, cab, guests, server, client


def test_across_a_router(lab):
    """A 1500 byte network across a path of 1400: nothing is fragmented by IP, and TCP flows."""
    network, cab, guests, server, client = routed_cab(lab, 1400)
    guests[0].ping("10.8.0.2")
    wait_until(lambda: "datagram 1372" in peers(server)[0] and "datagram 1372" in peers(client)[0], "the path's size")
    done = guests[0].run("ping", "-n", "-q", "-c", "5", "-i", "0.05", "-W", "5", "-M", "do", "-s", "1472", "10.8.0.2")
    assert " 0% packet loss" in done.stdout
    listener = guests[1].iperf3_server()
    report = guests[0].iperf3("10.8.0.2", seconds=1)
    listener.wait()
    assert vde.received_bits_per_second(report) > 1e6
    assert network.fragments() == 0

    # The client gets another address: the session follows, and the server's guest can still begin a talk.
    network.far.ip("address", "del", "10.9.2.2/24", "dev", "up0")
    network.far.ip("address", "add", "10.9.2.77/24", "dev", "up0")
    network.far.run("ip", "route", "replace", "default", "via", "10.9.2.1")
    guests[1].ping("10.8.0.1", deadline=vde.DEADLINE * 2)
    wait_until(lambda: "10.9.2.77:" in peers(server)[0], "the new address")
    assert len(peers(server)) == 1
    guests[0].ping("10.8.0.2")

    # The path becomes narrower, and the router says so.
    network.router.ip("link", "set", "far", "mtu", "1300")
    network.far.ip("link", "set", "up0", "mtu", "1300")

    def big_ping():
        return guests[0].run("ping", "-n", "-q", "-c", "1", "-W", "1", "-M", "do", "-s", "1472", "10.8.0.2", check=False).returncode == 0
    wait_until(big_ping, "full size frames over the narrower path", vde.DEADLINE * 3)
    assert network.fragments() == 0


# ---- introduction by ssh ---------------------------------------------------------------------------------------------

def everything_in_tmp():
    return {path for pattern in ("/tmp/*", "/tmp/.*") for path in glob.glob(pattern) if "vde" in os.path.basename(path) and "vt-" not in path}


def introduction(cab, daemon, *options):
    return cab.client("--ssh", daemon.command, *options, to=f"{daemon.user}@127.0.0.1")


def test_introduced_by_ssh(cab):
    before = everything_in_tmp()
    daemon = vde_ssh.Sshd(cab.lab, environment=[f"XDG_RUNTIME_DIR={cab.lab.dir}"])
    server = cab.server()
    assert vde.mode_of(cab.lab.path(f"vde_cryptcab-{cab.port}")) == 0o600
    client = introduction(cab, daemon)
    cab.passes()
    assert everything_in_tmp() <= before
    for program in (server, client):
        with open(f"/proc/{program.pid}/limits", encoding="ascii") as limits:
            assert re.search(r"Max core file size +0 +0", limits.read())
        assert not re.search(r"[0-9a-f]{32}", program.stderr), "a key in the log"

    # A restarted server knows nothing: the client has itself introduced again.
    server.end(signal.SIGKILL)
    server = cab.server()
    client.expect("asking ssh for a new introduction", "stderr", vde.DEADLINE * 3)
    cab.passes()
    assert client.status is None
    # And an orderly end leaves nothing behind.
    assert server.end() == 0 and client.end() == 0
    assert not glob.glob(cab.lab.path("vde_cryptcab-*"))


def test_introduction_that_hangs_and_is_not_needed(cab):
    """The server is silent for a while, and ssh does not get through to it; when the server is heard again the old secret serves on."""
    program, mark = cab.lab.path("ssh"), cab.lab.path("mark")
    with open(os.open(program, os.O_WRONLY | os.O_CREAT, 0o700), "w", encoding="ascii") as script:
        script.write(f"#!/bin/sh\n[ -e {mark} ] && exec sleep 1000\n>{mark}\nexec {vde.ours('vde_cryptcab')} --admit {cab.port}\n")
    server = cab.server()
    client = cab.client("--ssh", program)
    cab.passes()

    def children():
        with open(f"/proc/{client.pid}/task/{client.pid}/children", encoding="ascii") as text:
            return text.read().split()
    wait_until(lambda: not children(), "the first introduction's end")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        cab.plugs[1].send(frame(BROADCAST, mac(1), b"into silence", size=100))
        client.expect("asking ssh for a new introduction", "stderr", vde.DEADLINE * 3)
        wait_until(children, "ssh")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: not children(), "the end of the introduction that is not needed")
    cab.passes()
    assert len(peers(server)) == 1


def test_introduction_fails_where_no_server_is(cab):
    daemon = vde_ssh.Sshd(cab.lab, environment=[f"XDG_RUNTIME_DIR={cab.lab.dir}"])
    client = introduction(cab, daemon)
    assert client.wait() == 1
    assert f"serves UDP port {cab.port}" in client.stderr
    client = introduction(cab, daemon, "-d")
    assert client.wait() == 1, "the parent says so, too"


def test_introduced_but_no_datagram_comes_through(cab):
    """As behind a firewall that lets ssh pass; here nobody is at the port at all."""
    program = cab.lab.path("ssh")
    with open(os.open(program, os.O_WRONLY | os.O_CREAT, 0o700), "w", encoding="ascii") as script:
        script.write("#!/bin/sh\necho vde-cryptcab-admit 1 ok\n")
    cab.client("--ssh", program).expect("no answer from .*: its host knows the secret, but UDP does not", "stderr")


def test_scp_options_of_old(cab):
    """SCP_EXTRA_OPTIONS, with scp's -P for the port."""
    daemon = vde_ssh.Sshd(cab.lab, environment=[f"XDG_RUNTIME_DIR={cab.lab.dir}"])
    options = [word if word != "-p" else "-P" for word in daemon.options]
    cab.env = dict(cab.env, SCP_EXTRA_OPTIONS=" ".join(options))
    cab.server()
    client = cab.client(to=f"{daemon.user}@127.0.0.1")
    cab.passes()
    assert "SCP_EXTRA_OPTIONS" in client.stderr


def test_unused_secret_dies(cab):
    server = cab.server("--key-lifetime", "1")
    assert admit(cab).returncode == 0
    wait_until(lambda: "secrets 0," in "\n".join(ask(server, "showinfo").data), "the secret's end")


def test_admission_is_private(cab):
    """Another user's hand-over is refused, by the socket's mode and by who he is."""
    vde.need_root()
    cab.server()
    door = cab.lab.path(f"vde_cryptcab-{cab.port}")
    words = vde.as_user(vde.NOBODY, vde.ours("vde_cryptcab"), "--admit", cab.port)
    line = f"vde-cryptcab-admit 1 {'0' * 32} {'1' * 64}\n"
    for mode in (0o600, 0o666):
        os.chmod(door, mode)
        done = cab.lab.run(*words, input=line, env=cab.env)
        assert done.returncode == 1 and " ok" not in done.stdout
    done = cab.lab.run("vde_cryptcab", "--admit", cab.port, input="word from a login script\n", env=cab.env)
    assert done.returncode == 1 and "malformed" in done.stdout
    done = cab.lab.run("vde_cryptcab", "--admit", cab.port, input=line, env=cab.env)
    assert done.returncode == 0 and done.stdout == "vde-cryptcab-admit 1 ok\n"


def admit(cab, *words):
    line = f"vde-cryptcab-admit 1 {'0' * 32} {'1' * 64}\n"
    return cab.lab.run(*(words or (vde.ours("vde_cryptcab"),)), "--admit", cab.port, input=line, env=cab.env)


def test_runtime_directory_that_goes_and_comes(cab):
    """As it does when the user who started the server has logged out, and logs in again by the ssh that introduces a client."""
    runtime = cab.lab.path("runtime")
    os.mkdir(runtime, 0o700)
    cab.env = dict(cab.env, XDG_RUNTIME_DIR=runtime)
    server = cab.server()
    door = os.path.join(runtime, f"vde_cryptcab-{cab.port}")
    for _ in range(2):
        os.unlink(door)
        os.rmdir(runtime)
        os.mkdir(runtime, 0o700)
        done = admit(cab)
        assert done.returncode == 0, done.stdout
    assert vde.mode_of(door) == 0o600
    assert server.end() == 0 and not os.listdir(runtime)


def test_no_runtime_directory(cab):
    """The user is told how to make one, and that does it; it must be his alone."""
    vde.need_root()
    home = cab.lab.path("home")
    os.mkdir(home)
    os.chmod(cab.lab.dir, 0o755)
    os.chown(home, vde.NOBODY, -1)
    env = {**cab.env, "HOME": home}
    env.pop("XDG_RUNTIME_DIR")
    words = vde.as_user(vde.NOBODY, vde.ours("vde_cryptcab"), "-s", "null://", "-p", cab.port)
    done = cab.lab.run(*words, env=env)
    assert done.returncode == 1 and "mkdir -m 700 ~/.vde2" in done.stderr, done.stderr
    os.mkdir(os.path.join(home, ".vde2"), 0o700)
    os.chown(os.path.join(home, ".vde2"), vde.NOBODY, -1)
    cab.lab.start(*words, env=env)
    wait_until(lambda: os.path.exists(os.path.join(home, ".vde2", f"vde_cryptcab-{cab.port}")), "its socket")
    cab.env = env
    done = admit(cab, *vde.as_user(vde.NOBODY, vde.ours("vde_cryptcab")))
    assert done.returncode == 0, done.stdout


def test_group_that_may_admit(cab):
    """Its members find root's server, which has a runtime directory of its own that they cannot enter."""
    vde.need_root()
    private = cab.lab.path("private")
    os.mkdir(private, 0o700)
    cab.env = dict(cab.env, XDG_RUNTIME_DIR=private)
    cab.server("--admit-group", grp.getgrgid(vde.NOBODY).gr_name)
    assert vde.mode_of(f"/run/vde_cryptcab-{cab.port}") == 0o660
    cab.env.pop("XDG_RUNTIME_DIR")
    done = admit(cab, *vde.as_user(vde.NOBODY, vde.ours("vde_cryptcab")))
    assert done.returncode == 0, done.stdout


# ---- command line ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [
    ["-c", "-oProxyCommand=touch /tmp/never"], ["-c", "a@-b"], ["-c", "a@b@c"], ["-c", "h:99999"], ["-c", ""], ["-k"], ["-p", "0"],
    ["-p", "7667x"], ["-x", "-P", "/dev/null"], ["-P", "/dev/null", "-x"], ["--mtu", "100"], ["--max-peers", "0"], ["word"],
    ["--nonsense"], ["--ssh", "ssh"], ["-c", "h", "--max-peers", "9"], ["-c", "h", "--idle", "99"], ["-c", "h", "--key-lifetime", "99"],
])
def test_wrong_usage(lab, words):
    done = lab.run("vde_cryptcab", "-s", lab.path("none"), *words)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) <= 2 and not done.stdout


@pytest.mark.parametrize("word, status", [("--verbose", 1), ("--verbose=vvv", 1), ("-vvv", 1), ("--verbose=3", 2)])
def test_verbose_as_in_vde_2(lab, word, status):
    """It ends since there is no switch, not for the option's sake."""
    done = lab.run("vde_cryptcab", "-s", lab.path("none"), "-x", word)
    assert (done.returncode, "'--verbose" in done.stderr) == (status, False), done.stderr


def test_key_files_that_are_refused(cab):
    short = cab.key_file("short", b"x" * 15)
    long = cab.key_file("long", b"x" * 65537)
    readable = cab.key_file("readable", b"x" * 32, 0o644)
    theirs = cab.key_file("theirs", b"x" * 32)
    os.mkfifo(cab.lab.path("fifo"), 0o600)
    cases = [(short, "16 to 65536 bytes"), (long, "16 to 65536 bytes"), (readable, "chmod 600"), (cab.lab.path("fifo"), "regular"),
             (cab.lab.path("none"), "No such file"), (cab.lab.dir, "regular")]
    if os.geteuid() == 0:
        os.chown(theirs, vde.NOBODY, -1)
        cases.append((theirs, "yours or root's"))
    for path, text in cases:
        for end in ([], ["-c", "127.0.0.1"]):
            done = cab.lab.run("vde_cryptcab", "-s", cab.near.socket, "-p", cab.port, "-P", path, *end, env=cab.env)
            assert done.returncode == 1 and text in done.stderr, (path, done.stderr)


def test_statistics(cab):
    """At the end with --stats, and at any time by a signal."""
    server, client = cab.server("-P", cab.key, "--stats"), cab.client("-P", cab.key)
    cab.passes()
    os.kill(client.pid, signal.SIGUSR1)
    client.expect("udp in [1-9].*\n.*datagrams accepted [1-9]", "stderr")
    assert client.end() == 0 and server.end() == 0
    assert client.stderr.count("udp in") == server.stderr.count("udp in") == 1


def test_memory_is_private(cab):
    """No other process of the same user looks into it, as one may into any that can leave a core file."""
    vde.need_root()
    program = cab.lab.start(*vde.as_user(vde.NOBODY, vde.ours("vde_cryptcab"), "-x", "-s", "null://", "-p", cab.port), env=cab.env)
    program.expect("WARNING", "stderr")
    assert os.stat(f"/proc/{program.pid}/mem").st_uid == 0


def test_mtu(cab):
    """On a path that carries 64 KB, datagrams are no larger than what was asked for."""
    server, client = cab.server("-P", cab.key, "--mtu", "1000"), cab.client("-P", cab.key, "--mtu", "600")
    cab.passes()
    near, far = cab.plugs
    sent = frame(BROADCAST, mac(9), os.urandom(1000), size=1514)
    for sender, receiver in ((near, far), (far, near)):
        sender.send(sent)
        receiver.expect(sent)
    assert "datagram 972 " in peers(server)[0] and "datagram 572 " in peers(client)[0]


def test_background_and_pid_file(cab):
    pidfile = cab.lab.path("pid")
    words = ["vde_cryptcab", "-s", cab.near.socket, "-p", cab.port, "-P", cab.key, "-d", "--pidfile", pidfile]
    assert cab.lab.run(*words, env=cab.env).returncode == 0
    with open(pidfile, encoding="ascii") as file:
        pid = cab.lab.adopt(int(file.read()))
    cab.client("-P", cab.key)
    cab.passes()
    assert cab.lab.run(*words, env=cab.env).returncode == 1, "the port is in use"
    cab.lab.end_adopted(pid)
    assert not os.path.exists(pidfile)
    done = cab.lab.run("vde_cryptcab", "-s", cab.lab.path("none"), "-p", cab.port, "-P", cab.key, "-d", env=cab.env)
    assert done.returncode == 1 and "none" in done.stderr


# ---- life ------------------------------------------------------------------------------------------------------------

def test_either_end_restarts(cab):
    server, client = cab.server("-P", cab.key), cab.client("-P", cab.key)
    cab.passes()
    client.end(signal.SIGKILL)
    client = cab.client("-P", cab.key)
    cab.passes()
    server.end(signal.SIGKILL)
    server = cab.server("-P", cab.key)
    cab.passes()
    server.end()                        # says goodbye
    server = cab.server("-P", cab.key)
    cab.passes()
    assert client.status is None
    client.end()
    wait_until(lambda: not peers(server), "the server to know that its client left")


def test_switch_goes_away(cab):
    cab.server("-P", cab.key)
    client = cab.client("-P", cab.key)
    cab.passes()
    socket_path = cab.far.socket
    cab.far.stop()
    assert client.wait() == 1
    assert "switch is gone" in client.stderr
    cab.far = cab.lab.switch(socket=socket_path)
    client = cab.client("-P", cab.key, "--reconnect")
    cab.plugs = None
    cab.passes()
    cab.far.stop()
    client.expect("switch is gone", "stderr")
    cab.far = cab.lab.switch(socket=socket_path)
    client.expect("switch is back", "stderr")
    cab.plugs = None
    cab.passes()


def test_switch_goes_away_while_nobody_is_connected(cab):
    """The server has no port then that would tell it; the next client does. With --reconnect the client is let in when the switch is back."""
    server = cab.server("-P", cab.key)
    path = cab.near.socket
    cab.near.stop()
    assert vde.never(lambda: server.status is not None, 0.5)
    client = cab.client("-P", cab.key)
    assert server.wait() == 1
    assert "switch is gone" in server.stderr and "ended the session" not in server.stderr
    cab.near = cab.lab.switch(socket=path)
    client.end()
    server = cab.server("-P", cab.key, "--reconnect")
    cab.near.stop()
    client = cab.client("-P", cab.key)
    client.expect("ended the session", "stderr", vde.DEADLINE * 3)
    wait_until(lambda: server.stderr.count("no port of the switch") > 2, "further tries")
    cab.near = cab.lab.switch(socket=path)
    cab.passes()
    assert server.status is None and client.status is None
    wait_until(lambda: client.stderr.count("connected to") == 2, "the client to say so")
    assert client.stderr.count("ended the session") == 1, "all tries are one event"


def test_switch_that_is_full(cab):
    """Its server goes on for those who are connected, and for the next who finds a free port, also without --reconnect."""
    full = cab.lab.switch("-n", "1")
    server = cab.server("-P", cab.key, switch=full)
    first = cab.client("-P", cab.key)
    wait_until(lambda: peers(server), "the first client")
    second = cab.client("-P", cab.key, switch=cab.lab.switch())
    second.expect("ended the session", "stderr", vde.DEADLINE * 3)
    assert len(peers(server)) == 1 and server.status is None
    first.end()
    wait_until(lambda: second.stderr.count("connected to") == 2, "the second client's turn", vde.DEADLINE * 3)
    second.end()
    plug = cab.lab.plug(full)
    client = cab.client("-P", cab.key)
    client.expect("ended the session", "stderr", vde.DEADLINE * 3)
    plug.close()
    wait_until(lambda: peers(server), "a client to be let in", vde.DEADLINE * 3)
    assert server.status is None


def test_switch_that_does_not_read_for_a_while(cab):
    """What it does not take stays in the system's buffer, which is larger than the program's."""
    server = cab.server("-P", cab.key)
    cab.client("-P", cab.key)
    cab.passes()
    near, far = cab.plugs

    def left():
        return int(re.search(r"out (\d+) frames", "".join(ask(server, "peers").data))[1])

    def arrived():
        far.recv_now()
        return sum(int(number) for number in re.findall(r"in=(\d+)", "\n".join(cab.far.ask("stats"))))
    sent, before = left(), arrived()
    os.kill(cab.far.program.pid, signal.SIGSTOP)
    try:
        for number in range(1, 851):
            near.send(frame(BROADCAST, mac(1), b"numbered %d" % number, size=4000))
            if number % 50 == 0:
                wait_until(lambda number=number: left() >= sent + number, "the server")
    finally:
        os.kill(cab.far.program.pid, signal.SIGCONT)
    wait_until(lambda: arrived() >= before + 850, "all frames")


def test_drop(cab):
    server, client = cab.server("-P", cab.key), cab.client("-P", cab.key)
    cab.passes()
    assert ask(server, "drop 9").code == 1002
    assert ask(server, "drop x").code == 1022
    number = int(re.match(r"peer (\d+)", peers(server)[0])[1])
    assert ask(server, f"drop {number}").code == 1000
    assert ask(client, f"drop {number}").code == 1038
    cab.passes()                        # its secret is permanent: it may come back
    assert "handshakes 2" in peers(client)[0]


# ---- a hostile network -----------------------------------------------------------------------------------------------

class Relay:
    """Stands between client and server, keeps all that passes, and can speak as either."""

    def __init__(self, server_port):
        self.inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outer.bind(("127.0.0.1", 0))
        self.inner.connect(("127.0.0.1", server_port))
        self.port, self.client, self.up, self.down = self.outer.getsockname()[1], None, [], []
        for end in (self.inner, self.outer):
            end.setblocking(False)

    def carry(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            moved = False
            try:
                data, self.client = self.outer.recvfrom(65536)
                self.up.append(data)
                self.inner.send(data)
                moved = True
            except BlockingIOError:
                pass
            try:
                data = self.inner.recv(65536)
                self.down.append(data)
                self.outer.sendto(data, self.client)
                moved = True
            except BlockingIOError:
                pass
            if not moved:
                time.sleep(0.001)

    def close(self):
        self.inner.close()
        self.outer.close()


class Lossy(Relay, threading.Thread):
    """A relay that loses a part of the datagrams and holds others back, so that they arrive in another order."""

    def __init__(self, server_port, loss):
        Relay.__init__(self, server_port)
        threading.Thread.__init__(self, daemon=True)
        self.loss, self.random, self.held, self.over = loss, random.Random(7), [], False
        self.heard = 0                  # datagrams, of both ends
        self.start()

    def _take(self, end, deliver):
        try:
            data, source = end.recvfrom(65536)
        except OSError:
            return
        if end is self.outer:
            self.client = source
        self.heard += 1
        if self.random.random() >= self.loss:
            self.held.append((time.monotonic() + self.random.random() * 0.01, data, deliver))

    def run(self):
        ends = {self.outer: lambda data: self.inner.send(data), self.inner: lambda data: self.outer.sendto(data, self.client)}
        while not self.over:
            for end in select.select(list(ends), [], [], 0.002)[0]:
                self._take(end, ends[end])
            now = time.monotonic()
            due = [entry for entry in self.held if entry[0] <= now]
            self.held = [entry for entry in self.held if entry[0] > now]
            for _, data, deliver in sorted(due, key=lambda entry: entry[0]):
                with contextlib.suppress(OSError):
                    deliver(data)

    def close(self):
        self.over = True
        self.join()
        Relay.close(self)


def test_loss_and_reordering(cab):
    """A third of the datagrams lost and the rest shuffled: sessions come up and stand, and what arrives was sent, once."""
    cab.server("-P", cab.key)
    relay = Lossy(cab.port, 0.3)
    cab.port = relay.port
    try:
        client = cab.client("-P", cab.key)
        cab.passes(5 * vde.DEADLINE)
        near, far = cab.plugs
        far.recv_now()
        sent = [frame(BROADCAST, mac(1), b"numbered %d" % number, size=300) for number in range(1000)]
        got, before = [], relay.heard
        for number, data in enumerate(sent):
            near.send(data)
            if number % 20 == 19:       # no more than the sockets between them hold
                wait_until(lambda: relay.heard - before > number, "what was sent")
                got += far.recv_now()

        def all_came():
            got.extend(far.recv_now())
            return not relay.held and len(got) > 500
        wait_until(all_came, "the frames that were not lost")
        got = [data for data in got if b"numbered" in data]
        assert len(set(got)) == len(got) < 850 and set(got) <= set(sent)
        client.end(signal.SIGKILL)
        cab.client("-P", cab.key)
        cab.passes(5 * vde.DEADLINE)
    finally:
        relay.close()


class Crossing:
    """Two namespaces whose only way to each other is a network of two switches, with wirefilter between them."""

    def __init__(self, lab, *faults):
        self.ends, switches = [], []
        for number in (1, 2):
            tap = lab.name("cx")
            switches.append(lab.switch("-t", tap))
            self.ends.append(lab.namespace())
            self.ends[-1].add_tap(tap, f"10.6.0.{number}/24")
        lab.start("wirefilter", "--vde-plug", f"{switches[0].socket}:{switches[1].socket}", *faults)


def test_wirefilter_between(cab):
    """30 % of all packets lost and the others reordered by wirefilter: the session comes up, stands, and comes back; nothing comes twice or wrong."""
    vde.need_tun()
    network = Crossing(cab.lab, "-l", "30", "-d", "10+10", "--nofifo")
    cab.server("-P", cab.key, start=network.ends[0].start)
    client = cab.client("-P", cab.key, to="10.6.0.1", start=network.ends[1].start)
    cab.passes()
    near, far = cab.plugs
    sent = [frame(BROADCAST, mac(1), b"numbered %d" % number, size=300) for number in range(600)]
    got = []
    for number, data in enumerate(sent):
        near.send(data)
        if number % 20 == 0:
            time.sleep(0.005)
            got += [data for data in far.recv_now() if b"numbered" in data]

    def enough():
        got.extend(data for data in far.recv_now() if b"numbered" in data)
        return len(got) > 250
    wait_until(enough, "the frames that were not lost")
    time.sleep(0.2)
    enough()
    assert len(set(got)) == len(got) < 550 and set(got) <= set(sent)
    assert got != sorted(got, key=sent.index), "nothing was reordered"
    client.end(signal.SIGKILL)
    cab.client("-P", cab.key, to="10.6.0.1", start=network.ends[1].start)
    cab.passes()


STEPPED_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
enum { BACK = 86400 };
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec -= BACK;
	return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec time;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &time);
	now->tv_sec = time.tv_sec;
	now->tv_usec = time.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *now)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	if (now)
		*now = time.tv_sec;
	return time.tv_sec;
}
"""


@pytest.mark.parametrize("who", ["client", "server"])
def test_clock_set_back(cab, who):
    """An end that starts anew a day earlier is let in at once: nothing in a handshake is a time of day."""
    source, library = cab.lab.path("clock.c"), cab.lab.path("clock.so")
    with open(source, "w", encoding="ascii") as text:
        text.write(STEPPED_CLOCK)
    subprocess.run([vde.need_program("gcc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, env=vde.env_foreign())
    ends = {"server": cab.server("-P", cab.key), "client": cab.client("-P", cab.key)}
    cab.passes()
    ends[who].end(signal.SIGKILL)
    if not vde.is_sanitized():          # these do not like others that are preloaded: there it is another restart
        cab.env = dict(cab.env, LD_PRELOAD=library)
    getattr(cab, who)("-P", cab.key)
    cab.passes()


def test_hostile_network(cab):
    """Everything that passed is sent again, changed, cut, reflected and from elsewhere: no frame comes of it, and the cable stands."""
    server = cab.server("-P", cab.key)
    relay = Relay(cab.port)
    true_port, cab.port = cab.port, relay.port
    client = cab.client("-P", cab.key)
    near, far = cab.plugs = cab.lab.plug(cab.near), cab.lab.plug(cab.far)
    wait_until(lambda: relay.carry(0.1) or len(peers(server)) == 1, "the session")
    for number in range(10):
        near.send(frame(BROADCAST, mac(1), b"down %d" % number, size=100))
        far.send(frame(BROADCAST, mac(2), b"up %d" % number, size=100))
    relay.carry(0.5)
    assert sum(b"down" in got for got in far.recv_now()) == 10
    assert sum(b"up" in got for got in near.recv_now()) == 10
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.setblocking(False)
    server_at = ("127.0.0.1", true_port)
    for data in relay.up + relay.down:
        if len(data) > 60000:
            continue                    # a probe of the path, too long to be made longer
        short = data[:200]
        changes = [data, data[:-1], data + b"\0", short[:4], short[:15], b"", *(short[:i] + bytes([short[i] ^ 1]) + data[i + 1:]
                                                                          for i in range(len(short)))]
        for change in changes:
            stranger.sendto(change, server_at)
            relay.inner.send(change)
            relay.outer.sendto(change, relay.client)
    time.sleep(0.2)
    replies = []
    try:
        while True:
            replies.append(stranger.recv(65536))
    except BlockingIOError:
        pass
    assert not replies, "a stranger got an answer"
    assert not [got for plug in (near, far) for got in plug.recv_now() if b"down" in got or b"up" in got]
    assert len(peers(server)) == 1
    near.send(frame(BROADCAST, mac(1), b"after", size=100))
    far.send(frame(BROADCAST, mac(2), b"after", size=100))
    relay.carry(0.5)
    assert any(b"after" in got for got in far.recv_now()) and any(b"after" in got for got in near.recv_now())
    assert "no answer" not in client.stderr
    relay.close()
    stranger.close()


def test_strangers_cost_nothing(cab):
    """A flood: no answer, no growth, and the session goes on."""
    server = cab.server("-P", cab.key)
    cab.client("-P", cab.key)
    cab.passes()
    info = "\n".join(ask(server, "showinfo").data)
    size = server.resident_kib()
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.connect(("127.0.0.1", cab.port))
    stranger.setblocking(False)
    for number in range(30000):
        kind = bytes([number % 8, 0, 0, 0])
        length = 100 if number % 8 == 1 else 16 + number % 1000
        stranger.send(kind + os.urandom(8) + bytes(length - 12))
        if number % 64 == 0:
            time.sleep(0.002)
    cab.passes()
    with pytest.raises(BlockingIOError):
        stranger.recv(65536)
    stranger.close()
    after = "\n".join(ask(server, "showinfo").data)
    unknown = [int(re.search(r"unknown (\d+)", text)[1]) for text in (info, after)]
    assert unknown[1] > unknown[0] + 1000
    assert "pending 0" in after and len(peers(server)) == 1
    assert server.resident_kib() < size + 4096
