"""Derivatives without calculus."""


def central_difference(function, point, width, direction=1.0):
    """(g(x + h d) − g(x − h d)) / 2h: the slope of g at x along d."""
    step = width * direction
    return (function(point + step) - function(point - step)) / (2 * width)
