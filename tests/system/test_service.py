# SPDX-License-Identifier: GPL-2.0-or-later
"""Service files: the systemd unit, readiness, the ifupdown hooks with a real ifup, the init script, bash completion."""
import os
import re
import signal
import socket
import subprocess

import pytest

import vde

PREFIX = os.environ.get("VDE_PREFIX", os.path.dirname(vde.BIN))
STAGE = PREFIX[:-len("/usr/local")] if PREFIX.endswith("/usr/local") else None


def installed(*names):
    for base in (PREFIX, STAGE or PREFIX):
        path = os.path.join(base, *names)
        if os.path.exists(path):
            return path
    pytest.skip(f"{'/'.join(names)} is not installed")


def moved(lab, path, name):
    """A copy of a script whose program paths are those of the staged installation."""
    text = open(path).read()
    text = re.sub(r"(?<![\w/])/\S*?/(s?bin)/(vde_switch|vde_plug|vde_tunctl|dpipe|slirpvde)\b", lambda match: vde.ours(match[2]), text)
    copy = lab.path(name)
    if text.startswith("#!") and vde.LIB:
        text = text.replace("\n", f"\nexport LD_LIBRARY_PATH={vde.LIB}\n", 1)
    with open(copy, "w") as file:
        file.write(text)
    if text.startswith("#!"):
        os.chmod(copy, 0o755)
    return copy


@pytest.mark.parametrize("names", [("etc", "network", "if-pre-up.d", "vde2"), ("etc", "network", "if-post-down.d", "vde2"), ("etc", "init.d", "vde2"),
                                   ("lib", "systemd", "system", "vde_switch@.service")], ids=lambda names: names[-2])
def test_programs_are_where_service_files_say(names):
    programs = re.findall(r"(?<![\w/])/\S*?/(s?bin)/(vde_switch|vde_plug|vde_tunctl|dpipe|slirpvde)\b", open(installed(*names)).read())
    assert programs
    for directory, program in programs:
        assert os.path.dirname(vde.ours(program)) == os.path.join(os.path.dirname(vde.BIN), directory), program


def test_unit_verifies(lab):
    unit = installed("lib", "systemd", "system", "vde_switch@.service")
    text = open(unit).read()
    assert "Type=notify" in text and "NoNewPrivileges=yes" in text
    copy = moved(lab, unit, "vde_switch@lab.service")
    done = subprocess.run([vde.need_program("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", copy],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    complaints = [line for line in done.stdout.splitlines() if "vde_switch" in line]
    assert not complaints, done.stdout


def test_readiness_is_told(lab):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(lab.path("notify"))
        listener.settimeout(vde.DEADLINE)
        switch = lab.switch("--nostdin", env=vde.env_ours(NOTIFY_SOCKET=lab.path("notify")), ready=False)
        assert b"READY=1" in listener.recv(4096)
        assert vde.answers(switch.ctl) and vde.answers(switch.mgmt)


def test_sysusers_and_tmpfiles(lab):
    users, files = installed("lib", "sysusers.d", "vde2.conf"), installed("lib", "tmpfiles.d", "vde2.conf")
    root = lab.path("root")
    os.makedirs(os.path.join(root, "etc"))
    vde.need_root()
    subprocess.run([vde.need_program("systemd-sysusers"), f"--root={root}", users], check=True)
    assert re.search(r"^vde2-net:", open(os.path.join(root, "etc/passwd")).read(), re.M)
    subprocess.run([vde.need_program("systemd-tmpfiles"), f"--root={root}", "--create", files], check=True)
    assert vde.mode_of(os.path.join(root, "run/vde2")) == 0o2770


def test_hooks_with_ifup(lab):
    """An interface that is the tap of a switch of its own, with a plug joined to a command, up and down again."""
    ifup = vde.need_program("ifup")
    namespace = lab.namespace()
    up = moved(lab, installed("etc", "network", "if-pre-up.d", "vde2"), "pre-up")
    down = moved(lab, installed("etc", "network", "if-post-down.d", "vde2"), "post-down")
    interface, rundir, state = lab.name("vi"), lab.path("run"), lab.path("state")
    os.makedirs(state)
    with open(lab.path("interfaces"), "w") as file:
        file.write(f"iface {interface} inet static\n\taddress 10.77.0.1/24\n\tvde2-switch -x -n 7\n"
                   f"\tvde2-plug cat\n\tvde2-rundir {rundir}\n\tpre-up {up}\n\tpost-down {down}\n")
    words = ["--no-scripts", f"--interfaces={lab.path('interfaces')}", f"--state-dir={state}", interface]
    namespace.run(ifup, *words, env=vde.env_ours())
    try:
        assert "10.77.0.1/24" in namespace.run("ip", "addr", "show", "dev", interface).stdout
        management = vde.Management(os.path.join(rundir, f"{interface}.mgmt"))
        information = management.command("port/showinfo").data
        assert information[:2] == ["Numports=7", "HUB=true"]
        vde.wait_until(lambda: [line for line in management.command("port/print").data if "vde_plug" in line], "the plug")
        assert any("tuntap" in line for line in management.command("port/print").data)
        management.close()
    finally:
        namespace.run(ifup.replace("ifup", "ifdown"), *words, env=vde.env_ours())
    assert [name for name in os.listdir(rundir)] == []
    assert interface not in namespace.run("ip", "link", "show").stdout


def test_hook_does_nothing_for_others(lab):
    up = installed("etc", "network", "if-pre-up.d", "vde2")
    done = subprocess.run([up], env={"IFACE": "eth0", "METHOD": "dhcp", "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, b"")


def test_init_script(lab):
    vde.need_root()
    vde.need_program("start-stop-daemon")
    script = moved(lab, installed("etc", "init.d", "vde2"), "init")
    with open(lab.path("default"), "w") as file:
        file.write(f"VDE_SWITCHES='one two'\nRUNDIR={lab.path('run')}\n")
    text = re.sub(r"/\S*/default/vde2\b", lab.path("default"), open(script).read())
    with open(script, "w") as file:
        file.write(text)

    def run(verb):
        return subprocess.run([script, verb], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=vde.env_ours())

    done = run("start")
    assert done.returncode == 0, done.stdout
    try:
        for name in ("one", "two"):
            lab.adopt(int(open(lab.path("run", f"{name}.pid")).read()))
            assert vde.answers(lab.path("run", f"{name}.mgmt"))
        assert run("start").returncode == 0
        assert run("status").returncode == 0
    finally:
        assert run("stop").returncode == 0
    assert run("status").returncode == 3
    assert os.listdir(lab.path("run")) == []
    assert run("nonsense").returncode == 2


def completions(line, point_command):
    script = f"""
source "$1"
COMP_WORDS=({line})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{point_command} "${{COMP_WORDS[0]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    path = installed("share", "bash-completion", "completions", "vde_switch")
    done = subprocess.run(["bash", "-O", "extglob", "-c", script, "bash", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=vde.env_ours())
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completion(lab, switch):
    assert "--numports" in completions(f"{vde.ours('vde_switch')} --nu", "_vde2")
    commands = completions(f"{vde.ours('vdecmd')} -s {switch.mgmt} port/cre", "_vde2_command")
    assert commands == ["port/createauto", "port/create"] or sorted(commands) == ["port/create", "port/createauto"]
