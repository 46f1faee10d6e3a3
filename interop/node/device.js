// The official Node SDK against the emulator, step by step.
//
//   device.js READY.json CHAIN.pem KEY.pem REGISTRATION_ID
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
// The emulator listens on 127.0.0.1 only, and `localhost` may have another address as well.
require('node:dns').setDefaultResultOrder('ipv4first');

const { AuthenticationType } = require('azure-iot-common');
const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Http: HttpBase } = require('azure-iot-http-base');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Http: ProvisioningHttp } = require('azure-iot-provisioning-device-http');
const { Mqtt: ProvisioningMqtt, MqttWs: ProvisioningMqttWs } = require('azure-iot-provisioning-device-mqtt');
const { X509Security } = require('azure-iot-security-x509');

const { Checks } = require('./checks');
const { Emulator, Inbox } = require('./emulator');
const { Detour, Relay } = require('./relay');

const MODEL = 'dtmi:com:example:Thermostat;1';

/** How the SDK reaches a port that it does not have built in, for each of its transports. */
const ways = {
  mqtt: (port) => ({
    name: 'node',
    // The SDK accepts a port where it accepts a host: for DPS its endpoint, for a hub the gateway that leads to it.
    provisioning: { host: `localhost:${port}`, transport: new ProvisioningMqtt() },
    hub: { transport: Mqtt, gatewayHostName: `localhost:${port}` },
  }),
  ws: (port) => ({
    name: 'node over WebSocket',
    // The client for DPS writes `wss://<host>:443/$iothub/websocket` and accepts no agent. So the host contains a port,
    // the path, and a query that swallows the rest.
    provisioning: { host: `localhost:${port}/$iothub/websocket?away=`, transport: new ProvisioningMqttWs() },
    hub: { transport: MqttWs, options: { mqtt: { webSocketAgent: new Detour(port) } } },
  }),
};

class Device {
  constructor(emulator, relay, way, x509) {
    this.emulator = emulator;
    this.relay = relay;
    this.way = way;
    this.x509 = x509;
    this.patches = new Inbox();
    this.messages = new Inbox();
  }

  async register(registrationId) {
    const client = ProvisioningDeviceClient.create(
      this.way.provisioning.host,
      this.emulator.ready.id_scope,
      this.way.provisioning.transport,
      new X509Security(registrationId, this.x509),
    );
    client.setProvisioningPayload({ modelId: MODEL });
    const state = await client.register();
    assert.equal(state.status, 'assigned');
    assert.equal(state.assignedHub, this.emulator.ready.hostname);
    assert.equal(state.deviceId, registrationId);
    this.id = state.deviceId;
    this.hub = state.assignedHub;
  }

  async connect(listening = false) {
    // A connection string with `x509=true` would drop the gateway; an authentication provider keeps it.
    const credentials = {
      host: this.hub,
      deviceId: this.id,
      gatewayHostName: this.way.hub.gatewayHostName,
      x509: this.x509,
    };
    const provider = {
      type: AuthenticationType.X509,
      getDeviceCredentials: (callback) => callback(null, { ...credentials }),
    };
    this.client = Client.fromAuthenticationProvider(provider, this.way.hub.transport);
    await this.client.setOptions({ ca: this.emulator.caPem, modelId: MODEL, ...this.way.hub.options });
    // The hub sends waiting messages right after CONNACK, so the listener has to be there before.
    if (listening) this.client.on('message', (message) => this.messages.put(message));
    await this.client.open();
    const seen = await this.emulator.hubDevice(this.id);
    assert.deepEqual([seen.connected, seen.model_id], [true, MODEL]);
  }

  async telemetry(temperature) {
    const before = (await this.emulator.hubDevice(this.id)).telemetry_received;
    const message = new Message(JSON.stringify({ temperature }));
    message.messageId = `id-${temperature}`;
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('kind of day', 'grün & warm=yes');
    // Resolves when the hub has acknowledged.
    await this.client.sendEvent(message);
    assert.equal(await this.emulator.telemetry(this.id, 'temperature'), temperature);
    const seen = await this.emulator.hubDevice(this.id);
    assert.equal(seen.telemetry_received, before + 1);
    const properties = seen.last_message.properties;
    assert.equal(properties['$.mid'], `id-${temperature}`);
    assert.equal(properties['$.ct'], 'application/json');
    assert.equal(properties['kind of day'], 'grün & warm=yes');
  }

  async readTwin() {
    this.twin = await this.client.getTwin();
    assert.equal(typeof this.twin.properties.desired.$version, 'number');
    assert.equal(typeof this.twin.properties.reported.$version, 'number');
  }

  async report() {
    await new Promise((resolve, reject) => {
      const patch = { maxTempSinceLastReboot: 38.5, gone: null };
      this.twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
    });
    assert.equal((await this.emulator.properties(this.id)).maxTempSinceLastReboot, 38.5);
  }

  async desired(target) {
    if (this.twin.listenerCount('properties.desired') === 0) {
      // The SDK calls a new listener immediately with what the twin holds already.
      this.twin.on('properties.desired', (patch) => this.patches.put(patch));
      await this.patches.get('the twin as it is');
      // There is no event for the subscription, but SUBACK comes before the answer to what is asked later.
      await this.client.getTwin();
    }
    this.patches.items.length = 0;
    await this.emulator.setProperties(this.id, { targetTemperature: target });
    const patch = await this.patches.get('the patch');
    assert.equal(patch.targetTemperature, target);
    assert.equal(this.twin.properties.desired.$version, patch.$version);
  }

  async method(name) {
    this.client.onDeviceMethod(name, (request, response) => {
      const payload = { since: request.payload, maxTemp: 38.5 };
      response.send(200, payload, (error) => { if (error) this.methodFailed = error; });
    });
    await this.call(name);
  }

  async call(name) {
    const since = '2026-01-01T00:00:00Z';
    const record = await this.emulator.command(this.id, name, since);
    assert.deepEqual([record.responseCode, record.response], [200, { since, maxTemp: 38.5 }]);
    assert.equal(this.methodFailed, undefined);
  }

  async message(text) {
    if (this.client.listenerCount('message') === 0) this.client.on('message', (message) => this.messages.put(message));
    await this.emulator.send(this.id, text, { 'a key': 'a/value & more' });
    await this.received([text]);
  }

  async received(texts) {
    for (const text of texts) {
      const message = await this.messages.get(`message ${text}`);
      assert.equal(message.getData().toString(), text);
      assert.equal(message.properties.getValue('a key'), 'a/value & more');
      await this.client.complete(message);
    }
    await this.emulator.wait(this.id, 'all is acknowledged', (seen) => seen.messages_waiting === 0);
  }

  async queued() {
    const texts = ['first', 'second'];
    await this.client.close();
    await this.emulator.wait(this.id, 'the device is offline', (seen) => !seen.connected);
    for (const text of texts) await this.emulator.send(this.id, text, { 'a key': 'a/value & more' });
    assert.equal((await this.emulator.hubDevice(this.id)).messages_waiting, 2);
    // A closed client of this SDK can't be used again; a new one is like a restarted device.
    await this.connect(true);
    await this.received(texts);
  }

  async reconnect() {
    await this.readTwin();
    await this.desired(23.5);
    await this.method('getMaxMinReport');
    this.relay.cut();
    await this.emulator.wait(this.id, 'the device is offline', (seen) => !seen.connected);
    this.relay.mend();
    await this.emulator.wait(this.id, 'the device is back', (seen) => seen.connected);
    await this.telemetry(24.5);
    await this.call('getMaxMinReport');
    await this.message('after the cut');
    await this.desired(25.5);
  }
}

async function main(ready, chain, key, registrationId) {
  const emulator = new Emulator(ready);
  const x509 = { cert: fs.readFileSync(chain, 'utf8'), key: fs.readFileSync(key, 'utf8') };
  let failed = 0;
  for (const listener of ['mqtt', 'ws']) {
    const relay = new Relay(emulator.port(listener));
    const way = ways[listener](await relay.listen());
    const checks = new Checks(way.name);
    await run(checks, new Device(emulator, relay, way, x509), registrationId);
    failed += checks.failed;
    relay.close();
  }
  // Only DPS supports HTTPS, on both ports that have it.
  for (const listener of ['ws', 'https']) {
    const checks = new Checks(`node over HTTPS, port of --${listener}`);
    const device = new Device(emulator, undefined, overHttps(emulator.port(listener)), x509);
    await checks.run('X.509 registration through DPS', () => device.register(registrationId));
    failed += checks.failed;
  }
  return failed === 0 ? 0 : 1;
}

/** The route to DPS over HTTPS, for which the SDK always names port 443. */
function overHttps(port) {
  const http = new HttpBase();
  http.setOptions({ http: { agent: new Detour(port) } });
  return { provisioning: { host: 'localhost', transport: new ProvisioningHttp(http) } };
}

async function run(checks, device, registrationId) {
  await checks.run('X.509 registration through DPS', () => device.register(registrationId));
  await checks.run('connection to the assigned hub', () => device.connect());
  await checks.run('telemetry is acknowledged', () => device.telemetry(21.5));
  await checks.run('twin is read', () => device.readTwin());
  await checks.run('reported properties are patched', () => device.report());
  await checks.run('desired properties are received', () => device.desired(22.5));
  await checks.run('direct method is answered', () => device.method('getMaxMinReport'));
  await checks.run('cloud-to-device message while online', () => device.message('hello'));
  await checks.run('cloud-to-device messages queued while offline', () => device.queued());
  await checks.run('reconnects by itself, with all that it had subscribed', () => device.reconnect());
  await checks.run('disconnects', () => device.client.close());
}

main(...process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => { console.error(error); process.exit(1); },
);
