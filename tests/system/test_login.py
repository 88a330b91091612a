# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_plug as a login shell: which network a restricted user gets, what a real sshd lets him do, and what is logged."""
import os
import re

import machine
import pytest
import vde


def login_switch():
    """Where this build looks for the file."""
    with open(vde.ours("vde_plug"), "rb") as program:
        path = re.search(rb"/[\w./+-]*/vde2/login\.switch", program.read())[0].decode()
    if not os.path.isdir(os.path.dirname(os.path.dirname(path))):
        pytest.skip(f"needs the directory {os.path.dirname(os.path.dirname(path))}, to put another one over it")
    return path


# Two switches: the system's default one, and one that the file names. A third one stands where the user could point to. In a /tmp of its own the
# file's directory is not there yet.
NETWORKS = r"""
mkdir -p "$(dirname "$(dirname "$LOGIN")")"
mount -t tmpfs -o mode=755 none "$(dirname "$(dirname "$LOGIN")")"
mkdir "$(dirname "$LOGIN")"
given 'vde_switch -d -s /run/vde.ctl -m 777 --dirmode 755'
given 'vde_switch -d -s /tmp/lan -m 777 --dirmode 755'
given 'vde_switch -d -s /tmp/evil -m 777 --dirmode 755'
mkdir ~/.vdeplug ~/.vde2
ln -s /tmp/evil ~/.vdeplug/default
ln -s /tmp/evil ~/.vde2/default.switch
"""

# What root may have made of the file, and where the user's frames come out then.
FILES = {
    "none": ("true", "/run/vde.ctl"),
    "link": ('ln -s /tmp/lan "$LOGIN"', "/tmp/lan"),
    "locator": ('echo "vde:///tmp/lan[4]" >"$LOGIN"', "/tmp/lan"),
    "writable": ('echo vde:///tmp/evil >"$LOGIN"; chmod 664 "$LOGIN"', "/run/vde.ctl"),
    "of another user": ('echo vde:///tmp/evil >"$LOGIN"; chown nobody "$LOGIN"', "/run/vde.ctl"),
    "link of another user": ('ln -s /tmp/evil "$LOGIN"; chown -h nobody "$LOGIN"', "/run/vde.ctl"),
}


@pytest.mark.parametrize("case", FILES)
def test_network_of_a_restricted_user(lab, case):
    """Root's file decides when it is root's alone; otherwise the system's default switch; the user's home never."""
    make, network = FILES[case]
    machine.run(lab, f"""{NETWORKS}
        {make}
        until_true 'vde_plug -c vde_plug </mnt/frames >/mnt/back; hears {network}'
        """, case, LOGIN=login_switch())


def test_command_of_a_restricted_user(lab):
    """The command is the system's, whatever the user's PATH has of that name."""
    machine.run(lab, r"""
        mount -t tmpfs -o mode=755 none "$(dirname "$(dirname "$LOGIN")")"
        mkdir "$(dirname "$LOGIN")" /mnt/own
        printf '#!/bin/sh\necho evil >>/mnt/ran\n' >/mnt/own/sh
        chmod 755 /mnt/own/sh
        echo 'cmd://sh -c "echo $ENV$BASH_ENV good >>/mnt/ran"' >"$LOGIN"
        PATH=/mnt/own:$PATH ENV=evil BASH_ENV=evil $(command -v vde_plug) -c vde_plug </dev/null >/dev/null
        test "$(cat /mnt/ran)" = good || { cat /mnt/ran; fail "somebody else's command"; }
        """, "command", LOGIN=login_switch())


SSHD = r"""
vde_plug=$(command -v vde_plug)
for file in passwd group; do cp /etc/$file /mnt/$file; mount --bind /mnt/$file /etc/$file; done
echo "vdeuser:*:4321:4321::/mnt/user:$vde_plug" >>/etc/passwd
echo "vdeuser:x:4321:" >>/etc/group
echo "vdeplug_iplog:x:4322:vdeuser" >>/etc/group
mkdir /mnt/user /mnt/ssh /run/sshd /mnt/dev /mnt/dev/pts
chown vdeuser /mnt/user
for node in null zero random urandom tty ptmx; do touch /mnt/dev/$node; mount --bind /dev/$node /mnt/dev/$node; done
mount --rbind /dev/pts /mnt/dev/pts
mount --rbind /mnt/dev /dev
stay socat -u UNIX-RECV:/dev/log,mode=666 CREATE:/mnt/syslog
for key in host user; do ssh-keygen -q -t ed25519 -N "" -f /mnt/ssh/$key; done
cat >/mnt/ssh/config <<END
ListenAddress 127.0.0.1:2222
HostKey /mnt/ssh/host
PidFile none
UsePAM no
AuthorizedKeysFile /mnt/ssh/user.pub
StrictModes no
PasswordAuthentication no
SetEnv LD_LIBRARY_PATH=$LD_LIBRARY_PATH
Subsystem sftp internal-sftp
END
stay $(command -v sshd) -D -e -f /mnt/ssh/config 2>/mnt/sshd
until grep -q 'Server listening' /mnt/sshd; do sleep 0.05; done
there() {
	ssh -F none -i /mnt/ssh/user -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR vdeuser@127.0.0.1 "$@"
}
refused() { # what was asked for
	"$@" </dev/null >/mnt/out 2>/mnt/err; status=$?
	test $status = 255 && grep -q 'this account carries the frames' /mnt/err || { cat /mnt/out /mnt/err; fail "status $status: $*"; }
}
"""


def test_real_login(lab):
    """Over a real sshd: the one command works, everything else is refused, and the log tells who came, from where, with which addresses."""
    for program in ("sshd", "ssh", "ssh-keygen", "socat"):
        vde.need_program(program)
    place = machine.make(lab)
    packet = bytes([0x45]) + bytes(11) + bytes([10, 6, 7, 8]) + bytes([10, 6, 7, 9])
    frame = vde.frame(vde.BROADCAST, vde.mac(3), packet, type=0x0800)
    machine.write(f"{place}/packet", len(frame).to_bytes(2, "big") + frame)
    machine.run(lab, f"""{NETWORKS}
        ln -s /tmp/lan "$LOGIN"
        {SSHD}
        until_true 'cat /mnt/frames /mnt/packet | there vde_plug >/mnt/back 2>/mnt/err; hears /tmp/lan'
        refused there
        refused there sh -c id
        refused there 'vde_plug /tmp/evil'
        refused there 'vde_plug; id'
        for line in 'vde_plug.*START: user vdeuser IP 127.0.0.1' 'vde_plug.*STOP: user vdeuser IP 127.0.0.1' 'vde_plug.*FAILED: user vdeuser' \\
                    'user vdeuser Real-IP 127.0.0.1 has got VDE-IP4 10.6.7.8'; do
            until_true "grep -qa '$line' /mnt/syslog"
        done
        """, "login", machine=place, fakes=False, LOGIN=login_switch())
