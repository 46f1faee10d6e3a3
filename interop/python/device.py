"""The official Python SDK against the emulator, step by step.

    device.py READY.json CHAIN.pem KEY.pem REGISTRATION_ID
"""

import json
import logging
import queue
import sys

from azure.iot.device import X509, IoTHubDeviceClient, Message, MethodResponse, ProvisioningDeviceClient, ProxyOptions

from emulator import PATIENCE, Checks, Emulator, equal
from proxy import Proxy

MODEL = "dtmi:com:example:Thermostat;1"


class Device:
    """The SDK's callbacks, in queues that a check can wait for."""

    def __init__(self, emulator, proxy, options):
        self.emulator = emulator
        self.proxy = proxy
        self.options = options
        self.patches = queue.Queue()
        self.messages = queue.Queue()
        self.connections = queue.Queue()

    def register(self, registration_id, x509):
        client = ProvisioningDeviceClient.create_from_x509_certificate(
            provisioning_host=self.emulator.ready["hostname"],
            registration_id=registration_id,
            id_scope=self.emulator.ready["id_scope"],
            x509=x509,
            **self.options,
        )
        client.provisioning_payload = {"modelId": MODEL}
        result = client.register()
        equal(result.status, "assigned")
        equal(result.registration_state.assigned_hub, self.emulator.ready["hostname"])
        equal(result.registration_state.device_id, registration_id)
        self.id = result.registration_state.device_id
        self.hub = result.registration_state.assigned_hub
        self.x509 = x509

    def connect(self):
        self.client = IoTHubDeviceClient.create_from_x509_certificate(
            x509=self.x509,
            hostname=self.hub,
            device_id=self.id,
            product_info=MODEL,
            connection_retry_interval=1,
            **self.options,
        )
        self.client.on_connection_state_change = lambda: self.connections.put(self.client.connected)
        self.client.connect()
        seen = self.emulator.hub_device(self.id)
        equal((seen["connected"], seen["model_id"]), (True, MODEL))

    def telemetry(self, temperature):
        before = self.emulator.hub_device(self.id)["telemetry_received"]
        message = Message(json.dumps({"temperature": temperature}), content_encoding="utf-8", content_type="application/json")
        message.message_id = f"id-{temperature}"
        message.custom_properties["kind of day"] = "grün & warm=yes"
        # Returns when the hub has acknowledged the message.
        self.client.send_message(message)
        equal(self.emulator.telemetry(self.id, "temperature"), temperature)
        seen = self.emulator.hub_device(self.id)
        equal(seen["telemetry_received"], before + 1)
        properties = seen["last_message"]["properties"]
        equal(properties["$.mid"], f"id-{temperature}")
        equal(properties["$.ct"], "application/json")
        equal(properties["kind of day"], "grün & warm=yes")

    def twin(self):
        twin = self.client.get_twin()
        equal(sorted(twin), ["desired", "reported"])
        equal("$version" in twin["desired"], True)

    def report(self):
        self.client.patch_twin_reported_properties({"maxTempSinceLastReboot": 38.5, "gone": None})
        equal(self.client.get_twin()["reported"]["maxTempSinceLastReboot"], 38.5)
        equal(self.emulator.properties(self.id)["maxTempSinceLastReboot"], 38.5)

    def desired(self, target):
        if self.client.on_twin_desired_properties_patch_received is None:
            self.client.on_twin_desired_properties_patch_received = self.patches.put
        self.emulator.set_properties(self.id, {"targetTemperature": target})
        patch = self.patches.get(timeout=PATIENCE)
        equal(patch["targetTemperature"], target)
        twin = self.client.get_twin()["desired"]
        equal((twin["targetTemperature"], twin["$version"]), (target, patch["$version"]))

    def method(self):
        def answer(request):
            payload = {"since": request.payload, "maxTemp": 38.5}
            self.client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))

        self.client.on_method_request_received = answer
        since = "2026-01-01T00:00:00Z"
        record = self.emulator.command(self.id, "getMaxMinReport", since)
        equal((record["responseCode"], record["response"]), (200, {"since": since, "maxTemp": 38.5}))

    def message(self, text):
        if self.client.on_message_received is None:
            self.client.on_message_received = self.messages.put
        self.emulator.send(self.id, text, {"a key": "a/value & more"})
        self.received(text)

    def received(self, text):
        message = self.messages.get(timeout=PATIENCE)
        equal(message.data.decode(), text)
        equal(message.custom_properties["a key"], "a/value & more")
        self.emulator.wait(self.id, "the message is acknowledged", lambda seen: seen["messages_waiting"] == 0)

    def queued(self):
        self.client.disconnect()
        self.emulator.wait(self.id, "the device is offline", lambda seen: not seen["connected"])
        for text in ("first", "second"):
            self.emulator.send(self.id, text, {"a key": "a/value & more"})
        equal(self.emulator.hub_device(self.id)["messages_waiting"], 2)
        self.client.connect()
        equal([self.messages.get(timeout=PATIENCE).data.decode() for _ in range(2)], ["first", "second"])
        self.emulator.wait(self.id, "both are acknowledged", lambda seen: seen["messages_waiting"] == 0)

    def reconnect(self):
        while not self.connections.empty():
            self.connections.get()
        self.proxy.cut()
        equal([self.connections.get(timeout=PATIENCE) for _ in range(2)], [False, True])
        self.telemetry(23.5)
        self.desired(24.5)
        self.method()
        self.message("after the cut")


def main(ready, chain, key, registration_id):
    # A lost connection is part of the plan, and not worth the SDK's warning.
    logging.getLogger("azure.iot.device").setLevel(logging.ERROR)
    emulator = Emulator(ready)
    failed = 0
    for name, websockets, port, listener in (("python", False, 8883, "mqtt"), ("python over WebSocket", True, 443, "ws")):
        proxy = Proxy({port: emulator.port(listener)})
        options = {
            "server_verification_cert": emulator.ca_pem,
            "proxy_options": ProxyOptions("HTTP", "127.0.0.1", proxy.port),
            "websockets": websockets,
        }
        checks = Checks(name)
        run(checks, Device(emulator, proxy, options), registration_id, X509(chain, key))
        checks.run(f"everything went to port {port}", lambda: equal(proxy.asked, {port}))
        failed += checks.failed
    checks = Checks("python behind a gateway")
    behind_gateway(checks, emulator, registration_id, X509(chain, key))
    failed += checks.failed
    return 1 if failed else 0


def behind_gateway(checks, emulator, device_id, x509):
    gateway = emulator.ready["gateways"][0]
    proxy = Proxy({8883: int(gateway["mqtt"].rpartition(":")[2])})
    options = {
        "server_verification_cert": emulator.ca_pem,
        "proxy_options": ProxyOptions("HTTP", "127.0.0.1", proxy.port),
        "gateway_hostname": gateway["hostname"],
    }
    device = Device(emulator, proxy, options)
    device.id, device.hub, device.x509 = device_id, emulator.ready["hubs"][0], x509
    emulator.make_child(gateway["device"], device_id)
    checks.run("connection through the gateway", device.connect)
    checks.run("telemetry is acknowledged", lambda: device.telemetry(25.5))
    checks.run("desired properties are received", lambda: device.desired(26.5))
    checks.run("direct method is answered", device.method)
    checks.run("disconnects", lambda: device.client.shutdown())


def run(checks, device, registration_id, x509):
    checks.run("X.509 registration through DPS", lambda: device.register(registration_id, x509))
    checks.run("connection to the assigned hub", device.connect)
    checks.run("telemetry is acknowledged", lambda: device.telemetry(21.5))
    checks.run("twin is read", device.twin)
    checks.run("reported properties are patched", device.report)
    checks.run("desired properties are received", lambda: device.desired(22.5))
    checks.run("direct method is answered", device.method)
    checks.run("cloud-to-device message while online", lambda: device.message("hello"))
    checks.run("cloud-to-device messages queued while offline", device.queued)
    checks.run("reconnects by itself, with all that it had subscribed", device.reconnect)
    checks.run("disconnects", lambda: device.client.shutdown())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
