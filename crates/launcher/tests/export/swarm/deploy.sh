#!/bin/sh
# Puts this fleet into a Docker Swarm: 20001 devices in 2 shards. For a manager of the swarm.
set -eu
cd "$(dirname "$0")"
run=20261127T055202000

if docker service inspect fleet-sim >/dev/null 2>&1; then
    echo 'error: there is a service fleet-sim already' >&2
    echo 'hint: the remove.sh beside its deploy.sh removes it' >&2
    exit 1
fi
if ! docker secret inspect fleet-api-token >/dev/null 2>&1; then
    echo 'error: there is no secret fleet-api-token; the collector asks the application how many messages arrived' >&2
    echo 'hint: docker secret create fleet-api-token FILE, with the API token in FILE' >&2
    exit 1
fi

# The services reach each other by their names on this network.
docker network inspect fleet >/dev/null 2>&1 ||
    docker network create --driver overlay --attachable fleet >/dev/null

# The same in every container.
for file in plan.json fleet.toml target-ca.pem start.sh; do
    docker config create --label "fleet.run=$run" "fleet-$run-$file" "config/$file" >/dev/null
done

# The collector, on a manager.
for file in ca.crt collector.crt collector.key; do
    docker secret create --label "fleet.run=$run" "fleet-$run-$file" "collector/$file" >/dev/null
done
docker stack deploy --with-registry-auth --compose-file stack.yaml fleet

# The keys of each shard, a secret each. A task gets all of them, but readable for root only, which no process in it is;
# it can read the one that Swarm makes of shard.tmpl for each task: the keys of its own shard.
set -- --secret "source=fleet-$run-shard,target=shard,uid=10001,gid=10001,mode=0400"
shard=0
while [ "$shard" -lt 2 ]; do
    tar -C "shards/$shard" -c authorities certificates collector |
        docker secret create --label "fleet.run=$run" "fleet-$run-shard-$shard" - >/dev/null
    set -- "$@" --secret "source=fleet-$run-shard-$shard,target=shard-$shard,uid=0,gid=0,mode=0400"
    shard=$((shard + 1))
done
docker secret create --label "fleet.run=$run" --template-driver golang "fleet-$run-shard" shard.tmpl >/dev/null

# A task for each shard, all at once. One that fails is started again, twice at most. A node that is down keeps its
# tasks until it is removed from the swarm: `docker node rm --force NODE`, once its machine is off for certain.
docker service create --detach --name fleet-sim --label "fleet.run=$run" \
    --mode replicated-job --replicas 2 \
    --env 'FLEET_SLOT={{.Task.Slot}}' \
    --restart-condition on-failure --restart-max-attempts 2 \
    --stop-grace-period 90s \
    --reserve-cpu 0.210 --reserve-memory 163m --limit-memory 390m \
    --user 10001:10001 --read-only --cap-drop ALL \
    --network fleet --endpoint-mode dnsrr --with-registry-auth \
    --config "source=fleet-$run-plan.json,target=/etc/fleet/plan.json,mode=0444" \
    --config "source=fleet-$run-fleet.toml,target=/etc/fleet/fleet.toml,mode=0444" \
    --config "source=fleet-$run-target-ca.pem,target=/etc/fleet/target-ca.pem,mode=0444" \
    --config "source=fleet-$run-start.sh,target=/etc/fleet/start.sh,mode=0444" \
    --mount type=volume,target=/var/lib/fleet/certs \
    --mount type=volume,target=/var/lib/fleet/work \
    --mount type=tmpfs,target=/etc/fleet-authorities,tmpfs-mode=1777 \
    --mount type=tmpfs,target=/etc/fleet-certificates,tmpfs-mode=1777 \
    --mount type=tmpfs,target=/etc/fleet-collector,tmpfs-mode=1777 \
    --entrypoint sh "$@" registry.example/fleet:1.0 /etc/fleet/start.sh
