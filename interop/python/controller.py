"""A temperature controller with two thermostats that makes the calls of Microsoft's sample for Python, changed to X.509 as in the how-to, in their order.

    controller.py        the settings are the how-to's environment variables, IOTHUB_DEVICE_…

It prints `running` when it listens and has sent its first telemetry, and ends at a line `Q` on stdin, or when stdin ends.
"""

import asyncio
import contextlib
import json
import os
import sys

from azure.iot.device import X509, Message, MethodResponse
from azure.iot.device.aio import IoTHubDeviceClient, ProvisioningDeviceClient

MODEL = "dtmi:com:example:TemperatureController;2"


def component(name, **properties):
    return {name: {"__t": "c", **properties}}


async def answer_commands(client, name, respond):
    while True:
        request = await client.receive_method_request(name)
        await client.send_method_response(MethodResponse.create_from_method_request(request, 200, respond(request.payload)))


async def answer_properties(client):
    while True:
        patch = await client.receive_twin_desired_properties_patch()
        # As in the sample: the first member is taken for the component. So the order in which the hub writes matters here.
        name = list(patch.keys())[0]
        values = {
            key: {"ac": 200, "ad": "Successfully executed patch", "av": patch["$version"], "value": value}
            for key, value in patch[name].items()
            if key not in ("__t", "$version")
        }
        await client.patch_twin_reported_properties({name: {**values, "__t": patch[name]["__t"]}})


async def send(client, telemetry, component_name=None):
    message = Message(json.dumps(telemetry))
    message.content_encoding = "utf-8"
    message.content_type = "application/json"
    if component_name:
        message.custom_properties["$.sub"] = component_name
    await client.send_message(message)


def wait_for_the_end():
    for line in sys.stdin:
        if line.strip() in ("q", "Q"):
            return


async def main():
    x509 = X509(cert_file=os.getenv("IOTHUB_DEVICE_X509_CERT"), key_file=os.getenv("IOTHUB_DEVICE_X509_KEY"))
    provisioning = ProvisioningDeviceClient.create_from_x509_certificate(
        provisioning_host=os.getenv("IOTHUB_DEVICE_DPS_ENDPOINT"),
        registration_id=os.getenv("IOTHUB_DEVICE_DPS_DEVICE_ID"),
        id_scope=os.getenv("IOTHUB_DEVICE_DPS_ID_SCOPE"),
        x509=x509,
    )
    provisioning.provisioning_payload = {"modelId": MODEL}
    result = await provisioning.register()
    if result.status != "assigned":
        sys.exit(f"the device is {result.status}")
    client = IoTHubDeviceClient.create_from_x509_certificate(
        x509=x509,
        hostname=result.registration_state.assigned_hub,
        device_id=result.registration_state.device_id,
        product_info=MODEL,
    )
    await client.connect()

    # Four concurrent reports, each with its own answer.
    reports = asyncio.gather(
        client.patch_twin_reported_properties({"serialNumber": "interop-python"}),
        client.patch_twin_reported_properties(component("thermostat1", maxTempSinceLastReboot=98.34)),
        client.patch_twin_reported_properties(component("thermostat2", maxTempSinceLastReboot=48.92)),
        client.patch_twin_reported_properties(
            component("deviceInformation", swVersion="5.5", manufacturer="Interop", totalStorage=1024, totalMemory=32)
        ),
    )

    def report(of):
        return lambda since: {"maxTemp": of, "minTemp": of, "avgTemp": of, "startTime": since, "endTime": since}

    listeners = asyncio.gather(
        answer_commands(client, "reboot", lambda delay: {"result": True, "data": f"executed reboot after {delay}"}),
        answer_commands(client, "thermostat1*getMaxMinReport", report(31.5)),
        answer_commands(client, "thermostat2*getMaxMinReport", report(32.5)),
        answer_properties(client),
    )
    await send(client, {"temperature": 21.5}, "thermostat1")
    await send(client, {"temperature": 22.5}, "thermostat2")
    await send(client, {"workingSet": 64})
    await reports
    print("running", flush=True)

    end = asyncio.get_running_loop().run_in_executor(None, wait_for_the_end)
    # A listener ends only if something has gone wrong in it.
    await asyncio.wait([end, listeners], return_when=asyncio.FIRST_COMPLETED)
    if listeners.done():
        listeners.result()
    listeners.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listeners
    await client.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
