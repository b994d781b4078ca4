#!/usr/bin/env bash
# Seen in jax and jaxlib 0.10.2, CPU, two processes on the loopback.
#
# One would guess: what joins processes keeps its words for stderr, as all of JAX's logging does, so that a program's
#   stdout is its own.
# What happens: at the first collective Gloo, inside of jaxlib, writes "[Gloo] Rank 0 is connected to 1 peer ranks. ..."
#   to descriptor 1 of every process, past sys.stdout and whatever TF_CPP_MIN_LOG_LEVEL says.
# Why it matters: a program that prints one JSON document, or a CSV, prints none any more once it runs in two processes;
#   contextlib.redirect_stdout does not help, only the descriptor does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.py" <<'PY'
import contextlib
import io
import json
import sys

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather

address, index = sys.argv[1], int(sys.argv[2])
with contextlib.redirect_stdout(io.StringIO()):
    jax.distributed.initialize(address, num_processes=2, process_id=index)
    found = process_allgather(np.array([index]))
print(json.dumps({"found": found.ravel().tolist()}))
PY
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "jax==0.10.2" "jaxlib==0.10.2"
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export JAX_PLATFORMS=cpu TF_CPP_MIN_LOG_LEVEL=3
for index in 0 1; do
  "$work/venv/bin/python" "$work/run.py" "127.0.0.1:$port" "$index" >"$work/out$index" 2>"$work/err$index" &
done
wait
"$work/venv/bin/python" - "$work/out0" <<'PY'
import json
import sys

lines = open(sys.argv[1]).read().splitlines()
print("stdout of process 0:", *lines, sep="\n  ")
assert any(line.startswith("[Gloo]") for line in lines), "Gloo is silent on stdout now"
assert [json.loads(line) for line in lines if not line.startswith("[Gloo]")] == [{"found": [0, 1]}]
PY
