"""A proxy (HTTP CONNECT) that maps Azure's ports to the emulator's, and can cut what goes through it.

The SDK has 8883 and 443 built in, but supports proxies: so the emulator does not need those ports, and the SDK stays as it is. TLS passes through unchanged.
"""

import socket
import threading


class Proxy:
    """Listens on a free port until the process ends. `ports` maps the requested port to the one to use."""

    def __init__(self, ports):
        self._ports = ports
        self.asked = set()  # Azure's ports that were requested.
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends every connection, like a broken line."""
        with self._lock:
            for end in self._open:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # It has ended by itself meanwhile.
                    pass

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(1024)
                if not part:
                    return
                head += part
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            asked = int(target.rpartition(":")[2])
            self.asked.add(asked)
            port = self._ports.get(asked)
            if method != "CONNECT" or port is None:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", port)) as server:
                with self._lock:
                    self._open |= {client, server}
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()
                with self._lock:
                    self._open -= {client, server}


def _pump(source, sink):
    try:
        while part := source.recv(65536):
            sink.sendall(part)
    except OSError:
        # One side is gone, and the other is closed below.
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It is closed already.
            pass
