#!/usr/bin/env bash
# A device without an SDK: curl registers it with DPS over HTTPS, and mosquitto's clients connect to its hub.
#
#   device.sh READY.json CHAIN.pem KEY.pem REGISTRATION_ID
set -euo pipefail
ready=$1 chain=$2 key=$3 id=$4

field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$ready" "$1"; }
port() { field "$1" | sed 's/.*://'; }
ca=$(field ca) hub=$(field hostname) scope=$(field id_scope)
work=$(mktemp -d)
listener=
cleanup() {
    [ -z "$listener" ] || kill "$listener" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

failed=0
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok plain: $what"
    else
        failed=1
        echo "FAILED plain: $what: $(cat "$work/output")"
    fi
}

# DPS, as in "How to use X.509 certificates over HTTPS without an SDK".
dps() {
    local path=$1
    shift
    curl --silent --show-error --noproxy '*' --max-time 20 --cacert "$ca" --cert "$chain" --key "$key" \
        "$@" "https://localhost:$(port ws)/$scope/registrations/$id$path?api-version=2019-03-31"
}

register() {
    dps /register --request PUT --header 'Content-Type: application/json' --header 'Content-Encoding: utf-8' \
        --data "{\"registrationId\": \"$id\"}" >"$work/operation"
    local operation deadline=$((SECONDS + 30))
    operation=$(sed -n 's/.*"operationId":"\([^"]*\)".*/\1/p' "$work/operation")
    [ -n "$operation" ] || { cat "$work/operation"; return 1; }
    # As often as DPS allows: five times in ten seconds.
    until dps "/operations/$operation" | tee "$work/state" | grep -q '"status":"assigned"'; do
        [ "$SECONDS" -lt "$deadline" ] || { cat "$work/state"; return 1; }
        sleep 2
    done
}

# The hub, as in "Use MQTT to establish communication between an IoT device and IoT Central" and in IoTMQTTSample.
mqtt() {
    local client=$1 user=$2
    shift 2
    timeout 30 "$client" -h localhost -p "$(port mqtt)" --cafile "$ca" --cert "$chain" --key "$key" -i "$id" -u "$user" "$@"
}

publish() { mqtt mosquitto_pub "$1" -V mqttv311 -q 1 -t "devices/$id/messages/events/" -m '{"temperature": 21.5}'; }

# Subscribes to everything that the device may receive, and reads one message.
hear() {
    mqtt mosquitto_sub "$hub/$id/?api-version=2021-04-12" -V mqttv311 -q 1 -t '#' -C 1 >"$work/heard" &
    listener=$!
    PYTHONPATH=interop/python python3 - "$ready" "$id" <<'SEND'
import sys
from emulator import Emulator
emulator = Emulator(sys.argv[1])
emulator.wait(sys.argv[2], "the device listens", lambda seen: seen["connected"])
emulator.send(sys.argv[2], "hello", {})
SEND
    wait "$listener"
    listener=
    [ "$(cat "$work/heard")" = hello ] || { cat "$work/heard"; return 1; }
}

# A hub does not support MQTT 5, and the client gets the code for that.
refused() {
    if mqtt mosquitto_pub "$hub/$id/?api-version=2021-04-12" -V mqttv5 -q 1 -t "devices/$id/messages/events/" -m '{}' >"$work/refused" 2>&1; then
        echo "it was accepted"
        return 1
    fi
    cat "$work/refused"
    grep -qi 'protocol' "$work/refused"
}

check "X.509 registration through DPS over HTTPS, with curl" register
check "telemetry is acknowledged" publish "$hub/$id/?api-version=2021-04-12"
check "user name without api-version" publish "$hub/$id"
check "subscription to # gets cloud-to-device messages" hear
check "MQTT 5 is refused in words" refused
exit "$failed"
