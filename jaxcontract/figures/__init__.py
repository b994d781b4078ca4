"""Arrays to matplotlib figures for reading. The same look means the same scheme in all of them."""

from jaxcontract.figures.curves import Curve as Curve
from jaxcontract.figures.curves import Panel as Panel
from jaxcontract.figures.curves import learning_comparison as learning_comparison
from jaxcontract.figures.curves import learning_curve as learning_curve
from jaxcontract.figures.curves import sensitivity as sensitivity
from jaxcontract.figures.style import COLOURS as COLOURS
from jaxcontract.figures.style import save as save
