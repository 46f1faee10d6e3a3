"""Eclipse Paho: one client with its own network thread for each device, as its documentation starts them."""

import ssl
import sys
import threading

import paho.mqtt.client as paho

from peer import Peer, body


def connect(device, setup):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=device["id"])
    client.username_pw_set(f"localhost/{device['id']}/?api-version=2021-04-12")
    client.tls_set(setup["ca"], device["cert"], device["key"], cert_reqs=ssl.CERT_REQUIRED)
    connected = threading.Event()
    client.on_connect = lambda _client, _data, _flags, code, _properties: connected.set() if code == 0 else None
    client.connect("localhost", 8883)
    client.loop_start()
    if not connected.wait(60):
        raise TimeoutError(f"{device['id']} got no CONNACK")
    return client


def send(client, device, acknowledged):
    client.on_publish = lambda *_: acknowledged()
    topic = f"devices/{device['id']}/messages/events/$.ct=application%2Fjson&$.ce=utf-8"
    client.publish(topic, body(), qos=1)


if __name__ == "__main__":
    Peer(sys.argv[1], connect, send).run()
