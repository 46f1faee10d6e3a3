"""Runs every command of a page, exactly as it stands there, and checks the result.

    docs.py PAGE FLEET        where ports 8883, 8443, 8080 and 443 are free, and /etc/hosts may be written

A section with commands but without a check here is an error, and so is a check whose section no longer has commands.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from emulator import API, Checks, Emulator, equal, started

INTEROP = Path(__file__).resolve().parent.parent
AUTHORITY = "state/emulator/ca_cert.pem"


def sections(page):
    """The fenced blocks of a page by the heading above them."""
    found, heading, block = {}, None, None
    for line in page.splitlines():
        if line.startswith("```"):
            if block is None:
                # What stands behind the language is for the test of all pages.
                assert line.split()[0] == "```sh", f"{line}: commands are fenced as sh"
                block = []
            else:
                found.setdefault(heading, []).append(block)
                block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


def commands(block):
    """The commands of a block: lines, with those that go on with a backslash or within brackets."""
    whole = ""
    for line in block:
        whole += line + "\n"
        opened = re.match(r"\w+=\((?![^\n]*\)\n?$)", whole) and not line.rstrip().endswith(")")
        if not line.endswith("\\") and not opened:
            yield whole.rstrip("\n")
            whole = ""
    assert not whole, f"a command that does not end: {whole}"


class Terminal:
    """Where the commands run: a folder, programs under the names that the page uses, and one emulator at a time."""

    def __init__(self, work, fleet, found):
        self.found = found
        self.work = Path(work)
        programs = self.work / "programs"
        programs.mkdir()
        python = f'exec "{sys.executable}"'
        for name, line in {
            "fleet": f'exec "{fleet}" "$@"',
            "python": f'{python} "$@"',
            # Everything may be written here already.
            "sudo": 'exec "$@"',
            "az": f'{python} "{INTEROP}/python/az.py" "$@"',
        }.items():
            program = programs / name
            program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            program.chmod(0o755)
        (self.work / "temp_controller_with_thermostats.py").symlink_to(INTEROP / "python/controller.py")
        (self.work / "pnp_temperature_controller.js").symlink_to(INTEROP / "node/controller.js")
        shutil.copy(INTEROP / "java/YourDevice.java", self.work)
        model = {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:com:example:Lab;1", "@type": "Interface", "contents": []}
        template = {"@id": "dtmi:com:example:lab;1", "@type": ["ModelDefinition", "DeviceModel"], "displayName": "Lab", "capabilityModel": model}
        (self.work / "template.json").write_text(json.dumps(template), encoding="utf-8")
        strange = ("PROXY", "SSL_CERT", "CA_BUNDLE", "CA_CERTS", "IOTHUB_", "JAVA_TOOL_OPTIONS")
        self._env = {name: value for name, value in os.environ.items() if not any(part in name.upper() for part in strange)}
        self._env["PATH"] = f"{programs}:{self._env['PATH']}"
        self._process = None
        self.emulator = None

    def start(self, command):
        self.stop()
        self._process = started(["bash", "-c", f"exec {command}"], "ready.json", env=self._env)
        self.emulator = Emulator("ready.json")

    def stop(self):
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process.stdout.close()

    def try_to(self, script):
        """Returns the script's exit code and both of its outputs."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def run(self, script):
        code, output, errors = self.try_to(script)
        assert code == 0, f"{script}: {code}: {output}{errors}"
        return output, errors


def run(terminal, blocks):
    """Runs the blocks of a section; returns both outputs of everything but the emulator."""
    outputs = ["", ""]
    for block in blocks:
        script = []
        for command in commands(block):
            if command.startswith("fleet emulator "):
                # The commands above it run first.
                flush(terminal, script, outputs)
                terminal.start(command)
            else:
                script.append(command)
        flush(terminal, script, outputs)
    return outputs


def flush(terminal, script, outputs):
    if script:
        for at, text in enumerate(terminal.run("\n".join(script))):
            outputs[at] += text
        script.clear()


def untrusted(terminal, blocks, variable, sign):
    """The same without the variable that makes the client trust the authority: it has to fail, for that reason."""
    setting = f"{variable}={AUTHORITY}"
    (block,) = [list(commands(block)) for block in blocks if any(setting in line for line in block)]
    exported = f"export {setting}" in block
    script = []
    for command in block:
        if command.startswith(setting):
            script.append(command.removeprefix(setting))
        elif command != f"export {setting}" and (exported or command.startswith("export ")):
            script.append(command)
    since = max((entry["seq"] for entry in terminal.emulator.call("GET", "/emulator/journal?since=0")), default=0)
    code, output, errors = terminal.try_to("\n".join(script))
    assert code != 0, f"it succeeded: {output}{errors}"
    journal = json.dumps(terminal.emulator.call("GET", f"/emulator/journal?since={since}"))
    assert sign in output + errors + journal, f"{output}{errors}{journal}"


def device(terminal, rest=""):
    return terminal.emulator.call("GET", f"/api/devices/thermo-1{rest}?{API}")


def listens(terminal, _output, _errors):
    for listener, port in (("mqtt", 8883), ("ws", 443), ("https", 8443), ("http", 8080)):
        equal(terminal.emulator.port(listener), port)
    equal((terminal.emulator.ready["id_scope"], terminal.emulator.ready["hostname"]), ("0ne00EMULATOR", "localhost"))


def enrolled(terminal, _output, _errors):
    equal("primary" in device(terminal, "/attestation")["x509"]["clientCertificates"], True)


def samples(terminal, output, _errors):
    equal(output, "running\nrunning\n")
    equal(device(terminal)["provisioned"], True)
    equal(device(terminal, "/properties")["serialNumber"], "interop-node")
    equal(terminal.emulator.hub_device("thermo-1")["telemetry_received"], 6)


def content(_terminal, _output, errors):
    assert "Verification: OK" in errors, errors


def answered(_terminal, output, _errors):
    equal(output, "401\n")


def assigned(_terminal, output, _errors):
    assert '"assignedHub":"localhost"' in output, output


def plain(terminal, output, _errors):
    equal(terminal.emulator.telemetry("thermo-1", "temperature"), 21.5)
    # After the id of the message, which curl printed without a line break.
    assert output.endswith("hello\n"), output


def hubs(terminal, _output, _errors):
    equal((terminal.emulator.ready["hostname"], terminal.emulator.ready["hubs"]), ("myapp.localtest", ["hub-a.localtest", "hub-b.localtest"]))
    # The device has to register again, because its hub no longer exists: the page has the commands, for another name.
    again = "\n".join(terminal.found["DPS over HTTPS, without an SDK"][0]).replace("https://localhost:", "https://myapp.localtest:")
    output, _ = terminal.run(again)
    assert '"assignedHub":"hub-a.localtest"' in output, output
    # For the purge below.
    terminal.emulator.send("thermo-1", "too late", {})


def central(terminal, output, _errors):
    devices, edges, shown, created, templates, roles, purged, over, back = (json.loads(line) for line in output.splitlines())
    equal([one["id"] for one in devices], ["thermo-1"])
    equal(edges, [])
    equal((shown["id"], shown["provisioned"]), ("thermo-1", True))
    equal(created["@id"], "dtmi:com:example:lab;1")
    equal(created["@id"] in [one["@id"] for one in templates], True)
    equal(sorted(role["displayName"] for role in roles), ["Administrator", "Builder", "Operator"])
    assert purged["message"].endswith("Total messages purged: 1."), purged
    equal(terminal.emulator.hub_device("thermo-1")["messages_waiting"], 0)
    equal((over["hubIdentifier"], back["hubIdentifier"]), ("hub-b.localtest", "hub-a.localtest"))


# By heading, in the order of the page; with the variables without which nothing may work, and the text that has to appear
# then. Node's SDK checks the certificate after the handshake, so the journal can't show it: there the client has to.
OPENSSL = {"SSL_CERT_FILE": "received fatal alert: UnknownCA"}
CHECKS = {
    "Official SDKs and tools against the emulator": (listens, {}),
    "A device": (enrolled, {}),
    "Python and Node": (samples, {**OPENSSL, "NODE_EXTRA_CA_CERTS": "unable to verify the first certificate"}),
    "Trust": (content, OPENSSL),
    "Java": (answered, {}),
    "DPS over HTTPS, without an SDK": (assigned, {}),
    "MQTT without an SDK": (plain, {}),
    "The Azure CLI": (hubs, {}),
    "Commands": (central, {"REQUESTS_CA_BUNDLE": "CERTIFICATE_VERIFY_FAILED"}),
}


def main(page, fleet):
    text = Path(page).read_text(encoding="utf-8")
    found = sections(text)
    checks = Checks("docs")
    checks.run("every section with commands has a check, and the other way round", lambda: equal(list(found), list(CHECKS)))
    # Variables that only the prose names would be untested advice.
    fenced = "\n".join(line for blocks in found.values() for block in blocks for line in block)
    named = set(re.findall(r"`([A-Z0-9_]{6,})\b", text))
    checks.run("every variable of the prose is in a command", lambda: equal([name for name in sorted(named) if name not in fenced], []))
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        terminal = Terminal(work, fleet, found)
        try:
            for heading, (check, variables) in CHECKS.items():
                blocks = found.get(heading, [])
                if heading == "Java" and not shutil.which("keytool"):
                    skip("keytool and java are not here")
                    continue
                checks.run(heading, lambda: check(terminal, *run(terminal, blocks)))
                for variable, sign in variables.items():
                    checks.run(f"{heading}: not without {variable}", lambda: untrusted(terminal, blocks, variable, sign))
        finally:
            terminal.stop()
            os.chdir("/")
    return 1 if checks.failed else 0


def skip(why):
    if os.environ.get("FLEET_REQUIRE_REFEREES"):
        sys.exit(f"FAILED docs: {why}")
    print(f"SKIPPED docs: {why}", flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
