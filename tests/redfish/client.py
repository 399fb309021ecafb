"""The client, by its own commands, against services that others wrote and against the emulator.

    client.py PROGRAM CACHE REPORTS

CACHE is what `setup` made. Prints one line a verdict and 'N passed, N failed, N skipped' at the end.
What each step said is kept in the folder REPORTS.
"""

import concurrent.futures
import functools
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM, CACHE, REPORTS = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
TREES = [ROOT.parent / "shared" / "bmc-trees", ROOT / "tests" / "data" / "bmc-trees"]
MOCKUP = pathlib.Path(os.environ.get("MOCKUP_SERVER", CACHE.parent / "mockup"))
TIMING = (
    "{power-on: 0.1, post: 0.5, system-boot: 0.2, shutdown: 0.2, cycle-pause: 0.1, bmc-reset: 1,"
    " media-lag: 0.3, task: 0.5}"
)
# An attribute for each profile: the value that it does not have at first, and the one that it has.
ATTRIBUTES = {
    "generic": ("Sriov", "Enabled", "Disabled"),
    "idrac": ("SriovGlobalEnable", "Enabled", "Disabled"),
    "ilo": ("Sriov", "Disabled", "Enabled"),
    "xcc": ("DevicesandIOPorts_SRIOV", "Enabled", "Disabled"),
    "supermicro": ("SR_IOVSupport_002B", "Enabled", "Disabled"),
    "ami": ("PCIS007", "Enabled", "Disabled"),
    "openbmc": ("PCIS007", "PCIS007Enabled", "PCIS007Disabled"),
}
PASSED, FAILED, SKIPPED = [], [], []


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def left_out(what, why):
    SKIPPED.append(what)
    print(f"left out: {what}: {why}", flush=True)


class Unlike(AssertionError):
    """A step that ended otherwise than it has to."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves images and says nothing."""

    def log_message(self, *_):
        pass


class Service:
    """Something that serves on loopback until it is left, and an inventory for it."""

    def __init__(self, name, command, ports):
        self.name, self.command, self.ports = name, command, ports
        self.home = REPORTS / name.replace(" ", "-")

    def __enter__(self):
        self.home.mkdir(parents=True, exist_ok=True)
        with open(self.home / "service.log", "w") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.home, start_new_session=True
            )
        limit = time.monotonic() + 30
        for port in self.ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > limit:
                        text = (self.home / "service.log").read_text()
                        raise Unlike(f"{self.name} did not start: {text[-500:]}")
                    time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def inventory(self, hosts, roles=None):
        """Hosts: name to text of their entry. Roles: text of a profile's roles."""
        (self.home / "pw.txt").write_text("password")
        (self.home / "pw.txt").chmod(0o600)
        lines = ["defaults: {bmc: {user: admin, password: {file: pw.txt}, insecure: true}}"]
        if roles:
            lines.insert(0, "profile: judged")
            (self.home / "profiles").mkdir(exist_ok=True)
            (self.home / "profiles" / "judged.yaml").write_text(f"title: judged\n{roles}")
            role = self.home / "roles" / "boot-source"
            role.mkdir(parents=True, exist_ok=True)
            (role / "role.yaml").write_text(
                "summary: what boots\ntasks:\n  - boot: {target: Pxe, lasts: continuous}\n"
            )
        lines.append("hosts:")
        lines += [f"  {name}: {entry}" for name, entry in hosts.items()]
        (self.home / "inventory.yaml").write_text("\n".join(lines) + "\n")

    def run(self, *words, code=0):
        """Runs one of our commands on the inventory; gives what it printed."""
        words = [word if word != "INVENTORY" else "inventory.yaml" for word in words]
        done = subprocess.run(
            [PROGRAM, *words], cwd=self.home, capture_output=True, text=True, timeout=240,
            stdin=subprocess.DEVNULL,
        )
        with open(self.home / "said.log", "a") as log:
            log.write(f"$ ra-deploy {' '.join(words)}\n{done.stdout}{done.stderr}[{done.returncode}]\n")
        if done.returncode != code:
            raise Unlike(f"exit code {done.returncode}, not {code}: {(done.stdout + done.stderr)[-1500:]}")
        return done.stdout

    def step(self, what, action):
        label = f"{self.name}: {what}"
        begin = time.monotonic()
        try:
            action()
        except Exception as error:  # every step is judged, whatever breaks
            FAILED.append(label)
            print(f"FAIL {label}: {type(error).__name__}: {error}", flush=True)
            return
        PASSED.append(label)
        print(f"ok   {label} ({time.monotonic() - begin:.1f} s)", flush=True)

    # What each service goes through.

    def summaries(self):
        told = json.loads(self.run("facts", "--hardware", "--output", "json", "INVENTORY"))
        return {name: host["hardware"]["summary"] for name, host in told["hosts"].items()}

    def facts(self):
        for name, summary in self.summaries().items():
            if not summary["reset_target"]:
                raise Unlike(f"{name} has no reset: {summary}")

    def powers(self):
        told = json.loads(self.run("power", "status", "--output", "json", "INVENTORY"))
        return {host["power"] for host in told["hosts"].values()}

    def power(self):
        for words, state in [
            (("on",), "On"),
            (("cycle",), "On"),
            (("off",), "Off"),
            (("on",), "On"),
            (("off", "--force"), "Off"),
            (("on",), "On"),
        ]:
            order, *options = words
            self.run("power", order, *options, "--yes", "INVENTORY", "all")
            if self.powers() != {state}:
                raise Unlike(f"after power {order}: {self.powers()}")

    def converge(self):
        self.run("apply", "--yes", "INVENTORY")

    def stay(self):
        """A second apply finds nothing to do, and asks only."""
        self.run("plan", "--detailed-exitcode", "INVENTORY")
        self.run("apply", "--yes", "INVENTORY")
        runs = sorted((self.home / ".ra-deploy" / "runs").glob("*-apply-*"), key=os.path.getmtime)
        record = json.loads((runs[-1] / "summary.json").read_text())
        for host in record["summary"]["hosts"]:
            traffic = host["traffic"]
            if host["changed"] or host["failure"] or traffic["bmc_writes"] or not traffic["bmc_reads"]:
                raise Unlike(f"{host}")


def certificate(home):
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
         "cert.pem", "-days", "2", "-subj", "/CN=bmc"],
        cwd=home, check=True, capture_output=True,
    )


def mockup_server():
    if not (MOCKUP / "redfishMockupServer.py").exists():
        left_out(
            "DMTF's Redfish-Mockup-Server",
            "no package registry has it; put a checkout of it into $MOCKUP_SERVER or the folder"
            " mockup beside the installed programs",
        )
        return
    trees = next((folder for folder in TREES if folder.exists()), None)
    if trees is None:
        left_out("the captured trees", "neither shared/bmc-trees nor tests/data/bmc-trees is there")
        return
    for key in sorted((trees / "key").glob("*.json")):
        port = free_port()
        name = f"mockup-server {key.stem}"
        home = REPORTS / name.replace(" ", "-")
        certificate(home)
        subprocess.run(["tar", "--zstd", "-xf", trees / f"{key.stem}.tar.zst", "-C", home], check=True)
        command = [
            CACHE / "venv/bin/python", MOCKUP / "redfishMockupServer.py", "-H", "127.0.0.1", "-p",
            str(port), "-D", home / key.stem, "-s", "--cert", "cert.pem", "--key", "key.pem",
        ]
        with Service(name, command, [port]) as service:
            service.inventory({"r1": f'{{bmc: "https://127.0.0.1:{port}"}}'})

            def equal():
                found = service.summaries()["r1"]
                wanted = json.loads(key.read_text())["summary"]
                differ = {
                    field: (wanted.get(field), found.get(field))
                    for field in wanted.keys() | found.keys()
                    if wanted.get(field) != found.get(field)
                }
                if differ:
                    raise Unlike(f"field: (wanted, found): {differ}")

            service.step("facts equal the key's summary", equal)


MAIN = "from sushy_tools.emulator.main import main; main()"


def fake_driver():
    sushy_tools(
        "sushy-tools fake driver",
        MAIN,
        """
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_IPA = False
SUSHY_EMULATOR_FAKE_SYSTEMS = [{
    "uuid": "da69abcc-dae0-4913-9a7b-d344043097c0", "name": "fake1", "power_state": "Off",
    "external_notifier": False, "nics": [{"mac": "00:5c:52:31:3a:9c", "ip": "172.22.0.100"}]}]
""",
    )


def libvirt_test_driver():
    sushy_tools(
        "sushy-tools libvirt test driver",
        # It forgets its machines with the last connection: one stays open.
        f"import libvirt; held = libvirt.open('test:///default'); {MAIN}",
        "SUSHY_EMULATOR_LIBVIRT_URI = 'test:///default'\n",
        ("ProcTurboMode", "Disabled"),
    )


def sushy_tools(name, program, setting, bios=None):
    import bcrypt

    secret = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()
    port = free_port()
    home = REPORTS / name.replace(" ", "-")
    certificate(home)
    (home / "htpasswd").write_text(f"admin:{secret}\n")
    (home / "emulator.conf").write_text(
        setting + f"SUSHY_EMULATOR_STATE_DIR = {str(home)!r}\n"
        f"SUSHY_EMULATOR_AUTH_FILE = {str(home / 'htpasswd')!r}\n"
    )
    command = [
        CACHE / "venv/bin/python", "-c", program, "--config", "emulator.conf", "-i", "127.0.0.1",
        "-p", str(port), "--ssl-certificate", "cert.pem", "--ssl-key", "key.pem",
    ]
    with Service(name, command, [port]) as service:
        attributes = f"{{{bios[0]}: {bios[1]}}}" if bios else "{}"
        service.inventory(
            {"r1": f'{{bmc: "https://127.0.0.1:{port}", parameters: {{bios-attributes: {attributes}}}}}'},
            "roles: [{role: hardware, on: all}, {role: boot-source, on: all}]\n",
        )
        service.step("facts", service.facts)
        service.step("power on, cycle, off, off by force", service.power)
        what = "BIOS and boot override" if bios else "boot override (the driver has no BIOS)"
        service.step(f"apply: {what}", service.converge)
        service.step("a second apply only asks", service.stay)


def emulator():
    home = REPORTS / "emulator"
    home.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in ATTRIBUTES}
    (home / "bmcs.yaml").write_text(
        "state-dir: state\nbmcs:\n"
        + "".join(
            f"- {{name: {name}, profile: {name}, port: {port}, timing: {TIMING}}}\n"
            for name, port in ports.items()
        )
    )
    command = [PROGRAM, "lab", "bmc", "bmcs.yaml", "--counts", "counts.json"]
    with Service("emulator", command, ports.values()) as service:
        def wishes(position):
            parameters = {
                name: f"bios-attributes: {{{attribute[0]}: {attribute[position]}}}"
                for name, attribute in ATTRIBUTES.items()
            }
            want(parameters)

        def want(parameters):
            service.inventory(
                {
                    name: f'{{bmc: "https://127.0.0.1:{port}", parameters: {{{parameters[name]}}}}}'
                    for name, port in ports.items()
                },
                "roles: [{role: hardware, on: all}, {role: boot-source, on: all}]\n",
            )

        def from_off():
            service.converge()
            for name in ports:
                boots = json.loads((home / "state" / f"{name}.json").read_text())["boots"]
                if boots != 1:
                    raise Unlike(f"{name} was booted {boots} times for settings staged while off")

        wishes(1)
        service.step("facts, all profiles", service.facts)
        service.step("apply from off: BIOS and boot override with one boot, all profiles", from_off)
        service.step("power on, cycle, off, off by force, all profiles", service.power)
        wishes(2)
        service.step("apply while on: BIOS the other way, all profiles", service.converge)

        def intents():
            # OpenBMC's BIOS has no attribute for the boot mode.
            mode = {name: "" if name == "openbmc" else ", boot-mode: uefi" for name in ports}
            want({name: f"bios-intents: {{sriov: on{mode[name]}}}" for name in ports})
            service.converge()

        service.step("apply: the intents sriov and boot-mode, all profiles", intents)

        def media():
            mode = {name: "" if name == "openbmc" else ", boot-mode: uefi" for name in ports}
            want(
                {
                    name: f"bios-intents: {{sriov: on{mode[name]}}}, virtual-media: {{image: \"{image}\"}}"
                    for name in ports
                }
            )
            service.converge()

        (home / "images").mkdir(exist_ok=True)
        (home / "images" / "install.iso").write_bytes(bytes(64 * 1024))
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=home / "images")
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        image = f"http://127.0.0.1:{server.server_port}/install.iso"
        service.step("apply: virtual media, all profiles", media)

        def counts():
            (home / "counts.json").unlink(missing_ok=True)
            service.process.send_signal(signal.SIGUSR1)
            limit = time.monotonic() + 10
            while not (home / "counts.json").exists():
                if time.monotonic() > limit:
                    raise Unlike("no counts.json")
                time.sleep(0.02)
            return json.loads((home / "counts.json").read_text())

        def only_gets():
            before = counts()
            service.stay()
            for name, now in counts().items():
                sent = {
                    method: count - before[name]["requests"].get(method, 0)
                    for method, count in now["requests"].items()
                }
                others = {method: count for method, count in sent.items() if method != "GET" and count}
                if others or not sent["GET"]:
                    raise Unlike(f"{name} was sent {sent}")

        def gentle():
            for name, count in counts().items():
                if count["sessions-open"] or count["most-in-flight"] > 2:
                    raise Unlike(f"{name}: {count}")

        def refused():
            (home / "pw.txt").write_text("wrong")
            try:
                service.run("power", "status", "INVENTORY", code=5)
            finally:
                (home / "pw.txt").write_text("password")

        def interrupted():
            for number in (signal.SIGINT, signal.SIGTERM):
                child = subprocess.Popen(
                    [PROGRAM, "power", "cycle", "--yes", "inventory.yaml", "all"], cwd=home,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
                limit = time.monotonic() + 20
                # In the middle: everybody is logged in, nobody is through.
                while any(count["sessions-open"] != 1 for count in counts().values()):
                    if time.monotonic() > limit or child.poll() is not None:
                        raise Unlike("it never held a session on each BMC")
                child.send_signal(number)
                child.wait(60)
                left = {name: count["sessions-open"] for name, count in counts().items()}
                if any(left.values()):
                    raise Unlike(f"sessions left after {number.name}: {left}")

        service.step("no session left after Ctrl-C and TERM in the middle", interrupted)
        service.step("a bad password is told, and no session left", refused)
        service.step("apply again", service.converge)
        service.step("a second apply sends only GETs, by the emulator's own count", only_gets)
        service.step("no session left, two requests at once at most", gentle)


def main():
    REPORTS.mkdir(parents=True, exist_ok=True)
    parts = {
        "mockup server": mockup_server,
        "sushy-tools fake driver": fake_driver,
        "sushy-tools libvirt test driver": libvirt_test_driver,
        "emulator": emulator,
    }

    def judge(name):
        try:
            parts[name]()
        except Exception as error:  # the other parts are judged all the same
            FAILED.append(name)
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)

    # Side by side: they mostly wait for power.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(judge, parts))
    print(f"{len(PASSED)} passed, {len(FAILED)} failed, {len(SKIPPED)} skipped")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
