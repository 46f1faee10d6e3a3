// A temperature controller with two thermostats that makes the calls of Microsoft's sample for Node, changed to X.509 as in the how-to, in their order.
//
//   controller.js        the settings are the how-to's environment variables, IOTHUB_DEVICE_…
//
// It prints `running` when it listens and has sent its first telemetry, and ends at a line `Q` on stdin, or when stdin ends.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt: ProvisioningMqtt } = require('azure-iot-provisioning-device-mqtt');
const { X509Security } = require('azure-iot-security-x509');

const MODEL = { modelId: 'dtmi:com:example:TemperatureController;2' };
const COMPONENTS = ['thermostat1', 'thermostat2', 'deviceInformation'];
const { env } = process;

/** An error that the SDK reports only to a callback ends this program, too. */
function fail(error) {
  console.error(error);
  process.exit(1);
}

function report(twin, patch) {
  return new Promise((resolve, reject) => {
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
  });
}

async function send(client, telemetry, component) {
  const message = new Message(JSON.stringify(telemetry));
  if (component) message.properties.add('$.sub', component);
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  await client.sendEvent(message);
}

function answerProperties(twin) {
  twin.on('properties.desired', (delta) => {
    const answer = (value) => ({ value, ac: 200, ad: 'Successfully executed patch', av: delta.$version });
    for (const [key, value] of Object.entries(delta)) {
      if (COMPONENTS.includes(key)) {
        const properties = Object.entries(value).filter(([name]) => name !== '__t' && name !== '$version');
        // As in the sample: the answer is not marked as a component's, and only its name shows it.
        report(twin, { [key]: Object.fromEntries(properties.map(([name, wanted]) => [name, answer(wanted)])) }).catch(fail);
      } else if (key !== '$version') {
        report(twin, { [key]: answer(value) }).catch(fail);
      }
    }
  });
}

async function main() {
  const x509 = {
    cert: fs.readFileSync(env.IOTHUB_DEVICE_X509_CERT, 'utf8'),
    key: fs.readFileSync(env.IOTHUB_DEVICE_X509_KEY, 'utf8'),
  };
  const provisioning = ProvisioningDeviceClient.create(
    env.IOTHUB_DEVICE_DPS_ENDPOINT,
    env.IOTHUB_DEVICE_DPS_ID_SCOPE,
    new ProvisioningMqtt(),
    new X509Security(env.IOTHUB_DEVICE_DPS_DEVICE_ID, x509),
  );
  provisioning.setProvisioningPayload(MODEL);
  const { assignedHub, deviceId } = await provisioning.register();

  const client = Client.fromConnectionString(`HostName=${assignedHub};DeviceId=${deviceId};x509=true`, Mqtt);
  await client.setOptions(MODEL);
  await client.setOptions(x509);
  await client.open();

  const since = (payload, of) => ({ maxTemp: of, minTemp: of, avgTemp: of, startTime: payload, endTime: payload });
  const commands = {
    'thermostat1*getMaxMinReport': (payload) => since(payload, 31.5),
    'thermostat2*getMaxMinReport': (payload) => since(payload, 32.5),
    reboot: (payload) => ({ result: true, data: `executed reboot after ${payload}` }),
  };
  for (const [name, respond] of Object.entries(commands)) {
    client.onDeviceMethod(name, (request, response) => {
      response.send(200, respond(request.payload)).catch(fail);
    });
  }
  const telemetry = [
    send(client, { temperature: 21.5 }, 'thermostat1'),
    send(client, { temperature: 22.5 }, 'thermostat2'),
    send(client, { workingSet: 64 }),
  ];

  const twin = await client.getTwin();
  const reports = [
    report(twin, { serialNumber: 'interop-node' }),
    report(twin, { thermostat1: { maxTempSinceLastReboot: 98.34, __t: 'c' } }),
    report(twin, { thermostat2: { maxTempSinceLastReboot: 48.92, __t: 'c' } }),
    report(twin, { deviceInformation: { manufacturer: 'Interop', swVersion: '5.5', totalStorage: 1024, totalMemory: 32, __t: 'c' } }),
  ];
  answerProperties(twin);
  await Promise.all([...telemetry, ...reports]);
  console.log('running');

  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (['q', 'Q'].includes(line.trim())) break;
  }
  await client.close();
}

main().then(() => process.exit(0), fail);
