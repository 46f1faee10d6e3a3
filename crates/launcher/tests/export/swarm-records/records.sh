#!/bin/sh
# What the tasks of fleet-sim have written to stdout, but those that were replaced:
#
#   sh records.sh | fleet report merge - --report report
#
# Task by task, since `docker service logs fleet-sim` does not end once a node that had a task is gone.
set -eu
for task in $(docker service ps --quiet --filter desired-state=complete fleet-sim); do
    docker service logs --raw "$task"
done
