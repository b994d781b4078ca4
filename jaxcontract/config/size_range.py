"""A number of types as a person writes it: `8`, or `2-64` for one that is drawn for each network. No JAX."""


def read_sizes(text: str) -> int | tuple[int, int]:
    """`8` → 8, `2-64` → (2, 64).

    Raises:
        ValueError: one line with the text and what is allowed.
    """
    parts = text.strip().split("-") if text.strip()[:1].isdigit() else [text]
    try:
        ends = tuple(map(int, parts))
    except ValueError:
        ends = ()
    if len(ends) == 1:
        return ends[0]
    if len(ends) == 2 and 1 <= ends[0] <= ends[1]:
        return ends
    raise ValueError(f"{text!r}: must be a whole number, or two such as 2-64, the lower first")
