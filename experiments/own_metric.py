"""A quality of data, a device cost and a law of network states of one's own; everything else follows."""

import dataclasses

import jaxcontract as jc
from jaxcontract.cli.script import begin

if __name__ == "__main__":
    begin("own_metric.py", __doc__)  # --help at once, without JAX; Ctrl-C in one line

import jax


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Accuracy(jc.System):  # rises with fresh data and levels off; power grows with the square of f
    speed: float = 4.0

    def quality(self, state, frequency):
        return state.max_aoi * (1.0 - jax.numpy.exp(-self.speed * frequency))

    def effort(self, frequency):
        return 20.0 * frequency**2


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Rural(jc.NetworkDistribution):  # four in five devices are of the dearer type, and the fifth may be
    def sample(self, key, num_rounds=None):
        states = jc.sample_network(key, jc.NetworkDistribution(), num_rounds)
        return dataclasses.replace(states, type_probs=(0.2 * states.type_probs).at[..., 0].add(0.8))


if __name__ == "__main__":
    env, params = jc.ContractEnv(), jc.EnvParams(system=Accuracy(unit_profit=10.0), distribution=Rural())
    train = jax.jit(jc.train, static_argnames="env")
    learner, _ = train(jax.random.key(0), env, params, jc.PPOConfig(num_updates=300))
    report = jc.evaluate(learner.policy, env, params)
    print(f"U_B* {report.optimum:.3f}: feasible {report.feasible:.4f}, mean regret {report.regret:.4f}")
