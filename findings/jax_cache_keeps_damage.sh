#!/usr/bin/env bash
# Seen in jax 0.10.2 on a CPU.
#
# One would guess: an entry of the persistent compilation cache that cannot be read is compiled again and replaced.
# What happens: it is compiled again at every start and never replaced, for an entry is not written where a file of its
#   name is. Each start warns that the entry cannot be read.
# Why it matters: entries are written in place, so one process that is killed while writing makes every later start as
#   slow as without a cache. Deleting the directory mends it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat >"$work/run.py" <<'PY'
import sys

import jax
import jax.numpy as jnp

jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
print(float(jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((3, 3)))[0, 0]))
PY
export JAX_PLATFORMS=cpu
start() { "$work/venv/bin/python" "$work/run.py" "$work/cache" 2>&1; }
start
truncate -s 100 "$work"/cache/*-cache
for number in 1 2; do
  start | tee "$work/said" | grep -o "Error reading.*" | cut -c1-90 | sort -u
  grep -q "Error reading persistent compilation cache entry" "$work/said" || { echo "no longer warns"; exit 1; }
done
for entry in "$work"/cache/*-cache; do
  [ "$(stat -c %s "$entry")" = 100 ] || { echo "the entry has been replaced"; exit 1; }
done
echo "jax 0.10.2: after two more starts every entry still has the 100 bytes that were left of it"
