"""Microsoft's Python SDK: one client for each device, as its samples make them."""

import sys

from azure.iot.device import X509, IoTHubDeviceClient, Message

from peer import Peer, body


def connect(device, setup):
    trusted = open(setup["ca"]).read()
    client = IoTHubDeviceClient.create_from_x509_certificate(
        x509=X509(cert_file=device["cert"], key_file=device["key"]),
        hostname="localhost",
        device_id=device["id"],
        server_verification_cert=trusted,
        connection_retry=False,
    )
    client.connect()
    return client


def send(client, _device, acknowledged):
    # Returns when the hub has acknowledged it.
    client.send_message(Message(body(), content_type="application/json", content_encoding="utf-8"))
    acknowledged()


if __name__ == "__main__":
    Peer(sys.argv[1], connect, send).run()
