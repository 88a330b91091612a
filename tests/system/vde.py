# SPDX-License-Identifier: GPL-2.0-or-later
"""What system tests are made of: programs, switches, plugs that speak the control protocol by hand, network namespaces.

Everything hangs off a Lab, which the fixture `lab` gives to a test and takes back afterwards. The lab ends what the test started, by
process id, and fails the test when something was left behind or a sanitizer spoke. No test waits for a fixed time: it polls a condition
with a deadline. Deadlines are generous and grow with the environment's VDE_TEST_PATIENCE (a factor, 1 by default).

Where things are (set by tests/run): VDE_BIN programs under test, VDE_LIB their libraries, VDE_SOURCE the source tree, VDE_BUILD the build.
"""
import contextlib
import errno
import functools
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import pytest

# A runner that was started by nohup, or in the background of a shell, ignores these, and so would every program under test.
for _ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_ignored) == signal.SIG_IGN:
        signal.signal(_ignored, signal.SIG_DFL)


BIN = os.environ.get("VDE_BIN", "/usr/bin")
LIB = os.environ.get("VDE_LIB", "")
SOURCE = os.environ.get("VDE_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("VDE_BUILD", tempfile.gettempdir())
PATIENCE = float(os.environ.get("VDE_TEST_PATIENCE", "1"))
DEADLINE = 20 * PATIENCE
NOBODY = 65534

_serial = itertools.count()


# ---- waiting ---------------------------------------------------------------------------------------------------------

def wait_until(condition, what="the condition", deadline=DEADLINE):
    """Polls until condition() is true and returns its value; fails the test, naming `what`, after `deadline` seconds."""
    end, pause = time.monotonic() + deadline, 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline:g} s in vain for {what}", pytrace=True)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def never(condition, seconds):
    """True when condition() stayed false for `seconds`: for absences that no later event can prove."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return False
        time.sleep(0.01)
    return True


# ---- what a test may need --------------------------------------------------------------------------------------------

def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root (namespaces, other users)")


def need_tun():
    need_root()
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"needs /dev/net/tun: {error.strerror}")


def need_program(name):
    """Full path of a program; skips the test when there is none."""
    path = name if "/" in name else shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
    if not path or not os.access(path, os.X_OK):
        pytest.skip(f"needs the program {name}")
    return path


def foreign(name):
    """Full path of the original's program as Debian ships it."""
    return need_program(f"/usr/bin/{name}")


def ours(name):
    """Full path of a program under test; sbin is searched too."""
    for directory in (BIN, os.path.join(os.path.dirname(BIN), "sbin")):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    if os.environ.get("VDE_TESTS_MUST_NOT_SKIP"):
        pytest.fail(f"{name} is not built")
    pytest.skip(f"{name} is not built")


# ---- environments ----------------------------------------------------------------------------------------------------

@functools.cache
def sanitized_library():
    """True when our shared library needs the AddressSanitizer's runtime. (A sanitizer build may well have static libraries only.)"""
    path = os.path.join(LIB, "libvdeplug.so.2")
    if not LIB or not os.path.exists(path):
        return False
    with open(path, "rb") as library:
        return b"__asan_init" in library.read()


@functools.cache
def is_sanitized():
    """True when our programs are: sanitizers keep what is freed, and are slow."""
    with open(ours("vde_switch"), "rb") as program:
        return b"__asan_init" in program.read()


@functools.cache
def _asan_runtime():
    return subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def env_ours(**more):
    """For programs under test: our libraries and programs first."""
    environment = dict(os.environ, LC_ALL="C.UTF-8",
                       PATH=f"{BIN}:{os.path.dirname(BIN)}/sbin:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin")
    if LIB:
        environment["LD_LIBRARY_PATH"] = LIB
    environment.update(more)
    return environment


def env_foreign(library="debian", **more):
    """For others' programs: with Debian's libvdeplug, or (library="ours") with ours, the sanitizer's runtime preloaded when it needs one."""
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    environment.pop("LD_LIBRARY_PATH", None)
    if library == "ours" and LIB:
        environment["LD_LIBRARY_PATH"] = LIB
        if sanitized_library():
            environment["LD_PRELOAD"] = _asan_runtime()
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
    environment.update(more)
    return environment


def foreign_command(name, library="debian"):
    """A command prefix for others' programs inside a pipe line of ours (dpipe), where the environment is inherited."""
    if library == "debian" or not LIB:
        return ["env", "-u", "LD_LIBRARY_PATH", foreign(name)]
    preload = [f"LD_PRELOAD={_asan_runtime()}", "ASAN_OPTIONS=detect_leaks=0"] if sanitized_library() else []
    return ["env", f"LD_LIBRARY_PATH={LIB}", *preload, foreign(name)]


# ---- processes -------------------------------------------------------------------------------------------------------

class Program:
    """A running program. Its output goes to files, so that it never blocks on a reader; stdin is a held pipe unless said otherwise."""

    def __init__(self, lab, argv, *, env=None, stdin=subprocess.PIPE, stdout=None, stderr=None, cwd=None, before=None, new_session=False):
        number = next(_serial)
        self.lab, self.argv, self.name = lab, [str(a) for a in argv], os.path.basename(str(argv[0]))
        self.stdout_path, self.stderr_path = (os.path.join(lab.logs, f"{number}.{self.name}.{s}") for s in ("out", "err"))
        self.last_words = None          # what is to be written to its input before it is told to end by a signal
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(self.argv, env=env or env_ours(), stdin=stdin, stdout=out if stdout is None else stdout,
                                            stderr=err if stderr is None else stderr, cwd=cwd or lab.dir, preexec_fn=before,
                                            start_new_session=new_session)
        self.pid, self.stdin = self.process.pid, self.process.stdin
        lab.programs.append(self)

    @property
    def stdout(self):
        with open(self.stdout_path, errors="replace") as text:
            return text.read()

    @property
    def stderr(self):
        with open(self.stderr_path, errors="replace") as text:
            return text.read()

    @property
    def status(self):
        """Exit status, negative for a signal, None while it runs."""
        return self.process.poll()

    def write(self, text):
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        self.process.stdin.flush()

    def wait(self, deadline=DEADLINE):
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.argv} did not end within {deadline:g} s\n{self.stderr}")

    def kill(self, number=signal.SIGKILL):
        if self.status is None:
            os.kill(self.pid, number)

    def end(self, number=signal.SIGTERM, deadline=DEADLINE):
        """Signals it and waits; returns the exit status."""
        self.kill(number)
        return self.wait(deadline)

    def expect(self, pattern, stream="stdout", deadline=DEADLINE):
        """Waits until its output contains the regular expression; returns the match."""
        compiled = re.compile(pattern, re.M)

        def found():
            match = compiled.search(getattr(self, stream))
            if not match and self.status is not None:
                match = compiled.search(getattr(self, stream))
                if not match:
                    pytest.fail(f"{self.argv} ended ({self.status}) without {pattern!r}\n{self.stdout}\n{self.stderr}")
            return match
        return wait_until(found, f"{pattern!r} from {self.name}", deadline)

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as line:
            fields = line.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as lines:
            return int(re.search(r"VmRSS:\s+(\d+)", lines.read())[1])


def children(parent="self"):
    """Process ids of all children of a process, zombies included; daemons are among this one's, since we are the subreaper."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for task in os.listdir(f"/proc/{parent}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{parent}/task/{task}/children") as line:
                found.update(int(pid) for pid in line.read().split())
    return found


def _reap(pid):
    """True when the child is gone."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return True


def _command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def pid_is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as line:
            return line.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer)")


class Lab:
    """A private directory with a short name, and everything that a test started in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vt-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.logs = os.path.join(self.dir, "logs")
        os.mkdir(self.logs)
        self.open_dir = os.path.join(self.dir, "open")          # where other users may create files
        os.mkdir(self.open_dir)
        os.chmod(self.open_dir, 0o1777)
        self.programs, self.switches, self.plugs, self.namespaces, self._adopted = [], [], [], [], set()
        self._before = children()
        self._taps = []

    # -- making things

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def name(self, prefix="vt"):
        """A name that nobody else has, short enough for an interface (15 bytes)."""
        return f"{prefix}{os.getpid() % 100000}x{next(_serial)}"[:15]

    def start(self, *argv, **options):
        """Starts a program; see Program for the options. A word without '/' is a program of ours."""
        words = [str(word) for word in argv]
        if "/" not in words[0]:
            words[0] = ours(words[0])
        return Program(self, words, **options)

    def run(self, *argv, input=None, env=None, deadline=DEADLINE, stdin=None, cwd=None, check=False):
        """Runs a program to its end. Returns CompletedProcess with text."""
        words = [str(word) for word in argv]
        if "/" not in words[0]:
            words[0] = ours(words[0])
        where = {"input": input} if stdin is None else {"stdin": stdin}
        if input is None and stdin is None:
            where = {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(words, env=env or env_ours(), text=True, errors="replace", stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=deadline, cwd=cwd or self.dir, **where)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"{words} did not end within {deadline:g} s\n{late.stdout}\n{late.stderr}")
        assert not SANITIZER.search(done.stderr), done.stderr
        if check:
            assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def switch(self, *args, **options):
        return Switch(self, *args, **options)

    def plug(self, where, **options):
        """A RawPlug on a switch or on a control directory."""
        return RawPlug(self, getattr(where, "socket", where), **options)

    def namespace(self):
        return Namespace(self)

    def adopt(self, pid):
        """A process that put itself into the background: the lab ends it with the rest."""
        self._adopted.add(pid)
        return pid

    def keep_tap(self, interface):
        """A persistent interface outside any namespace: removed at the end."""
        self._taps.append(interface)

    # -- taking things back

    def end_adopted(self, pid, number=signal.SIGTERM, deadline=DEADLINE):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: _reap(pid) or not pid_is_alive(pid), f"the end of process {pid}", deadline)
        self._adopted.discard(pid)

    def close(self):
        complaints = []
        for plug in self.plugs:
            plug.close()
        for program in reversed(self.programs):
            if program.last_words and program.status is None:
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    program.write(program.last_words)
                    program.process.wait(DEADLINE / 2)
        for program in reversed(self.programs):
            if program.stdin:
                with contextlib.suppress(OSError):
                    program.stdin.close()
            program.kill(signal.SIGTERM)
        for program in reversed(self.programs):
            try:
                program.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                complaints.append(f"did not end on SIGTERM: {program.argv}")
                program.kill(signal.SIGKILL)
                program.process.wait(DEADLINE)
            if SANITIZER.search(program.stderr):
                complaints.append(program.stderr[-4000:])
        for pid in list(self._adopted):
            self.end_adopted(pid)
        complaints += self._end_strays()
        for namespace in reversed(self.namespaces):
            namespace.close()
        for tap in self._taps:
            subprocess.run(["ip", "link", "del", tap], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        if complaints:
            pytest.fail("left behind:\n" + "\n".join(complaints), pytrace=False)

    def _end_strays(self):
        """Children's children that outlived them. They get a moment to end by themselves."""
        def strays():
            return {pid for pid in children() - self._before if not _reap(pid)}
        end = time.monotonic() + 5 * PATIENCE
        while strays() and time.monotonic() < end:
            time.sleep(0.01)
        left = strays()
        texts = [f"still running: {_command_line(pid)}" for pid in left]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 5 * PATIENCE
        while strays() and time.monotonic() < end:
            time.sleep(0.01)
        return texts


def become_subreaper():
    """
    Orphaned grandchildren (programs in the background) become children of the test process, which can see and end them. What they tell
    their parent, it hears too: socat's reports itself with SIGUSR1. Not ignored, which programs would inherit.
    """
    import ctypes
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)


# ---- management ------------------------------------------------------------------------------------------------------

class Reply:
    """An answer: code (1000), its text, the data lines (None: no data block came)."""

    def __init__(self, code, text, data):
        self.code, self.text, self.data = code, text, data

    def __iter__(self):
        return iter((self.code, self.data))

    def __repr__(self):
        return f"Reply({self.code}, {self.text!r}, {self.data!r})"


class Management:
    """A session on a management socket. Asynchronous lines (3NNN) are collected in `events`.

    prompt: what the server sends when it is ready for the next command, newline in front included.
    """

    def __init__(self, path, prompt=b"\nvde$ "):
        self.prompt, self.events, self._buffer = prompt, [], b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.banner = self._to_prompt()

    def _more(self):
        chunk = self.socket.recv(65536)
        self._buffer += chunk
        return bool(chunk)

    def _to_prompt(self):
        """Takes everything up to and with the next prompt (or the end of the session) out of the buffer and returns it."""
        while self.prompt not in self._buffer:
            if not self._more():
                taken, self._buffer = self._buffer, b""
                return taken
        before, _, self._buffer = self._buffer.partition(self.prompt)
        return before + self.prompt

    def _line(self):
        """The next line; what is there without a newline when the session ends; None after the end."""
        while b"\n" not in self._buffer:
            if not self._more():
                line, self._buffer = self._buffer, b""
                return line.decode(errors="replace") if line else None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace")

    def _event(self, line):
        if re.match(r"3\d\d\d ", line or ""):
            self.events.append(line)
            return True
        return False

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def answer(self):
        """Reads one answer with its prompt. Code 0: the session ended first."""
        data = None
        while (line := self._line()) is not None:
            if line.startswith("0000 "):
                data = []
                while (row := self._line()) not in (".", None):
                    data.append(row)
            elif re.match(r"[19]\d\d\d ", line):
                if line[0] == "1":
                    for between in self._to_prompt().decode(errors="replace").splitlines():
                        self._event(between)
                return Reply(int(line[:4]), line[5:], data)
            else:
                self._event(line)
        return Reply(0, "end of session", data)

    def command(self, line):
        """Sends one command line and reads its answer."""
        self.send(line + "\n")
        return self.answer()

    def next_event(self, deadline=DEADLINE):
        """The next asynchronous line."""
        self.socket.settimeout(deadline)
        while not self.events:
            if not self._event(line := self._line()) and line is None:
                pytest.fail("the session ended")
        self.socket.settimeout(DEADLINE)
        return self.events.pop(0)

    def close(self):
        self.socket.close()


# ---- switches --------------------------------------------------------------------------------------------------------

class Switch:
    """A running vde_switch with a management socket. Arguments are added to its command line.

    program: which one (our own by default). socket, mgmt: paths; mgmt=None leaves the option out. ready=False does not wait.
    """

    def __init__(self, lab, *args, program="vde_switch", socket=None, mgmt="", env=None, ready=True, **options):
        number = next(_serial)
        self.lab, self.socket = lab, socket or lab.path(f"s{number}")
        self.mgmt = lab.path(f"m{number}") if mgmt == "" else mgmt
        words = [program, "-s", self.socket, *(["-M", self.mgmt] if self.mgmt else []), *args]
        if env is None and str(program).startswith("/"):
            env = env_foreign()
        self.program = lab.start(*words, env=env, **options)
        self.pid = self.program.pid
        self._session = None
        lab.switches.append(self)
        if ready:
            self.wait_ready()

    @property
    def ctl(self):
        return os.path.join(self.socket, "ctl")

    def wait_ready(self):
        def is_ready():
            if self.program.status is not None:
                pytest.fail(f"the switch ended ({self.program.status}): {self.program.stderr}")
            return answers(self.ctl) and (not self.mgmt or answers(self.mgmt))
        wait_until(is_ready, "the switch's sockets")

    @property
    def session(self):
        """The lab's own management session."""
        if self._session is None:
            self._session = Management(self.mgmt)
        return self._session

    def command(self, line):
        """One command on the lab's own session; returns Reply."""
        return self.session.command(line)

    def ask(self, line):
        """The data lines of a command that must succeed."""
        reply = self.command(line)
        assert reply.code == 1000, (line, reply)
        return reply.data or []

    def settle(self, frames=1):
        """Returns when the switch has dealt with all frames (about `frames` of them) that were sent to it before. It works one loop for
        sockets and sessions alike, so a second answer proves that a whole turn of the loop lies between."""
        for _ in range(3 + frames // 32):
            self.command("showinfo")

    def ports(self, *, all=False):
        """Port numbers with what port/print says: {1: {"vlan": 0, "active": True, "endpoints": [(id, kind, text)], "in": n, "out": n, "dropped": n,
        "lines": as printed}}."""
        table, port = {}, None
        for line in self.ask("port/allprint" if all else "port/print"):
            head = re.match(r"Port (\d+) untagged_vlan=(\d+) (IN)?ACTIVE - (NOT )?Unnamed Allocatable", line)
            counter = re.match(r" (IN|OUT): +pkts +(\d+) +bytes +(\d+)", line)
            dropped = re.match(r" DROP: +pkts +(\d+)", line)
            endpoint = re.match(r"  -- endpoint ID (\d+) module (.{12}): (.*)", line)
            if head:
                port = table[int(head[1])] = {"vlan": int(head[2]), "active": not head[3], "allocatable": not head[4],
                                              "endpoints": [], "lines": []}
            elif counter:
                port[counter[1].lower()] = int(counter[2])
                port[counter[1].lower() + "_bytes"] = int(counter[3])
            elif dropped:
                port["dropped"] = int(dropped[1])
            elif endpoint:
                port["endpoints"].append((int(endpoint[1]), endpoint[2].strip(), endpoint[3]))
            if port is not None:
                port["lines"].append(line)
        return table

    def hash(self):
        """The table of addresses as {(address, vlan): port}."""
        found = {}
        for line in self.ask("hash/print"):
            match = re.match(r"Hash: \d+ Addr: ([0-9a-f:]+) VLAN (\d+) to port: (\d+)  age (\d+) secs", line)
            assert match, line
            found[match[1], int(match[2])] = int(match[3])
        return found

    def stop(self, number=signal.SIGTERM, status=0):
        """Ends it and asserts that it went as it should: status, and nothing left of its files."""
        if self._session:
            self._session.close()
            self._session = None
        ended = self.program.end(number)
        assert ended == status, (ended, self.program.stderr)
        assert not os.path.lexists(self.socket), os.listdir(self.socket)
        assert not self.mgmt or not os.path.lexists(self.mgmt)


def answers(path):
    """True when something accepts connections on the socket at path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


# ---- plugs by hand ---------------------------------------------------------------------------------------------------

MAGIC = 0xfeedface
UNCUT_MARK = b"\x01\x80\xc2\x00\x00\x01vu"
AGGREGATES = b"vdeaggr1"       # at the end of an address: datagrams may be aggregates
AGGREGATE_MARK = b"\x01\x80\xc2\0\0\x01vd"


class Refused(Exception):
    """The switch closed the control connection instead of answering."""


def aggregate(*frames):
    """A datagram of several frames."""
    return AGGREGATE_MARK + b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


def sockaddr_un(address):
    """The 110 bytes of a struct sockaddr_un."""
    return struct.pack("=H108s", socket.AF_UNIX, address)


def request(address, *, version=3, port=0, kind=0, description=b"raw", magic=MAGIC):
    """A control request as the clients send it."""
    if version == 1:
        return struct.pack("=II6x", magic, kind | port << 8) + sockaddr_un(address) + description
    return struct.pack("=III", magic, version, kind | port << 8 & 0xffffffff) + sockaddr_un(address) + description


def _ready(descriptor, event, seconds):
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0, seconds) * 1000))


class RawPlug:
    """A client that speaks the control protocol by hand.

    port, kind: as in the request (kind 1 asks for port 0). version: 3 or 1. address: a path (bytes or str), "abstract" for a name that is
    in no directory, or None for a path of the lab's. description=None: none at all, not even a byte. aggregates: offers to take several frames
    in one datagram; the attribute of that name tells whether the switch does too. Raises Refused.
    """

    def __init__(self, lab, directory, *, port=0, kind=0, version=3, address=None, description=b"raw", sndbuf=None, rcvbuf=None,
                 deadline=DEADLINE, padded=False, aggregates=False):
        number = next(_serial)
        self.data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        lab.plugs.append(self)
        if address == "abstract":
            name = (b"\0" + struct.pack("=II", os.getpid(), number)).ljust(108, b"\0")     # bound with its full length, as UML does
        elif address is None:
            name = os.path.join(lab.open_dir, f".{os.getpid()}-{number}").encode()
        else:
            name = address.encode() if isinstance(address, str) else address
        self.address = name
        self.data.bind(name)
        if sndbuf:
            self.data.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if rcvbuf:
            self.data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.control.settimeout(deadline)
        named = name.ljust(100, b"\0") + AGGREGATES if aggregates else name
        message = request(named, version=version, port=port, kind=kind, description=description or b"")
        if padded:
            message = message.ljust(124, b"\0")
        try:
            self.control.connect(os.path.join(directory, "ctl"))
            self.control.sendall(message)
            self.reply = self.control.recv(4096)
        except OSError:
            self.close()
            raise
        if not self.reply:
            self.close()
            raise Refused
        assert len(self.reply) == 110, len(self.reply)
        assert struct.unpack_from("=H", self.reply)[0] == socket.AF_UNIX
        self.aggregates = self.reply.endswith(AGGREGATES)
        self.switch_path = self.reply[2:].split(b"\0", 1)[0].decode()
        self.data.connect(self.switch_path)
        self.data.setblocking(False)

    def send(self, frame, deadline=DEADLINE):
        """Sends one frame; waits while the switch does not take it."""
        end = time.monotonic() + deadline
        while True:
            try:
                return self.data.send(frame)
            except BlockingIOError:
                if not _ready(self.data, select.POLLOUT, end - time.monotonic()):
                    raise

    def recv(self, deadline=DEADLINE):
        """The next frame; fails the test when none comes."""
        if not _ready(self.data, select.POLLIN, deadline):
            pytest.fail(f"no frame within {deadline:g} s")
        return self.data.recv(70000)

    def frames(self, count):
        """The next frames, from aggregates (doc/protocol.md) or not."""
        found = []
        while len(found) < count:
            datagram, at = self.recv(), len(AGGREGATE_MARK)
            if not datagram.startswith(AGGREGATE_MARK):
                found.append(datagram)
                continue
            while at < len(datagram):
                length = struct.unpack_from("!H", datagram, at)[0]
                found.append(datagram[at + 2:at + 2 + length])
                at += 2 + length
        return found

    def recv_now(self):
        """The frames that are there already."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.data.recv(70000))
        return found

    def expect(self, frame, deadline=DEADLINE):
        """Receives, dropping others, until this very frame has come."""
        end = time.monotonic() + deadline
        while True:
            got = self.recv(max(0.001, end - time.monotonic()))
            if got == frame:
                return got

    def is_closed(self, deadline=DEADLINE):
        """Waits until the switch has closed the control connection."""
        try:
            return _ready(self.control, select.POLLIN, deadline) and self.control.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.data.close()
        self.control.close()
        if self.address[:1] != b"\0":
            with contextlib.suppress(OSError):
                os.unlink(self.address)


# ---- frames ----------------------------------------------------------------------------------------------------------

BROADCAST = b"\xff" * 6


def mac(number):
    """A unicast address, locally administered."""
    return b"\x02" + number.to_bytes(5, "big")


def mac_text(address):
    return ":".join(f"{byte:02x}" for byte in address)


def frame(destination, source, payload=b"", *, vlan=None, pcp=0, size=60, type=0x88b5):
    """An Ethernet frame of at least `size` bytes (before a tag is counted), zero padded."""
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, pcp << 13 | vlan)
    return destination + source + tag + (struct.pack("!H", type) + payload).ljust(size - 12, b"\0")


def announce(switch, *plugs):
    """Each plug (plug, number of its address) speaks once, so that the switch knows where the addresses are."""
    for plug, number in plugs:
        plug.send(frame(BROADCAST, mac(number)))
    switch.settle()
    for plug, _ in plugs:
        plug.recv_now()


# ---- users -----------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def identity(uid, gid=None, groups=()):
    """Within the block this process acts as another user (effective ids), as a client of that user would."""
    need_root()
    old_groups, old_gid = os.getgroups(), os.getegid()
    os.setgroups(list(groups))
    os.setegid(uid if gid is None else gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(old_gid)
        os.setgroups(old_groups)


def as_user(uid, *argv, gid=None):
    """A command line that runs argv as another user, with no other groups."""
    return [need_program("setpriv"), f"--reuid={uid}", f"--regid={uid if gid is None else gid}", "--clear-groups", *map(str, argv)]


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# ---- network namespaces ----------------------------------------------------------------------------------------------

class Namespace:
    """A network namespace with its loopback up. Needs root."""

    def __init__(self, lab):
        need_tun()
        need_program("ip")
        self.lab, self.name, self.addresses = lab, lab.name("vt"), {}
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        lab.namespaces.append(self)
        self.ip("link", "set", "lo", "up")

    def command(self, *argv):
        """The command line that runs argv inside."""
        return [need_program("ip"), "netns", "exec", self.name, *map(str, argv)]

    def run(self, *argv, check=True, deadline=DEADLINE, env=None):
        done = subprocess.run(self.command(*argv), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=deadline,
                              check=False, env=env or env_foreign(), stdin=subprocess.DEVNULL)
        if check:
            assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def start(self, *argv, **options):
        """Starts a program inside; the first word without '/' is a program of ours."""
        words = [str(word) for word in argv]
        if "/" not in words[0]:
            words[0] = ours(words[0])
        return self.lab.start(*self.command(*words), **options)

    def ip(self, *argv):
        return self.run("ip", *argv)

    def add_tap(self, interface, address=None, mtu=None):
        """Moves an interface (a tap that a program holds, made outside) in here and brings it up."""
        wait_until(lambda: os.path.exists(f"/sys/class/net/{interface}"), f"the interface {interface}")
        subprocess.run(["ip", "link", "set", interface, "netns", self.name], check=True)
        self.up(interface, address, mtu)

    def up(self, interface, address=None, mtu=None):
        """Brings an interface up that is here already. IPv6's own chatter is off."""
        self.run("sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", check=False)
        if mtu:
            self.ip("link", "set", interface, "mtu", str(mtu))
        if address:
            self.ip("address", "add", address, "dev", interface)
            self.addresses[interface] = address.split("/")[0]
        self.ip("link", "set", interface, "up")

    def has(self, interface):
        return self.run("ip", "link", "show", interface, check=False).returncode == 0

    def ping(self, address, count=1, deadline=DEADLINE):
        """Waits until a ping is answered."""
        wait_until(lambda: self.run("ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "1", address, check=False).returncode == 0,
                   f"a ping to {address}", deadline)

    def iperf3_server(self, *argv):
        """Starts a server for one test; returns once it listens."""
        server = self.start(need_program("iperf3"), "-s", "-1", "--forceflush", *argv)
        server.expect("Server listening")
        return server

    def iperf3(self, address, *argv, seconds=1, deadline=None):
        """Runs the client; returns its JSON report."""
        words = [need_program("iperf3"), "-c", address, "-J", "--connect-timeout", "5000"]
        if not {"-n", "-k"} & set(argv):
            words += ["-t", str(seconds)]
        done = self.run(*words, *argv, check=False, deadline=deadline or DEADLINE + 10 * seconds)
        report = json.loads(done.stdout or "{}")
        assert done.returncode == 0, (report.get("error"), done.stderr)
        return report

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, stderr=subprocess.DEVNULL)


def received_bits_per_second(report):
    """Of an iperf3 TCP report."""
    return report["end"]["sum_received"]["bits_per_second"]


def connect_error(path):
    """The errno of connecting to a stream socket, 0 when it works."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return error.errno or errno.EIO
    return 0
