"""A network of its own: a polynomial of the inputs, in the array API, so that NumPy runs it as it is."""

import dataclasses

import jax

from jaxcontract.core.fields import Record, whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polynomial(Record):
    """Σ_d C_d x^d + c, elementwise powers of the inputs."""

    degree: int = whole(3, "the highest power of an input", low=1, high=9)

    def init(self, key, num_inputs, num_outputs):
        keys = jax.random.split(key, self.degree)
        powers = {
            str(power): 0.1 * jax.random.normal(keys[power - 1], (num_outputs, num_inputs))
            for power in range(1, self.degree + 1)
        }
        return {"powers": powers, "constant": jax.numpy.zeros((num_outputs, 1))}

    def apply(self, weights, inputs):
        xp = inputs.__array_namespace__()
        columns = xp.reshape(inputs, (inputs.shape[0], -1))
        output = weights["constant"]
        for power in range(1, self.degree + 1):
            output = output + weights["powers"][str(power)] @ columns**power
        return xp.reshape(output, (output.shape[0], *inputs.shape[1:]))
