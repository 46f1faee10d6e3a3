"""The controllers of this folder and of ../node, enrolled in each way of the how-to, against an emulator at Azure's own port.

    samples.py python|node FLEET COMMAND...     COMMAND runs the controller; the port of MQTT has to be free

The SDKs find everything by the how-to's environment variables and by those that name the authority to trust.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import enroll
from emulator import API, PATIENCE, Checks, Emulator, encoded, equal, started

WAYS = ("group", "primary", "secondary")
SINCE = "2026-01-01T00:00:00Z"


class Controller:
    """A controller in its own process, and the emulator's view of it."""

    def __init__(self, emulator, command, device_id, certificate):
        self.emulator = emulator
        self.id = device_id
        self._errors = tempfile.TemporaryFile("w+")
        ca = emulator.ready["ca"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={
                **os.environ,
                "IOTHUB_DEVICE_SECURITY_TYPE": "DPS",
                "IOTHUB_DEVICE_DPS_ENDPOINT": emulator.ready["hostname"],
                "IOTHUB_DEVICE_DPS_ID_SCOPE": emulator.ready["id_scope"],
                "IOTHUB_DEVICE_DPS_DEVICE_ID": device_id,
                "IOTHUB_DEVICE_X509_CERT": f"{certificate}_fullchain.pem",
                "IOTHUB_DEVICE_X509_KEY": f"{certificate}_key.pem",
                "SSL_CERT_FILE": ca,
                "NODE_EXTRA_CA_CERTS": ca,
            },
        )

    def path(self, rest, component=None):
        part = f"/components/{component}" if component else ""
        return f"/api/devices/{self.id}{part}/{rest}?{API}"

    def get(self, rest, component=None):
        return self.emulator.call("GET", self.path(rest, component))

    def running(self):
        line = self._process.stdout.readline()
        self._errors.seek(0)
        assert line == "running\n", self._errors.read()
        device = self.emulator.call("GET", f"/api/devices/{self.id}?{API}")
        equal((device["provisioned"], device["template"]), (True, "dtmi:com:example:TemperatureController;2"))

    def reported(self):
        properties = self.get("properties")
        equal(properties["serialNumber"].partition("-")[0], "interop")
        equal(properties["thermostat1"]["maxTempSinceLastReboot"], 98.34)
        equal(properties["thermostat2"]["maxTempSinceLastReboot"], 48.92)
        information = self.get("properties", "deviceInformation")
        equal((information["manufacturer"], information["totalStorage"], information["totalMemory"]), ("Interop", 1024, 32))

    def telemetry(self):
        found = (
            self.get("telemetry/temperature", "thermostat1")["value"],
            self.get("telemetry/temperature", "thermostat2")["value"],
            self.get("telemetry/workingSet")["value"],
        )
        equal(found, (21.5, 22.5, 64))

    def desired(self, component, target, whole):
        """Writes a target to a component, alone or as part of the whole device, and waits for the answer to it."""
        if whole:
            self.emulator.set_properties(self.id, {component: {"targetTemperature": target}})
        else:
            self.emulator.call("PATCH", self.path("properties", component), {"targetTemperature": target})
        answered = lambda twin: (twin["reported"].get(component, {}).get("targetTemperature") or {}).get("value") == target
        self.emulator.wait(self.id, f"{component} answers", lambda seen: answered(seen["twin"]))
        twin = self.emulator.hub_device(self.id)["twin"]
        expected = {"value": target, "ac": 200, "ad": "Successfully executed patch", "av": twin["desired"]["$version"]}
        equal(twin["reported"][component]["targetTemperature"], expected)
        # What was reported before is beside the answer, here and in the operator's view.
        equal(twin["reported"][component]["maxTempSinceLastReboot"] > 0, True)
        equal(self.get("properties")[component]["targetTemperature"], target)

    def command(self, name, component, request, response):
        body = {"request": request, "connectionTimeout": 20}
        record = self.emulator.call("POST", self.path(f"commands/{name}", component), body)
        equal((record["responseCode"], record["response"]), (200, response))

    def end(self):
        self._process.stdin.write("Q\n")
        self._process.stdin.close()
        # A listener that failed before is an error here. Output on stderr is not: the SDK prints some when a listener stops.
        code = self._process.wait(PATIENCE)
        self._errors.seek(0)
        assert code == 0, self._errors.read()
        self.emulator.wait(self.id, "the device is offline", lambda seen: not seen["connected"])


def report(of):
    return {"maxTemp": of, "minTemp": of, "avgTemp": of, "startTime": SINCE, "endTime": SINCE}


def certificate(fleet, folder, *arguments):
    subprocess.run([fleet, "cert", *arguments, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def individual(emulator, device_id, folders):
    """A device with its own two certificates."""
    emulator.call("PUT", f"/api/devices/{device_id}?{API}", {"displayName": device_id})
    certificates = {
        name: {"certificate": encoded(f"{folder}/{device_id}_cert.pem")} for name, folder in folders.items()
    }
    body = {"type": "x509", "x509": {"clientCertificates": certificates}}
    emulator.call("PUT", f"/api/devices/{device_id}/attestation?{API}", body)


def main(sdk, fleet, *command):
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        free = "127.0.0.1:0"
        arguments = [fleet, "emulator", "--state", f"{work}/state", "--mqtt", "127.0.0.1:8883", "--https", free, "--http", free]
        with started([*arguments, "--dps-retry-after", "1"], f"{work}/ready.json") as process:
            try:
                emulator = Emulator(f"{work}/ready.json")
                certificate(fleet, work, "root", "samplesroot")
                enroll.main(f"{work}/ready.json", f"{work}/samplesroot_cert.pem", f"{work}/samplesroot_key.pem")
                controllers = [start(emulator, fleet, work, sdk, way, command) for way in WAYS]
                for way, controller in zip(WAYS, controllers):
                    checks = Checks(f"{sdk} sample, {way}")
                    run(checks, controller)
                    failed += checks.failed
            finally:
                process.terminate()
    return 1 if failed else 0


def start(emulator, fleet, work, sdk, way, command):
    device_id = f"sample{sdk}{way}"  # Only characters that a file name keeps.
    if way == "group":
        certificate(fleet, work, "device", device_id, "samplesroot")
        folder = work
    else:
        folders = {name: f"{work}/{way}-{name}" for name in ("primary", "secondary")}
        for folder in folders.values():
            certificate(fleet, folder, "device", device_id)
        individual(emulator, device_id, folders)
        folder = folders[way]
    return Controller(emulator, command, device_id, f"{folder}/{device_id}")


def run(checks, controller):
    checks.run("registers, and announces its model", controller.running)
    checks.run("root and components are reported", controller.reported)
    checks.run("telemetry of root and components arrives", controller.telemetry)
    checks.run("a component's property is answered", lambda: controller.desired("thermostat1", 25.5, whole=False))
    checks.run("a component within the device's properties is answered", lambda: controller.desired("thermostat2", 26.5, whole=True))
    checks.run("reboot is answered", lambda: controller.command("reboot", None, 2, {"result": True, "data": "executed reboot after 2"}))
    for component, of in (("thermostat1", 31.5), ("thermostat2", 32.5)):
        answer = report(of)
        checks.run(f"{component}*getMaxMinReport is answered", lambda: controller.command("getMaxMinReport", component, SINCE, answer))
    checks.run("ends", controller.end)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
