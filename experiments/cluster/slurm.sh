#!/bin/bash
# One training on several tasks of a Slurm job:
#   sbatch experiments/cluster/slurm.sh --seeds 4096 --out runs/many
# What stands after the script goes to `jaxcontract train`; --out must be given, on a disk that task 0 sees.
#SBATCH --job-name=jaxcontract
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
# On GPUs, one task for each: --gpus-per-task=1 and as many --ntasks-per-node as a node has.
set -u

case " $* " in
  *" --out "* | *" --out="* | *" --resume "* | *" --resume="*) ;;
  *)
    echo "slurm.sh: give --out DIR, so that a job that is started again goes on there" >&2
    exit 2
    ;;
esac

# Which task is which, and where they meet, JAX finds by itself. When one is gone, the others end by themselves.
srun --kill-on-bad-exit=0 jaxcontract train --cluster "$@"
code=$?

# 75: a task is gone, or did not come, and 137: Slurm saw it killed. The same command goes on.
if { [ "$code" -eq 75 ] || [ "$code" -eq 137 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt "${MOST_RESTARTS:-5}" ]; then
  scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
exit "$code"
