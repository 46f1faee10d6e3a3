// MQTT.js, without an SDK, against the emulator: the steps of Microsoft's page on plain MQTT.
//
//   plain.js PACKAGE READY.json CHAIN.pem KEY.pem REGISTRATION_ID      PACKAGE is the name that MQTT.js is installed by
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');
// The emulator listens on 127.0.0.1 only, and `localhost` may have another address as well.
require('node:dns').setDefaultResultOrder('ipv4first');

const { Checks } = require('./checks');
const { Emulator, Inbox } = require('./emulator');

const [packageName, ready, chain, key, id] = process.argv.slice(2);
const mqtt = require(packageName);
const { version } = require(`${packageName}/package.json`);

const emulator = new Emulator(ready);
const hub = emulator.ready.hostname;

/** A connection to DPS or a hub. */
class Connection {
  constructor(listener, username, options = {}) {
    const port = emulator.port(listener);
    const url = listener === 'ws' ? `wss://localhost:${port}/$iothub/websocket` : `mqtts://localhost:${port}`;
    const secrets = { ca: emulator.caPem, cert: fs.readFileSync(chain), key: fs.readFileSync(key) };
    this.inbox = new Inbox();
    this.client = mqtt.connect(url, {
      clientId: id, username, clean: true, reconnectPeriod: 0, ...secrets, wsOptions: secrets, ...options,
    });
    this.client.on('message', (topic, body) => this.inbox.put([topic, body.toString()]));
    // Only the first error is reported; it may come before anything waits for it.
    this.opened = new Promise((resolve, reject) => {
      this.client.once('connect', resolve);
      this.client.on('error', reject);
      this.client.once('close', () => reject(new Error('the connection was closed')));
    });
    this.opened.catch(() => {});
  }

  publish(topic, body = '', qos = 1) {
    return new Promise((resolve, reject) => {
      this.client.publish(topic, body, { qos }, (error) => (error ? reject(error) : resolve()));
    });
  }

  async subscribe(filter) {
    const granted = await new Promise((resolve, reject) => {
      this.client.subscribe(filter, { qos: 1 }, (error, all) => (error ? reject(error) : resolve(all)));
    });
    assert.deepEqual(granted.map((one) => one.qos), [1]);
  }

  /** The next message: the topic after its prefix, and the body. */
  async next(prefix) {
    const [topic, body] = await this.inbox.get(prefix);
    assert(topic.startsWith(prefix), topic);
    return [topic.slice(prefix.length), body];
  }

  close() {
    return new Promise((resolve) => { this.client.end(false, {}, resolve); });
  }
}

class Device {
  constructor(listener) {
    this.listener = listener;
  }

  /** Registration with DPS: two topics and some waiting. */
  async register() {
    const dps = new Connection(this.listener, `${emulator.ready.id_scope}/registrations/${id}/api-version=2019-03-31`);
    await dps.opened;
    await dps.subscribe('$dps/registrations/res/#');
    await dps.publish('$dps/registrations/PUT/iotdps-register/?$rid=1', JSON.stringify({ registrationId: id }));
    for (let polls = 0; ; polls += 1) {
      const [topic, body] = await dps.next('$dps/registrations/res/');
      const state = JSON.parse(body);
      const [status, query] = topic.split('/?');
      if (status === '200') {
        assert.deepEqual([state.status, state.registrationState.assignedHub], ['assigned', hub]);
        break;
      }
      assert.equal(status, '202', body);
      assert(polls < 10, body);
      // DPS sends the time to wait before the next poll.
      await pause(1000 * Number(new URLSearchParams(query).get('retry-after')));
      await dps.publish(`$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${state.operationId}`);
    }
    await dps.close();
  }

  async connect() {
    this.connection = new Connection(this.listener, `${hub}/${id}/?api-version=2021-04-12`);
    await this.connection.opened;
    assert.equal((await emulator.hubDevice(id)).connected, true);
  }

  async telemetry() {
    const before = (await emulator.hubDevice(id)).telemetry_received;
    await this.connection.publish(`devices/${id}/messages/events/$.ct=application%2Fjson&$.ce=utf-8`, '{"temperature": 21.5}');
    assert.equal((await emulator.hubDevice(id)).telemetry_received, before + 1);
    assert.equal(await emulator.telemetry(id, 'temperature'), 21.5);
  }

  async twin() {
    await this.connection.subscribe('$iothub/twin/res/#');
    await this.connection.publish('$iothub/twin/GET/?$rid=7', '', 0);
    const [topic, body] = await this.connection.next('$iothub/twin/res/');
    assert.equal(topic, '200/?$rid=7');
    assert.deepEqual(Object.keys(JSON.parse(body)).sort(), ['desired', 'reported']);
  }

  async desired(target) {
    await this.connection.subscribe('$iothub/twin/PATCH/properties/desired/#');
    await emulator.setProperties(id, { targetTemperature: target });
    const [topic, body] = await this.connection.next('$iothub/twin/PATCH/properties/desired/?$version=');
    assert.deepEqual(JSON.parse(body), { targetTemperature: target, $version: Number(topic) });
  }

  async method() {
    await this.connection.subscribe('$iothub/methods/POST/#');
    const since = '2026-01-01T00:00:00Z';
    const answer = async () => {
      const [rid, body] = await this.connection.next('$iothub/methods/POST/getMaxMinReport/?$rid=');
      await this.connection.publish(`$iothub/methods/res/200/?$rid=${rid}`, JSON.stringify({ since: JSON.parse(body) }), 0);
    };
    const [record] = await Promise.all([emulator.command(id, 'getMaxMinReport', since), answer()]);
    assert.deepEqual([record.responseCode, record.response], [200, { since }]);
  }

  async message(filter) {
    await this.connection.subscribe(filter);
    await emulator.send(id, `by ${filter}`, { a: 'b' });
    const [rest, body] = await this.connection.next(`devices/${id}/messages/devicebound/`);
    assert.deepEqual([body, new URLSearchParams(rest).get('a')], [`by ${filter}`, 'b']);
    await emulator.wait(id, 'the message is acknowledged', (seen) => seen.messages_waiting === 0);
  }

  async close() {
    await this.connection.close();
    await emulator.wait(id, 'the device is offline', (seen) => !seen.connected);
  }

  async version5() {
    const connection = new Connection(this.listener, `${hub}/${id}/?api-version=2021-04-12`, { protocolVersion: 5 });
    await assert.rejects(connection.opened, /protocol version/i);
    await connection.close();
  }
}

async function main() {
  let failed = 0;
  for (const [listener, name, target] of [['mqtt', '', 22.5], ['ws', ' over WebSocket', 23.5]]) {
    const checks = new Checks(`MQTT.js ${version}${name}`);
    const device = new Device(listener);
    await checks.run('X.509 registration through DPS', () => device.register());
    await checks.run('connection to the assigned hub', () => device.connect());
    await checks.run('telemetry is acknowledged', () => device.telemetry());
    await checks.run('twin is read', () => device.twin());
    await checks.run('desired properties are received', () => device.desired(target));
    await checks.run('direct method is answered', () => device.method());
    await checks.run('cloud-to-device message by its own filter', () => device.message(`devices/${id}/messages/devicebound/#`));
    await checks.run('disconnects', () => device.close());
    await checks.run('connection again', () => device.connect());
    await checks.run('cloud-to-device message by #', () => device.message('#'));
    await checks.run('disconnects again', () => device.close());
    await checks.run('MQTT 5 is refused in words', () => device.version5());
    failed += checks.failed;
  }
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error) => { console.error(error); process.exit(1); },
);
