"""The parts of the elasticity benchmark: trace, load, variants, supply, metrics, figures."""
