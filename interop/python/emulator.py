"""The other side of the device: what a solution does through the emulator's REST interface."""

import base64
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

API = "api-version=2022-07-31"
PATIENCE = 20.0


class Checks:
    """Runs checks one after the other and counts those that fail."""

    def __init__(self, name):
        self._name = name
        self.failed = 0

    def run(self, what, check):
        try:
            result = check()
        except Exception as error:  # Whatever an SDK throws is a failed check.
            self.failed += 1
            print(f"FAILED {self._name}: {what}: {type(error).__name__}: {error}", flush=True)
            return None
        print(f"ok {self._name}: {what}", flush=True)
        return result


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def encoded(pem):
    return base64.b64encode(Path(pem).read_bytes()).decode()


def started(arguments, ready_file, **options):
    """Starts an emulator, and returns its process when it listens."""
    # Its output is shown only if it does not start: it contains a sign-in link.
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors, text=True, **options)
        line = process.stdout.readline()
        if not line:
            errors.seek(0)
            raise AssertionError(f"the emulator does not start: {errors.read()}")
    Path(ready_file).write_text(line, encoding="utf-8")
    return process


class Emulator:
    """A running emulator, described by the line that it prints when it is ready."""

    def __init__(self, ready_file):
        with open(ready_file, encoding="utf-8") as file:
            self.ready = json.load(file)
        with open(self.ready["ca"], encoding="utf-8") as file:
            self.ca_pem = file.read()
        with open(self.ready["api_token_file"], encoding="utf-8") as file:
            self._token = file.read().strip()

    def port(self, listener):
        return int(self.ready[listener].rpartition(":")[2])

    def call(self, method, path, body=None):
        """One request; returns the JSON of its answer."""
        request = urllib.request.Request(
            f"http://{self.ready['http']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self._token, "Content-Type": "application/json"},
        )
        # The emulator is on this machine, so no proxy from the environment is used.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def hub_device(self, device_id):
        """The device as the hub sees it."""
        return self.call("GET", f"/emulator/devices/{device_id}")

    def telemetry(self, device_id, name):
        return self.call("GET", f"/api/devices/{device_id}/telemetry/{name}?{API}")["value"]

    def properties(self, device_id):
        return self.call("GET", f"/api/devices/{device_id}/properties?{API}")

    def set_properties(self, device_id, patch):
        return self.call("PATCH", f"/api/devices/{device_id}/properties?{API}", patch)

    def make_child(self, parent, child):
        """Puts a device behind a gateway."""
        self.call("PUT", f"/api/devices/{parent}?{API}", {"displayName": parent})
        body = {"source": parent, "target": child}
        return self.call("PUT", f"/api/devices/{parent}/relationships/{child}?{API}", body)

    def command(self, device_id, name, request):
        body = {"request": request, "connectionTimeout": 20}
        return self.call("POST", f"/api/devices/{device_id}/commands/{name}?{API}", body)

    def send(self, device_id, body, properties):
        """Queues a cloud-to-device message."""
        return self.call("POST", f"/emulator/devices/{device_id}/messages", {"body": body, "properties": properties})

    def wait(self, device_id, what, condition):
        """Waits until the hub's view of a device is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.hub_device(device_id)):
            assert time.monotonic() < deadline, f"{what}: {self.hub_device(device_id)}"
            time.sleep(0.05)
