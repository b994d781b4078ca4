"""The games that a command line knows: `--game`. A new one is a file and a line here. No JAX."""

from jaxcontract.core.registry import Registry

GAMES = Registry(
    "game",
    "jaxcontract.games",
    {
        "contract": "jaxcontract.envs.config:ContractGame",
        "participation": "jaxcontract.envs.competition_config:ParticipationGame",
        "competition": "jaxcontract.envs.competition_config:CompetitionGame",
        "capacity": "jaxcontract.envs.capacity_config:CapacityGame",
        "enrolment": "jaxcontract.envs.enrolment_config:EnrolmentGame",
        "budget": "jaxcontract.envs.budget_config:BudgetGame",
        "enrolment_budget": "jaxcontract.envs.enrolment_budget_config:EnrolmentBudgetGame",
    },
)
