"""Sends what `az iot central` sends, with the same library and the same settings, where the extension itself is not available.

    az.py iot central GROUP COMMAND [OPTION]...

Paths, versions, bodies and what counts as success are those of the extension azure-iot, version 0.25.0.
"""

import argparse
import json
import sys
import uuid

import requests

STABLE, PREVIEW = "2022-07-31", "2022-06-30-preview"
EDGE_ONLY = "type eq 'GatewayDevice' or type eq 'EdgeDevice'"


class Application:
    def __init__(self, options):
        self._base = f"https://{options.app_id}.{options.central_dns_suffix}"
        self._token = options.token

    def call(self, method, path, version=None, query=None, **body):
        url = path if path.startswith("https:") else f"{self._base}/{path}"
        headers = {
            "Authorization": self._token,
            "User-Agent": "IoTPlatformCliExtension/0.25.0",
            "x-ms-client-request-id": str(uuid.uuid1()),
        }
        params = {**({"api-version": version} if version else {}), **(query or {})}
        answer = requests.request(method, url, headers=headers, params=params, timeout=20, **body)
        if answer.status_code in (201, 204):
            return {"result": "success"}
        found = answer.json()
        if "error" in found:
            sys.exit(f"{method} {path}: {answer.status_code} {found['error']}")
        return found

    def all(self, path, version, query=None):
        page = self.call("GET", path, version, query)
        things = page["value"]
        while page.get("nextLink"):
            page = self.call("GET", page["nextLink"])
            things.extend(page["value"])
        return things


def show(app, options):
    return app.call("GET", f"api/devices/{options.device_id}", STABLE)


def devices(app, options):
    return app.all("api/devices", PREVIEW, {"$filter": EDGE_ONLY} if options.edge_only else None)


def templates(app, _options):
    return app.all("api/deviceTemplates", PREVIEW)


def create_template(app, options):
    with open(options.content, encoding="utf-8") as file:
        content = json.load(file)
    return app.call("PUT", f"api/deviceTemplates/{options.device_template_id}", PREVIEW, json=content)


def roles(app, _options):
    return app.all("api/roles", STABLE)


def fail_over(app, options):
    return app.call("POST", f"system/iothub/devices/{options.device_id}/manual-failover", json={})


def fail_back(app, options):
    return app.call("POST", f"system/iothub/devices/{options.device_id}/manual-failback")


def purge(app, options):
    return app.call("DELETE", f"system/iothub/devices/{options.device_id}/c2d")


COMMANDS = {
    ("device", "show"): show,
    ("device", "list"): devices,
    ("device", "manual-failover"): fail_over,
    ("device", "manual-failback"): fail_back,
    ("device c2d-message", "purge"): purge,
    ("device-template", "list"): templates,
    ("device-template", "create"): create_template,
    ("role", "list"): roles,
}


def main(iot, central, *words):
    assert (iot, central) == ("iot", "central")
    first = next(at for at, word in enumerate(words) if word.startswith("-"))
    group, command, arguments = " ".join(words[: first - 1]), words[first - 1], words[first:]
    parser = argparse.ArgumentParser(prog=f"az iot central {group} {command}", allow_abbrev=False)
    for option in ("--app-id", "--central-dns-suffix", "--token"):
        parser.add_argument(option, required=True)
    for option in ("--device-id", "--device-template-id", "--content"):
        parser.add_argument(option)
    parser.add_argument("--edge-only", action="store_true")
    options = parser.parse_args(arguments)
    print(json.dumps(COMMANDS[group, command](Application(options), options)))


if __name__ == "__main__":
    main(*sys.argv[1:])
