"""The figures about BMCs: facts of a fleet of emulated ones, and what is left behind.

    bmcs.py PROGRAM [COUNT]

Prints figures with ratios. The emulator tells how many requests it saw at once and which sessions
are open, so nothing is believed of the client that it says itself. Bounds that do not depend on the
load of this machine (requests at once, sessions, memory) are named at the end where not kept.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 300
LATENCY = 0.050
# The longest chain of links that facts follow in the generic profile, each document behind a link
# of the one before. The login comes between the first two, the logout at the end.
CHAIN = [
    "/redfish/v1",
    "/redfish/v1/Systems",
    "/redfish/v1/Systems/1",
    "/redfish/v1/Systems/1/Storage",
    "/redfish/v1/Systems/1/Storage/RAID1",
    "/redfish/v1/Systems/1/Storage/RAID1/Volumes",
    "/redfish/v1/Systems/1/Storage/RAID1/Volumes/1",
]
BROKEN = []


def figure(what, value, unit="", bound=None, kept=True):
    told = "" if bound is None else f"  (at most {bound}{'' if kept else ': NOT KEPT'})"
    print(f"  {what:<58} {value:>10} {unit}{told}", flush=True)
    if not kept:
        BROKEN.append(what)


class Fleet:
    """An emulator with so many BMCs, each on an address of its own in 127/8."""

    def __init__(self, home, count, latency):
        self.home, self.count = home, count
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        home.mkdir()
        rows = [
            f"- {{name: r{n:04}, address: {self.address(n)}, port: {self.port},"
            f" latency-milliseconds: {int(latency * 1000)}}}\n"
            for n in range(1, count + 1)
        ]
        (home / "bmcs.yaml").write_text("state-dir: state\nbmcs:\n" + "".join(rows))
        (home / "pw.txt").write_text("password")
        (home / "pw.txt").chmod(0o600)
        hosts = [
            f'  r{n:04}: {{bmc: "https://{self.address(n)}:{self.port}"}}\n' for n in range(1, count + 1)
        ]
        (home / "inventory.yaml").write_text(
            "defaults: {bmc: {user: admin, password: {file: pw.txt}, insecure: true}}\nhosts:\n"
            + "".join(hosts)
        )

    @staticmethod
    def address(number):
        return f"127.77.{number // 250}.{number % 250 + 1}"

    def __enter__(self):
        self.emulator = subprocess.Popen(
            [PROGRAM, "lab", "bmc", "bmcs.yaml", "--counts", "counts.json"],
            cwd=self.home, stdout=subprocess.PIPE, text=True,
        )
        for line in self.emulator.stdout:
            if line.startswith("fingerprint"):
                return self
        raise SystemExit("the emulator did not start")

    def __exit__(self, *_):
        self.emulator.terminate()
        self.emulator.wait()

    def counts(self):
        path = self.home / "counts.json"
        path.unlink(missing_ok=True)
        self.emulator.send_signal(signal.SIGUSR1)
        limit = time.monotonic() + 30
        while not path.exists() and time.monotonic() < limit:
            time.sleep(0.01)
        return json.loads(path.read_text())

    def start(self):
        return subprocess.Popen(
            [PROGRAM, "facts", "--hardware", "--output", "json", "inventory.yaml"],
            cwd=self.home, stdout=open(self.home / "facts.json", "w"),
            stderr=open(self.home / "facts.err", "w"),
        )

    def facts(self):
        """Seconds and peak memory in MB of facts of all."""
        begin = time.monotonic()
        child = self.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit((self.home / "facts.err").read_text()[-2000:])
        told = json.loads((self.home / "facts.json").read_text())["hosts"]
        good = sum("summary" in host.get("hardware", {}) for host in told.values())
        if good != self.count:
            raise SystemExit(f"facts of {good} of {self.count} only")
        return seconds, usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.emulator.pid}/stat").read_text().rsplit(") ")[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self):
        for line in pathlib.Path(f"/proc/{self.emulator.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1000

    def chain(self):
        """Round trips of the longest chain of links, with login and logout; each link is seen."""
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        secret = base64.b64encode(b"admin:password").decode()
        for path, after in zip(CHAIN, CHAIN[1:] + [None]):
            request = urllib.request.Request(
                f"https://{self.address(1)}:{self.port}{path}", headers={"Authorization": f"Basic {secret}"}
            )
            body = urllib.request.urlopen(request, context=trust).read().decode()
            if after and f'"{after}"' not in body:
                raise SystemExit(f"{path} has no link to {after}")
        return len(CHAIN) + 2


def fleet(scratch):
    print(f"facts of {COUNT} emulated BMCs with {LATENCY * 1000:.0f} ms each")
    with Fleet(scratch / "fleet", COUNT, LATENCY) as many:
        links = many.chain()
        bound = links * LATENCY
        begin = many.processor_seconds()
        taken = sorted(many.facts() for _ in range(3))
        seconds, memory, processor = taken[1]
        emulators = (many.processor_seconds() - begin) / 3
        counts = many.counts()
        requests = [count["requests"]["GET"] / 3 for count in counts.values()]
        figure("longest chain of links, with login and logout", links, "round trips")
        figure("… bound by latency", f"{bound:.2f}", "s")
        figure("facts of all", f"{seconds:.2f}", "s")
        figure("… over that bound", f"{seconds / bound:.2f}", "times  (wanted: at most 1.5)")
        figure("processor time of ours", f"{processor:.2f}", "s")
        figure("processor time of the emulator, on the same cores", f"{emulators:.2f}", "s")
        figure("requests a BMC", f"{sum(requests) / COUNT:.1f}")
        most = max(count["most-in-flight"] for count in counts.values())
        figure("most requests at once on a BMC", most, "", 2, most <= 2)
        figure("our memory at its peak", f"{max(row[1] for row in taken):.0f}", "MB", 100,
               max(row[1] for row in taken) <= 100)
        left = sum(count["sessions-open"] for count in counts.values())
        figure("sessions left behind", left, "", 0, left == 0)
        for number, name in [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "kill -TERM")]:
            child = many.start()
            time.sleep(seconds / 2)
            held = sum(count["sessions-open"] for count in many.counts().values())
            child.send_signal(number)
            child.wait()
            left = sum(count["sessions-open"] for count in many.counts().values())
            figure(f"… after {name} with {held} open", left, "", 0, left == 0)


def thousand(scratch):
    print("an emulator with 1000 BMCs")
    with Fleet(scratch / "thousand", 1000, 0) as many:
        seconds, memory, _ = many.facts()
        figure("facts of all, no latency", f"{seconds:.2f}", "s")
        figure("our memory at its peak", f"{memory:.0f}", "MB")
        peak = many.peak_megabytes()
        figure("the emulator's memory at its peak", f"{peak:.0f}", "MB", 1000, peak <= 1000)


def alone(scratch):
    print("facts of one BMC, by the latency")
    for latency in (0.0, LATENCY, 4 * LATENCY):
        with Fleet(scratch / f"alone{latency}", 1, latency) as one:
            seconds, _, _ = min(one.facts() for _ in range(3))
            figure(f"{latency * 1000:.0f} ms", f"{seconds:.3f}", "s")


with tempfile.TemporaryDirectory() as folder:
    print(f"load of this machine: {' '.join(f'{load:.1f}' for load in os.getloadavg())}")
    alone(pathlib.Path(folder))
    fleet(pathlib.Path(folder))
    thousand(pathlib.Path(folder))
if BROKEN:
    print(f"not kept: {'; '.join(BROKEN)}")
