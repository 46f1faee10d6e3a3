#!/bin/sh
# Takes the fleet out of the swarm, with its keys. Devices that are online drain and disconnect.
# The network fleet stays.
set -eu
run=20261127T055202000
docker service ls --quiet --filter "label=fleet.run=$run" | xargs -r docker service rm
docker secret ls --quiet --filter "label=fleet.run=$run" | xargs -r docker secret rm
docker config ls --quiet --filter "label=fleet.run=$run" | xargs -r docker config rm
