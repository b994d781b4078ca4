"""One function for every item of a list, which hears its neighbours and sums over the items.

No JAX until its weights are drawn: NumPy can apply it too.
"""

import dataclasses
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, documented, refuse, whole
from jaxcontract.core.item_layout import ItemLayout
from jaxcontract.learning.networks.mlp import apply_layer

SMALLEST = 1e-3  # of the mean weight: what is added before its logarithm


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepSets(Record):
    """Weights shared by all items of an ordered list. A `Network` that needs an `ItemLayout`.

    Each item enters with its features, its distances to its neighbours, its weight and what is known of the
    whole. In a block it hears what its neighbours say, and the weighted sums of what the items up to it and
    from it on say: an item of weight 0 is heard by its neighbours alone. The order of the items is part of
    the input: a list turned round is another list. Items at the end that repeat the one before them with a
    weight of 0 are as none: a list may be padded so, and its other outputs stay what they are.

    Outputs are a multiple of K, each of one item; or one, of the whole list.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    # `init` is to be told how the items lie, beside the numbers of inputs and outputs.
    needs_items: ClassVar[bool] = True

    item_units: int = whole(32, "units of each layer, for each item", low=1)
    message_units: int = whole(8, "numbers that an item tells each neighbour and each sum", low=1)
    blocks: int = whole(2, "times that items hear of one another", low=1)

    @property
    def width(self) -> int:
        """Units of each layer: a learner's step is smaller in a wide network."""
        return self.item_units

    def init(self, key: Any, num_inputs: int, num_outputs: int, layout: ItemLayout | None = None) -> Any:
        """Fresh weights; their shapes depend on the layout, but not on K. The key is consumed.

        Raises:
            ValueError: without a layout, or with one that the inputs or outputs are not of.
        """
        from jaxcontract.learning.networks.dense import NamedLayers

        if layout is None:
            raise ValueError("DeepSets: needs an ItemLayout, what an environment's item_layout() returns")
        num_features = layout.num_features(num_inputs)
        each, rest = divmod(num_outputs, layout.num_items)
        if rest and num_outputs != 1:
            raise refuse("DeepSets", "num_outputs", num_outputs, f"1 or a multiple of {layout.num_items}")
        described = 2 * (num_features - layout.weighted) + 5
        units, told = self.item_units, 4 * self.message_units
        # Two names say what the shapes do not.
        entry = "weighted_items" if layout.weighted else "items"
        sizes = {entry: (3 * described, units), "shared": (layout.num_shared, units)}
        for block in range(self.blocks):
            sizes[f"tell_{block}"] = (units, told)
            sizes[f"hear_{block}"] = (units + told, units)
            sizes[f"think_{block}"] = (units, units)
        last = ("whole", 1) if num_outputs == 1 else ("each", each)
        return NamedLayers((*sizes.items(), (last[0], (units, last[1])))).init(key)

    def apply(self, weights: Any, inputs: Any) -> Any:
        """The output [O, ...] for inputs [I, ...]: arrays of JAX or of NumPy."""
        layers, xp = weights["params"], inputs.__array_namespace__()
        weighted = "weighted_items" in layers
        num_shared = layers["shared"]["kernel"].shape[0]
        num_features = (layers["weighted_items" if weighted else "items"]["kernel"].shape[0] // 3 - 5) // 2
        rows = xp.reshape(inputs, (inputs.shape[0], -1))
        features = xp.reshape(rows[num_shared:], (num_features + weighted, -1, rows.shape[1]))
        # Normalized, the two bounds of a weight are −1 and 1.
        even = xp.ones_like(features[:1]) / features.shape[1]
        weight = 0.5 * (features[:1] + 1.0) if weighted else even
        there = xp.astype(find_present(features[weighted:], weight), inputs.dtype)
        items = _join_neighbours(*[_describe_items(features[weighted:], weight, there)] * 3)
        entry = apply_layer(layers["weighted_items" if weighted else "items"], items)
        hidden = there * xp.tanh(entry + apply_layer(layers["shared"], rows[:num_shared, None]))
        for block in range(self.blocks):
            heard = _exchange(there * apply_layer(layers[f"tell_{block}"], hidden), hidden, weight)
            hidden = hidden + xp.tanh(apply_layer(layers[f"hear_{block}"], heard))
            hidden = there * (hidden + xp.tanh(apply_layer(layers[f"think_{block}"], hidden)))
        if "whole" in layers:
            output = apply_layer(layers["whole"], xp.sum(weight * hidden, axis=1))
        else:
            output = there * apply_layer(layers["each"], hidden)
        return xp.reshape(output, (-1, *inputs.shape[1:]))


def find_present(features: Any, weight: Any) -> Any:
    """Which items are there, [1, K, N]: not those at the end of no weight that repeat the one before them."""
    xp = weight.__array_namespace__()
    first = xp.ones_like(weight[:, :1]) > 0
    other = xp.any(features[:, 1:] != features[:, :-1], axis=0, keepdims=True)
    taken = xp.astype((weight > 0) | xp.concat([first, other], axis=1), xp.int32)
    return xp.flip(xp.cumulative_sum(xp.flip(taken, axis=1), axis=1), axis=1) > 0


def _describe_items(features: Any, weight: Any, there: Any) -> Any:
    """What an item enters with, [2F + 5, K, N], from features [F, K, N], weight and `there` [1, K, N].

    All of it is of the size of 1 whatever K is: distances and weights get smaller as items get more.
    """
    xp = weight.__array_namespace__()
    num_items = xp.sum(there, axis=1, keepdims=True)
    nothing = xp.zeros_like(features[:, :1])
    distances = xp.concat([features[:, 1:] - features[:, :-1], nothing], axis=1)
    relative = num_items * weight
    outside = xp.zeros_like(there[:, :1])
    first = xp.concat([outside + 1.0, xp.zeros_like(there[:, 1:])], axis=1)
    last = there - xp.concat([there[:, 1:], outside], axis=1)
    many = 0.5 * xp.log(num_items) - 1.0 + xp.zeros_like(weight)
    scaled = 0.25 * (relative - 1.0), 0.5 * xp.log(relative + SMALLEST), many
    return there * xp.concat([features, 0.5 * num_items * distances, *scaled, first, last], axis=0)


def _exchange(told: Any, hidden: Any, weight: Any) -> Any:
    """What each item knows and hears, [H + 4M, K, N], when all tell [4M, K, N] and know [H, K, N]."""
    xp = told.__array_namespace__()
    size, num_items = told.shape[0] // 4, told.shape[1]
    before, behind, to_next, to_previous = (told[size * part : size * (part + 1)] for part in range(4))
    up_to = xp.tril(xp.ones((num_items, num_items), dtype=told.dtype))
    summed = weight * xp.concat([before, behind], axis=0)
    sums = xp.moveaxis(xp.tensordot(up_to, summed, axes=(1, 1)), 0, 1)
    from_it_on = sums[size:, -1:] - sums[size:] + summed[size:]
    return xp.concat([_join_neighbours(hidden, to_next, to_previous), sums[:size], from_it_on], axis=0)


def _join_neighbours(own: Any, of_previous: Any, of_next: Any) -> Any:
    """Beside what an item has, what the previous and the next one have; zeros at the ends. All [.., K, N]."""
    xp = own.__array_namespace__()
    previous = xp.concat([xp.zeros_like(of_previous[:, :1]), of_previous[:, :-1]], axis=1)
    following = xp.concat([of_next[:, 1:], xp.zeros_like(of_next[:, :1])], axis=1)
    return xp.concat([own, previous, following], axis=0)
