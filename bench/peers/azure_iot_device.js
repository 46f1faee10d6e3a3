// Microsoft's Node SDK: one client for each device, as its samples make them.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { run } = require('./peer');

async function connect(id, secrets, ca) {
  const client = Client.fromConnectionString(`HostName=localhost;DeviceId=${id};x509=true`, Mqtt);
  await client.setOptions({ ...secrets, ca });
  await client.open();
  return client;
}

function send(client, _id, body) {
  const message = new Message(body);
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  return client.sendEvent(message);
}

run(connect, send);
