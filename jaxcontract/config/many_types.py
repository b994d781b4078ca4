"""What a training begins with in place of its preset's values where there are many types. No JAX."""

from jaxcontract.config.setting import Setting
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.networks.deep_sets import DeepSets
from jaxcontract.learning.networks.mlp import MLP

# At K = 8 and 32 a perceptron ends at a gap three times that of weights shared over types; at K = 2
# it ends at 0.2 %, in a fraction of the time.
MANY_TYPES = 3
PLAYED_SO = ("default", "stress")  # presets; the others are trainings as they are printed or tuned
# Above so many types PPO tries more actions in fewer states: as good at K = 100, in half the time.
LARGE, LARGE_GROUP = 64, 16
GRADIENT_BEGINS = {"num_updates": 1200, "num_envs": 128}
VARIED_BEGINS = {"num_updates": 4000, "num_envs": 256}  # of the gradient where K is drawn anew
MEANING = (
    f"from {MANY_TYPES} types on, {' and '.join(PLAYED_SO)} begin with --network deep_sets; with it "
    f"ppo begins with --group-size {LARGE_GROUP} above {LARGE} types, "
    "gradient with --num-updates 1200 --num-envs 128, or 4000 and 256 where the number of types is a range"
)


def begin_with_types(
    preset: str, setting: Setting, num_types: int | None, *, stays: bool = False, varied: bool = False
) -> Setting:
    """The setting that a training begins with at K = num_types; `stays` and `varied` as below."""
    return suit_learner(preset, share_weights(preset, setting, num_types, stays), num_types, varied)


def share_weights(preset: str, setting: Setting, num_types: int | None, stays: bool) -> Setting:
    """The setting with a network whose weights all types share, where these are many.

    num_types: the greatest K, where it is not the preset's
    stays:     whether the network was chosen otherwise
    """
    played_so = preset in PLAYED_SO and setting.game.has_items and type(setting.algorithm.network) is MLP
    if stays or not played_so or (num_types or 0) < MANY_TYPES:
        return setting
    return setting.with_parts({"network": DeepSets()})


def suit_learner(preset: str, setting: Setting, num_types: int | None, varied: bool = False) -> Setting:
    """The setting with the learner's numbers that go with shared weights, where it has these.

    varied: whether networks have various numbers of types
    """
    algorithm, shares = setting.algorithm, type(setting.algorithm.network) is DeepSets
    if preset not in PLAYED_SO or not shares:
        return setting
    begins: dict[str, int] = {}
    if type(algorithm) is GradientConfig:
        begins = VARIED_BEGINS if varied else GRADIENT_BEGINS
    elif type(algorithm) is PPOConfig and algorithm.group_size > 1 and (num_types or 0) > LARGE:
        begins = {"group_size": LARGE_GROUP}
    return setting.with_parts({"algorithm": algorithm.replace(**begins)})
