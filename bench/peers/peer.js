// What the Node clients share: bring all devices online, then send a message of each in every interval, and count.
'use strict';

const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');
// The emulator listens on 127.0.0.1 only, and `localhost` may have another address as well.
require('node:dns').setDefaultResultOrder('ipv4first');

/** Handshakes at the same time. */
const AT_ONCE = 8;
const body = JSON.stringify({ temperature: 22.5 });

/** `connect` resolves to a client that is online; `send` resolves when its message is acknowledged. */
async function run(connect, send) {
  const { ca, devices, interval_s: interval } = JSON.parse(fs.readFileSync(process.argv[2]));
  const trusted = fs.readFileSync(ca, 'utf8');
  const left = devices.slice();
  const clients = [];
  const worker = async () => {
    for (let device = left.pop(); device; device = left.pop()) {
      const secrets = { cert: fs.readFileSync(device.cert, 'utf8'), key: fs.readFileSync(device.key, 'utf8') };
      clients.push([await connect(device.id, secrets, trusted), device.id]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  let acked = 0;
  const line = () => console.log(JSON.stringify({ connected: clients.length, acked }));
  line();
  setInterval(line, 1000);
  const begin = performance.now();
  for (let number = 0; ; number += 1) {
    // In turns: each device has its moment in the interval.
    const due = begin + (number * interval * 1000) / clients.length;
    const wait = due - performance.now();
    if (wait > 0) await pause(wait);
    const [client, id] = clients[number % clients.length];
    // What fails is written to stderr, and is missing from the count.
    send(client, id, body).then(() => { acked += 1; }, (error) => console.error(`${id}: ${error}`));
  }
}

module.exports = { run };
