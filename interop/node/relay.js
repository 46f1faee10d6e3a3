// Connections to a port other than the requested one. TLS passes through unchanged.
'use strict';

const https = require('node:https');
const net = require('node:net');

/** An agent whose connections go to a port of this machine, whatever host and port are requested. */
class Detour extends https.Agent {
  constructor(port) {
    super();
    this.port = port;
  }

  createConnection(options, callback) {
    return super.createConnection({ ...options, host: '127.0.0.1', port: this.port }, callback);
  }
}

/** A port that forwards to another one, and can be cut. */
class Relay {
  constructor(target) {
    this.target = target;
    this.sockets = new Set();
    this.broken = false;
  }

  /** Listens on a free port; returns it. */
  async listen() {
    this.server = net.createServer((client) => {
      if (this.broken) {
        client.destroy();
        return;
      }
      const server = net.connect(this.target, '127.0.0.1');
      for (const [from, to] of [[client, server], [server, client]]) {
        this.sockets.add(from);
        // An error on one side ends both.
        from.on('error', () => to.destroy());
        from.on('close', () => { this.sockets.delete(from); to.destroy(); });
        from.pipe(to);
      }
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this.server.address().port;
  }

  /** Ends every connection and accepts no new one, like a broken line, until it is mended. */
  cut() {
    this.broken = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend() {
    this.broken = false;
  }

  close() {
    this.server.close();
    this.cut();
  }
}

module.exports = { Detour, Relay };
