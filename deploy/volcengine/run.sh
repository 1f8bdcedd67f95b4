#!/bin/sh
# What veFaaS starts: the command of a function with the runtime native/v1, beside the program in the zip that `make dist` leaves.
cd "$(dirname "$0")" && exec ./mdss-relay-volcengine-faas
