"""Arrays to matplotlib figures for reading. The same look means the same scheme in all of them."""

from jaxcontract.figures.backend import at_defaults as at_defaults  # first: it opens matplotlib
from jaxcontract.figures.comparisons import PreferenceCurve as PreferenceCurve
from jaxcontract.figures.comparisons import SchemePanel as SchemePanel
from jaxcontract.figures.comparisons import SchemeRow as SchemeRow
from jaxcontract.figures.comparisons import Sweep as Sweep
from jaxcontract.figures.comparisons import preference as preference
from jaxcontract.figures.comparisons import schemes as schemes
from jaxcontract.figures.comparisons import sweeps as sweeps
from jaxcontract.figures.competition import EXPLOITABILITY as EXPLOITABILITY
from jaxcontract.figures.competition import exploitability_curve as exploitability_curve
from jaxcontract.figures.competition import market_shares as market_shares
from jaxcontract.figures.competition import station_items as station_items
from jaxcontract.figures.contracts import TypeLines as TypeLines
from jaxcontract.figures.contracts import by_type as by_type
from jaxcontract.figures.contracts import incentive_check as incentive_check
from jaxcontract.figures.contracts import items as items
from jaxcontract.figures.curves import REGRET as REGRET
from jaxcontract.figures.curves import Curve as Curve
from jaxcontract.figures.curves import Panel as Panel
from jaxcontract.figures.curves import learning_comparison as learning_comparison
from jaxcontract.figures.curves import learning_curve as learning_curve
from jaxcontract.figures.curves import sensitivity as sensitivity
from jaxcontract.figures.design_rows import Design as Design
from jaxcontract.figures.design_rows import designs as designs
from jaxcontract.figures.market_checks import market as market
from jaxcontract.figures.observed_costs import GroupedCosts as GroupedCosts
from jaxcontract.figures.observed_costs import Resolution as Resolution
from jaxcontract.figures.observed_costs import grouping as grouping
from jaxcontract.figures.participation import participation_curves as participation_curves
from jaxcontract.figures.payments import payment_density as payment_density
from jaxcontract.figures.rounds import round_paths as round_paths
from jaxcontract.figures.rounds import share_curve as share_curve
from jaxcontract.figures.style import COLOURS as COLOURS
from jaxcontract.figures.style import LOOKS as LOOKS
from jaxcontract.figures.style import nth_look as nth_look
from jaxcontract.figures.style import save as save
