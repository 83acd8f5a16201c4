"""Calibration: confidences that may be trusted, and thresholds that keep what they promise.

Calibrators (`Temperature`, `Beta`, ...) are fitted on held-out samples, one at a time or with `calibrate` for
every exit of a network. `reliability` says how far confidences may be trusted, `bootstrap` how sure that is;
`risk` plans thresholds with a guarantee; `outage` holds the measures of calibration-aided offloading and
`closed` the same in closed form. All are functions of plain arrays.
"""

from mdisim.calibration import closed, outage, reliability, risk
from mdisim.calibration.checks import CalibrationError, RefusalError
from mdisim.calibration.confidences import Beta, Histogram, Isotonic, Platt
from mdisim.calibration.exits import METHODS, CalibratedExits, Mode, calibrate, default_method
from mdisim.calibration.fitted import Calibrator, Fitted, Report
from mdisim.calibration.intervals import Interval, bootstrap, exit_rows
from mdisim.calibration.linear import Dirichlet, MatrixScaling, VectorScaling
from mdisim.calibration.reliability import Diagram, diagram
from mdisim.calibration.risk import Promise
from mdisim.calibration.stopping import answered_by, reaches, stops_at
from mdisim.calibration.temperature import Temperature

__all__ = [
    "METHODS",
    "Beta",
    "CalibratedExits",
    "CalibrationError",
    "Calibrator",
    "Diagram",
    "Dirichlet",
    "Fitted",
    "Histogram",
    "Interval",
    "Isotonic",
    "MatrixScaling",
    "Mode",
    "Platt",
    "Promise",
    "RefusalError",
    "Report",
    "Temperature",
    "VectorScaling",
    "answered_by",
    "bootstrap",
    "calibrate",
    "closed",
    "default_method",
    "diagram",
    "exit_rows",
    "outage",
    "reaches",
    "reliability",
    "risk",
    "stops_at",
]
