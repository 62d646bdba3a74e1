"""How a decision is carried out."""
