// A port that leads to another one, and can be cut. TLS goes through untouched.
'use strict';

const net = require('node:net');

class Relay {
  constructor(target) {
    this.target = target;
    this.sockets = new Set();
  }

  /** Listens on a free port; gives it. */
  async listen() {
    this.server = net.createServer((client) => {
      const server = net.connect(this.target, '127.0.0.1');
      for (const [from, to] of [[client, server], [server, client]]) {
        this.sockets.add(from);
        // What breaks one side ends both.
        from.on('error', () => to.destroy());
        from.on('close', () => { this.sockets.delete(from); to.destroy(); });
        from.pipe(to);
      }
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this.server.address().port;
  }

  /** Ends every connection, as a broken line would. */
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  close() {
    this.server.close();
    this.cut();
  }
}

module.exports = { Relay };
