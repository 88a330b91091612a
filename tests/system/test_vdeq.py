# SPDX-License-Identifier: GPL-2.0-or-later
"""vdeq, vdeqemu, vdekvm: QEMU with the command lines of its first years."""
import os
import re
import signal

import guest
import pytest
import vde

FAKE = """#!/usr/bin/python3
import os, signal, sys, time
if sys.argv[1:] == ["-netdev", "help"]:
    print("Available netdev backend types:\\nsocket\\ntap\\n{vde}")
    sys.exit(0)
print("words", *sys.argv[1:], flush=True)
def caught(number, frame):
    print("signal", number, flush=True)
    if number == signal.SIGTERM:
        sys.exit(33)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, caught)
{body}
"""


def fake(lab, *, vde=True, body="sys.exit(0)", name="qemu"):
    """An emulator that prints its words."""
    folder = lab.path("fake")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w") as script:
        script.write(FAKE.format(vde="vde\\n" if vde else "", body=body))
    os.chmod(path, 0o755)
    return path


def with_path(lab):
    environment = vde.env_ours()
    return dict(environment, PATH=lab.path("fake") + ":" + environment["PATH"])


def test_the_wikis_command_line(lab):
    fake(lab)
    done = lab.run("vdeqemu", "-hda", "image", "-net", "nic", "-net", "vde,sock=/tmp/vde.ctl", env=with_path(lab))
    assert done.returncode == 0, done.stderr
    match = re.fullmatch(r"words -hda image -net nic,netdev=(\w+),macaddr=52:54:00(:[0-9a-f]{2}){3} "
                         r"-netdev vde,id=(\w+),sock=/tmp/vde.ctl\n", done.stdout)
    assert match and match[1] == match[3], done.stdout


def test_each_guest_has_its_own_address(lab):
    program = fake(lab)
    found = set()
    for _ in range(4):
        done = lab.run("vdeq", program, "-sock", "/a,/b")
        found.update(re.findall(r"macaddr=(\S+)", done.stdout))
    assert len(found) == 8


@pytest.mark.parametrize("name, emulator", [("vdekvm", "kvm"), ("vdeqemu", "qemu"), ("vdeqemu-system-sparc", "qemu-system-sparc")])
def test_names(lab, name, emulator):
    fake(lab, name=emulator)
    os.symlink(vde.ours("vdeq"), lab.path("fake", name))
    done = lab.run(lab.path("fake", name), "-m", "64", "a b", env=with_path(lab))
    assert (done.returncode, done.stdout) == (0, "words -m 64 a b\n"), done


@pytest.mark.parametrize("body, status", [("sys.exit(0)", 0), ("sys.exit(7)", 7)])
@pytest.mark.parametrize("has_vde", [True, False])
def test_exit_status(lab, switch, body, status, has_vde):
    program = fake(lab, vde=has_vde, body=body)
    done = lab.run("vdeq", program, "-sock", switch.socket)
    assert done.returncode == status and "words" in done.stdout, done.stderr


def test_status_of_a_signal(lab, switch):
    program = fake(lab, vde=False, body="os.kill(os.getpid(), 9)")
    assert lab.run("vdeq", program, "-sock", switch.socket).returncode == 128 + 9


@pytest.mark.parametrize("has_vde", [True, False])
def test_signals_reach_it(lab, switch, has_vde):
    program = lab.start("vdeq", fake(lab, vde=has_vde, body="while True: time.sleep(0.1)"), "-net", "nic", "-net", f"vde,sock={switch.socket}")
    program.expect("^words")
    program.kill(signal.SIGUSR1)
    program.expect("signal 10")
    assert program.end() == 33


def test_frames_through_a_passed_socket(lab, switch):
    """An emulator without a plug of its own: the descriptor carries frames both ways, and survives the switch."""
    body = ("import re, socket\nfd=int(re.search('fd=(.+)', ' '.join(sys.argv))[1].split()[0])\n"
            "s=socket.socket(fileno=fd)\nassert s.family==socket.AF_UNIX and s.type==socket.SOCK_DGRAM\n"
            "while True:\n    f=s.recv(70000)\n    s.send(f[6:12]+f[:6]+f[12:])\n")
    program = lab.start("vdeq", fake(lab, vde=False, body=body), "-net", "nic", "-net", f"vde,sock={switch.socket},port=5")
    program.expect("^words")
    vde.wait_until(lambda: 5 in switch.ports())
    plug = lab.plug(switch)
    for size in (60, 1514, 9014):
        plug.send(vde.frame(vde.mac(9), vde.mac(1), size=size))
        assert plug.recv() == vde.frame(vde.mac(1), vde.mac(9), size=size)
    switch.stop()
    again = lab.switch(socket=switch.socket)
    vde.wait_until(lambda: 5 in again.ports())
    plug = lab.plug(again)
    plug.send(vde.frame(vde.mac(9), vde.mac(1)))
    assert plug.recv() == vde.frame(vde.mac(1), vde.mac(9))
    assert program.end() is not None


@pytest.mark.parametrize("words, status, text", [
    ([], 2, "Usage"), (["/no/such/qemu", "-sock", "/a"], 127, "/no/such/qemu"), (["/no/such/qemu"], 127, "/no/such/qemu"),
    (["{q}", "-sock", "{d}/none"], 1, "/none"), (["{q}", "-net", "vde,vlan=x"], 1, "vlan"),
])
def test_errors(lab, words, status, text):
    program = fake(lab, vde=False)
    done = lab.run("vdeq", *(word.format(q=program, d=lab.dir) for word in words))
    assert done.returncode == status and text in done.stderr and "words" not in done.stdout, done


def boot(lab, *network):
    image, _ = guest.kernel()
    vde.need_program("qemu-system-x86_64")
    console = "console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check tsc=reliable mitigations=off random.trust_cpu=on"
    return guest.Guest(lab.start("vdeq", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-m", "96", "-nodefaults",
                                 "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", image, "-initrd",
                                 guest.initramfs(), "-append", console, *network, env=vde.env_foreign("ours")))


@pytest.mark.xdist_group("guests")
def test_real_guest(lab, switch):
    """The wiki's -net nic -net vde, on the real thing: the guest reaches the host behind a plug2tap."""
    vde.need_tun()
    tap, space = lab.name(), lab.namespace()
    machine = boot(lab, "-net", "nic,model=virtio", "-net", f"vde,sock={switch.socket}")
    lab.start("vde_plug2tap", "-s", switch.socket, tap)
    space.add_tap(tap, "10.9.0.1/24")
    machine.wait_ready().address("10.9.0.2/24")
    machine.ping("10.9.0.1")
    assert "52:54:00:12:34:56" not in machine.run("cat /sys/class/net/eth0/address")
    machine.begin("poweroff -f")
    assert machine.program.wait() == 0
