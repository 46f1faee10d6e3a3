"""What the Python clients share: bring all devices online, then send a message of each in every interval, and count."""

import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

# Handshakes at the same time: enough to keep both cores busy.
AT_ONCE = 8


def body():
    return json.dumps({"temperature": 22.5})


class Peer:
    """`connect` returns a client that is online; `send` sends a message with it and calls back when it is acknowledged."""

    def __init__(self, setup, connect, send):
        with open(setup) as file:
            self.setup = json.load(file)
        self.connect, self.send = connect, send
        self.acked = 0
        self.lock = threading.Lock()

    def acknowledged(self):
        with self.lock:
            self.acked += 1

    def line(self, connected):
        print(json.dumps({"connected": connected, "acked": self.acked}), flush=True)

    def run(self):
        devices, interval = self.setup["devices"], self.setup["interval_s"]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            clients = list(pool.map(lambda device: self.connect(device, self.setup), devices))
        self.line(len(clients))
        # In turns: each device has its moment in the interval.
        order = list(zip(clients, devices))
        random.Random(7).shuffle(order)
        begin = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in range(sys.maxsize):
                client, device = order[number % len(order)]
                due = begin + number * interval / len(order)
                time.sleep(max(due - time.monotonic(), 0))
                # What fails is written to stderr, and is missing from the count.
                pool.submit(self.sent, client, device)
                if len(order) == 1 or number % max(len(order) // int(interval), 1) == 0:
                    self.line(len(clients))

    def sent(self, client, device):
        try:
            self.send(client, device, self.acknowledged)
        except Exception as error:
            print(f"{device['id']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
