"""Parts of the elasticity benchmark: trace, load, calibration, variants, supply, run, metrics, figures."""
