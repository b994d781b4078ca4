#!/usr/bin/env bash
# Seen in jax 0.10.2 on a CPU.
#
# One would guess: jax.random.key(0) fixes what is drawn; JAX_ENABLE_X64 asks for more digits of the same numbers.
# What happens: each of JAX_ENABLE_X64, JAX_DEFAULT_PRNG_IMPL and JAX_THREEFRY_PARTITIONABLE in the environment gives
#   other numbers from the same key, without a word.
# Why it matters: a test set "of seed 0" is another one in another shell. What must stay the same pins all three: the
#   dtype of each draw, `jax.random.key(0, impl="threefry2x32")` and `with jax.threefry_partitionable(True)`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat >"$work/draw.py" <<'PY'
import jax

keys = jax.random.split(jax.random.key(0), 2)
print(" ".join(f"{float(value):.5f}" for value in jax.vmap(lambda key: jax.random.uniform(key, (2,)))(keys).ravel()))
PY
export JAX_PLATFORMS=cpu
draw() { env "$@" "$work/venv/bin/python" "$work/draw.py"; }
plain=$(draw JAX_ENABLE_X64=0)
echo "key(0), jax 0.10.2:            $plain"
for setting in JAX_ENABLE_X64=1 JAX_DEFAULT_PRNG_IMPL=rbg JAX_THREEFRY_PARTITIONABLE=0; do
  found=$(draw "$setting")
  echo "with $setting: $found"
  [ "$found" != "$plain" ] || { echo "$setting no longer changes what is drawn"; exit 1; }
done
