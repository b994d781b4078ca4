#!/usr/bin/env bash
# Seen in jax and jaxlib 0.10.2, CPU, two processes on the loopback.
#
# One would guess: two processes that compile the same program for their own one CPU share a persistent compilation
#   cache, as two programs that know nothing of each other do.
# What happens: process 0 finds what it compiled before; process 1 does not find what process 0 has compiled, and compiles
#   anew: its device has another number, and on a CPU that number is part of the key.
# Why it matters: the cache that is filled before a job on many processes saves one of them its compilation, and all wait
#   for the slowest.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.py" <<'PY'
import sys

import jax
import jax.numpy as jnp

hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))


def program(x):
    for _ in range(30):
        x = jnp.sin(x) @ x
    return x


if len(sys.argv) > 1:
    jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
jax.jit(program)(jnp.ones((40, 40))).block_until_ready()
print(sum(name == "/jax/compilation_cache/cache_hits" for name in hits) > 0)
PY
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "jax==0.10.2" "jaxlib==0.10.2"
export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$work/cache" JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
  JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
"$work/venv/bin/python" "$work/run.py" >/dev/null # fills the cache
alone=$("$work/venv/bin/python" "$work/run.py" | tail -n 1)
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
for index in 0 1; do
  "$work/venv/bin/python" "$work/run.py" "127.0.0.1:$port" "$index" >"$work/out$index" 2>/dev/null &
done
wait
echo "the program is found: alone, again $alone; in process 0 of 2 $(tail -n 1 "$work/out0"); in process 1 $(tail -n 1 "$work/out1")"
[ "$alone" = True ]
[ "$(tail -n 1 "$work/out0")" = True ] || { echo "not in process 0 either now"; exit 1; }
[ "$(tail -n 1 "$work/out1")" = False ] || { echo "found in process 1 now"; exit 1; }
