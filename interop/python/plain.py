"""Eclipse Paho, without an SDK, against the emulator: the steps of Microsoft's page on plain MQTT.

    plain.py READY.json CHAIN.pem KEY.pem REGISTRATION_ID

It works with either major version.
"""

import json
import queue
import ssl
import sys
import threading
import time
from importlib.metadata import version
from urllib.parse import parse_qs

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCodes

from emulator import PATIENCE, Checks, Emulator, equal

VERSION = version("paho-mqtt")
ACCEPTED = "Connection Accepted." if VERSION.startswith("1.") else "Success"


def new_client(client_id, **options):
    # The second major version has its own callbacks; only what both have in common is used here.
    if VERSION.startswith("1."):
        return paho.Client(client_id=client_id, **options)
    return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, **options)


def words(code, protocol):
    """The client's word for the code of a CONNACK."""
    if isinstance(code, int) and protocol == paho.MQTTv5:
        # The first major version has a word for this one, but returns the number.
        code = ReasonCodes(PacketTypes.CONNACK, identifier=code)
    return paho.connack_string(code) if isinstance(code, int) else str(code)


class Connection:
    """A connection to DPS or a hub; what arrives goes into queues."""

    def __init__(self, emulator, listener, chain, key, client_id, user, protocol=paho.MQTTv311):
        self._answers = queue.Queue()
        self.received = queue.Queue()
        self._acknowledged = {}
        self._lock = threading.Condition()
        # In MQTT 5, a separate option makes a session clean.
        clean = {} if protocol == paho.MQTTv5 else {"clean_session": True}
        transport = "websockets" if listener == "ws" else "tcp"
        self._client = new_client(client_id, transport=transport, protocol=protocol, **clean)
        if listener == "ws":
            self._client.ws_set_options(path="/$iothub/websocket")
        self._client.username_pw_set(user)
        self._client.tls_set(emulator.ready["ca"], chain, key, cert_reqs=ssl.CERT_REQUIRED)
        self._client.on_connect = lambda _client, _data, _flags, code, *_: self._answers.put(words(code, protocol))
        self._client.on_message = lambda _client, _data, message: self.received.put(message)
        self._client.on_publish = lambda _client, _data, mid, *_: self._acknowledge(mid)
        self._client.on_subscribe = lambda _client, _data, mid, granted, *_: self._acknowledge(mid, [getattr(code, "value", code) for code in granted])
        self._client.connect(emulator.ready["hostname"], emulator.port(listener))
        self._client.loop_start()

    def answer(self):
        """The result of CONNACK, in the client's words."""
        return self._answers.get(timeout=PATIENCE)

    def _acknowledge(self, mid, what=None):
        with self._lock:
            self._acknowledged[mid] = what
            self._lock.notify_all()

    def _wait(self, mid):
        with self._lock:
            assert self._lock.wait_for(lambda: mid in self._acknowledged, PATIENCE), "it is not acknowledged"
            return self._acknowledged.pop(mid)

    def publish(self, topic, body="", qos=1):
        self._wait(self._client.publish(topic, body, qos=qos).mid)

    def subscribe(self, topic):
        _, mid = self._client.subscribe(topic, qos=1)
        equal(self._wait(mid), [1])

    def next(self, prefix):
        """The next message: its topic after the prefix, and its body."""
        message = self.received.get(timeout=PATIENCE)
        assert message.topic.startswith(prefix), message.topic
        return message.topic[len(prefix) :], message.payload.decode()

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


class Device:
    def __init__(self, emulator, listener, chain, key, device_id):
        self.emulator = emulator
        self.id = device_id
        self.hub = emulator.ready["hostname"]
        self._place = (emulator, listener, chain, key, device_id)

    def register(self):
        """Registration with DPS: two topics and some waiting."""
        dps = Connection(*self._place, f"{self.emulator.ready['id_scope']}/registrations/{self.id}/api-version=2019-03-31")
        equal(dps.answer(), ACCEPTED)
        dps.subscribe("$dps/registrations/res/#")
        dps.publish("$dps/registrations/PUT/iotdps-register/?$rid=1", json.dumps({"registrationId": self.id}))
        deadline = time.monotonic() + PATIENCE
        while True:
            topic, body = dps.next("$dps/registrations/res/")
            status, _, query = topic.partition("/?")
            state = json.loads(body)
            if status == "200":
                break
            equal(status, "202")
            assert time.monotonic() < deadline, state
            # DPS sends the time to wait before the next poll.
            time.sleep(int(parse_qs(query)["retry-after"][0]))
            dps.publish(f"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={state['operationId']}")
        equal((state["status"], state["registrationState"]["assignedHub"]), ("assigned", self.hub))
        dps.close()

    def connect(self):
        self.connection = Connection(*self._place, f"{self.hub}/{self.id}/?api-version=2021-04-12")
        equal(self.connection.answer(), ACCEPTED)
        equal(self.emulator.hub_device(self.id)["connected"], True)

    def telemetry(self):
        before = self.emulator.hub_device(self.id)["telemetry_received"]
        self.connection.publish(f"devices/{self.id}/messages/events/$.ct=application%2Fjson&$.ce=utf-8", '{"temperature": 21.5}')
        equal(self.emulator.hub_device(self.id)["telemetry_received"], before + 1)
        equal(self.emulator.telemetry(self.id, "temperature"), 21.5)

    def twin(self):
        self.connection.subscribe("$iothub/twin/res/#")
        self.connection.publish("$iothub/twin/GET/?$rid=7", qos=0)
        topic, body = self.connection.next("$iothub/twin/res/")
        equal(topic, "200/?$rid=7")
        equal(sorted(json.loads(body)), ["desired", "reported"])

    def desired(self, target):
        self.connection.subscribe("$iothub/twin/PATCH/properties/desired/#")
        self.emulator.set_properties(self.id, {"targetTemperature": target})
        topic, body = self.connection.next("$iothub/twin/PATCH/properties/desired/?$version=")
        equal(json.loads(body), {"targetTemperature": target, "$version": int(topic)})

    def method(self):
        self.connection.subscribe("$iothub/methods/POST/#")
        failures = queue.Queue()

        def answer():
            try:
                topic, body = self.connection.next("$iothub/methods/POST/getMaxMinReport/?$rid=")
                self.connection.publish(f"$iothub/methods/res/200/?$rid={topic}", json.dumps({"since": json.loads(body)}), qos=0)
            except Exception as error:
                failures.put(error)

        threading.Thread(target=answer, daemon=True).start()
        record = self.emulator.command(self.id, "getMaxMinReport", "2026-01-01T00:00:00Z")
        equal((record["responseCode"], record["response"]), (200, {"since": "2026-01-01T00:00:00Z"}))
        equal(failures.empty(), True)

    def message(self, topic):
        self.connection.subscribe(topic)
        self.emulator.send(self.id, f"by {topic}", {"a": "b"})
        rest, body = self.connection.next(f"devices/{self.id}/messages/devicebound/")
        equal((body, parse_qs(rest)["a"]), (f"by {topic}", ["b"]))
        self.emulator.wait(self.id, "the message is acknowledged", lambda seen: seen["messages_waiting"] == 0)

    def close(self):
        self.connection.close()
        self.emulator.wait(self.id, "the device is offline", lambda seen: not seen["connected"])

    def version_5(self):
        connection = Connection(*self._place, f"{self.hub}/{self.id}/?api-version=2021-04-12", protocol=paho.MQTTv5)
        equal(connection.answer(), "Unsupported protocol version")
        connection.close()


def main(ready, chain, key, registration_id):
    emulator = Emulator(ready)
    failed = 0
    for listener, name in (("mqtt", ""), ("ws", " over WebSocket")):
        checks = Checks(f"paho {VERSION}{name}")
        device = Device(emulator, listener, chain, key, registration_id)
        target = 22.5 if listener == "mqtt" else 23.5
        checks.run("X.509 registration through DPS", device.register)
        checks.run("connection to the assigned hub", device.connect)
        checks.run("telemetry is acknowledged", device.telemetry)
        checks.run("twin is read", device.twin)
        checks.run("desired properties are received", lambda: device.desired(target))
        checks.run("direct method is answered", device.method)
        checks.run("cloud-to-device message by its own filter", lambda: device.message(f"devices/{device.id}/messages/devicebound/#"))
        checks.run("disconnects", device.close)
        checks.run("connection again", device.connect)
        checks.run("cloud-to-device message by #", lambda: device.message("#"))
        checks.run("disconnects again", device.close)
        checks.run("MQTT 5 is refused in words", device.version_5)
        failed += checks.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
