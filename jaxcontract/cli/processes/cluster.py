"""What a cluster says of a process, as far as it must be known before JAX asks it. No JAX."""

import importlib.util
import socket
from collections.abc import Mapping, MutableMapping

FIRST_PORT, NUM_PORTS = 61440, 4096  # where JAX looks for one too
OMPI_SIZE, OMPI_URI = "OMPI_COMM_WORLD_SIZE", "OMPI_MCA_orte_hnp_uri"
NOTHING = (
    "--cluster: neither Slurm's srun, nor Open MPI's mpirun, nor Kubernetes is to be seen here; give "
    "--coordinator, --processes and --process-id"
)


def is_several(environment: Mapping[str, str]) -> bool:
    """Whether a cluster has started several processes. Raises ValueError where it does not say."""
    if "SLURM_JOB_ID" in environment:
        if not {"SLURM_STEP_ID", "SLURM_STEPID"} & environment.keys():
            raise ValueError("--cluster: this Slurm job has no step here; start the command by srun")
        tasks = environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS", "1")
        return int(tasks) > 1
    if OMPI_SIZE in environment:
        if int(environment[OMPI_SIZE]) > 1 and OMPI_URI not in environment:
            raise ValueError(
                "--cluster: Open MPI 5 does not say where its processes meet; give --coordinator HOST:PORT "
                "--processes $OMPI_COMM_WORLD_SIZE --process-id $OMPI_COMM_WORLD_RANK"
            )
        return int(environment[OMPI_SIZE]) > 1
    if "KUBERNETES_SERVICE_HOST" in environment:
        if importlib.util.find_spec("kubernetes") is None:
            raise ValueError(
                "--cluster: Kubernetes is asked by its package: pip install kubernetes; or give "
                "--coordinator, --processes and --process-id"
            )
        return True
    raise ValueError(NOTHING)


def prepare(environment: MutableMapping[str, str]) -> str:
    """Settle, for JAX to read, the port of a Slurm step and where process 0 listens: the port, or "".

    Two steps of one job would have the same port otherwise, and process 0 listens on every network.
    """
    if "SLURM_JOB_ID" not in environment:
        return ""
    step = environment.get("SLURM_STEP_ID") or environment.get("SLURM_STEPID", "0")
    own = FIRST_PORT + (int(environment["SLURM_JOB_ID"]) + 97 * int(step)) % NUM_PORTS
    port = environment.setdefault("JAX_COORDINATOR_PORT", str(own))
    node = environment.get("SLURMD_NODENAME", "")
    if node and not _means_itself(node):
        environment.setdefault("JAX_COORDINATOR_BIND_ADDRESS", f"{node}:{port}")
    return port


def leads(environment: Mapping[str, str]) -> bool:
    """Whether this is process 0 of a Slurm step."""
    return environment.get("SLURM_PROCID") == "0"


def _means_itself(node: str) -> bool:
    """Whether a machine knows its own name as that of the loopback, where no other can reach it."""
    try:
        return socket.gethostbyname(node).startswith("127.")
    except OSError:
        return True
