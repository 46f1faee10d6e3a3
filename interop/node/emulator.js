// The other side of the device: what a solution does through the emulator's REST interface.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const { setTimeout: pause } = require('node:timers/promises');

const API = 'api-version=2022-07-31';
const PATIENCE = 20000;

/** What has arrived, for callers that wait for it. */
class Inbox {
  constructor() {
    this.items = [];
    this.waiting = [];
  }

  put(item) {
    const next = this.waiting.shift();
    if (next) next(item);
    else this.items.push(item);
  }

  get(what) {
    if (this.items.length > 0) return Promise.resolve(this.items.shift());
    return new Promise((resolve, reject) => {
      const taken = (item) => { clearTimeout(timer); resolve(item); };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(taken), 1);
        reject(new Error(`${what} did not come`));
      }, PATIENCE);
      this.waiting.push(taken);
    });
  }
}

/** A running emulator, described by the line that it prints when it is ready. */
class Emulator {
  constructor(readyFile) {
    this.ready = JSON.parse(fs.readFileSync(readyFile, 'utf8'));
    this.caPem = fs.readFileSync(this.ready.ca, 'utf8');
    this.token = fs.readFileSync(this.ready.api_token_file, 'utf8').trim();
  }

  port(listener) {
    return Number(this.ready[listener].split(':').pop());
  }

  /** One request; returns the JSON of its answer. */
  call(method, path, body) {
    const headers = { Authorization: this.token, 'Content-Type': 'application/json' };
    return new Promise((resolve, reject) => {
      const request = http.request(`http://${this.ready.http}${path}`, { method, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part) => { text += part; });
        answer.on('end', () => {
          if (answer.statusCode >= 400) {
            reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          } else {
            resolve(text ? JSON.parse(text) : undefined);
          }
        });
      });
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** The device as the hub sees it. */
  hubDevice(id) {
    return this.call('GET', `/emulator/devices/${id}`);
  }

  async telemetry(id, name) {
    return (await this.call('GET', `/api/devices/${id}/telemetry/${name}?${API}`)).value;
  }

  properties(id) {
    return this.call('GET', `/api/devices/${id}/properties?${API}`);
  }

  setProperties(id, patch) {
    return this.call('PATCH', `/api/devices/${id}/properties?${API}`, patch);
  }

  command(id, name, request) {
    return this.call('POST', `/api/devices/${id}/commands/${name}?${API}`, { request, connectionTimeout: 20 });
  }

  /** Queues a cloud-to-device message. */
  send(id, body, properties) {
    return this.call('POST', `/emulator/devices/${id}/messages`, { body, properties });
  }

  /** Waits until the hub's view of a device is as it should be. */
  async wait(id, what, condition) {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const seen = await this.hubDevice(id);
      if (condition(seen)) return;
      assert(Date.now() < deadline, `${what}: ${JSON.stringify(seen)}`);
      await pause(50);
    }
  }
}

module.exports = { Emulator, Inbox };
