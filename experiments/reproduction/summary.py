"""`summary.md`: every claim with its verdict and its numbers, and what cannot be reproduced."""

from collections.abc import Mapping

from reproduction.item import Item

NOT_REPRODUCIBLE = """\
## What cannot be reproduced

The paper prints no number for any of its figures, so shapes and orders can be compared, values cannot. It
leaves out more than ten settings: rounds per episode Z, episodes E, passes X, the clip range ε, the loss
coefficient c, the sizes, activations and initialisation of the networks, the optimiser, how actions are
bounded, how observations are scaled, the states and the number of them behind "test reward", whether it is
of the mode or of samples, which seeds are shown, the Dirichlet's concentration, the units of Ā_max and D̄_max;
for Fig. 3 the grid of α, whether each α is trained anew, and over what the utilities are averaged. What was
taken instead stands in experiments/README.md; no public code of the paper was found.
"""


def summary(items: Mapping[str, Item], titles: Mapping[str, str], made_by: str) -> str:
    """The Markdown text.

    items, titles: by the name of the study
    made_by: a line that says how, when and on what the numbers were made
    """
    parts = ["# The paper, reproduced", "", made_by, "", "## Claims", ""]
    for verdict in ("does not hold", "holds in part", "holds"):
        for item in items.values():
            parts += [
                f"- **{claim.text}** *{verdict.capitalize()}.* {claim.evidence}"
                for claim in item.claims
                if claim.verdict == verdict
            ]
    parts += ["", NOT_REPRODUCIBLE]
    for name, item in items.items():
        parts += [f"## {titles[name]}", ""]
        parts += [f"![{titles[name]}]({figure}.png)" for figure in item.figures]
        parts += ["", "Numbers: " + ", ".join(f"`{table}.csv`" for table in item.tables) + ".", ""]
        for note in item.notes:
            parts += [note, ""]
    return "\n".join(parts).rstrip() + "\n"
