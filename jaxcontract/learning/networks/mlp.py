"""A multilayer perceptron. No JAX until its weights are drawn: NumPy can apply it too."""

import dataclasses
from typing import Any

from jaxcontract.core.fields import Record, documented, sizes


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class MLP(Record):
    """Dense layers with tanh between them; the last one starts near zero. A `Network`.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    hidden_sizes: tuple[int, ...] = sizes((64, 64), "units of each hidden layer, actor and critic", low=1)

    @property
    def width(self) -> int:
        """Units of the widest hidden layer: a learner's step is smaller in a wide network."""
        return max(self.hidden_sizes)

    def init(self, key: Any, num_inputs: int, num_outputs: int) -> Any:
        """Fresh weights, in flax's form. The key is consumed."""
        from jaxcontract.learning.networks.dense import DenseLayers

        return DenseLayers((num_inputs, *self.hidden_sizes, num_outputs)).init(key)

    def apply(self, weights: Any, inputs: Any) -> Any:
        """The output [O, ...] for inputs [I, ...]: arrays of JAX or of NumPy."""
        tanh = inputs.__array_namespace__().tanh
        count = len(self.hidden_sizes)
        hidden = inputs
        for index in range(count):
            hidden = tanh(apply_layer(weights["params"][f"Dense_{index}"], hidden))
        return apply_layer(weights["params"][f"Dense_{count}"], hidden)


def apply_layer(layer: Any, inputs: Any) -> Any:
    """[I, ...] → [O, ...] by a kernel [I, O] and a bias [O]."""
    product = inputs.__array_namespace__().tensordot(layer["kernel"], inputs, axes=(0, 0))
    return product + layer["bias"].reshape((-1,) + (1,) * (product.ndim - 1))
