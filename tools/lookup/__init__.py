"""The tables of the look-up pages, made from the code that they describe."""
