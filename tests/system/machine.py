# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of its own for a shell script: namespaces with a /tmp, /run and /srv of their own, a home directory, a name for some hosts, an ssh that runs
its command on the same machine, and a vocabulary to say what a command does and what must become true then."""
import os
import struct
import subprocess

import pytest
import vde

PRELUDE = r"""
set -u
fail() { echo "example: $*" >&2; exit 1; }

# ---- the place
home=$(getent passwd "$(id -u)" | cut -d: -f6)
keep_as() { mkdir -p "$2"; mount --rbind "$1" "$2"; }
keep() { case $1 in /tmp/*) for tmp in tmp tmp.a tmp.b; do keep_as "$1" "/mnt/$tmp${1#/tmp}"; done;; "$home"/*) keep_as "$1" "/mnt/home/${1#"$home"/}";; esac; }
mount --bind "$MACHINE" /mnt
mkdir -p /mnt/tmp /mnt/home /mnt/tmp.a /mnt/tmp.b
keep "$VDE_BUILD"; keep "$VDE_SOURCE"
mount --rbind /mnt/tmp /tmp
mount --rbind /mnt/home "$home"
HOME=$home
chmod 1777 /mnt/tmp*
for place in /run /srv; do mount -t tmpfs -o mode=755 none $place; done
mount --bind /mnt/hosts /etc/hosts
ip link set lo up multicast on
ip route add 224.0.0.0/4 dev lo
exec 9<>/mnt/silence
cd ~

# ---- what the page takes for granted
given() { eval "$1" >/mnt/given 2>&1 <&9 || { cat /mnt/given >&2; fail "not even: $1"; }; }
stay() { "$@" <&9 & }
wire() { ip link add "$1" type veth peer name "$2"; ip link set "$1" up; ip link set "$2" up; }
hosts() {
	for host in a b; do ip netns add $host; done
	ip link add eth0 netns a type veth peer name eth0 netns b
	number=1
	for host in a b; do
		ip -n $host link set lo up; ip -n $host link set eth0 up
		ip -n $host address add 10.99.0.$number/24 dev eth0; number=$((number + 1))
	done
}

# ---- what must become true
heard() { grep -qa "frame of the example" "$1"; }
hears() { test -f /mnt/heard || { vde_plug "$1" <&9 >/mnt/heard & }; heard /mnt/heard; }
talks() { while sleep 0.1; do says "$1"; done; }
says() { vde_plug "$1" </mnt/frames >/dev/null; }
carries_one_way() {
	vde_plug "$2" <&9 >/mnt/heard & listener=$!
	tries=0
	until heard /mnt/heard; do
		says "$1"; sleep 0.05; tries=$((tries + 1))
		test $tries -lt 100 || { kill $listener; return 1; }
	done
	kill $listener; wait $listener
}
carries() { carries_one_way "$1" "$2" && carries_one_way "$2" "$1"; }
plugged() { test "$(ls "$2" | grep -c '^[0-9]')" -ge "$1"; }
tap_reaches() {
	ip link show "$1" >/dev/null || return 1
	ip address replace 10.0.0.1/24 dev "$1"; ip link set "$1" up
	vdens --addr 10.0.0.9/24 "$2" ping -q -c 1 -W 1 10.0.0.1
}
tap_pair() {
	test -f /mnt/pair || { ip link show "$2" >/dev/null && ip netns add far && ip link set "$2" netns far && touch /mnt/pair; } || return 1
	ip address replace 10.0.0.1/24 dev "$1"; ip link set "$1" up
	ip -n far address replace 10.0.0.2/24 dev "$2"; ip -n far link set "$2" up
	ping -q -c 1 -W 1 10.0.0.2
}
end_daemon() { pkill -x "$1"; while pgrep -x "$1" >/dev/null; do sleep 0.05; done; }         # there are only our own processes here
hosts_reach() {
	test -f /mnt/node || { touch /mnt/node; stay at a vdens --addr 10.0.0.1/24 vde:///tmp/sw sleep 1000; }
	at b vdens --addr 10.0.0.2/24 vde:///tmp/sw ping -q -c 1 -W 1 10.0.0.1
}
host_reaches_device() {
	ip -n $1 address replace 10.0.0.1/24 dev $2; ip -n $1 link set $2 up
	at a vdens --addr 10.0.0.2/24 vde:///tmp/sw ping -q -c 1 -W 1 10.0.0.1
}

# ---- the commands
until_true() {
	tries=0
	until eval "$1" >/mnt/checked 2>&1; do
		sleep 0.05; tries=$((tries + 1))
		test $tries -lt "$TRIES" || { cat /mnt/checked /mnt/err /mnt/out 2>/dev/null; fail "in vain: $1"; }
	done
}
ends() {
	echo "+ $1"
	eval "$1" <&9 >/mnt/out 2>/mnt/err || { cat /mnt/err /mnt/out >&2; fail "status $?: $1"; }
	cat /mnt/err; until_true "$2"
}
begins() { (trap - TERM; eval "exec $1" <&9 >/mnt/out 2>/mnt/err) & pid=$!; }
stays() {
	echo "+ $1"
	begins "$1"; mine=$pid; until_true "$2"
	kill -0 $mine 2>/dev/null || { cat /mnt/err >&2; fail "has ended: $1"; }
	cat /mnt/err
}
alone() {
	stays "$1" "$2"
	kill $mine; wait $mine
}
"""

FAKES = {
    # options, [user@]host, command; the machine is the same
    "ssh": """while :; do case $1 in -o|-p|-i|-l) shift 2;; -*) shift;; *) break;; esac; done; shift; exec /bin/sh -c "$*" """,
    "at": """host=$1; shift; exec ip netns exec $host unshare --mount /bin/sh -c 'mount --rbind /mnt/tmp.'$host' /tmp; exec "$@"' sh "$@" """,
    "with_descriptor_5": """exec /usr/bin/python3 /mnt/with_descriptor_5.py "$1" """,
    "rlwrap": """exec "$@" """,
    "wireshark": "exec tcpdump -lnr -",
    "kvm": """exec qemu-system-x86_64 "$@" """,
    "cc": """exec /usr/bin/cc $SANITIZE "$@" """,
    "qemu-system-x86_64": "exec $PRELOAD /usr/bin/qemu-system-x86_64 -display none -accel tcg -S \"$@\"",
    "qemu-system-aarch64": "test \"$1\" != -M || shift 2; exec $PRELOAD /usr/bin/qemu-system-x86_64 -display none -accel tcg -S \"$@\"",
}

DESCRIPTOR_5 = """
import os, socket, subprocess, sys, time
mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.dup2(its.fileno(), 5)
its.close()
program = subprocess.Popen(["/bin/sh", "-c", "exec " + sys.argv[1]], pass_fds=[5])
os.close(5)
while program.poll() is None:
    mine.send(open("/mnt/frame", "rb").read()[2:])
    time.sleep(0.1)
"""


def write(path, text, mode=0o644):
    with open(path, "w" if isinstance(text, str) else "wb") as out:
        out.write(text)
    os.chmod(path, mode)


def make(lab):
    """The directory that is /mnt there."""
    machine = lab.path("machine")
    os.makedirs(f"{machine}/bin")
    for name, body in FAKES.items():
        write(f"{machine}/bin/{name}", f"#!/bin/sh\n{body}\n", 0o755)
    write(f"{machine}/with_descriptor_5.py", DESCRIPTOR_5)
    write(f"{machine}/hosts", "127.0.0.1 localhost host server.example.org gate1.example gate2.example\n10.99.0.1 a\n10.99.0.2 b\n")
    frame = vde.frame(vde.BROADCAST, vde.mac(9), b"frame of the example")
    arp = vde.frame(vde.BROADCAST, vde.mac(9), bytes([0, 1, 8, 0, 6, 4, 0, 1]), type=0x0806)
    record = struct.pack("!H", len(frame)) + frame
    write(f"{machine}/frame", record)
    write(f"{machine}/frames", record * 40 + struct.pack("!H", len(arp)) + arp)
    os.mkfifo(f"{machine}/silence")
    return machine


def run(lab, script, what, *, machine=None, fakes=True, **more):
    """Runs a script that ends with "echo done" and fails the test, saying what it was about, when it does not come so far. Returns its output."""
    vde.need_tun()
    machine = machine or make(lab)
    write(f"{machine}/script", f"{PRELUDE}\n{script}\necho done\n")
    prefix = os.path.dirname(vde.BIN)
    with open(vde.ours("vde_plug"), "rb") as program:
        sanitized = b"__asan_init" in program.read()
    foreign = vde.env_foreign("ours")
    preload = f"env LD_PRELOAD={foreign['LD_PRELOAD']} ASAN_OPTIONS=detect_leaks=0" if "LD_PRELOAD" in foreign else ""
    environment = vde.env_ours(
        PRELOAD=preload, SANITIZE="-fsanitize=address,undefined" if sanitized else "", MACHINE=machine, VDE_BUILD=vde.BUILD, VDE_SOURCE=vde.SOURCE, TRIES=str(int(200 * vde.PATIENCE)),
        CPATH=f"{prefix}/include", LIBRARY_PATH=vde.LIB,
        PATH=f"{'/mnt/bin:' if fakes else ''}{vde.BIN}:{prefix}/sbin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **more)
    words = [vde.need_program("unshare"), "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc",
             "/bin/sh", f"{machine}/script"]
    try:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=90 * vde.PATIENCE, check=False)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"does not end:\n{what}\n{(late.stdout or b'').decode(errors='replace')}")
    assert not vde.SANITIZER.search(done.stdout), done.stdout
    assert done.returncode == 0 and done.stdout.endswith("done\n"), f"{what}\n----\n{done.stdout}"
    return done.stdout
