# SPDX-License-Identifier: GPL-2.0-or-later
"""Small Linux guests: QEMU with Debian's kernel, and user-mode Linux, both with one initial file system of busybox and iperf3.

The file system is built once per build directory. A guest reads commands on its console and says when each is done.
"""
import contextlib
import fcntl
import functools
import glob
import os
import platform
import re
import shutil
import subprocess

import pytest
import vde

BOOT_DEADLINE = 120 * vde.PATIENCE

INIT = r"""#!/bin/sh
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
exec </dev/console >/dev/console 2>&1
stty -echo -onlcr
grep -q uml /proc/cmdline || for module in $(cat /modules/order); do insmod /modules/$module; done
ip link set lo up
echo "@ready"
while read -r line; do
	eval "$line"
	echo "@done $?"
done
poweroff -f
"""

MODULES = ("virtio_pci", "virtio_net")


def kernel():
    """(image, module directory) of the newest Debian kernel installed; skips the test when there is none."""
    for image in sorted(glob.glob("/boot/vmlinuz-*"), reverse=True):
        modules = "/lib/modules/" + image.split("vmlinuz-")[1]
        if os.path.isdir(modules):
            return image, modules
    return pytest.skip("needs a kernel in /boot (package linux-image-cloud-amd64)")


def _libraries(program):
    """What the dynamic linker loads for a program."""
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True, env=vde.env_foreign()).stdout
    return re.findall(r"(/\S+) \(0x", text)


def _fill(root):
    for folder in ("bin", "sbin", "dev", "proc", "sys", "tmp", "modules", "etc"):
        os.makedirs(os.path.join(root, folder))
    with open(os.path.join(root, "init"), "w") as init:
        init.write(INIT)
    os.chmod(os.path.join(root, "init"), 0o755)
    busybox = vde.need_program("busybox")
    shutil.copy(busybox, os.path.join(root, "bin/busybox"))
    names = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for name in names:
        with contextlib.suppress(FileExistsError):
            os.symlink("busybox", os.path.join(root, "bin", name))
    iperf3 = vde.need_program("iperf3")
    shutil.copy(iperf3, os.path.join(root, "bin/iperf3"))
    for library in _libraries(iperf3):
        os.makedirs(os.path.dirname(root + library), exist_ok=True)
        shutil.copy(library, root + library)
    _copy_modules(root, kernel()[1])


def _copy_modules(root, directory):
    """The modules with what they need (modules.dep names the nearest first), and their order of loading. Built-in ones are not there."""
    needs = {}
    with open(os.path.join(directory, "modules.dep")) as lines:
        for line in lines:
            path, _, before = line.partition(":")
            needs[os.path.basename(path).removesuffix(".ko")] = [*reversed(before.split()), path]
    order = list(dict.fromkeys(path for module in MODULES for path in needs.get(module, [])))
    for path in order:
        shutil.copy(os.path.join(directory, path), os.path.join(root, "modules"))
    with open(os.path.join(root, "modules/order"), "w") as text:
        text.write(" ".join(map(os.path.basename, order)))


@functools.cache
def initramfs():
    """Path of the file system image; built by whoever comes first."""
    cpio = vde.need_program("cpio")
    image = os.path.join(vde.BUILD, "guest.cpio")
    with open(image + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(image) and os.stat(image).st_mtime > os.stat(__file__).st_mtime:
            return image
        root = image + ".d"
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        _fill(root)
        names = "\n".join(os.path.relpath(os.path.join(at, name), root)
                          for at, folders, files in os.walk(root) for name in folders + files)
        with open(image + ".new", "wb") as out:
            subprocess.run([cpio, "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), stdout=out, check=True)
        shutil.rmtree(root)
        os.rename(image + ".new", image)
    return image


class Guest:
    """A booted guest with one Ethernet interface, eth0."""

    def __init__(self, program):
        self.program, self._seen = program, 0

    def _expect(self, pattern, deadline):
        def found():
            match = re.compile(pattern, re.M).search(self.program.stdout, self._seen)
            if not match and self.program.status is not None:
                pytest.fail(f"the guest ended: {self.program.stdout[-2000:]}\n{self.program.stderr[-2000:]}")
            return match
        try:
            match = vde.wait_until(found, f"{pattern} from the guest", deadline)
        except pytest.fail.Exception:
            pytest.fail(f"no {pattern} from the guest:\n{self.program.stdout[-2000:]}\n{self.program.stderr[-2000:]}")
        text = self.program.stdout[self._seen:match.start()]
        self._seen = match.end()
        return match, text

    def wait_ready(self):
        self._expect(r"^@ready$", BOOT_DEADLINE)
        return self

    def address(self, address):
        self.run(f"ip address add {address} dev eth0 && ip link set eth0 up")
        return self

    def begin(self, command):
        """Starts a command; finish() waits for it."""
        self.program.write(command + "\n")

    def finish(self, deadline=60 * vde.PATIENCE, check=True):
        match, text = self._expect(r"^@done (\d+)$", deadline)
        assert not check or match[1] == "0", text
        return text

    def run(self, command, **options):
        """Runs a shell command in the guest; returns what it printed."""
        self.begin(command)
        return self.finish(**options)

    def power_off(self):
        self.program.write("poweroff -f\n")
        self.program.wait(BOOT_DEADLINE)

    def iperf3_server(self, port=5201, *words):
        """Returns once it listens, which is later than it goes to the background."""
        self.run(" ".join(["iperf3 -s -D -p", str(port), *words]))
        self.run(f"until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':{port:04X} [0-9A-F:]* 0A'; do usleep 50000; done")

    def ping(self, address, count=3):
        text = self.run(f"for i in 1 2 3 4 5; do ping -q -c {count} -i 0.2 -W 2 {address} && break; done")
        assert " 0% packet loss" in text, text


def qemu(lab, netdev, mac, *, library="ours", memory=96, space=None):
    """Starts QEMU, in a namespace or here; netdev is what follows -netdev, with id=n. Call wait_ready() on the result."""
    program = vde.need_program("qemu-system-x86_64")
    image, _ = kernel()
    console = "console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check tsc=reliable mitigations=off random.trust_cpu=on"
    words = [program, "-accel", "tcg", "-cpu", "qemu64", "-m", memory, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
             "-serial", "stdio", "-kernel", image, "-initrd", initramfs(), "-append", console, "-netdev", netdev,
             "-device", f"virtio-net-pci,netdev=n,mac={mac},romfile="]
    return Guest(lab.start(*(space.command(*words) if space else words), env=vde.env_foreign(library)))


def uml(lab, transport, *, memory=128, space=None, env=None):
    """Starts user-mode Linux, in a namespace or here; transport is what follows eth0=. Call wait_ready() on the result."""
    if platform.machine() != "x86_64":
        pytest.skip("user-mode Linux needs x86_64")
    program = vde.need_program("linux.uml")
    words = [program, f"mem={memory}M", f"initrd={initramfs()}", "rdinit=/init", "uml", f"eth0={transport}", "con=null", "con0=fd:0,fd:1",
             "ssl=null", "quiet", "loglevel=1", f"uml_dir={lab.dir}", f"umid={lab.name('u')}"]
    guest = Guest(lab.start(*(space.command(*words) if space else words), env=dict(env or vde.env_foreign(), TMPDIR=lab.dir)))
    guest.program.last_words = "poweroff -f\n"      # user-mode Linux may hang on a signal
    return guest
