# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator has of the switch: debug lines, plugins, configuration, trunk ports, mirrors, statistics, many sessions."""
import os
import re
import subprocess
import time

import pytest

import vde

PLUGINS = os.path.join(vde.LIB, "vde2", "plugins")
DEBIAN_PLUGINS = "/usr/lib/vde2/plugins"


def sanitized():
    path = os.path.join(vde.BIN, "vde_switch")
    if not os.path.exists(path):
        return False
    with open(path, "rb") as program:
        return b"__asan_init" in program.read()


def ip4(source, vlan=None):
    payload = bytes.fromhex("4500001c0001000040110000") + bytes(map(int, source.split("."))) + bytes([10, 1, 2, 9]) + bytes(8)
    return vde.frame(vde.BROADCAST, vde.mac(1), payload, type=0x0800, vlan=vlan)


# ---- debug -----------------------------------------------------------------------------------------------------------

def test_debug_lines(lab, switch):
    watcher = vde.Management(switch.mgmt)
    assert watcher.command("debug/add").code == 1000
    plug = lab.plug(switch, port=7, description=b"A")
    plug.send(vde.frame(vde.BROADCAST, vde.mac(2)))
    first = [watcher.next_event() for _ in range(4)]
    match = re.match(r"3031 port/ep/\+ Port 07 FD ([ \d]\d)$", first[1])
    assert match, first
    assert first[0] == "3021 port/+ 07"
    assert re.match(rf'3023 port/descr Port 07 FD {match[1]} -> "A', first[2])
    assert first[3] == f"3011 hash/+ {vde.mac_text(vde.mac(2))} VLAN 00:00 Port 7"
    plug.close()
    assert sorted(watcher.next_event() for _ in range(3)) == [
        f"3012 hash/- {vde.mac_text(vde.mac(2))} VLAN 00:00 Port 7", "3022 port/- 07", f"3032 port/ep/- Port 07 FD {match[1]}"]


def test_debug_vlan_is_high_byte_first(lab, switch):
    switch.ask("vlan/create 10")
    plug = lab.plug(switch, port=1)
    switch.ask("port/setvlan 1 10")
    watcher = vde.Management(switch.mgmt)
    watcher.command("debug/add hash/+")
    plug.send(vde.frame(vde.BROADCAST, vde.mac(2)))
    assert watcher.next_event() == f"3011 hash/+ {vde.mac_text(vde.mac(2))} VLAN 00:0a Port 1"


def test_debug_subscriptions(lab, switch):
    a, b = vde.Management(switch.mgmt), vde.Management(switch.mgmt)
    listed = a.command("debug/list").data
    assert listed[:2] == ["CATEGORY               TAG STATUS HELP", "------------           --- ------ ----"]
    assert "port/ep/+              031 OFF    new endpoint" in listed
    assert a.command("debug/add port/").code == 1000
    assert a.command("debug/add port/").code == 1017
    assert a.command("debug/add nothing").code == 1022
    assert a.command("debug/list nothing").code == 1002
    assert "port/ep/+              031 ON     new endpoint" in a.command("debug/list port/ep").data
    assert "port/ep/+              031 OFF    new endpoint" in b.command("debug/list port/ep").data
    assert b.command("debug/del port/").code == 1002
    assert a.command("debug/del port/ep").code == 1000
    lab.plug(switch, port=3)
    assert [a.next_event(), a.next_event()][1].startswith("3023 port/descr Port 03")
    a.close()
    lab.plug(switch, port=4)        # the session that went is told nothing, and nothing breaks
    assert switch.command("debug/list").code == 1000


# ---- configuration ---------------------------------------------------------------------------------------------------

def test_configuration_round_trip(lab, switch):
    for command in ("port/setnumports 40", "port/defqlen 77", "hash/setsize 256", "hash/setexpire 50", "vlan/create 10",
                    "vlan/create 4094", "port/create 3", "port/setvlan 3 10", "port/create 5", "port/allocatable 5 1",
                    "port/setuser 5 65534", "port/setgroup 3 0", "vlan/addport 10 5", "vlan/addport 4094 5", "port/create 6",
                    "port/create 7", "port/trunk 5 1", "port/mirror 3 6", "port/mirror 3 7", "port/create 8", "port/setvlan 8 4095",
                    "fstp/setfstp 1", "fstp/setedge 10 3 1", "fstp/bonus 10 5 1000", "fstp/priority 4096"):
        assert switch.command(command).code == 1000, command
    lab.plug(switch, port=12)       # only a client: no part of the configuration
    shown = switch.ask("config/show")
    assert not any("12" in line.split() for line in shown)
    path = lab.path("saved.rc")
    assert switch.command(f"config/save {path}").code == 1000
    assert vde.mode_of(path) == 0o600
    fresh = lab.switch()
    assert fresh.ask("config/show") != shown
    reply = lab.run("vdecmd", "-s", fresh.mgmt, "load", path)
    assert (reply.returncode, reply.stderr) == (0, "")
    assert fresh.ask("config/show") == shown
    started = lab.switch("-f", path)
    assert started.ask("config/show") == shown
    assert not re.search("error|line", started.program.stderr), started.program.stderr
    assert switch.command(f"config/save {path}").code == 1000       # over its own
    with open(lab.path("precious"), "w") as file:
        file.write("something else\n")
    assert switch.command(f"config/save {lab.path('precious')}").code == 1017
    assert open(lab.path("precious")).read() == "something else\n"
    assert switch.command("config/save /nonexistent/x").code == 1002
    blank = lab.path("a saved one.rc")
    assert [switch.command(f"{word} {blank}").code for word in ("config/save", "load")] == [1000, 1000]
    assert open(blank).read() == open(path).read()
    assert os.listdir(lab.dir).count("saved.rc") == 1 and not [n for n in os.listdir(lab.dir) if n.startswith("saved.rc.")]


# ---- trunk -----------------------------------------------------------------------------------------------------------

def test_trunk_ports_pass_unknown_vlans(lab, switch):
    a, b, c = (lab.plug(switch, port=n) for n in (1, 2, 3))
    tagged, plain = vde.frame(vde.BROADCAST, vde.mac(1), vlan=5, size=80), vde.frame(vde.BROADCAST, vde.mac(1), b"end")
    a.send(tagged)
    a.send(plain)
    b.expect(plain)
    assert c.recv() == plain
    assert switch.command("port/trunk 1 1").code == 1000 and switch.command("port/trunk 2 1").code == 1000
    assert " Trunk: on" in switch.ports()[1]["lines"]
    a.send(tagged)
    a.send(plain)
    assert b.recv() == tagged and b.recv() == plain
    assert c.recv() == plain        # no trunk port
    back = vde.frame(vde.mac(1), vde.mac(2), vlan=9, size=80)
    b.send(back)
    assert a.recv() == back
    # a VLAN that the switch has is not crossed this way
    switch.ask("vlan/create 5")
    a.send(tagged)
    a.send(plain)
    assert b.recv() == plain
    assert switch.command("port/trunk 9 1").code == 1006 and switch.command("port/trunk 1 2").code == 1022


def test_trunk_option(lab):
    switch = lab.switch("--trunk")
    a, b = lab.plug(switch), lab.plug(switch)
    tagged = vde.frame(vde.BROADCAST, vde.mac(1), vlan=5, size=80)
    a.send(tagged)
    assert b.recv() == tagged
    assert "port/trunk all 1" in switch.ask("config/show")


# ---- mirrors and statistics ------------------------------------------------------------------------------------------

def test_mirror(lab, switch):
    a, b, copy = (lab.plug(switch, port=n) for n in (1, 2, 3))
    switch.ask("vlan/create 10")
    switch.ask("vlan/addport 10 1")
    switch.ask("port/create 4")
    switch.ask("port/setvlan 4 10")
    d = lab.plug(switch, port=4)
    assert switch.command("port/mirror 1 3").code == 1000
    assert switch.command("port/mirror 1 3").code == 1017 and switch.command("port/mirror 1 1").code == 1022
    assert switch.command("port/mirror 1 20").code == 1006 and switch.command("port/mirror 3 1").code != 1000
    assert " Mirror: to 0003" in switch.ports()[1]["lines"] and " Mirror: copies only" in switch.ports()[3]["lines"]
    one = vde.frame(vde.BROADCAST, vde.mac(1), b"one")
    a.send(one)
    assert b.recv() == one and copy.recv() == one
    two = vde.frame(vde.mac(1), vde.mac(2), b"two")
    b.send(two)
    assert a.recv() == two and copy.recv() == two
    # as it is on the wire of the mirrored port: tagged there
    three = vde.frame(vde.BROADCAST, vde.mac(4), b"three")
    d.send(three)
    tagged = vde.frame(vde.BROADCAST, vde.mac(4), b"three", vlan=10)
    assert a.recv() == tagged and copy.recv() == tagged
    # nothing else reaches the copy's port, and nothing comes from it
    b.send(vde.frame(vde.mac(9), vde.mac(2), b"flooded"))
    a.recv()
    copy.recv()
    copy.send(vde.frame(vde.BROADCAST, vde.mac(3), b"from the copy"))
    switch.settle()
    assert a.recv_now() == [] and b.recv_now() == []
    assert "mirror=1" in switch.ask("stats 3")[0]
    assert switch.command("port/mirror 1 off").code == 1000
    copy.send(vde.frame(vde.BROADCAST, vde.mac(3), b"again"))
    a.recv()


def test_mirror_many_copies_in_one_batch(lab, switch):
    a, b, copy = (lab.plug(switch, port=n, rcvbuf=1 << 20) for n in (1, 2, 3))
    switch.ask("port/mirror 1 3")
    switch.ask("port/mirror 2 3")
    for round_ in range(4):
        for n in range(50):
            a.send(vde.frame(vde.BROADCAST, vde.mac(1), bytes([round_, n])))
        for n in range(50):
            assert b.recv()[14:16] == bytes([round_, n])
            assert copy.recv()[14:16] == copy.recv()[14:16]


def test_mirror_ends_with_the_client_that_asked(lab, switch):
    a, copy = lab.plug(switch, port=1), lab.plug(switch, port=3)
    switch.ask("port/mirror 1 3")
    copy.close()
    vde.wait_until(lambda: 3 not in switch.ports(), "the port to be idle")
    assert not any("Mirror" in line for line in switch.ports(all=True)[1]["lines"])
    switch.ask("port/create 5")     # made for its user: it stays
    copy = lab.plug(switch, port=5)
    switch.ask("port/mirror 1 5")
    copy.close()
    vde.wait_until(lambda: 5 not in switch.ports(), "the port to be idle")
    assert " Mirror: to 0005" in switch.ports(all=True)[1]["lines"]
    assert switch.command("port/remove 5").code == 1000
    assert not any("Mirror" in line for line in switch.ports(all=True)[1]["lines"])
    a.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    switch.settle()


def test_statistics_name_the_reason(lab, switch):
    plug = lab.plug(switch, port=1)
    plug.send(b"short")
    plug.send(vde.frame(vde.BROADCAST, vde.mac(1), vlan=5))
    switch.settle()
    line = switch.ask("stats 1")[0]
    assert "runt=1" in line and "vlan=1" in line and "queue=0" in line
    assert switch.command("stats 9").code == 1006


# ---- plugins ---------------------------------------------------------------------------------------------------------

def test_plugin_that_is_missing_or_wrong(lab, switch):
    assert switch.command("plugin/add nosuch").code == 1002
    assert switch.command("plugin/add no such").code == 1002
    assert switch.command("plugin/add").code == 1022
    with open(lab.path("text.so"), "w") as file:
        file.write("no object\n")
    assert switch.command(f"plugin/add {lab.path('text.so')}").code == 1002
    assert switch.command("plugin/add libz.so.1").code in (1002, 1022)
    assert switch.command("plugin/list").code == 1002
    assert switch.command("plugin/del x").code == 1002


def plugin_file(directory, name):
    path = os.path.join(directory, f"{name}.so")
    if not os.path.exists(path):
        pytest.skip(f"needs {path}")
    return path


# The original's plugins leak a little; what they leak is not ours, so a build with sanitizers leaves them out.
@pytest.mark.parametrize("directory", [PLUGINS] if sanitized() else [PLUGINS, DEBIAN_PLUGINS],
                         ids=lambda path: "debian" if path == DEBIAN_PLUGINS else "ours")
def test_plugins_together(lab, switch, directory):
    """dump, pdump and iplog at the same time; then they go, and come back."""
    a, b = lab.plug(switch, port=1, description=b"alice"), lab.plug(switch, port=2)
    watcher = vde.Management(switch.mgmt)
    for round_ in range(2):
        for name in ("dump", "pdump", "iplog"):
            path = plugin_file(directory, name)
            assert switch.command(f"plugin/add {path}").code == 1000
            assert switch.command(f"plugin/add {path}").code == 1017
        capture = lab.path(f"x{round_}.cap")
        for command in ("dump/active 1", f"pdump/filename {capture}", "pdump/active 1", "iplog/ipadd 10.1.0.0/16"):
            assert switch.command(command).code == 1000, command
        assert watcher.command("debug/add dump/").code == 1000 and watcher.command("debug/add iplog").code == 1000
        sent = ip4("10.1.2.4")
        a.send(sent)
        b.expect(sent)
        lines = [watcher.next_event() for _ in range(3)]
        hexadecimal = sent.hex(" ")
        assert any(re.match(r'3301 iplog/newip ipv4 10\.1\.2\.4 mac=02:00:00:00:00:01 port=1 vlan=0 user=\S+ "alice', line) for line in lines)
        assert any(line.startswith(f"3101 dump/packetin Pkt: Port 0001 len=00{len(sent)} {hexadecimal}") for line in lines), lines
        assert any(line.startswith(f"3102 dump/packetout Pkt: Port 0002 len=00{len(sent)} {hexadecimal}") for line in lines)
        assert switch.ask("iplog/iplist")[0].startswith("ipv4 10.1.2.4 port=1 user=")
        assert switch.command("pdump/active 0").code == 1000
        shown = subprocess.run([vde.need_program("tcpdump"), "-nr", capture], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert shown.stdout.count("10.1.2.4") == 2
        for name in ("dump", "pdump", "iplog"):
            assert switch.command(f"plugin/del {name}").code == 1000
        assert switch.command("dump/active 1").code == 1038
        assert switch.command("debug/list dump").code == 1002
        a.send(sent)
        b.expect(sent)


def test_pdump_filter_and_rotation(lab, switch):
    assert switch.command(f"plugin/add {plugin_file(PLUGINS, 'pdump')}").code == 1000
    capture = lab.path("x.cap")
    for command in (f"pdump/filename {capture}", "pdump/filter ip", "pdump/rotate 4k 2", "pdump/active 1"):
        assert switch.command(command).code == 1000, command
    assert switch.command("pdump/filter no such filter").code == 1022
    plug, other = lab.plug(switch, port=1), lab.plug(switch, port=2)
    for n in range(100):
        plug.send(ip4("10.1.2.4"))
        plug.send(vde.frame(vde.BROADCAST, vde.mac(1), b"other"))
        other.recv()
        other.recv()
    switch.settle(200)
    assert switch.command("pdump/active 0").code == 1000
    assert sorted(name for name in os.listdir(lab.dir) if name.startswith("x.cap")) == ["x.cap", "x.cap.1", "x.cap.2"]
    for name in ("x.cap", "x.cap.1", "x.cap.2"):
        assert os.path.getsize(lab.path(name)) <= 4096 + 200
        shown = subprocess.run([vde.need_program("tcpdump"), "-nr", lab.path(name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert shown.returncode == 0 and "10.1.2.4" in shown.stdout and "0x88b5" not in shown.stdout


def test_iplog_versions_and_tags(lab, switch):
    assert switch.command(f"plugin/add {plugin_file(PLUGINS, 'iplog')}").code == 1000
    log = lab.path("ip.log")
    for command in ("iplog/ipadd 10.0.0.0/8", "iplog/ipadd 2001:db8::/32", f"iplog/logfile {log}", "port/trunk all 1"):
        assert switch.command(command).code == 1000, command
    assert switch.command("iplog/ipadd 10.0.0.0/33").code == 1022
    plug = lab.plug(switch, port=1, description=b"x")
    plug.send(ip4("10.9.8.7", vlan=5))
    ip6 = bytes.fromhex("6000000000003bff") + bytes.fromhex("20010db8000000000000000000000001") + bytes.fromhex("ff02" + 14 * "00")
    plug.send(vde.frame(vde.BROADCAST, vde.mac(2), ip6, type=0x86dd))
    plug.send(ip4("192.168.1.1"))
    switch.settle()
    listed = switch.ask("iplog/iplist")
    assert sorted(line.split(" user")[0] for line in listed) == ["ipv4 10.9.8.7 port=1", "ipv6 2001:db8::1 port=1"]
    assert switch.ask("iplog/ipsearch 2001:db8::1") and switch.command("iplog/ipsearch 10.0.0.1").code == 1002
    assert switch.ask("iplog/list") == [" ipv4: 10.0.0.0/8", " ipv6: 2001:db8::/32"]
    text = open(log).read()
    assert "ipv4 10.9.8.7 mac=02:00:00:00:00:01 port=1 vlan=5" in text and "ipv6 2001:db8::1" in text
    plug.close()
    vde.wait_until(lambda: switch.ask("iplog/iplist") == [], "the addresses of a port that closed to be forgotten")


PLUGIN_SOURCE = r"""
#include <string.h>
#include <vdeplugin.h>
struct plugin vde_plugin_data = { name: "sample", help: "a sample" };
static int seen;
static int say(FILE *f, char *arg) { printoutc(f, "said %s", arg); return 0; }
static int add(int n) { seen += n; return seen > 100 ? 28 : 0; }
static int show(FILE *f) { printoutc(f, "%d", seen); return 0; }
static struct dbgcl dl[] = { { "sample/seen", "packets seen", 0501 } };
static int filter(struct dbgcl *event, void *arg, va_list v)
{
	int port = va_arg(v, int);
	unsigned char *buf = va_arg(v, unsigned char *);
	int len = va_arg(v, int);
	(void)arg;
	if (event->tag != (D_PACKET | D_IN)) {
		if (buf[14] == 'O')
			buf[15] = 'o';
		return 0;
	}
	DBGOUT(dl, "port %d", port);
	EVENTOUT(dl, port);
	if (buf[14] == 'X')
		return -1;
	if (buf[14] == 'L') {
		memset(buf + len, 'l', 10);
		return len + 10;
	}
	if (buf[14] == 'C')
		buf[15] = 'c';
	return 0;
}
static int own(struct dbgcl *event, void *arg, va_list v) { (void)event; (void)arg; seen += va_arg(v, int); return 0; }
static struct comlist cl[] = {
	{ "sample", "============", "SAMPLE MENU", NULL, NOARG },
	{ "sample/say", "text", "say", say, STRARG | WITHFILE },
	{ "sample/add", "N", "add", add, INTARG },
	{ "sample/show", "", "show", show, NOARG | WITHFILE },
};
static void __attribute__((constructor)) init(void)
{
	ADDCL(cl);
	ADDDBGCL(dl);
	eventadd(filter, "packet", NULL);
	eventadd(own, "sample", NULL);
	printlog(LOG_INFO, "sample is here");
}
/* No destructor: the switch takes everything back. */
"""


def test_plugin_from_source(lab, switch):
    """A plugin as they were written for VDE 2 compiles unchanged; its filters change, lengthen and drop frames."""
    with open(lab.path("sample.c"), "w") as file:
        file.write(PLUGIN_SOURCE)
    flags = ["-fsanitize=address,undefined"] if vde.sanitized_library() else []
    subprocess.run([vde.need_program("gcc"), "-std=gnu17", "-Wall", "-Werror", *flags, f"-I{vde.SOURCE}/include", "-shared", "-fPIC",
                    "-o", lab.path("sample.so"), lab.path("sample.c")], check=True)
    a, b, copies = (lab.plug(switch, port=port) for port in (1, 2, 3))
    for _ in range(3):
        assert switch.command(f"plugin/add {lab.path('sample.so')}").code == 1000
        assert switch.ask("sample/say  hello  you") == ["said hello  you"]
        assert switch.command("sample/add x").code == 1022
        assert switch.ask("help sample")[-1].split() == ["sample/show", "show"]
        watcher = vde.Management(switch.mgmt)
        watcher.command("debug/add sample")
        for text in (b"X", b"L", b"C", b"-"):
            a.send(vde.frame(vde.BROADCAST, vde.mac(1), text))
        assert b.recv() == vde.frame(vde.BROADCAST, vde.mac(1), b"L") + b"l" * 10
        assert b.recv() == vde.frame(vde.BROADCAST, vde.mac(1), b"Cc")
        assert b.recv() == vde.frame(vde.BROADCAST, vde.mac(1), b"-")
        assert watcher.next_event() == "3501 sample/seen port 1"
        assert switch.ask("sample/show") == ["4"]
        assert switch.command("port/mirror 2 3").code == 1000
        copies.recv_now()
        a.send(vde.frame(vde.BROADCAST, vde.mac(1), b"O"))
        assert b.recv() == copies.recv() == vde.frame(vde.BROADCAST, vde.mac(1), b"Oo"), "a mirror shows what leaves"
        assert switch.command("port/mirror 2 off").code == 1000
        assert "filter=" in switch.ask("stats 1")[0]
        assert switch.command("plugin/del sam").code == 1000
        assert switch.command("sample/show").code == 1038
        a.send(vde.frame(vde.BROADCAST, vde.mac(1), b"X"))
        assert b.recv() == vde.frame(vde.BROADCAST, vde.mac(1), b"X")
        watcher.close()


# ---- many sessions ---------------------------------------------------------------------------------------------------

def test_sessions_that_come_and_go(lab, switch):
    """1000 sessions, one that never reads, one that sends a byte at a time: the switch forwards all the while and its memory comes back."""
    a, b = lab.plug(switch, port=1), lab.plug(switch, port=2)
    deaf = vde.Management(switch.mgmt)
    deaf.command("debug/add")
    slow = vde.Management(switch.mgmt)
    slow_text = b"port/create 9\n"

    def open_and_drop(count):
        for n in range(count):
            session = vde.Management(switch.mgmt)
            if n % 3 == 0:
                session.send("debug/add\nhelp\nport/pr")
            session.close()
            if n % 20 == 0:
                sent = vde.frame(vde.BROADCAST, vde.mac(1), n.to_bytes(2, "big"))
                a.send(sent)
                b.expect(sent)
                slow.send(slow_text[n // 20:n // 20 + 1])

    open_and_drop(100)
    before = switch.program.resident_kib()
    for _ in range(2000):
        with_nothing_read = b"help\n"
        try:
            deaf.socket.settimeout(0.001)
            deaf.socket.send(with_nothing_read)
        except OSError:
            break
    open_and_drop(900)
    slow.send(slow_text[900 // 20:])
    deaf.close()
    switch.command("port/allprint")
    sent = vde.frame(vde.BROADCAST, vde.mac(1), b"end")
    a.send(sent)
    b.expect(sent)
    descriptors = f"/proc/{switch.pid}/fd"
    vde.wait_until(lambda: len(os.listdir(descriptors)) < 30, "the descriptors of the sessions")
    if sanitized():
        return              # freed memory is kept in quarantine
    limit = before + 2048
    vde.wait_until(lambda: switch.program.resident_kib() < limit, f"the memory to come back below {limit} KiB")


def test_slow_command_is_one_command(lab, switch):
    session = vde.Management(switch.mgmt)
    for byte in b"port/create 9\nport/create 10\n":
        session.send(bytes([byte]))
        time.sleep(0.001)
    assert (session.answer().code, session.answer().code) == (1000, 1000)
    assert {9, 10} <= set(switch.ports(all=True))
