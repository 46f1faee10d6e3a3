// MQTT.js without an SDK: one client for each device.
'use strict';

const mqtt = require('mqtt-5');
const { run } = require('./peer');

function connect(id, secrets, ca) {
  return mqtt.connectAsync('mqtts://localhost:8883', {
    clientId: id,
    username: `localhost/${id}/?api-version=2021-04-12`,
    clean: true,
    reconnectPeriod: 0,
    ca,
    ...secrets,
  });
}

function send(client, id, body) {
  return client.publishAsync(`devices/${id}/messages/events/$.ct=application%2Fjson&$.ce=utf-8`, body, { qos: 1 });
}

run(connect, send);
