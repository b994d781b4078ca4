#!/usr/bin/env bash
# Seen in jax 0.10.2 and 0.12.0.1 (jaxlib the same), float32 on a CPU. The second needs Python 3.12.
#
# One would guess: the derivative of a quotient n/w by w is finite wherever n/w² is a float32, and 0 where n is 0.
# What happens: jax.grad multiplies n by the inverse of w², which overflows from w = 5e-20 down. So the slope of
#   1e-21/w at w = 5e-21 is -inf, not -4e19, and that of 0/w is NaN, not 0. Dividing twice has both right.
# Why it matters: means by weight (shares of a mixture, of device types, of visits) have weights as small as that.
#   The value is right, and the gradient of everything before it is NaN (`_ratio` in
#   jaxcontract/mechanism/ironing.py divides twice).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.py" <<'PY'
import jax
import jax.numpy as jnp

slope = jax.grad(lambda w, n: n / w)
found = [float(slope(jnp.float32(5e-21), jnp.float32(n))) for n in (1e-21, 0.0)]
print(f"jax {jax.__version__}: d(1e-21/w)/dw = {found[0]}, d(0/w)/dw = {found[1]} at w = 5e-21")
assert found[0] == -float("inf") and found[1] != found[1], "no longer so"
PY
for version in 0.10.2 0.12.0.1; do
  python3 -c "import sys; sys.exit('$version' > '0.11' and sys.version_info < (3, 12))" || continue
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet "jax==$version" "jaxlib==$version"
  JAX_PLATFORMS=cpu "$work/$version/bin/python" "$work/run.py"
done
